//! `oplati check`.

use serde_json::json;

use super::output::table;
use super::{CliError, Context};
use crate::base::error_chain::with_causes;
use crate::base::exit_code;
use crate::config::{self, DisplayDevice, Source};
use crate::devices::display::logo::Logo;
use crate::devices::profile::Registry;
use crate::devices::profile::registry::{AnyProfile, Origin};
use crate::devices::scanner::vectors;
use crate::report::Template;
use crate::texts::technician;

pub(super) fn run(context: &Context) -> Result<u8, CliError> {
    let loaded = config::load(&context.root)?;
    for warning in &loaded.warnings {
        context.output.note(&warning.to_string());
    }
    let (path, found) = match &loaded.source {
        Source::File(path) => (path, true),
        Source::Defaults(path) => (path, false),
    };
    if context.output.json {
        let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        let value =
            json!({"path": path, "found": found, "warnings": warnings, "settings": loaded.lines});
        context.print_json(&value)?;
        return Ok(check_files(context, &loaded));
    }
    let read = if found {
        context.language.text(technician::CHECK_READ_FROM)
    } else {
        context.language.text(technician::CHECK_NO_FILE)
    };
    let rows: Vec<Vec<String>> = loaded
        .lines
        .iter()
        .map(|line| {
            vec![
                format!("[{}]", line.section),
                line.key.to_owned(),
                line.value.clone(),
                line.origin.clone(),
            ]
        })
        .collect();
    let headings = [
        context.language.text(technician::HEADING_SECTION),
        context.language.text(technician::HEADING_KEY),
        context.language.text(technician::HEADING_VALUE),
        context.language.text(technician::HEADING_ORIGIN),
    ];
    let text = format!("{read} {}\n\n{}", path.display(), table(&headings, &rows));
    context.print(&text)?;
    if loaded.config.main.reg_num.is_none() {
        context.remark(technician::CHECK_NO_REG_NUM);
    }
    Ok(check_files(context, &loaded))
}

/// What else the administrator writes: profiles, and the printed report's template.
fn check_files(context: &Context, loaded: &config::Loaded) -> u8 {
    let (registry, errors) = Registry::load(&context.paths.profiles());
    let mut code = exit_code::OK;
    for error in &errors {
        code = context.fail(error, exit_code::CONFIG);
    }
    let shops = registry
        .all()
        .filter(|profile| matches!(registry.origin(profile.id()), Some(Origin::File(_))));
    for profile in shops {
        let failures = match profile {
            AnyProfile::Scanner(profile) => vectors::failures(profile),
            AnyProfile::Display(profile) => crate::devices::display::serial::failures(profile),
        };
        for failure in failures {
            context
                .output
                .note(&format!("oplati: profile {}: {failure}", profile.id()));
            code = exit_code::CONFIG;
        }
    }
    let config = &loaded.config;
    if let Err(error) = registry.check_use(&config.scanner, &config.display) {
        code = context.fail(&error, exit_code::CONFIG);
    }
    note_logo(context, loaded);
    note_pictures(context, loaded);
    if !crate::base::zone::has_time_zones() {
        context.remark(technician::CHECK_NO_TIME_ZONE);
    }
    code.max(check_template(context))
}

/// The daemon runs without a logo, so that a bad one is no reason to fail.
fn note_logo(context: &Context, loaded: &config::Loaded) {
    let Some(path) = &loaded.config.display.logo else {
        return;
    };
    if let Err(error) = Logo::read(path) {
        let error = with_causes(&error);
        context.output.note(&format!(
            "oplati: [Display] logo: {error}; the idle scene goes without"
        ));
    }
}

/// The daemon runs without a display, too: what stands in a picture's place and is no file may be gone by then.
fn note_pictures(context: &Context, loaded: &config::Loaded) {
    for device in &loaded.config.display.devices {
        if let DisplayDevice::Png { path, .. } = device
            && std::fs::symlink_metadata(path).is_ok_and(|there| !there.is_file())
        {
            let path = path.display();
            context.output.note(&format!(
                "oplati: [Display] device: {path} is a folder, link or device, which no picture replaces; name a new file"
            ));
        }
    }
}

/// The printed report's template is the administrator's, too.
fn check_template(context: &Context) -> u8 {
    match Template::load(&context.paths.report_template()) {
        Ok(_) => exit_code::OK,
        Err(error) => context.fail(&error, exit_code::CONFIG),
    }
}
