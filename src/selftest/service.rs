//! The payment service as this till reaches it, and the token.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::environment::Environment;
use crate::core::call::TokenProblem;
use crate::core::shift;
use crate::model::check::{Check, Group, Text, Verdict};
use crate::model::health::ReasonCode;
use crate::service::diagnose::{Answered, ServiceDiagnosis, TokenFile, Unreachable, look};
use crate::service::{self};
use crate::texts::original;
use crate::texts::technician;

/// The whole look: after a first name server that does not answer, for which the system waits 5 s, the service has time
/// to answer.
const DIAGNOSIS_TIMEOUT: Duration = Duration::from_millis(6500);
/// Slower name servers keep a buyer waiting.
const SLOW_LOOKUP: Duration = Duration::from_secs(2);
/// Where the machine's name servers stand.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// A certificate's end is reported this early.
const CERTIFICATE_WARNING_PERIOD: SignedDuration = SignedDuration::from_hours(21 * 24);
/// Slower answers make a queue at the till.
const SLOW: Duration = Duration::from_millis(1500);
/// Clocks that are so far apart want a look; more than a day stops sales from being found again.
const SKEW: SignedDuration = SignedDuration::from_mins(2);
const MAX_SKEW: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn service(ground: &Environment) -> Vec<Check> {
    let skipped = |why: Text| {
        vec![
            Check::pass("service.reach", Group::Service, reached(), why)
                .ended(Verdict::Skipped, None),
        ]
    };
    let Ok(loaded) = &ground.settings else {
        return skipped(technician::SETTINGS_NOT_READ);
    };
    let main = &loaded.config.main;
    let Some(reg_num) = main.reg_num.clone() else {
        return skipped(technician::SERVICE_NO_REG_NUM);
    };
    let settings = service::Settings {
        url: main.url.clone(),
        reg_num,
        password: main.password.clone(),
        timeout: main.timeout,
        token_path: ground.paths.token(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return skipped(technician::SERVICE_NO_RESOURCES);
    };
    let shift = shift::of_day(ground.now.wall);
    let began = crate::base::clock::wall();
    let seen = runtime.block_on(look(&settings, &shift, DIAGNOSIS_TIMEOUT));
    // A name server that does not answer holds a thread of the runtime.
    runtime.shutdown_background();
    // The clocks are compared when the service was asked, and not before its name was looked up.
    let asked_at = began.checked_add(seen.lookup).unwrap_or(began);
    let mut checks = checks_of(&seen, &settings.url, asked_at);
    let resolv_conf = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    checks.extend(bad_addresses(&seen));
    checks.extend(slow_name_server(seen.lookup, &resolv_conf));
    checks.push(token(&seen, ground));
    checks
}

fn reached() -> Text {
    technician::SERVICE_REACHED
}

fn checks_of(seen: &ServiceDiagnosis, url: &str, now: Timestamp) -> Vec<Check> {
    let check = |detail| Check::pass("service.reach", Group::Service, reached(), detail);
    let answered = match &seen.answer {
        Ok(answered) => answered,
        Err(why) => {
            let (Obstacle { words, remedy }, more) = obstacle(why);
            let more = more.map_or_else(String::new, |more| format!(" ({more})"));
            let detail = words.within(|words| Text::same(format!("{url}: {words}{more}")));
            let mut failed = check(detail).ended(Verdict::Fail, Some(remedy));
            if matches!(why, Unreachable::Expired | Unreachable::NotYetValid) {
                failed.id = "service.certificate";
            }
            return vec![failed];
        }
    };
    let ms = answered.elapsed.as_millis();
    let detail = technician::service_elapsed(ms, url);
    let mut checks = vec![if answered.status >= 500 {
        check(Text::same(format!("{url}: HTTP {}", answered.status)))
            .ended(Verdict::Fail, Some(technician::SERVICE_OUT_OF_ORDER))
    } else if !answered.is_service {
        let status = answered.status;
        check(technician::service_other_answered(status, url))
            .ended(Verdict::Fail, Some(technician::SERVICE_CHECK_URL_AND_LOGIN))
    } else if answered.elapsed > SLOW {
        check(detail).ended(Verdict::Warn, Some(technician::SERVICE_SLOW))
    } else {
        check(detail)
    }];
    checks.push(certificate(answered, now));
    checks.push(clock(answered, now));
    checks
}

/// Addresses of the name that are not the service's. One that takes no connection at all costs nothing: a family of
/// addresses that the shop's line lacks, for example.
fn bad_addresses(seen: &ServiceDiagnosis) -> Vec<Check> {
    let checks = seen.others.iter().filter_map(|(address, answer)| {
        let what = match answer {
            Err(Unreachable::Connect(_) | Unreachable::Client(_)) => return None,
            Err(why) => obstacle(why).0.words,
            Ok(answered) => Text::same(format!("HTTP {}", answered.status)),
        };
        let detail = what.within(|what| technician::service_bad_address(address, what));
        let title = technician::SERVICE_ADDRESSES;
        let check = Check::pass("service.address", Group::Service, title, detail);
        Some(check.ended(Verdict::Warn, Some(technician::SERVICE_BAD_ADDRESS_REMEDY)))
    });
    checks.collect()
}

/// A name that took its time, and the name server that is asked first.
fn slow_name_server(lookup: Duration, resolv_conf: &str) -> Option<Check> {
    if lookup < SLOW_LOOKUP {
        return None;
    }
    let first = first_name_server(resolv_conf).unwrap_or("—");
    let detail = technician::service_slow_name(first, lookup.as_millis());
    let check = Check::pass(
        "service.name",
        Group::Service,
        technician::SERVICE_NAME,
        detail,
    );
    Some(check.ended(Verdict::Warn, Some(technician::SERVICE_SLOW_NAME_REMEDY)))
}

/// `nameserver ADDRESS` (resolv.conf(5)).
fn first_name_server(resolv_conf: &str) -> Option<&str> {
    let lines = resolv_conf.lines().map(str::split_whitespace);
    lines.into_iter().find_map(|mut words| {
        let is_server = words.next() == Some("nameserver");
        words.next().filter(|_| is_server)
    })
}

/// Why the service is out of reach, and what helps.
struct Obstacle {
    words: Text,
    remedy: Text,
}

const NAME_NOT_FOUND: Obstacle = Obstacle {
    words: technician::SERVICE_NAME_NOT_FOUND,
    remedy: technician::SERVICE_NAME_NOT_FOUND_REMEDY,
};
const NOT_CONNECTED: Obstacle = Obstacle {
    words: technician::SERVICE_NOT_CONNECTED,
    remedy: technician::SERVICE_NOT_CONNECTED_REMEDY,
};
const EXPIRED: Obstacle = Obstacle {
    words: technician::SERVICE_EXPIRED,
    remedy: technician::SERVICE_EXPIRED_REMEDY,
};
const NOT_YET_VALID: Obstacle = Obstacle {
    words: technician::SERVICE_NOT_YET_VALID,
    remedy: technician::SERVICE_NOT_YET_VALID_REMEDY,
};
const UNKNOWN_ISSUER: Obstacle = Obstacle {
    words: technician::SERVICE_UNKNOWN_ISSUER,
    remedy: technician::SERVICE_UNKNOWN_ISSUER_REMEDY,
};
const AUTHORITY_ITSELF: Obstacle = Obstacle {
    words: technician::SERVICE_AUTHORITY_ITSELF,
    remedy: technician::SERVICE_AUTHORITY_ITSELF_REMEDY,
};
const OTHER_NAME: Obstacle = Obstacle {
    words: technician::SERVICE_OTHER_NAME,
    remedy: technician::SERVICE_OTHER_NAME_REMEDY,
};
const NO_TLS: Obstacle = Obstacle {
    words: technician::SERVICE_NO_TLS,
    remedy: technician::SERVICE_NO_TLS_REMEDY,
};
const NO_ANSWER: Obstacle = Obstacle {
    words: technician::SERVICE_NO_ANSWER,
    remedy: technician::SERVICE_NO_ANSWER_REMEDY,
};
const CACHED: Obstacle = Obstacle {
    words: technician::SERVICE_CACHED,
    remedy: technician::SERVICE_CACHED_REMEDY,
};
const NO_REQUEST: Obstacle = Obstacle {
    words: technician::SERVICE_NO_REQUEST,
    remedy: technician::SERVICE_NO_REQUEST_REMEDY,
};

/// The obstacle, and the system's error.
fn obstacle(why: &Unreachable) -> (Obstacle, Option<&str>) {
    let (obstacle, more): (Obstacle, Option<&String>) = match why {
        Unreachable::Name(more) => (NAME_NOT_FOUND, Some(more)),
        Unreachable::Connect(more) => (NOT_CONNECTED, Some(more)),
        Unreachable::Expired => (EXPIRED, None),
        Unreachable::NotYetValid => (NOT_YET_VALID, None),
        Unreachable::UnknownIssuer => (UNKNOWN_ISSUER, None),
        Unreachable::AuthorityItself => (AUTHORITY_ITSELF, None),
        Unreachable::OtherName => (OTHER_NAME, None),
        Unreachable::Tls(more) => (NO_TLS, Some(more)),
        Unreachable::NoAnswer(more) => (NO_ANSWER, Some(more)),
        Unreachable::Cached(more) => (CACHED, Some(more)),
        Unreachable::Client(more) => (NO_REQUEST, Some(more)),
    };
    (obstacle, more.map(String::as_str))
}

fn certificate(answered: &Answered, now: Timestamp) -> Check {
    let title = technician::SERVICE_CERTIFICATE;
    let check = |detail| Check::pass("service.certificate", Group::Service, title, detail);
    let Some(until) = answered.certificate_until else {
        let detail = technician::SERVICE_WITHOUT_TLS;
        return check(detail).ended(Verdict::Skipped, None);
    };
    let day = until.strftime("%d.%m.%Y");
    let detail = technician::service_valid_until(&day);
    if until.duration_since(now) < CERTIFICATE_WARNING_PERIOD {
        check(detail).ended(Verdict::Warn, Some(technician::SERVICE_CERTIFICATE_ENDS))
    } else {
        check(detail)
    }
}

fn clock(answered: &Answered, now: Timestamp) -> Check {
    let title = technician::SERVICE_CLOCK;
    let check = |detail| Check::pass("service.clock", Group::Service, title, detail);
    let Some(date) = answered.date else {
        let detail = technician::SERVICE_NO_TIME;
        return check(detail).ended(Verdict::Skipped, None);
    };
    let skew = date.duration_since(now);
    let seconds = skew.as_secs();
    let detail = technician::service_clock_skew(seconds);
    let verdict = match skew.abs() {
        skew if skew > MAX_SKEW => Verdict::Fail,
        skew if skew > SKEW => Verdict::Warn,
        _ => return check(detail),
    };
    check(detail).ended(verdict, Some(technician::SERVICE_SET_CLOCK))
}

fn token(seen: &ServiceDiagnosis, ground: &Environment) -> Check {
    let answer = seen.answer.as_ref().ok();
    let problem = answer.and_then(|answer| answer.token_problem);
    // Whatever the advice is worth, the only token ever issued stays on the disk.
    let put_aside = format!(
        "mv {0} {0}.old && systemctl restart oplati",
        ground.paths.token().display()
    );
    problem
        .or_else(|| daemons_problem(ground))
        .and_then(|problem| token_refused(problem, &put_aside))
        .unwrap_or_else(|| token_file(seen, &put_aside))
}

fn token_check(detail: Text) -> Check {
    let title = technician::SERVICE_TOKEN;
    Check::pass("service.token", Group::Service, title, detail)
}

/// What the service or the disk has against the token; `None` where the file itself shows what is wrong with it.
fn token_refused(problem: TokenProblem, put_aside: &str) -> Option<Check> {
    let (detail, remedy) = match problem {
        TokenProblem::Needed => (
            Text::new(
                original::TOKEN_NEEDED,
                "the service does not know the token: it was reset, or the till is not registered",
            ),
            technician::service_token_needed_remedy(put_aside),
        ),
        TokenProblem::Exists => (
            Text::new(
                original::TOKEN_EXISTS,
                "the service has issued the token already, or the till works in password mode",
            ),
            technician::SERVICE_TOKEN_EXISTS_REMEDY,
        ),
        TokenProblem::NoPlace => (
            technician::SERVICE_TOKEN_NO_PLACE,
            technician::SERVICE_TOKEN_NO_PLACE_REMEDY,
        ),
        TokenProblem::Damaged => return None,
    };
    Some(token_check(detail).ended(Verdict::Fail, Some(remedy)))
}

/// The token's file, and whether the service took what is in it.
fn token_file(seen: &ServiceDiagnosis, put_aside: &str) -> Check {
    let status = seen.answer.as_ref().ok().map(|answer| answer.status);
    let detail = match &seen.token {
        TokenFile::Password => technician::SERVICE_TOKEN_PASSWORD,
        TokenFile::Present if status.is_some_and(|status| status < 300) => {
            technician::SERVICE_TOKEN_TAKEN
        }
        TokenFile::Present if status.is_some() => {
            let status = status.unwrap_or_default();
            return token_check(technician::service_token_other_answer(status)).ended(
                Verdict::Warn,
                Some(technician::SERVICE_TOKEN_OTHER_ANSWER_REMEDY),
            );
        }
        TokenFile::Present => technician::SERVICE_TOKEN_NOT_TRIED,
        TokenFile::Absent => technician::SERVICE_TOKEN_ABSENT,
        TokenFile::Hidden => {
            return token_check(technician::SERVICE_TOKEN_HIDDEN).ended(Verdict::Skipped, None);
        }
        TokenFile::Bad(what) => {
            return token_check(technician::service_token_damaged(what)).ended(
                Verdict::Fail,
                Some(technician::service_token_damaged_remedy(put_aside)),
            );
        }
    };
    token_check(detail)
}

/// What the service has answered the daemon about its token.
fn daemons_problem(ground: &Environment) -> Option<TokenProblem> {
    let problems = [
        (ReasonCode::TokenNeeded, TokenProblem::Needed),
        (ReasonCode::TokenExists, TokenProblem::Exists),
        (ReasonCode::TokenDamaged, TokenProblem::Damaged),
        (ReasonCode::TokenNoPlace, TokenProblem::NoPlace),
    ];
    let found = problems
        .into_iter()
        .find(|(code, _)| ground.daemon.has_reason(*code));
    found.map(|(_, problem)| problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::text::assert_has;

    #[test]
    fn an_address_that_is_not_the_services_is_named() {
        let page = Answered {
            status: 503,
            elapsed: Duration::ZERO,
            date: None,
            certificate_until: None,
            is_service: false,
            token_problem: None,
        };
        let good = Answered {
            status: 200,
            is_service: true,
            ..page
        };
        let at = |last| std::net::IpAddr::from([10, 0, 0, last]);
        let seen = ServiceDiagnosis {
            addresses: Vec::new(),
            lookup: Duration::ZERO,
            answer: Ok(good),
            others: vec![
                (at(1), Ok(page)),
                (at(2), Err(Unreachable::Connect("refused".to_owned()))),
                (at(3), Err(Unreachable::NoAnswer("silent".to_owned()))),
            ],
            token: TokenFile::Password,
        };
        let reach = &checks_of(&seen, "http://pay.test", Timestamp::UNIX_EPOCH)[0];
        assert_eq!((reach.id, reach.result), ("service.reach", Verdict::Pass));
        let checks = bad_addresses(&seen);
        assert_eq!(checks.len(), 2);
        for (check, words) in checks.iter().zip([
            ["10.0.0.1", "HTTP 503", "HTTP 503"],
            ["10.0.0.3", "сервер не ответил", "no answer"],
        ]) {
            assert_eq!((check.id, check.result), ("service.address", Verdict::Warn));
            let detail = &check.detail;
            assert!(detail.ru.contains(words[0]) && detail.en.contains(words[0]));
            assert!(detail.ru.contains(words[1]), "{detail:?}");
            assert!(detail.en.contains(words[2]), "{detail:?}");
        }
    }

    #[test]
    fn a_cache_on_the_way_is_reported_as_one_and_not_as_a_matter_of_the_internet() {
        let seen = ServiceDiagnosis {
            addresses: Vec::new(),
            lookup: Duration::ZERO,
            answer: Err(Unreachable::Cached("99999 s old".to_owned())),
            others: Vec::new(),
            token: TokenFile::Password,
        };
        let reach = &checks_of(&seen, "http://pay.test", Timestamp::UNIX_EPOCH)[0];
        assert_eq!((reach.id, reach.result), ("service.reach", Verdict::Fail));
        assert_has(&reach.detail.en, ["99999 s old"]);
        let remedy = reach.remedy.as_ref().unwrap();
        assert_has(&remedy.ru, ["Кэш или прокси"]);
        assert_has(&remedy.en, ["cache or proxy"]);
    }

    #[test]
    fn a_slow_name_server_is_named() {
        let conf = "# dhcp\nsearch shop\nnameserver 192.168.1.1\nnameserver 8.8.8.8\n";
        let check = slow_name_server(Duration::from_millis(5004), conf).unwrap();
        assert_eq!((check.id, check.result), ("service.name", Verdict::Warn));
        for text in [&check.detail.ru, &check.detail.en] {
            assert_has(text, ["5004", "192.168.1.1"]);
        }
        let remedy = check.remedy.unwrap();
        assert!(remedy.ru.contains("поставьте первым другой"), "{remedy:?}");
        assert!(slow_name_server(Duration::from_millis(1999), conf).is_none());
        for conf in ["", "nameserver", "#nameserver 192.168.1.1"] {
            assert_eq!(first_name_server(conf), None, "{conf:?}");
        }
    }
}
