//! Which monitor is the buyer's.

/// One monitor of the session, pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Monitor {
    /// As X11 (`HDMI-1`) or the Wayland compositor names it.
    pub(super) name: String,
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Where the system reports it.
    pub(super) is_primary: bool,
}

impl Monitor {
    /// Whether both show a part of the same picture: one mirrors the other.
    fn overlaps(&self, other: &Monitor) -> bool {
        let within = |a: i32, a_long: u32, b: i32, b_long: u32| {
            i64::from(a) < i64::from(b) + i64::from(b_long)
                && i64::from(b) < i64::from(a) + i64::from(a_long)
        };
        within(self.x, self.width, other.x, other.width)
            && within(self.y, self.height, other.y, other.height)
    }
}

/// What the person at the command line wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// A monitor's name; without it: one that is not the cashier's.
    pub(super) name: Option<String>,
    /// Started with the session: the cashier's only monitor is never covered, and one that is not there
    /// yet is waited for.
    pub(super) autostart: bool,
}

/// Why none is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoMonitor {
    /// Not the name of any.
    #[error("no monitor {name:?}; there are: {}", known.join(", "))]
    Unknown { name: String, known: Vec<String> },
    /// The cashier's alone.
    #[error("there is no second monitor")]
    NoSecond,
    /// All are switched off.
    #[error("there is no monitor")]
    None,
}

/// The monitor to cover, and whether it is the cashier's only one.
pub(super) fn choose<'a>(
    monitors: &'a [Monitor],
    wanted: &Wanted,
) -> Result<(&'a Monitor, bool), NoMonitor> {
    if let Some(name) = &wanted.name {
        let named = monitors
            .iter()
            .find(|monitor| monitor.name.to_lowercase() == name.to_lowercase());
        let unknown = || NoMonitor::Unknown {
            name: name.clone(),
            known: monitors
                .iter()
                .map(|monitor| monitor.name.clone())
                .collect(),
        };
        return named.map(|monitor| (monitor, false)).ok_or_else(unknown);
    }
    // Wayland knows no primary monitor: the cashier's is where the desktop begins.
    let cashiers = monitors
        .iter()
        .find(|monitor| monitor.is_primary)
        .or_else(|| {
            monitors
                .iter()
                .find(|monitor| (monitor.x, monitor.y) == (0, 0))
        })
        .or_else(|| monitors.first())
        .ok_or(NoMonitor::None)?;
    let second = monitors.iter().find(|monitor| !monitor.overlaps(cashiers));
    match second {
        Some(second) => Ok((second, false)),
        None if wanted.autostart => Err(NoMonitor::NoSecond),
        None => Ok((cashiers, true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(name: &str, x: i32, is_primary: bool) -> Monitor {
        Monitor {
            name: name.to_owned(),
            x,
            y: 0,
            width: 1920,
            height: 1080,
            is_primary,
        }
    }

    fn wanted(name: Option<&str>, autostart: bool) -> Wanted {
        Wanted {
            name: name.map(str::to_owned),
            autostart,
        }
    }

    #[test]
    fn a_name_is_found_whatever_its_case_and_an_unknown_one_names_the_known() {
        let two = [monitor("HDMI-1", 0, true), monitor("DP-2", 1920, false)];
        let (found, only) = choose(&two, &wanted(Some("dp-2"), false)).unwrap();
        assert_eq!((found.name.as_str(), only), ("DP-2", false));
        let error = choose(&two, &wanted(Some("VGA-1"), false)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no monitor \"VGA-1\"; there are: HDMI-1, DP-2"
        );
    }

    #[test]
    fn without_a_name_it_is_the_one_that_is_not_the_cashiers() {
        let name = |monitors: &[Monitor], autostart| {
            choose(monitors, &wanted(None, autostart))
                .map(|(monitor, only)| (monitor.name.clone(), only))
        };
        let two = [monitor("A", 0, false), monitor("B", 1920, true)];
        assert_eq!(name(&two, true), Ok(("A".to_owned(), false)));
        let wayland = [monitor("A", 1920, false), monitor("B", 0, false)];
        assert_eq!(name(&wayland, false), Ok(("A".to_owned(), false)));
        let one = [monitor("A", 0, true)];
        assert_eq!(name(&one, false), Ok(("A".to_owned(), true)));
        assert_eq!(name(&one, true), Err(NoMonitor::NoSecond));
        // The second mirrors the cashier's picture.
        let mirrored = [monitor("A", 0, true), monitor("B", 0, false)];
        assert_eq!(name(&mirrored, true), Err(NoMonitor::NoSecond));
        assert_eq!(name(&[], false), Err(NoMonitor::None));
    }
}
