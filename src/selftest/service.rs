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

/// The whole look.
const DIAGNOSIS_TIMEOUT: Duration = Duration::from_secs(6);
/// A certificate's end is told this early.
const CERTIFICATE_WARNING_PERIOD: SignedDuration = SignedDuration::from_hours(21 * 24);
/// Slower answers make a queue at the till.
const SLOW: Duration = Duration::from_millis(1500);
/// Clocks that are so far apart want a look; more than a day stops sales from being found again.
const SKEW: SignedDuration = SignedDuration::from_mins(2);
const MAX_SKEW: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn service(ground: &Environment) -> Vec<Check> {
    let skipped = |ru: &str, en: &str| {
        vec![
            Check::pass(
                "service.reach",
                Group::Service,
                reached(),
                Text::new(ru, en),
            )
            .ended(Verdict::Skipped, None),
        ]
    };
    let Ok(loaded) = &ground.settings else {
        return skipped("oplati.conf не читается", "oplati.conf cannot be read");
    };
    let main = &loaded.config.main;
    let Some(reg_num) = main.reg_num.clone() else {
        return skipped("не задан regNum", "regNum is not set");
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
        return skipped("система не даёт ресурсов", "the system has no resources");
    };
    let shift = shift::of_day(ground.now.wall);
    let began = crate::base::clock::wall();
    let seen = runtime.block_on(look(&settings, &shift, DIAGNOSIS_TIMEOUT));
    // A name server that does not answer holds a thread of the runtime.
    runtime.shutdown_background();
    let mut checks = told(&seen, &settings.url, began);
    checks.push(token(&seen, ground));
    checks
}

fn reached() -> Text {
    Text::new("Сервер отвечает", "The service answers")
}

fn told(seen: &ServiceDiagnosis, url: &str, now: Timestamp) -> Vec<Check> {
    let check = |detail| Check::pass("service.reach", Group::Service, reached(), detail);
    let answered = match &seen.answer {
        Ok(answered) => answered,
        Err(why) => {
            let (Obstacle { words, remedy }, more) = obstacle(why);
            let more = more.map_or_else(String::new, |more| format!(" ({more})"));
            let [ru, en] = words.map(|words| format!("{url}: {words}{more}"));
            let [remedy_ru, remedy_en] = remedy;
            let remedy = Text::new(remedy_ru, remedy_en);
            let mut failed = check(Text::new(ru, en)).ended(Verdict::Fail, Some(remedy));
            if matches!(why, Unreachable::Expired | Unreachable::NotYetValid) {
                failed.id = "service.certificate";
            }
            return vec![failed];
        }
    };
    let ms = answered.elapsed.as_millis();
    let detail = Text::new(format!("{url}: {ms} мс"), format!("{url}: {ms} ms"));
    let mut checks = vec![if answered.status >= 500 {
        check(Text::same(format!("{url}: HTTP {}", answered.status))).ended(
            Verdict::Fail,
            Some(Text::new(
                "Сервер О!плати неисправен: подождите и повторите, затем звоните в поддержку О!плати",
                "The service is out of order: wait and repeat, then call its support",
            )),
        )
    } else if !answered.is_service {
        let status = answered.status;
        check(Text::new(
            format!("{url}: ответил не сервер О!плати (HTTP {status})"),
            format!("{url}: what answered is not the О!плати service (HTTP {status})"),
        ))
        .ended(
            Verdict::Fail,
            Some(Text::new(
                "Проверьте url в oplati.conf; он верен — откройте его в браузере кассы: роутер магазина может просить вход в сеть",
                "Check url in oplati.conf; if it is right, open it in the till's browser: the shop's router may ask for a login",
            )),
        )
    } else if answered.elapsed > SLOW {
        check(detail).ended(
            Verdict::Warn,
            Some(Text::new(
                "Ответ медленный: проверьте связь кассы с интернетом",
                "The answer is slow: check the till's connection to the internet",
            )),
        )
    } else {
        check(detail)
    }];
    checks.push(certificate(answered, now));
    checks.push(clock(answered, now));
    checks
}

