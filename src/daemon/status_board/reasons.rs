//! Why health is not well, in words for people.

use jiff::SignedDuration;

use super::{StatusBoard, lock};
use crate::base::clock::{MAX_CONFIRMED_SKEW, minsk};
use crate::core::call::TokenProblem;
use crate::core::scene::Scene;
use crate::core::{Status, words};
use crate::daemon::schedule::Trust;
use crate::devices::display::DisplayState;
use crate::engine;
use crate::model::device::Device;
use crate::model::money::Kopecks;
use crate::model::operation::{ErrorCode, Mode};
use crate::model::problem::seed;

const CLOCK_BEHIND: &str = "Часы кассы отстают от последней записи журнала";

impl StatusBoard {
    /// The service has asked for patience, and the time is not over, Russian.
    fn held_off(&self, status: &Status) -> Option<String> {
        let now = self.clock.now();
        let wait = status.held_off_until?.checked_sub(now.mono)?;
        let until = minsk().to_datetime(now.wall + wait).strftime("%H:%M:%S");
        Some(format!("Сервер О!плати просит подождать до {until}"))
    }

    /// What refuses a sale, Russian.
    pub(super) fn blocked(&self, status: &Status) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Err(reason) = &self.reader {
            reasons.push(reason.clone());
        }
        if self.turns.is_stuck() {
            reasons
                .push("Журнал не записывается: диск не отвечает, проверьте диск кассы".to_owned());
        } else if let Some(trouble) = self.trouble() {
            reasons.push(engine::reason(trouble).to_owned());
        }
        reasons.extend(
            self.held_off(status)
                .filter(|_| status.is_held_off_for_long),
        );
        if status.not_configured {
            reasons.push("Не задан regNum в oplati.conf".to_owned());
        }
        if status.clock_behind && self.clock_trust() == Trust::Wrong {
            reasons.push(CLOCK_BEHIND.to_owned());
        }
        if let Some(first) = status.foreign.first() {
            reasons.push(format!("Операция {first} начата с другими url или regNum"));
        }
        if status.queue_depth > 0 {
            reasons.push(format!("В очереди отмен: {}", status.queue_depth));
        }
        reasons
    }

    /// What needs a person, Russian.
    pub(super) fn degraded(&self, status: &Status, devices: &[Device]) -> Vec<String> {
        let mut reasons = self.advice.clone();
        match status.token_problem.or(*lock(&self.token_file)) {
            Some(TokenProblem::Needed) => reasons.push(seed::TOKEN_NEEDED.to_owned()),
            Some(TokenProblem::Exists) => reasons.push(seed::TOKEN_EXISTS.to_owned()),
            Some(TokenProblem::NoPlace) => reasons.push(words::NO_PLACE_FOR_TOKEN.to_owned()),
            Some(TokenProblem::Damaged) => reasons.push(words::TOKEN_DAMAGED.to_owned()),
            None => {}
        }
        if status.set_aside > 0 {
            reasons.push(format!(
                "Отмены ждут решения человека: {}",
                status.set_aside
            ));
        }
        if status.to_review > 0 {
            reasons.push(format!(
                "Выполнены не так, как сообщено кассе: {}. Посмотрите и закройте: oplati queue",
                status.to_review
            ));
        }
        if status.overdue > 0 {
            reasons.push(format!(
                "Сервер не отвечает, выполнены ли операции: {}. Проверьте их в личном кабинете О!плати",
                status.overdue
            ));
        }
        match status.down {
            // Told as what it is, here or among what blocks.
            _ if self.held_off(status).is_some() => {}
            Some(ErrorCode::ServiceProtocol) => {
                reasons.push("Сервер О!плати отвечает неверно: oplati selftest".to_owned());
            }
            Some(_) => reasons.push("Нет связи с сервером О!плати".to_owned()),
            None => {}
        }
        reasons.extend(
            self.held_off(status)
                .filter(|_| !status.is_held_off_for_long),
        );
        if let Some(skew) = self.skew().filter(|skew| skew.abs() > MAX_CONFIRMED_SKEW) {
            reasons.push(off_by(skew));
        } else if status.clock_behind {
            // Whether a sale would be refused, only the service's next answer tells.
            reasons.push(format!("{CLOCK_BEHIND}: проверьте дату и время"));
        }
        reasons.extend(self.reconciled.reasons());
        reasons.extend(crate::log::failure().as_ref().map(unwritten_log));
        let broken = devices
            .iter()
            .filter(|device| !matches!(device.state.as_str(), "connected" | "none"));
        reasons.extend(broken.map(|device| {
            let remedy = self.remedy(&device.name);
            let remedy = remedy.map_or_else(String::new, |remedy| format!(". {remedy}"));
            let state = in_russian(&device.state);
            format!("Устройство {}: {state}{remedy}", device.name)
        }));
        let displays = self.displays.state();
        reasons.extend(displays.iter().flat_map(DisplayState::advice));
        reasons.extend(self.hidden().map(str::to_owned));
        reasons
    }
}

impl StatusBoard {
    /// What the buyer of an ordinary sale would need to see, and no display shows.
    fn hidden(&self) -> Option<&'static str> {
        let amount = Some(Kopecks(100));
        let (scene, advice) = match self.mode {
            Mode::ConsumerQr => return None,
            Mode::StaticQr => (
                Scene::code("1234".to_owned(), amount),
                "Ни один дисплей не показывает код подтверждения: его называет кассир",
            ),
            Mode::DynamicQr => (
                Scene::qr("https://getapp.o-plati.by".to_owned(), amount),
                "Ни один дисплей не показывает QR-код: его показывает касса",
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
        "отстают"
    } else {
        "спешат"
    };
    let minutes = skew.abs().as_mins();
    let (days, hours, rest) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let much = match (days, hours) {
        (0, 0) => format!("{rest} мин"),
        (0, _) => format!("{hours} ч {rest} мин"),
        (_, _) => format!("{days} дн. {hours} ч"),
    };
    format!(
        "Часы кассы расходятся с часами сервера: {way} на {much}. Установите верные дату и время"
    )
}

/// terminal.log is what the technician looks into first: nobody may find it to end before the trouble began.
fn unwritten_log(failure: &crate::log::Failure) -> String {
    use crate::log::Failure;
    match failure {
        Failure::Refused(why) => format!(
            "Лог terminal.log не записывается: {why}. Проверьте место на диске и права: oplati selftest"
        ),
        Failure::Silent => {
            "Лог terminal.log не записывается: диск не отвечает. Проверьте диск кассы".to_owned()
        }
    }
}

/// A device's state for people.
fn in_russian(state: &str) -> &str {
    match state {
        "missing" => "не подключено",
        "busy" => "занято",
        "no_permission" => "нет прав",
        "wrong_mode" => "не в том режиме",
        "failed" => "неисправно",
        "covered" => "закрыто другим окном",
        "dark" => "экран погашен",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_told_with_by_how_much_and_which_way() {
        for (seconds, expected) in [
            (121, "отстают на 2 мин"),
            (-3600, "спешат на 1 ч 0 мин"),
            (3 * 3600 + 305, "отстают на 3 ч 5 мин"),
            (-(200 * 86_400 + 7200), "спешат на 200 дн. 2 ч"),
        ] {
            let told = off_by(SignedDuration::from_secs(seconds));
            assert!(told.contains(expected), "{told}");
        }
    }
}
