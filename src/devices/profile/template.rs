//! Bytes for a device, as a profile writes them: `02 F0 'CLS' 03`.
//!
//! Two hexadecimal digits are a byte, `'text'` is ASCII, and `{payload}`, `{amount}`, `{wallet}` (the
//! wallet's name in Latin letters), `{length:u8}` and `{length:u16be}` (both of the payload, in bytes) are filled in
//! when they are sent.

use serde::{Deserialize, Serialize};

/// A template, read and checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    text: String,
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Bytes(Vec<u8>),
    Payload,
    Amount,
    Wallet,
    LengthU8,
    LengthU16Be,
}

impl TryFrom<String> for Template {
    type Error = String;

    /// The token that is not understood, and what is allowed.
    fn try_from(text: String) -> Result<Template, String> {
        let mut tokens = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (token, tail) = if let Some(quoted) = rest.strip_prefix('\'') {
                let (inside, tail) = quoted
                    .split_once('\'')
                    .ok_or_else(|| format!("{rest:?}: the text has no end"))?;
                (Token::text_ref(inside)?, tail)
            } else {
                let (word, tail) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                (Token::of_word(word)?, tail)
            };
            tokens.push(token);
            rest = tail.trim_start();
        }
        Ok(Template { text, tokens })
    }
}

impl From<Template> for String {
    fn from(template: Template) -> String {
        template.text
    }
}

impl Token {
    fn text_ref(text: &str) -> Result<Token, String> {
        if text.chars().all(|c| matches!(c, ' '..='~')) {
            Ok(Token::Bytes(text.as_bytes().to_vec()))
        } else {
            Err(format!("'{text}': printable ASCII is allowed in a text"))
        }
    }

    fn of_word(word: &str) -> Result<Token, String> {
        Ok(match word {
            "{payload}" => Token::Payload,
            "{amount}" => Token::Amount,
            "{wallet}" => Token::Wallet,
            "{length:u8}" => Token::LengthU8,
            "{length:u16be}" => Token::LengthU16Be,
            hex => {
                let is_byte = hex.len() == 2 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
                let byte = u8::from_str_radix(hex, 16).ok().filter(|_| is_byte);
                let byte = byte.ok_or_else(|| {
                    format!("{hex:?}: two hexadecimal digits, 'text', {{payload}}, {{amount}}, {{wallet}}, {{length:u8}} or {{length:u16be}} is allowed")
                })?;
                Token::Bytes(vec![byte])
            }
        })
    }
}

impl Template {
    /// Its bytes; `None` when the payload is longer than a length field of it can hold.
    pub fn filled(&self, payload: &[u8], amount: &str, wallet: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for token in &self.tokens {
            match token {
                Token::Bytes(fixed) => bytes.extend_from_slice(fixed),
                Token::Payload => bytes.extend_from_slice(payload),
                Token::Amount => bytes.extend_from_slice(amount.as_bytes()),
                Token::Wallet => bytes.extend_from_slice(wallet.as_bytes()),
                Token::LengthU8 => bytes.push(u8::try_from(payload.len()).ok()?),
                Token::LengthU16Be => {
                    bytes.extend(u16::try_from(payload.len()).ok()?.to_be_bytes());
                }
            }
        }
        Some(bytes)
    }

    /// Its bytes when nothing is to be filled in; `None` otherwise.
    pub fn fixed(&self) -> Option<Vec<u8>> {
        let pieces = self.tokens.iter().map(|token| match token {
            Token::Bytes(fixed) => Some(fixed.as_slice()),
            Token::Payload
            | Token::Amount
            | Token::Wallet
            | Token::LengthU8
            | Token::LengthU16Be => None,
        });
        Some(pieces.collect::<Option<Vec<_>>>()?.concat())
    }

    /// Whether the payload is sent at all.
    pub fn has_payload(&self) -> bool {
        self.tokens.contains(&Token::Payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Result<Template, String> {
        Template::try_from(text.to_owned())
    }

    #[test]
    fn templates_become_bytes() {
        let filled = |text| {
            template(text)
                .unwrap()
                .filled(b"AB", "12.34", "Oplati")
                .unwrap()
        };
        assert_eq!(filled("02 F0 'CLS**' 03"), b"\x02\xf0CLS**\x03");
        assert_eq!(
            filled("{length:u16be} {length:u8} {payload} '**' {amount} 0a"),
            b"\x00\x02\x02AB**12.34\n"
        );
        assert_eq!(filled("'-' {wallet} 0a"), b"-Oplati\n");
        assert_eq!(template("{wallet}").unwrap().fixed(), None);
        assert_eq!(filled("  'a b'0D"), b"a b\r");
        assert_eq!(filled(""), b"");
        assert_eq!(template("02 'x'").unwrap().fixed(), Some(b"\x02x".to_vec()));
        assert_eq!(template("02 {payload}").unwrap().fixed(), None);
    }

    #[test]
    fn what_is_no_template_is_refused_with_what_is_allowed() {
        for (bad, reason) in [
            ("0", "two hexadecimal digits"),
            ("+1", "two hexadecimal digits"),
            ("02F0", "two hexadecimal digits"),
            ("Ж", "two hexadecimal digits"),
            ("'x", "no end"),
            ("'ж'", "printable ASCII"),
            ("{what}", "is allowed"),
        ] {
            let error = template(bad).unwrap_err();
            assert!(error.contains(reason), "{bad}: {error}");
        }
    }

    #[test]
    fn a_length_that_has_no_room_is_never_cut() {
        let (one, two) = (template("{length:u8}"), template("{length:u16be}"));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.filled(&[b'x'; 255], "", ""), Some(vec![255]));
        assert_eq!(one.filled(&[b'x'; 256], "", ""), None);
        assert_eq!(two.filled(&[b'x'; 256], "", ""), Some(vec![1, 0]));
        assert_eq!(two.filled(&vec![b'x'; 65_536], "", ""), None);
    }
}
