//! Wakes the core every few seconds, and sees whether it gets on: a core that hangs cannot report that itself.
//!
//! A thread that waits in the kernel is woken once when its time has come. A timer of the async runtime wakes its thread
//! up to three times, as it moves from one wheel of the runtime's clock to the next; that is why there is a thread for
//! this, and only one.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::Notify;

use super::DaemonError;
use super::status_board::StatusBoard;
use crate::api::notices::EventLog;
use crate::engine::PULSE_INTERVAL;

/// A pulse that came just before it is due would be one for nothing.
const MARGIN: Duration = Duration::from_millis(50);
/// How often somebody looks whether a core that has something to do gets on.
const BUSY_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Pulse(#[expect(dead_code, reason = "its end is the message")] mpsc::Sender<()>);

impl Pulse {
    pub(super) fn start(
        wakes_core: Arc<Notify>,
        shared: Arc<StatusBoard>,
        notices: Arc<EventLog>,
    ) -> Result<Pulse, DaemonError> {
        let (alive, ended) = mpsc::channel();
        super::spawn("oplati-pulse", move || {
            let mut was_stuck = false;
            let mut wait = PULSE_INTERVAL + MARGIN;
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                let is_resting = shared.turns.is_resting();
                wakes_core.notify_one();
                shared.look_at_core(&mut was_stuck, &notices);
                // What hangs from now on is seen in less time than makes it a hang.
                wait = if is_resting {
                    PULSE_INTERVAL + MARGIN
                } else {
                    BUSY_LOOK_INTERVAL
                };
            }
        })?;
        Ok(Pulse(alive))
    }
}
