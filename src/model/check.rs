//! One finding.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

/// A text for people in both languages of the bench.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    pub ru: String,
    pub en: String,
}

impl Text {
    /// The same meaning twice.
    pub fn new(ru: impl Into<String>, en: impl Into<String>) -> Text {
        Text {
            ru: ru.into(),
            en: en.into(),
        }
    }

    /// A path, a version, a name: the same in every language.
    pub fn same(text: impl Into<String>) -> Text {
        let text = text.into();
        Text {
            en: text.clone(),
            ru: text,
        }
    }
}

/// How a check ended, the better the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    /// Could not be looked at, with the reason.
    Skipped,
    /// Works, but a person should look.
    Warn,
    Fail,
}

/// What checks are about, in the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// oplati.conf and profiles.
    Configuration,
    /// Files, their owners and modes.
    Files,
    /// User and groups.
    Users,
    /// udev rules.
    Udev,
    /// Scanners and displays.
    Devices,
    /// The payment service and the token.
    Service,
    /// Journal, disk and queue.
    Journal,
    /// terminal.log.
    Log,
    /// The daemon and its API.
    Api,
    /// Versions.
    Versions,
}

impl Group {
    /// All, in order.
    pub const ALL: [Group; 10] = [
        Group::Configuration,
        Group::Files,
        Group::Users,
        Group::Udev,
        Group::Devices,
        Group::Service,
        Group::Journal,
        Group::Log,
        Group::Api,
        Group::Versions,
    ];

    pub fn title(self) -> Text {
        let (ru, en) = match self {
            Group::Configuration => ("Настройки", "Configuration"),
            Group::Files => ("Файлы и права", "Files and permissions"),
            Group::Users => ("Пользователь и группы", "User and groups"),
            Group::Udev => ("Правила udev", "udev rules"),
            Group::Devices => ("Устройства", "Devices"),
            Group::Service => ("Сервер О!плати", "О!плати service"),
            Group::Journal => ("Журнал операций", "Journal"),
            Group::Log => ("Лог", "Log"),
            Group::Api => ("Служба и её API", "Daemon and API"),
            Group::Versions => ("Версии", "Versions"),
        };
        Text::new(ru, en)
    }
}

/// One check with its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Such as `device.state`; stable, for programs.
    pub id: &'static str,
    pub group: Group,
    /// Such as `scanner1`.
    pub subject: Option<String>,
    pub result: Verdict,
    /// What was looked at.
    pub title: Text,
    /// What was seen.
    pub detail: Text,
    /// One action that helps.
    pub remedy: Option<Text>,
}

impl Check {
    /// A check that found nothing wrong.
    pub fn pass(id: &'static str, group: Group, title: Text, detail: Text) -> Check {
        Check {
            id,
            group,
            subject: None,
            result: Verdict::Pass,
            title,
            detail,
            remedy: None,
        }
    }

    /// Another result, with what to do.
    #[must_use]
    pub fn ended(mut self, result: Verdict, remedy: Option<Text>) -> Check {
        self.result = result;
        self.remedy = remedy;
        self
    }

    /// It works, but a person should do this about it.
    #[must_use]
    pub fn warn(self, ru: impl Into<String>, en: impl Into<String>) -> Check {
        self.ended(Verdict::Warn, Some(Text::new(ru, en)))
    }

    /// It does not work until a person does this.
    #[must_use]
    pub fn fail(self, ru: impl Into<String>, en: impl Into<String>) -> Check {
        self.ended(Verdict::Fail, Some(Text::new(ru, en)))
    }

    /// About one device.
    #[must_use]
    pub fn of(mut self, subject: impl Into<String>) -> Check {
        self.subject = Some(subject.into());
        self
    }
}

/// The English texts of a check.
#[derive(Serialize)]
struct English<'a> {
    title: &'a str,
    detail: &'a str,
    remedy: Option<&'a str>,
}

/// As the API and `--json` tell it: in Russian, and `english` holds the same texts in English.
impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Check", 8)?;
        fields.serialize_field("id", self.id)?;
        fields.serialize_field("group", &self.group)?;
        fields.serialize_field("subject", &self.subject)?;
        fields.serialize_field("result", &self.result)?;
        fields.serialize_field("title", &self.title.ru)?;
        fields.serialize_field("detail", &self.detail.ru)?;
        fields.serialize_field("remedy", &self.remedy.as_ref().map(|text| &text.ru))?;
        let english = English {
            title: &self.title.en,
            detail: &self.detail.en,
            remedy: self.remedy.as_ref().map(|text| text.en.as_str()),
        };
        fields.serialize_field("english", &english)?;
        fields.end()
    }
}

/// The exit code of all together: 0 all is well, 1 there are warnings, 2 something does not work.
pub fn exit_code(checks: &[Check]) -> u8 {
    match checks.iter().map(|check| check.result).max() {
        Some(Verdict::Fail) => 2,
        Some(Verdict::Warn) => 1,
        Some(Verdict::Pass | Verdict::Skipped) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(result: Verdict) -> Check {
        let text = Text::new("да", "yes");
        Check::pass("a.b", Group::Api, text.clone(), text.clone()).ended(result, Some(text))
    }

    #[test]
    fn the_gravest_result_is_the_exit_code() {
        use Verdict::{Fail, Pass, Skipped, Warn};
        for (results, code) in [
            (&[][..], 0),
            (&[Pass, Skipped], 0),
            (&[Pass, Warn, Skipped], 1),
            (&[Warn, Fail, Pass], 2),
        ] {
            let checks: Vec<Check> = results.iter().map(|result| check(*result)).collect();
            assert_eq!(exit_code(&checks), code, "{results:?}");
        }
    }

    #[test]
    fn programs_are_told_the_agreed_keys() {
        let told = serde_json::to_value(check(Verdict::Warn).of("scanner1")).unwrap();
        let agreed = serde_json::json!({"id": "a.b", "group": "api", "subject": "scanner1", "result": "warn",
            "title": "да", "detail": "да", "remedy": "да",
            "english": {"title": "yes", "detail": "yes", "remedy": "yes"}});
        assert_eq!(told, agreed);
    }
}
