//! Why health is not well, in words for people.

use jiff::SignedDuration;

use super::{StatusBoard, lock};
use crate::base::clock::MAX_CONFIRMED_SKEW;
use crate::base::zone::minsk;
use crate::core::Status;
use crate::core::call::TokenProblem;
use crate::core::scene::Scene;
use crate::daemon::schedule::Trust;
use crate::devices::display::DisplayState;
use crate::engine;
use crate::journal::Trouble;
use crate::model::device::Device;
use crate::model::health::{Reason, ReasonCode};
use crate::model::money::Kopecks;
use crate::model::operation::{ErrorCode, Mode};
use crate::texts::{cashier, original};

impl StatusBoard {
    /// The service has asked for patience, and the time is not over, Russian.
    fn held_off(&self, status: &Status) -> Option<Reason> {
        let now = self.clock.now();
        let wait = status.held_off_until?.checked_sub(now.mono)?;
        let until = minsk().to_datetime(now.wall + wait).strftime("%H:%M:%S");
        let text = cashier::service_busy_reason(until);
        Some(Reason::new(ReasonCode::ServiceBusy, text))
    }

    /// What refuses a sale, Russian.
    pub(super) fn blocked(&self, status: &Status) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if let Err(cause) = &self.reader {
            reasons.push(Reason::new(cause.code, cause.reason.clone()));
        }
        if self.turns.is_stuck() {
            reasons.push(Reason::new(
                ReasonCode::JournalStalled,
                cashier::JOURNAL_STALLED_REASON,
            ));
        } else if let Some(trouble) = self.trouble() {
            reasons.push(Reason::new(of_journal(trouble), engine::reason(trouble)));
        }
        reasons.extend(
            self.held_off(status)
                .filter(|_| status.is_held_off_for_long),
        );
        if status.not_configured {
            reasons.push(Reason::new(
                ReasonCode::NotConfigured,
                cashier::NOT_CONFIGURED_REASON,
            ));
        }
        if status.clock_behind && self.clock_trust() == Trust::Wrong {
            reasons.push(Reason::new(ReasonCode::ClockBehind, cashier::CLOCK_BEHIND));
        }
        if let Some(first) = status.of_other_account.first() {
            let text = cashier::other_account(first);
            reasons.push(Reason::new(ReasonCode::OtherAccount, text));
        }
        if status.queue_depth > 0 {
            let text = cashier::queued_reason(status.queue_depth);
            reasons.push(Reason::new(ReasonCode::ReversalsQueued, text));
        }
        reasons
    }

    /// What needs a person, Russian.
    pub(super) fn degraded(&self, status: &Status, devices: &[Device]) -> Vec<Reason> {
        let advice = self.advice.iter();
        let mut reasons: Vec<Reason> = advice
            .map(|advice| Reason::new(ReasonCode::Configuration, advice))
            .collect();
        let token_problem = status.token_problem.or(*lock(&self.token_file));
        reasons.extend(token_problem.map(of_token));
        reasons.extend(of_operations(status));
        reasons.extend(self.connection(status));
        if let Some(skew) = self.skew().filter(|skew| skew.abs() > MAX_CONFIRMED_SKEW) {
            reasons.push(Reason::new(ReasonCode::ClockWrong, off_by(skew)));
        } else if status.clock_behind {
            // Whether a sale would be refused, only the service's next answer shows.
            let text = cashier::CLOCK_BEHIND_REASON;
            reasons.push(Reason::new(ReasonCode::ClockBehind, text));
        }
        reasons.extend(self.reconciled.reasons());
        let log_failure = crate::log::failure();
        reasons.extend(
            log_failure.map(|failure| Reason::new(ReasonCode::LogFailed, unwritten_log(&failure))),
        );
        reasons.extend(self.of_devices(devices));
        let hidden = self.hidden();
        reasons.extend(hidden.map(|text| Reason::new(ReasonCode::CodeHidden, text)));
        reasons
    }

    /// What is between the till and the service.
    fn connection(&self, status: &Status) -> Option<Reason> {
        if let Some(held_off) = self.held_off(status) {
            // Reported as what it is, here or among what blocks.
            return (!status.is_held_off_for_long).then_some(held_off);
        }
        Some(if status.down? == ErrorCode::ServiceProtocol {
            let text = cashier::SERVICE_PROTOCOL_REASON;
            Reason::new(ReasonCode::ServiceProtocol, text)
        } else {
            let text = cashier::SERVICE_UNREACHABLE_REASON;
            Reason::new(ReasonCode::ServiceUnreachable, text)
        })
    }

    /// Devices that do not work, and displays that could do better.
    fn of_devices(&self, devices: &[Device]) -> Vec<Reason> {
        let broken = devices
            .iter()
            .filter(|device| !matches!(device.state.as_str(), "connected" | "none"));
        let broken = broken.map(|device| {
            let mut text = cashier::device_reason(&device.name, in_russian(&device.state));
            if let Some(remedy) = self.remedy(&device.name) {
                text.push_str(". ");
                text.push_str(&remedy);
            }
            Reason::new(ReasonCode::Device, text)
        });
        let displays = self.displays.state();
        let advice = displays.iter().flat_map(DisplayState::advice);
        broken
            .chain(advice.map(|text| Reason::new(ReasonCode::DisplayUnreadable, text)))
            .collect()
    }
}

