//! `oplati sim`: the simulated service, as recorded of the real one unless the options change it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::sim::{AnswerWhen, BuyerScript, Rules, SessionIds, SimOptions, rules};

/// Options of `sim`.
#[derive(Debug, clap::Args)]
pub(super) struct SimArgs {
    /// Where; port 0 picks one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// A buyer who acts by himself: join=300ms,confirm=500ms,outcome=done
    #[arg(long, value_name = "SCRIPT")]
    buyer: Option<BuyerScript>,
    /// How long a session waits for its buyer: 60, 60s or 300ms
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = rules::time)]
    life: Duration,
    /// When a payment is answered
    #[arg(long, default_value = "held", value_enum)]
    answer: AnswerWhen,
    /// What a session's id is in JSON
    #[arg(long, default_value = "integer", value_enum)]
    session_ids: SessionIds,
    /// Refuse an order number that was used before
    #[arg(long)]
    unique_numbers: bool,
    /// Closer questions for one payment are violations; 0 for none
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = rules::time)]
    poll_payment: Duration,
    /// Closer questions for one session are violations; 0 for none
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = rules::time)]
    poll_session: Duration,
    /// Answer violations with 429 and Retry-After
    #[arg(long)]
    rate_limit: bool,
}

impl SimArgs {
    pub(super) fn options(&self) -> SimOptions {
        SimOptions {
            listen: self.listen,
            buyer: self.buyer,
            rules: Rules {
                session_life: self.life,
                answer: self.answer,
                session_ids: self.session_ids,
                unique_numbers: self.unique_numbers,
                poll_payment: self.poll_payment,
                poll_session: self.poll_session,
                rate_limit: self.rate_limit,
            },
        }
    }
}
