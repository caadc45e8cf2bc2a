//! The daemon, its doors, and versions.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::environment::{Daemon, Environment};
use super::texts;
use crate::model::check::{Check, Group, Text, Verdict};
use crate::texts::technician;

/// For one step of a call over TCP.
const STEP: Duration = Duration::from_secs(2);

pub(super) fn api(ground: &Environment) -> Vec<Check> {
    let socket = ground.socket();
    let title = technician::API_DAEMON;
    let check = |detail| Check::pass("api.socket", Group::Api, title, detail);
    let restart = "systemctl restart oplati; journalctl -u oplati -n 50";
    let answer = match &ground.daemon {
        Daemon::Runs { .. } => check(texts::path(&socket)),
        Daemon::Stopped => check(technician::API_DAEMON_STOPPED).fail(technician::API_START_DAEMON),
        Daemon::Elsewhere(pid) => check(texts::of(&socket, &technician::api_daemon_elsewhere(pid)))
            .fail(technician::API_RESTART_WITH_SETTINGS),
        Daemon::Closed => {
            check(texts::of(&socket, &technician::API_NO_RIGHT)).fail(technician::API_ADD_TO_GROUP)
        }
        Daemon::Silent(why) => check(texts::of(&socket, &Text::same(why.clone())))
            .fail(technician::api_restart_daemon(restart)),
    };
    let mut checks = vec![answer];
    checks.extend(over_tcp(ground));
    checks.extend(sales(ground));
    checks
}

/// Whether a sale begun now would be taken, in health's words.
fn sales(ground: &Environment) -> Option<Check> {
    let (health, _) = ground.daemon.health_and_devices()?;
    let status = health.get("status").and_then(Value::as_str)?;
    let title = technician::API_SALES;
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
    Some(check(detail).ended(verdict, Some(technician::API_SALES_REMEDY)))
}

fn over_tcp(ground: &Environment) -> Option<Check> {
    let address = ground.settings.as_ref().ok()?.config.till.listen?;
    ground.daemon.health_and_devices()?;
    let title = technician::API_TCP;
    let check = |detail| Check::pass("api.tcp", Group::Api, title, detail);
    let shown = Text::same(address.to_string());
    Some(match status_over_tcp(address) {
        Ok(true) => check(shown),
        Ok(false) | Err(_) => check(shown).fail(technician::API_PORT_SILENT),
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
    let title = technician::API_VERSION;
    let check = |detail| Check::pass("versions.oplati", Group::Versions, title, detail);
    let running = ground
        .daemon
        .health_and_devices()
        .and_then(|(health, _)| health.get("version")?.as_str());
    let program = match running {
        Some(other) if other != own => {
            check(technician::api_other_version(other, own)).warn(technician::API_OLD_DAEMON)
        }
        Some(_) | None => check(Text::same(own)),
    };
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = Check::pass(
        "versions.system",
        Group::Versions,
        technician::API_SYSTEM,
        Text::same(format!(
            "Linux {} {}, SQLite {}",
            kernel.trim(),
            std::env::consts::ARCH,
            rusqlite::version()
        )),
    );
    vec![program, system]
}
