//! Waiting for a descriptor.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Waits at most so long until a descriptor is ready for `events`; what it is then, nothing when the time is over.
/// An error is that of the system, `EINTR` as well.
pub(crate) fn wait_for(
    descriptor: impl AsFd,
    events: PollFlags,
    wait: Duration,
) -> rustix::io::Result<PollFlags> {
    let mut fds = [PollFd::new(&descriptor, events)];
    poll(&mut fds, Some(&timespec(wait)))?;
    let [descriptor] = fds;
    Ok(descriptor.revents())
}

/// A wait as `poll` takes it.
pub(crate) fn timespec(wait: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: wait.subsec_nanos().into(),
    }
}
