//! What a device reports of itself: its USB descriptor's names, and its answer to a firmware query.

use super::Candidate;

/// Longest answer that is shown, characters.
const MOST: usize = 300;
/// Most bytes of an answer without any letter, which is shown in hexadecimal.
const MAX_RAW: usize = 32;

impl Candidate {
    /// Maker and product, as the device reports them.
    pub fn name(&self) -> Option<String> {
        match (&self.maker, &self.product) {
            (Some(maker), Some(product)) if !product.starts_with(maker.as_str()) => {
                Some(format!("{maker} {product}"))
            }
            (_, Some(product)) => Some(product.clone()),
            (maker, None) => maker.clone(),
        }
    }

    /// Name, serial number and release: `Newland HR22, SN 4711, rev. 1.00`. `None` for a device that
    /// reports nothing of itself, such as an RS-232 port.
    pub fn identity(&self) -> Option<String> {
        let serial = self.serial.as_ref().map(|serial| format!("SN {serial}"));
        let release = self
            .release
            .as_ref()
            .map(|release| format!("rev. {release}"));
        let parts: Vec<String> = [self.name(), serial, release]
            .into_iter()
            .flatten()
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// A device's answer to a firmware query as one printable line; `None` for an empty one. Lines are
/// parted by semicolons, and what has no letter or digit is shown in hexadecimal.
pub fn firmware(answer: &[u8]) -> Option<String> {
    let printable = |byte: &u8| matches!(byte, b' '..=b'~');
    let lines = answer.split(|byte| matches!(byte, b'\r' | b'\n'));
    let lines: Vec<String> = lines
        .map(|line| {
            line.iter()
                .filter(|byte| printable(byte))
                .copied()
                .map(char::from)
                .collect()
        })
        .map(|line: String| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect();
    let text: String = lines.join("; ").chars().take(MOST).collect();
    if text.contains(|c: char| c.is_ascii_alphanumeric()) {
        return Some(text);
    }
    let raw: Vec<String> = answer
        .iter()
        .take(MAX_RAW)
        .map(|byte| format!("{byte:02X}"))
        .collect();
    (!raw.is_empty()).then(|| raw.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::mode::Mode;
    use proptest::prelude::*;

    #[test]
    fn a_device_is_named_by_its_maker_and_product_once() {
        let mut candidate = Candidate {
            maker: Some("Newland".into()),
            product: Some("Newland HR22".into()),
            ..Candidate::new("/dev/ttyACM0".into(), Mode::Serial, "".into())
        };
        assert_eq!(candidate.name().as_deref(), Some("Newland HR22"));
        candidate.product = Some("HR22".into());
        assert_eq!(candidate.name().as_deref(), Some("Newland HR22"));
        assert_eq!(candidate.identity().as_deref(), Some("Newland HR22"));
        candidate.serial = Some("4711".into());
        candidate.release = Some("1.05".into());
        let identity = candidate.identity();
        assert_eq!(
            identity.as_deref(),
            Some("Newland HR22, SN 4711, rev. 1.05")
        );
        candidate.product = None;
        assert_eq!(candidate.name().as_deref(), Some("Newland"));
        (candidate.maker, candidate.serial, candidate.release) = (None, None, None);
        assert_eq!(candidate.identity(), None);
    }

    #[test]
    fn an_answer_becomes_one_line() {
        let answers: [(&[u8], Option<&str>); 5] = [
            (b"", None),
            (
                b"Product Name: X\r\n\r\nSerial   Number: 7\x06\r\n",
                Some("Product Name: X; Serial Number: 7"),
            ),
            (b"\x02\xf0\x03V1.2\x03", Some("V1.2")),
            (b"\x02\xf0\x03", Some("02 F0 03")),
            (b"\r\n", Some("0D 0A")),
        ];
        for (answer, expected) in answers {
            assert_eq!(firmware(answer).as_deref(), expected, "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_short_and_printable(answer in prop::collection::vec(any::<u8>(), 0..2000)) {
            let text = firmware(&answer);
            prop_assert_eq!(text.is_none(), answer.is_empty());
            let text = text.unwrap_or_default();
            prop_assert!(text.len() <= MOST && text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        }
    }
}
