//! Money is integer kopecks, everywhere. Roubles exist only as text: on the wire, on displays and on
//! the command line; the conversion is exact in both directions and never passes through a float.

use std::fmt;

/// The largest amount of one operation: 1 000 000.00 roubles. No till sells more in one receipt; a
/// larger number is a mistake in its unit, and the bound keeps every sum far from overflow.
pub const MAX_AMOUNT: Kopecks = Kopecks(100_000_000);

/// An amount in kopecks (1/100 of a Belarusian rouble). Never negative in a valid operation.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Kopecks(pub i64);

/// Why a text is not an amount in roubles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not digits with an optional point (or comma) and at most two more digits.
    #[error("{0:?} is not an amount in roubles, such as 12.34")]
    NotAnAmount(String),
    /// More than two decimals other than zero.
    #[error("{0:?} has more than two decimals")]
    TooPrecise(String),
    /// Above [`MAX_AMOUNT`] for a person's entry, or above what 64 bits hold.
    #[error("{0:?} is too large, the limit is 1000000.00")]
    TooLarge(String),
}

impl Kopecks {
    /// Nothing.
    pub const ZERO: Kopecks = Kopecks(0);

    /// Whether it is nothing, neither owed nor due.
    pub fn is_zero(&self) -> bool {
        *self == Kopecks::ZERO
    }

    /// The sum, or `None` beyond 64 bits.
    #[must_use]
    pub fn checked_add(self, other: Kopecks) -> Option<Kopecks> {
        self.0.checked_add(other.0).map(Kopecks)
    }

    /// The sum, or the largest amount that 64 bits hold.
    #[must_use]
    pub fn saturating_add(self, other: Kopecks) -> Kopecks {
        Kopecks(self.0.saturating_add(other.0))
    }

    /// What remains, never less than nothing.
    #[must_use]
    pub fn saturating_sub(self, other: Kopecks) -> Kopecks {
        Kopecks(self.0.saturating_sub(other.0).max(0))
    }

    /// Roubles as the wire wants them: `7`, `15.5`, `59.99`; at most two decimals, no trailing zeros.
    pub fn to_roubles(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (roubles, kopecks) = (self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100);
        match kopecks {
            0 => format!("{sign}{roubles}"),
            tens if tens % 10 == 0 => format!("{sign}{roubles}.{}", tens / 10),
            all => format!("{sign}{roubles}.{all:02}"),
        }
    }

    /// Reads roubles exactly: `7`, `15.5`, `15.50`, `59.990` (zeros beyond the second decimal are
    /// harmless). No sign, exponent or spaces.
    ///
    /// # Errors
    /// [`MoneyError`] with the text, cut to 32 characters.
    pub fn from_roubles(text: &str) -> Result<Kopecks, MoneyError> {
        let shown = || text.chars().take(32).collect::<String>();
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(MoneyError::NotAnAmount(shown()));
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > 2 {
            return Err(MoneyError::TooPrecise(shown()));
        }
        let kopecks: i64 = format!("{fraction:0<2}")
            .parse()
            .map_err(|_| MoneyError::NotAnAmount(shown()))?;
        whole
            .parse::<i64>()
            .ok()
            .and_then(|roubles| roubles.checked_mul(100)?.checked_add(kopecks))
            .map(Kopecks)
            .ok_or_else(|| MoneyError::TooLarge(shown()))
    }

    /// Reads what a person types: a comma is as good as a point, and the bounds of an operation hold.
    ///
    /// # Errors
    /// [`MoneyError`], also for nothing and for more than [`MAX_AMOUNT`].
    pub fn from_person(text: &str) -> Result<Kopecks, MoneyError> {
        let amount = Kopecks::from_roubles(&text.trim().replace(',', "."))?;
        if amount > MAX_AMOUNT {
            return Err(MoneyError::TooLarge(text.chars().take(32).collect()));
        }
        if amount == Kopecks::ZERO {
            return Err(MoneyError::NotAnAmount(text.chars().take(32).collect()));
        }
        Ok(amount)
    }
}

/// Roubles with two decimals and a point, `12.34`: for logs and tables.
impl fmt::Display for Kopecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let text = format!(
            "{sign}{}.{:02}",
            self.0.unsigned_abs() / 100,
            self.0.unsigned_abs() % 100
        );
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn roubles_on_the_wire_have_no_needless_decimals() {
        for (kopecks, text) in [
            (700, "7"),
            (1550, "15.5"),
            (5999, "59.99"),
            (5, "0.05"),
            (10, "0.1"),
            (0, "0"),
        ] {
            assert_eq!(Kopecks(kopecks).to_roubles(), text);
            assert_eq!(Kopecks::from_roubles(text), Ok(Kopecks(kopecks)));
        }
    }

    #[test]
    fn what_is_not_exact_is_refused() {
        for text in [
            "", ".", "1.", ".5", "-1", "+1", "1e2", "1.005", "1,5", " 1", "0x1", "١", "NaN",
        ] {
            assert!(Kopecks::from_roubles(text).is_err(), "{text:?} was taken");
        }
        assert_eq!(Kopecks::from_roubles("1.500"), Ok(Kopecks(150)));
        assert!(matches!(
            Kopecks::from_roubles("99999999999999999999"),
            Err(MoneyError::TooLarge(_))
        ));
        assert_eq!(Kopecks::from_person(" 12,34 "), Ok(Kopecks(1234)));
        assert!(Kopecks::from_person("0").is_err());
        assert!(Kopecks::from_person("1000000.01").is_err());
    }

    proptest! {
        #[test]
        fn every_amount_survives_the_wire(kopecks in 0..=i64::MAX) {
            prop_assert_eq!(Kopecks::from_roubles(&Kopecks(kopecks).to_roubles()), Ok(Kopecks(kopecks)));
            prop_assert_eq!(Kopecks::from_roubles(&Kopecks(kopecks).to_string()), Ok(Kopecks(kopecks)));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = Kopecks::from_roubles(&text);
            let _ = Kopecks::from_person(&text);
        }
    }
}
