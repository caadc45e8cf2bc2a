//! What the service answers when it refuses.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::text_of;
use super::{clean, object};

/// Error body (R); every part may be absent or empty.
#[derive(Debug, Default, Deserialize)]
pub struct ErrorBody {
    /// Repeats the HTTP status (R).
    code: Option<Box<RawValue>>,
    /// A small decimal number as text, or empty (R).
    #[serde(rename = "internalCode")]
    internal_code: Option<Box<RawValue>>,
    /// Begins with `RegNum …: ` (R).
    #[serde(rename = "devMessage")]
    dev_message: Option<String>,
    /// For people (R).
    #[serde(rename = "userMessage")]
    user_message: Option<UserMessage>,
}

/// Both may be empty (R).
#[derive(Debug, Default, Deserialize)]
struct UserMessage {
    lang_ru: Option<String>,
    lang_en: Option<String>,
}

impl ErrorBody {
    /// Reads it; `None` when the body is not the service's error.
    pub fn read(body: &[u8]) -> Option<ErrorBody> {
        let body: ErrorBody = object(body).ok()?;
        let codes = [&body.code, &body.internal_code];
        // A code of another type is another program's.
        let is_foreign = codes
            .iter()
            .any(|code| code.as_deref().is_some_and(|code| text_of(code).is_none()));
        let any = codes.iter().any(|code| code.is_some())
            || body.dev_message.is_some()
            || body.user_message.is_some();
        (any && !is_foreign).then_some(body)
    }

    /// The Russian words for people; `None` where there are none, so that nobody ever sees an empty
    /// line.
    pub fn message(&self) -> Option<String> {
        let text = clean(self.user_message.as_ref()?.lang_ru.as_deref()?, 300);
        let text = text.trim();
        text.chars()
            .any(char::is_alphanumeric)
            .then(|| text.to_owned())
    }

    /// `internalCode`, if it is not empty.
    pub fn internal_code(&self) -> Option<String> {
        let code = text_of(self.internal_code.as_deref()?)?;
        let code = code.trim();
        (!code.is_empty()).then(|| code.to_owned())
    }

    /// Whether any part holds these words, whatever surrounds them: the service puts `RegNum …: ` before
    /// its own, and one message may come in one field today and in another tomorrow. Letter case and
    /// the width of white space do not count.
    pub fn contains(&self, words: &str) -> bool {
        let words = folded(words);
        self.parts()
            .iter()
            .any(|part| folded(part).contains(words.as_str()))
    }

    /// The service's own words for support, at most 300 characters, without a `code` that only repeats the HTTP
    /// `status`. Empty when it sent none.
    pub fn detail(&self, status: u16) -> String {
        let status = status.to_string();
        let mut texts: Vec<String> = Vec::new();
        for part in self.parts() {
            let part = clean(&part, 300).trim().to_owned();
            if !part.is_empty() && part != status && !texts.contains(&part) {
                texts.push(part);
            }
        }
        clean(&texts.join(" / "), 300)
    }

    /// Codes first; the Russian words last, for they are shown to people already.
    fn parts(&self) -> Vec<String> {
        let code = |code: &Option<Box<RawValue>>| code.as_deref().and_then(text_of);
        let user = self.user_message.as_ref();
        [
            code(&self.code),
            code(&self.internal_code),
            self.dev_message.clone(),
            user.and_then(|message| message.lang_en.clone()),
            user.and_then(|message| message.lang_ru.clone()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Lower case, one space between words.
fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::original;
    use proptest::prelude::*;

    #[test]
    fn error_bodies_are_distinguished_from_other_json() {
        for other in [
            "{}",
            "[]",
            "<html>",
            r#"{"code": null}"#,
            r#"{"code": {}}"#,
            r#"{"code": "1", "internalCode": []}"#,
        ] {
            assert!(ErrorBody::read(other.as_bytes()).is_none(), "{other}");
        }
        let body = r#"{"code": "X", "internalCode": "Y", "devMessage": "z\u0007", "userMessage": {"lang_ru": "Нельзя"}}"#;
        let body = ErrorBody::read(body.as_bytes()).unwrap();
        assert_eq!(body.message().as_deref(), Some("Нельзя"));
        assert_eq!(body.detail(400), "X / Y / z / Нельзя");
    }

    #[test]
    fn an_error_without_words_for_people_has_none() {
        let recorded = r#"{"code": "400", "internalCode": "", "devMessage": "RegNum OPL000011111: Продавец не сформировал требование об оплате!", "userMessage": {"lang_ru": "", "lang_en": ""}}"#;
        let body = ErrorBody::read(recorded.as_bytes()).unwrap();
        assert_eq!((body.message(), body.internal_code()), (None, None));
        assert_eq!(
            body.detail(400),
            "RegNum OPL000011111: Продавец не сформировал требование об оплате!"
        );
        for empty in [" ", r"\u0007", r"\u200b", "…"] {
            let body = format!(r#"{{"code": 400, "userMessage": {{"lang_ru": "{empty}"}}}}"#);
            assert_eq!(ErrorBody::read(body.as_bytes()).unwrap().message(), None);
        }
        let bare = ErrorBody::read(br#"{"code": 404, "internalCode": null}"#).unwrap();
        assert_eq!(bare.detail(404), "");
    }

    #[test]
    fn an_internal_code_is_text_or_a_number() {
        for (code, expected) in [
            (r#""166""#, Some("166")),
            ("166", Some("166")),
            (r#"" ""#, None),
        ] {
            let body = format!(r#"{{"internalCode": {code}}}"#);
            let body = ErrorBody::read(body.as_bytes()).unwrap();
            assert_eq!(body.internal_code().as_deref(), expected);
        }
    }

    #[test]
    fn words_are_found_in_any_field_and_case() {
        let words = original::TOKEN_EXISTS;
        let text = format!(
            "RegNum OPL000011111:  {}.",
            words.to_uppercase().replace(' ', "  ")
        );
        for body in [
            serde_json::json!({"userMessage": {"lang_ru": text}}),
            serde_json::json!({"userMessage": {"lang_en": text}}),
            serde_json::json!({"devMessage": text}),
            serde_json::json!({"code": text}),
            serde_json::json!({"internalCode": text}),
        ] {
            let body = ErrorBody::read(body.to_string().as_bytes()).unwrap();
            assert!(
                body.contains(words) && !body.contains(original::TOKEN_NEEDED),
                "{body:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ErrorBody::read(&body);
        }
    }
}
