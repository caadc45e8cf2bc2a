//! One finding.

use std::borrow::Cow;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::texts::technician;
/// A text for people in both languages of the bench.
pub(crate) use crate::texts::technician::Text;

impl Text {
    /// The same meaning twice.
    pub fn new(ru: impl Into<String>, en: impl Into<String>) -> Text {
        Text {
            ru: Cow::Owned(ru.into()),
            en: Cow::Owned(en.into()),
        }
    }

    /// A text with this one in it, each language in its own.
    pub fn within(&self, whole: impl Fn(&str) -> Text) -> Text {
        Text {
            ru: whole(&self.ru).ru,
            en: whole(&self.en).en,
        }
    }

    /// A path, a version, a name: the same in every language.
    pub fn same(text: impl Into<String>) -> Text {
        let text = text.into();
        Text::new(text.clone(), text)
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

/// What checks are about, in the order in which they are reported.
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
        match self {
            Group::Configuration => technician::GROUP_CONFIGURATION,
            Group::Files => technician::GROUP_FILES,
            Group::Users => technician::GROUP_USERS,
            Group::Udev => technician::GROUP_UDEV,
            Group::Devices => technician::GROUP_DEVICES,
            Group::Service => technician::GROUP_SERVICE,
            Group::Journal => technician::GROUP_JOURNAL,
            Group::Log => technician::GROUP_LOG,
            Group::Api => technician::GROUP_API,
            Group::Versions => technician::GROUP_VERSIONS,
        }
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
    pub fn warn(self, remedy: Text) -> Check {
        self.ended(Verdict::Warn, Some(remedy))
    }

    /// It does not work until a person does this.
    #[must_use]
    pub fn fail(self, remedy: Text) -> Check {
        self.ended(Verdict::Fail, Some(remedy))
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

/// As the API and `--json` show it: in Russian, and `english` holds the same texts in English.
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
            remedy: self.remedy.as_ref().map(|text| &*text.en),
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
    fn programs_get_the_agreed_keys() {
        let json = serde_json::to_value(check(Verdict::Warn).of("scanner1")).unwrap();
        let agreed = serde_json::json!({"id": "a.b", "group": "api", "subject": "scanner1", "result": "warn",
            "title": "да", "detail": "да", "remedy": "да",
            "english": {"title": "yes", "detail": "yes", "remedy": "yes"}});
        assert_eq!(json, agreed);
    }
}
