//! The daemon, its doors, and versions.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::environment::{Daemon, Environment};
use super::texts;
use crate::model::check::{Check, Group, Text, Verdict};

/// For one step of a call over TCP.
const STEP: Duration = Duration::from_secs(2);

pub(super) fn api(ground: &Environment) -> Vec<Check> {
    let socket = ground.socket();
    let title = Text::new("Служба отвечает", "The daemon answers");
    let check = |detail| Check::pass("api.socket", Group::Api, title, detail);
    let restart = "systemctl restart oplati; journalctl -u oplati -n 50";
    let answer = match &ground.daemon {
        Daemon::Runs { .. } => check(texts::path(&socket)),
        Daemon::Stopped => check(Text::new("служба не запущена", "the daemon does not run")).fail(
                "Запустите службу: systemctl start oplati; не запускается — journalctl -u oplati -n 50",
                "Start the daemon: systemctl start oplati; if it does not start: journalctl -u oplati -n 50",
            ),
        Daemon::Closed => check(texts::of(&socket, "нет прав", "no right to use it")).fail(
                "Добавьте пользователя в группу: sudo usermod -aG oplati-till $USER, затем войдите заново; или запустите с sudo",
                "Add the user to the group: sudo usermod -aG oplati-till $USER, then log in again; or run with sudo",
            ),
        Daemon::Silent(why) => check(texts::of(&socket, why, why)).fail(
                format!("Перезапустите службу: {restart}"),
                format!("Restart the daemon: {restart}"),
            ),
    };
    let mut checks = vec![answer];
    checks.extend(over_tcp(ground));
    checks.extend(sales(ground));
    checks
}

/// Whether a sale begun now would be taken, in health's words.
fn sales(ground: &Environment) -> Option<Check> {
    let (health, _) = ground.daemon.told()?;
    let status = health.get("status").and_then(Value::as_str)?;
    let title = Text::new("Оплата возможна", "Sales are possible");
    let check = |detail| Check::pass("api.health", Group::Api, title, detail);
    let reasons: Vec<&str> = health
        .get("reasons")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let verdict = match status {
        "ok" => return Some(check(Text::same(status))),
        "degraded" => Verdict::Warn,
        _ => Verdict::Fail,
    };
    let detail = Text::new(
        reasons.join("; "),
        format!("{status}: {}", reasons.join("; ")),
    );
    Some(check(detail).ended(
        verdict,
        Some(Text::new(
            "Устраните названное: что делать, сказано у проверок с отметкой «ошибка»",
            "Put right what is named: the checks that failed say how",
        )),
    ))
}

fn over_tcp(ground: &Environment) -> Option<Check> {
    let address = ground.settings.as_ref().ok()?.config.till.listen?;
    ground.daemon.told()?;
    let title = Text::new("API по TCP", "API over TCP");
    let check = |detail| Check::pass("api.tcp", Group::Api, title, detail);
    let shown = Text::same(address.to_string());
    Some(match status_over_tcp(address) {
        Ok(true) => check(shown),
        Ok(false) | Err(_) => check(shown).fail(
                "Порт не отвечает: после правки [Till] listen перезапустите службу: systemctl restart oplati",
                "The port does not answer: after a change of [Till] listen restart the daemon: systemctl restart oplati",
            ),
    })
}

/// Health is what everybody may ask for, without a token.
fn status_over_tcp(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, STEP)?;
    stream.set_read_timeout(Some(STEP))?;
    stream.set_write_timeout(Some(STEP))?;
    write!(
        stream,
        "GET /v1/health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(&answer == b"HTTP/1.1 200")
}

pub(super) fn versions(ground: &Environment) -> Vec<Check> {
    let own = env!("CARGO_PKG_VERSION");
    let title = Text::new("Версия oplati", "Version of oplati");
    let check = |detail| Check::pass("versions.oplati", Group::Versions, title, detail);
    let running = ground
        .daemon
        .told()
        .and_then(|(health, _)| health.get("version")?.as_str());
    let program = match running {
        Some(other) if other != own => check(Text::new(
            format!("служба {other}, команда {own}"),
            format!("the daemon is {other}, the command {own}"),
        ))
        .warn(
            "Служба старая: systemctl restart oplati",
            "The daemon is an old one: systemctl restart oplati",
        ),
        Some(_) | None => check(Text::same(own)),
    };
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = Check::pass(
        "versions.system",
        Group::Versions,
        Text::new("Система", "System"),
        Text::same(format!(
            "Linux {} {}, SQLite {}",
            kernel.trim(),
            std::env::consts::ARCH,
            rusqlite::version()
        )),
    );
    vec![program, system]
}
