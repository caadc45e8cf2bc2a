//! All groups side by side. Each has a thread and a deadline: one that hangs, on a dead disk or name server,
//! is reported and left behind, and the others are not kept waiting.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::environment::Environment;
use super::{api, devices, journal, service, settings, system};
use crate::model::check::{Check, Group};
use crate::texts::technician;

/// All groups end within this, so that all of it takes less than ten seconds with what came before.
const DEADLINE: Duration = Duration::from_secs(7);

/// What looks at one group.
type Look = fn(&Environment) -> Vec<Check>;

const CHECK_GROUPS: [(Group, Look); 10] = [
    (Group::Configuration, settings::configuration),
    (Group::Files, settings::files),
    (Group::Users, system::users),
    (Group::Udev, system::udev),
    (Group::Devices, devices::devices),
    (Group::Service, service::service),
    (Group::Journal, journal::journal),
    (Group::Log, settings::log),
    (Group::Api, api::api),
    (Group::Versions, api::versions),
];

/// Runs all checks, in the order of the groups. Takes at most seven seconds.
pub fn run(ground: &Arc<Environment>) -> Vec<Check> {
    let deadline = Instant::now() + DEADLINE;
    let (sender, receiver) = channel();
    let mut found: Vec<(Group, Vec<Check>)> = Vec::new();
    for (group, look) in CHECK_GROUPS {
        let (ground, results) = (Arc::clone(ground), sender.clone());
        let spawned = std::thread::Builder::new()
            .name("oplati-selftest".to_owned())
            .spawn(move || drop(results.send((group, look(&ground)))));
        if let Err(error) = spawned {
            found.push((group, vec![unfinished(group, &error.to_string())]));
        }
    }
    drop(sender);
    // Until all have reported, or the time is over.
    while let Ok(checks) = receiver.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        found.push(checks);
    }
    for group in Group::ALL {
        if !found.iter().any(|(of, _)| *of == group) {
            found.push((group, vec![unfinished(group, "deadline")]));
        }
    }
    found.sort_by_key(|(group, _)| *group);
    found.into_iter().flat_map(|(_, checks)| checks).collect()
}

fn unfinished(group: Group, why: &str) -> Check {
    let seconds = DEADLINE.as_secs();
    Check::pass(
        "selftest.deadline",
        group,
        technician::RUN_FINISHED,
        technician::run_not_finished(seconds, why),
    )
    .fail(technician::RUN_CHECK_DISK_AND_NETWORK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_is_looked_at() {
        assert_eq!(CHECK_GROUPS.map(|(group, _)| group), Group::ALL);
    }
}
