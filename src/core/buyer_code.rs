//! Which of the codes that scanners read may be a buyer's.
//!
//! The shop's scanner reads goods all day. Sending a barcode to the payment service would do no harm,
//! but cost the cashier seconds; taking a buyer's code for goods would. So the default rule excludes
//! only what certainly is not a buyer's code; a shop that knows better sets `buyerCode`.

/// Longest code that is taken at all; a QR code holds 2953 bytes.
pub const MAX_CODE_CHARACTERS: usize = 4096;

/// Whether `code` may be a buyer's, given the configured prefixes.
#[must_use]
pub fn may_be_buyers(code: &str, prefixes: &[String]) -> bool {
    if code.is_empty() || code.chars().count() > MAX_CODE_CHARACTERS {
        return false;
    }
    if prefixes.is_empty() {
        return !is_gtin(code) && !is_marking(code);
    }
    prefixes
        .iter()
        .any(|prefix| code.starts_with(prefix.as_str()))
}

/// A GTIN of 8, 12, 13 or 14 digits with a right check digit.
fn is_gtin(code: &str) -> bool {
    if !matches!(code.len(), 8 | 12 | 13 | 14) || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let weighted = code.bytes().rev().enumerate().map(|(place, digit)| {
        let digit = u32::from(digit - b'0');
        if place % 2 == 1 { digit * 3 } else { digit }
    });
    weighted.sum::<u32>() % 10 == 0
}

/// A DataMatrix mark of goods: GS separates its parts, or it begins with (01) GTIN (21) serial.
fn is_marking(code: &str) -> bool {
    let mark = code.strip_prefix("]d2").unwrap_or(code);
    let gtin_then_serial = || {
        let (head, rest) = mark.split_at_checked(16)?;
        Some(
            head.starts_with("01")
                && head.bytes().all(|b| b.is_ascii_digit())
                && rest.starts_with("21"),
        )
    };
    code.contains('\u{1d}') || gtin_then_serial().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn goods_are_not_buyers() {
        for goods in [
            "4810268003455",
            "96385074",
            "036000291452",
            "00012345600012",
        ] {
            assert!(!may_be_buyers(goods, &[]), "{goods} was taken for a buyer");
        }
        assert!(!may_be_buyers("010481026800345521abc\u{1d}93xyz", &[]));
        assert!(!may_be_buyers("010481026800345521abcdef", &[]));
    }

    #[test]
    fn other_codes_may_be_buyers() {
        for code in [
            "https://getapp.o-plati.by/c/AB12",
            "4810268003456",
            "1234567",
            "ab",
        ] {
            assert!(may_be_buyers(code, &[]), "{code} was not taken");
        }
    }

    #[test]
    fn prefixes_decide_alone() {
        let prefixes = ["https://getapp.".to_owned(), "OPL".to_owned()];
        assert!(may_be_buyers("OPL4810268003455", &prefixes));
        assert!(!may_be_buyers("http://getapp.", &prefixes));
    }

    proptest! {
        #[test]
        fn no_code_panics(code in "\\PC{0,40}", digits in "[0-9]{0,20}") {
            let _ = may_be_buyers(&code, &[]);
            let _ = may_be_buyers(&digits, &[]);
        }
    }
}
