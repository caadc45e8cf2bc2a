//! `oplati selftest --trial`: asks the person, opens one session with the service, and prints which
//! assumptions about the service it saw hold.

use std::io::IsTerminal as _;
use std::time::Duration;

use qrcode::QrCode;

use super::super::till::{self, TillError};
use super::super::{CliError, Context};
use super::prompt::{Person, Typed};
use crate::model::check::Check;
use crate::selftest::{Environment, trial};
use crate::service::Settings;
use crate::service::trial::Trial;
use crate::texts::technician;

/// Between two looks at what was typed.
const TYPED_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// What was seen; `None` when the person does not want it.
pub(super) fn run(
    context: &Context,
    ground: &Environment,
    is_agreed: bool,
) -> Result<Option<(Vec<Check>, bool)>, CliError> {
    let settings = settings(context)?;
    if !is_agreed && !std::io::stdin().is_terminal() {
        return Err(CliError::Usage(
            "a person is asked first: run it on a terminal, or add --yes".to_owned(),
        ));
    }
    let mut person = Person::attend().map_err(TillError::Run)?;
    if !is_agreed && !agrees(context, &settings.url, &mut person)? {
        return Ok(None);
    }
    let mut trial = match Trial::new(&settings) {
        Ok(trial) => trial,
        Err(error) => return Ok(Some((vec![trial::impossible(&error)], false))),
    };
    let stopped = person.until_stopped();
    let checks = till::block_on(async {
        let show = |text: &str| show(context, text);
        Ok(trial::run(&mut trial, ground.now, show, stopped).await)
    })?;
    Ok(Some((checks, person.has_stopped())))
}

fn settings(context: &Context) -> Result<Settings, CliError> {
    let main = crate::config::load(&context.root)?.config.main;
    let reg_num = main.reg_num;
    Ok(Settings {
        url: main.url,
        reg_num: reg_num.ok_or_else(|| CliError::Data("regNum is not set".to_owned()))?,
        password: main.password,
        timeout: main.timeout,
        token_path: context.paths.token(),
    })
}

/// Asks on the terminal. Everything but a clear yes is a no.
fn agrees(context: &Context, url: &str, person: &mut Person) -> Result<bool, CliError> {
    let language = context.language;
    context.output.note(&format!(
        "{} {url}\n{}",
        language.text(technician::TRIAL_ASKS),
        language.text(technician::TRIAL_SHOWS)
    ));
    person.ask().map_err(TillError::Run)?;
    loop {
        if person.has_stopped() {
            return Ok(false);
        }
        match person.typed() {
            Typed::NotYet => std::thread::sleep(TYPED_POLL_INTERVAL),
            Typed::Line(line) => {
                let (line, yes) = (line.to_lowercase(), technician::TRIAL_YES);
                return Ok(line == yes.ru || line == yes.en);
            }
            Typed::Nobody => return Ok(false),
        }
    }
}

/// To a person only: the text of a QR has no place in a file.
fn show(context: &Context, text: &str) {
    let code = QrCode::new(text.as_bytes()).ok();
    if let Some(code) = code.filter(|_| context.output.is_watched()) {
        context.output.qr(context.language, &code);
    }
    context.remark(technician::TRIAL_IS_OPEN);
}