/// Why the service is out of reach, and what helps; Russian and English.
#[derive(Clone, Copy)]
struct Obstacle {
    words: [&'static str; 2],
    remedy: [&'static str; 2],
}

const NAME_NOT_FOUND: Obstacle = Obstacle {
    words: ["имя сервера не найдено", "the server's name is not found"],
    remedy: [
        "Проверьте url в oplati.conf и DNS кассы",
        "Check url in oplati.conf and the till's DNS",
    ],
};
const NOT_CONNECTED: Obstacle = Obstacle {
    words: ["нет соединения", "no connection"],
    remedy: [
        "Проверьте кабель и интернет кассы, url в oplati.conf",
        "Check cable and internet of the till, and url in oplati.conf",
    ],
};
const EXPIRED: Obstacle = Obstacle {
    words: [
        "срок сертификата сервера истёк",
        "the server's certificate has expired",
    ],
    remedy: [
        "Проверьте дату кассы: timedatectl. Дата верна — сообщите в поддержку О!плати, что сертификат истёк",
        "Check the till's date: timedatectl. If it is right, tell О!плати's support that the certificate has expired",
    ],
};
const NOT_YET_VALID: Obstacle = Obstacle {
    words: [
        "сертификат сервера ещё не действует: часы кассы отстают",
        "the server's certificate is not valid yet: the till's clock is behind",
    ],
    remedy: [
        "Включите синхронизацию времени: timedatectl set-ntp true",
        "Turn on time synchronisation: timedatectl set-ntp true",
    ],
};
const UNKNOWN_ISSUER: Obstacle = Obstacle {
    words: [
        "сертификат сервера подписан неизвестно кем",
        "nobody known has signed the server's certificate",
    ],
    remedy: [
        "Обновите сертификаты: apt-get install --reinstall ca-certificates; проверьте, не вмешивается ли прокси",
        "Update certificates: apt-get install --reinstall ca-certificates; check for a proxy in between",
    ],
};
const AUTHORITY_ITSELF: Obstacle = Obstacle {
    words: [
        "сертификат сервера — сертификат самого удостоверяющего центра (CA:TRUE), серверу он не годится",
        "the server's certificate is an authority's own (CA:TRUE), which is no server's",
    ],
    remedy: [
        "Выпустите этим центром отдельный сертификат для сервера, без CA:TRUE",
        "Have that authority sign a certificate for the server, without CA:TRUE",
    ],
};
const OTHER_NAME: Obstacle = Obstacle {
    words: [
        "сертификат выдан другому серверу",
        "the certificate is another server's",
    ],
    remedy: ["Проверьте url в oplati.conf", "Check url in oplati.conf"],
};
const NO_TLS: Obstacle = Obstacle {
    words: ["не удалось защищённое соединение", "no secure connection"],
    remedy: [
        "Проверьте url в oplati.conf и прокси магазина",
        "Check url in oplati.conf and the shop's proxy",
    ],
};
const NO_ANSWER: Obstacle = Obstacle {
    words: ["сервер не ответил", "the service gave no answer"],
    remedy: [
        "Проверьте интернет кассы и повторите",
        "Check the till's internet and repeat",
    ],
};
const NO_REQUEST: Obstacle = Obstacle {
    words: ["запрос не составить", "no request can be made"],
    remedy: [
        "Установите пакет ca-certificates и проверьте regNum и password в oplati.conf",
        "Install ca-certificates and check regNum and password in oplati.conf",
    ],
};

/// The obstacle, and what the system says of it.
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
        Unreachable::Client(more) => (NO_REQUEST, Some(more)),
    };
    (obstacle, more.map(String::as_str))
}

fn certificate(answered: &Answered, now: Timestamp) -> Check {
    let title = Text::new("Сертификат сервера", "Certificate of the service");
    let check = |detail| Check::pass("service.certificate", Group::Service, title, detail);
    let Some(until) = answered.certificate_until else {
        let detail = Text::new("соединение без TLS", "a connection without TLS");
        return check(detail).ended(Verdict::Skipped, None);
    };
    let day = until.strftime("%d.%m.%Y");
    let detail = Text::new(format!("действует до {day}"), format!("valid until {day}"));
    if until.duration_since(now) < CERTIFICATE_WARNING_PERIOD {
        check(detail).ended(
            Verdict::Warn,
            Some(Text::new(
                "Срок скоро истечёт: сообщите в поддержку О!плати",
                "It ends soon: tell О!плати's support",
            )),
        )
    } else {
        check(detail)
    }
}

fn clock(answered: &Answered, now: Timestamp) -> Check {
    let title = Text::new("Часы кассы", "The till's clock");
    let check = |detail| Check::pass("service.clock", Group::Service, title, detail);
    let Some(date) = answered.date else {
        let detail = Text::new("сервер не назвал времени", "the service told no time");
        return check(detail).ended(Verdict::Skipped, None);
    };
    let skew = date.duration_since(now);
    let seconds = skew.as_secs();
    let detail = Text::new(
        format!("расхождение с сервером {seconds} с"),
        format!("{seconds} s off the service"),
    );
    let verdict = match skew.abs() {
        skew if skew > MAX_SKEW => Verdict::Fail,
        skew if skew > SKEW => Verdict::Warn,
        _ => return check(detail),
    };
    check(detail).ended(
        verdict,
        Some(Text::new(
            "Включите синхронизацию времени: timedatectl set-ntp true; проверьте дату и часовой пояс: timedatectl",
            "Turn on time synchronisation: timedatectl set-ntp true; check date and time zone: timedatectl",
        )),
    )
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
    let title = Text::new("Токен", "Token");
    Check::pass("service.token", Group::Service, title, detail)
}

