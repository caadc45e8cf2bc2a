//! Russian or English, as the environment asks.

use std::borrow::Cow;

use crate::base::charset::Charset;
use crate::texts::technician::{self, Text};

/// A language of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UiLanguage {
    Russian,
    English,
}

impl UiLanguage {
    pub(super) fn of_environment() -> UiLanguage {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        // English is right in every coding.
        if Charset::of_environment() != Charset::Utf8 {
            return UiLanguage::English;
        }
        UiLanguage::of(
            set("LC_ALL")
                .or_else(|| set("LC_MESSAGES"))
                .or_else(|| set("LANG"))
                .as_deref(),
        )
    }

    fn of(locale: Option<&str>) -> UiLanguage {
        match locale {
            Some(locale) if locale.starts_with("ru") || locale.starts_with("be") => {
                UiLanguage::Russian
            }
            Some(_) | None => UiLanguage::English,
        }
    }

    /// The language of a text that fits.
    pub(super) fn text(self, text: Text) -> Cow<'static, str> {
        match self {
            UiLanguage::Russian => text.ru,
            UiLanguage::English => text.en,
        }
    }

    /// The same of a text that is kept.
    pub(super) fn text_ref(self, text: &Text) -> &str {
        match self {
            UiLanguage::Russian => &text.ru,
            UiLanguage::English => &text.en,
        }
    }

    /// The text that a table has for a word of the API; an unknown word stands as it is.
    pub(super) fn text_of_word(self, texts: &[(&str, Text)], word: &str) -> String {
        let known = texts.iter().find(|(known, _)| *known == word);
        known
            .map_or(word, |(_, text)| self.text_ref(text))
            .to_owned()
    }
}

/// A device's state for a person; an unknown word stands as it is.
pub(super) fn device_state(language: UiLanguage, word: &str) -> String {
    super::output::printable(&language.text_of_word(&DEVICE_STATES, word))
}

const DEVICE_STATES: [(&str, Text); 9] = [
    ("connected", technician::DEVICE_CONNECTED),
    ("missing", technician::DEVICE_MISSING),
    ("busy", technician::DEVICE_BUSY),
    ("no_permission", technician::CHECKS_NO_PERMISSION),
    ("wrong_mode", technician::DEVICE_WRONG_MODE),
    ("failed", technician::DEVICE_FAILED),
    ("none", technician::DEVICE_NONE),
    ("covered", technician::DEVICE_COVERED),
    ("dark", technician::CHECKS_DARK),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_a_device_has_its_words() {
        for word in [
            "connected",
            "missing",
            "busy",
            "no_permission",
            "wrong_mode",
            "failed",
            "none",
            "covered",
            "dark",
        ] {
            assert_ne!(device_state(UiLanguage::Russian, word), word);
        }
    }

    #[test]
    fn belarusians_read_russian_and_others_english() {
        assert_eq!(UiLanguage::of(Some("ru_RU.UTF-8")), UiLanguage::Russian);
        assert_eq!(UiLanguage::of(Some("be_BY.UTF-8")), UiLanguage::Russian);
        assert_eq!(UiLanguage::of(Some("C.UTF-8")), UiLanguage::English);
        assert_eq!(UiLanguage::of(None), UiLanguage::English);
    }
}