fn of_journal(trouble: Trouble) -> ReasonCode {
    match trouble {
        Trouble::Full | Trouble::Quota => ReasonCode::JournalFull,
        Trouble::Disk => ReasonCode::JournalDisk,
        Trouble::Rights => ReasonCode::JournalRights,
        Trouble::Locked => ReasonCode::JournalLocked,
        Trouble::Reserve => ReasonCode::JournalReserve,
        Trouble::Gone => ReasonCode::JournalGone,
        Trouble::Damaged => ReasonCode::JournalDamaged,
        Trouble::Other => ReasonCode::JournalFailed,
    }
}

fn of_token(problem: TokenProblem) -> Reason {
    let (code, text) = match problem {
        TokenProblem::Needed => (ReasonCode::TokenNeeded, original::TOKEN_NEEDED),
        TokenProblem::Exists => (ReasonCode::TokenExists, original::TOKEN_EXISTS),
        TokenProblem::NoPlace => (ReasonCode::TokenNoPlace, cashier::NO_PLACE_FOR_TOKEN),
        TokenProblem::Damaged => (ReasonCode::TokenDamaged, cashier::TOKEN_DAMAGED),
    };
    Reason::new(code, text)
}

/// Operations that a person should look at.
fn of_operations(status: &Status) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if status.set_aside > 0 {
        let text = cashier::set_aside_reason(status.set_aside);
        reasons.push(Reason::new(ReasonCode::ReversalsSetAside, text));
    }
    if status.to_review > 0 {
        let text = cashier::to_review_reason(status.to_review);
        reasons.push(Reason::new(ReasonCode::OperationsToReview, text));
    }
    if status.overdue > 0 {
        let text = cashier::overdue_reason(status.overdue);
        reasons.push(Reason::new(ReasonCode::OperationsOverdue, text));
    }
    reasons
}

impl StatusBoard {
    /// What the buyer of an ordinary sale would need to see, and no display shows.
    fn hidden(&self) -> Option<&'static str> {
        let amount = Some(Kopecks(100));
        let (scene, advice) = match self.mode {
            Mode::ConsumerQr => return None,
            Mode::StaticQr => (
                Scene::code("1234".to_owned(), amount),
                cashier::CODE_HIDDEN_REASON,
            ),
            Mode::DynamicQr => (
                Scene::qr("https://getapp.o-plati.by".to_owned(), amount),
                cashier::QR_HIDDEN_REASON,
            ),
        };
        self.displays.none_shows(&scene).then_some(advice)
    }

    /// What a person can do about a device, Russian.
    fn remedy(&self, device: &str) -> Option<String> {
        let scanners = self.scanners.snapshots();
        if let Some(scanner) = scanners.into_iter().find(|one| one.name == device) {
            return scanner.state.remedy();
        }
        let displays = self.displays.state();
        displays.into_iter().find(|one| one.name == device)?.remedy
    }
}

/// By how much the till's clock is wrong, and which way; `skew`: how far the service's is ahead.
fn off_by(skew: SignedDuration) -> String {
    let way = if skew.is_positive() {
        cashier::CLOCK_WRONG_REASON_SLOW
    } else {
        cashier::CLOCK_WRONG_REASON_FAST
    };
    let minutes = skew.abs().as_mins();
    let (days, hours, rest) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let much = match (days, hours) {
        (0, 0) => cashier::clock_wrong_reason_minutes(rest),
        (0, _) => cashier::clock_wrong_reason_hours(hours, rest),
        (_, _) => cashier::clock_wrong_reason_days(days, hours),
    };
    cashier::clock_wrong_reason(much, way)
}

/// terminal.log is what the technician looks into first: nobody may find it to end before the trouble began.
fn unwritten_log(failure: &crate::log::Failure) -> String {
    use crate::log::Failure;
    match failure {
        Failure::Refused(why) => cashier::log_refused_reason(why),
        Failure::Silent => cashier::LOG_SILENT_REASON.to_owned(),
    }
}

/// A device's state for people.
fn in_russian(state: &str) -> &str {
    match state {
        "missing" => cashier::DEVICE_REASON_MISSING,
        "busy" => cashier::DEVICE_REASON_BUSY,
        "no_permission" => cashier::DEVICE_REASON_NO_PERMISSION,
        "wrong_mode" => cashier::DEVICE_REASON_WRONG_MODE,
        "failed" => cashier::DEVICE_REASON_FAILED,
        "covered" => cashier::DEVICE_REASON_COVERED,
        "dark" => cashier::DEVICE_REASON_DARK,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_reported_with_by_how_much_and_which_way() {
        for (seconds, expected) in [
            (121, "отстают на 2 мин"),
            (-3600, "спешат на 1 ч 0 мин"),
            (3 * 3600 + 305, "отстают на 3 ч 5 мин"),
            (-(200 * 86_400 + 7200), "спешат на 200 дн. 2 ч"),
        ] {
            let reason = off_by(SignedDuration::from_secs(seconds));
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
