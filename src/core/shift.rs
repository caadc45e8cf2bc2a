//! The service's shift: free text of the till, else the date in Belarus as `DDMMYYYY`.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use crate::base::zone::minsk;

/// The date in Belarus at that moment, `DDMMYYYY`.
#[must_use]
pub fn of_day(at: Timestamp) -> String {
    minsk()
        .to_datetime(at)
        .date()
        .strftime("%d%m%Y")
        .to_string()
}

/// Where to look for an operation of `shift`: the shift itself, and for a date also the day before
/// and the day after, since the two clocks may stand on different sides of midnight.
#[must_use]
pub fn neighbourhood(shift: &str) -> Vec<String> {
    let mut shifts = vec![shift.to_owned()];
    if shift.len() == 8
        && let Ok(date) = Date::strptime("%d%m%Y", shift)
    {
        let days = [date.checked_sub(1.day()), date.checked_add(1.day())];
        shifts.extend(
            days.into_iter()
                .flatten()
                .map(|day| day.strftime("%d%m%Y").to_string()),
        );
    }
    shifts
}

/// The neighbourhoods of all these shifts, each shift once, those of the first first; one that nobody knows is
/// empty, and left out.
#[must_use]
pub fn around(shifts: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for shift in shifts.iter().filter(|shift| !shift.is_empty()) {
        for near in neighbourhood(shift) {
            if !all.contains(&near) {
                all.push(near);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_begins_at_midnight_in_minsk() {
        assert_eq!(of_day("2026-11-24T20:59:59Z".parse().unwrap()), "24112026");
        assert_eq!(of_day("2026-11-24T21:00:00Z".parse().unwrap()), "25112026");
    }

    #[test]
    fn a_date_has_neighbours_and_a_name_has_none() {
        assert_eq!(
            neighbourhood("01032026"),
            ["01032026", "28022026", "02032026"]
        );
        assert_eq!(neighbourhood("смена 7"), ["смена 7"]);
        assert_eq!(neighbourhood("99999999"), ["99999999"]);
        assert_eq!(
            around(&["01032026", "", "28022026"]),
            ["01032026", "28022026", "02032026", "27022026"]
        );
    }
}