/// What the service or the disk has against the token; `None` where the file itself says what is wrong with it.
fn token_refused(problem: TokenProblem, put_aside: &str) -> Option<Check> {
    let (detail, remedy) = match problem {
        TokenProblem::Needed => (
            Text::new(
                original::TOKEN_NEEDED,
                "the service does not know the token: it was reset, or the till is not registered",
            ),
            Text::new(
                format!(
                    "Токен сброшен — уберите token.conf и перезапустите службу: {put_aside}. Не сбрасывали — проверьте regNum и регистрацию кассы в личном кабинете О!плати"
                ),
                format!(
                    "If the token was reset, put token.conf aside and restart the daemon: {put_aside}. If not, check regNum and the till's registration in the merchant's account"
                ),
            ),
        ),
        TokenProblem::Exists => (
            Text::new(
                original::TOKEN_EXISTS,
                "the service has issued the token already, or the till works in password mode",
            ),
            Text::new(
                "Сбросьте токен в личном кабинете О!плати и повторите операцию",
                "Reset the token in the merchant's account and repeat the operation",
            ),
        ),
        TokenProblem::NoPlace => (
            Text::new("токен некуда записать", "there is no place for the token"),
            Text::new(
                "Освободите место на диске и проверьте права папки",
                "Make room on the disk and check the folder's rights",
            ),
        ),
        TokenProblem::Damaged => return None,
    };
    Some(token_check(detail).ended(Verdict::Fail, Some(remedy)))
}

/// The token's file, and whether the service took what is in it.
fn token_file(seen: &ServiceDiagnosis, put_aside: &str) -> Check {
    let status = seen.answer.as_ref().ok().map(|answer| answer.status);
    let detail = match &seen.token {
        TokenFile::Password => Text::new("касса в режиме пароля", "the till works with a password"),
        TokenFile::Present if status.is_some_and(|status| status < 300) => {
            Text::new("есть, сервер его принял", "there, and the service took it")
        }
        TokenFile::Present if status.is_some() => {
            let status = status.unwrap_or_default();
            return token_check(Text::new(
                format!("есть, но сервер ответил HTTP {status}"),
                format!("there, but the service answered HTTP {status}"),
            ))
            .ended(
                Verdict::Warn,
                Some(Text::new(
                    "Проверьте url и regNum в oplati.conf и регистрацию кассы в личном кабинете О!плати",
                    "Check url and regNum in oplati.conf, and the till's registration in the merchant's account",
                )),
            );
        }
        TokenFile::Present => Text::new(
            "есть, сервер не спрошен",
            "there, the service was not asked",
        ),
        TokenFile::Absent => Text::new(
            "ещё не получен: придёт при первой оплате",
            "not there yet: it comes with the first payment",
        ),
        TokenFile::Hidden => {
            return token_check(Text::new(
                "token.conf читает только служба, запустите с sudo",
                "only the daemon reads token.conf, run with sudo",
            ))
            .ended(Verdict::Skipped, None);
        }
        TokenFile::Bad(what) => {
            return token_check(Text::new(
                format!("token.conf испорчен: {what}"),
                format!("token.conf is damaged: {what}"),
            ))
            .ended(
                Verdict::Fail,
                Some(Text::new(
                    format!("Верните файл из копии или оставьте в нём одну строку с токеном. Токен потерян — сбросьте его в личном кабинете О!плати, затем выполните: {put_aside}"),
                    format!("Bring the file back from a copy, or leave the token alone on one line. If it is lost, reset it in the merchant's account, then run: {put_aside}"),
                )),
            );
        }
    };
    token_check(detail)
}

/// What the daemon has heard of its token.
fn daemons_problem(ground: &Environment) -> Option<TokenProblem> {
    let problems = [
        (ReasonCode::TokenNeeded, TokenProblem::Needed),
        (ReasonCode::TokenExists, TokenProblem::Exists),
        (ReasonCode::TokenDamaged, TokenProblem::Damaged),
        (ReasonCode::TokenNoPlace, TokenProblem::NoPlace),
    ];
    let told = problems
        .into_iter()
        .find(|(code, _)| ground.daemon.has_reason(*code));
    told.map(|(_, problem)| problem)
}
