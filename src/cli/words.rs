//! Russian or English, as the environment asks.

use super::charset::Charset;

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

    /// The one of two texts that fits.
    pub(super) fn say(self, russian: &'static str, english: &'static str) -> &'static str {
        match self {
            UiLanguage::Russian => russian,
            UiLanguage::English => english,
        }
    }
}

/// A device's state for a person; an unknown word stands as it is.
pub(super) fn device_state(tongue: UiLanguage, word: &str) -> String {
    let (russian, english) = match word {
        "connected" => ("подключено", "connected"),
        "missing" => ("не найдено", "missing"),
        "busy" => ("занято", "busy"),
        "no_permission" => ("нет прав", "no permission"),
        "wrong_mode" => ("не тот режим", "wrong mode"),
        "failed" => ("неисправно", "failed"),
        "none" => ("нет", "none"),
        "covered" => ("закрыто другим окном", "covered by another window"),
        "dark" => ("экран погашен", "the screen is dark"),
        other => return super::output::printable(other),
    };
    tongue.say(russian, english).to_owned()
}

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
