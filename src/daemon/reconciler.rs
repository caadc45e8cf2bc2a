//! `POST /v1/reconciliations` and the daily check: the service's report past the journal, beside the core and not in
//! it.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

use super::reconciled::Reconciled;
use super::status_board::StatusBoard;
use crate::api::till::{Command, Reconciles};
use crate::base::clock::Clock;
use crate::base::error_chain::with_causes;
use crate::base::regular_file::off_thread;
use crate::core::call::{Call, Failure};
use crate::core::record::Account;
use crate::core::{messages, shift};
use crate::journal::{JournalError, ShiftReader};
use crate::model::problem::{Code, Problem};
use crate::report::{Compared, Comparison, Facts, Reconciliation, Template};
use crate::service::{Client, NoReport, ServerDate, Unreadable};
use crate::texts::cashier;

/// What a reconciliation needs.
pub(super) struct Reconciler {
    pub client: Option<Arc<Client>>,
    pub account: Account,
    pub clock: Clock,
    pub journal: PathBuf,
    pub template: PathBuf,
    /// To the core.
    pub commands: mpsc::Sender<Command>,
    /// One at a time.
    pub running: Mutex<()>,
    /// What the daily check has found.
    pub reconciled: Arc<Reconciled>,
    /// Gets the service's time.
    pub shared: Arc<StatusBoard>,
}

type Outcome = Result<Reconciliation, Problem>;

impl Reconciles for Reconciler {
    fn reconcile(&self, shift: String) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(self.run(shift))
    }
}

impl Reconciler {
    async fn run(&self, shift: String) -> Outcome {
        let _running = self.running.try_lock().map_err(|_| busy())?;
        // A broken template is reported before anybody is asked for a hundred thousand rows.
        let path = self.template.clone();
        let template = off_thread(move || Template::load(&path)).await;
        let template = template.map_err(|error| bad_template(&with_causes(&error)))?;
        let template = template.map_err(|error| bad_template(&with_causes(&error)))?;
        let compared = self.compare(&shift).await?;
        self.reconciled.seen(&shift, compared.count());
        self.reconciled.save().await;
        let mut reconciliation = Reconciliation {
            shift,
            till: compared.till,
            service: compared.service,
            differences: compared.differences,
            more_differences: compared.more,
            settled: compared.settled,
            lines: Vec::new(),
        };
        let facts = Facts {
            reg_num: self.account.reg_num.clone(),
            at: self.clock.now().wall,
        };
        reconciliation.lines = template.render(&reconciliation, &facts);
        Ok(reconciliation)
    }

    /// As a till would ask for it, without the lines that it would print.
    pub(super) async fn check(&self, shift: &str) -> Result<Compared, Problem> {
        let _running = self.running.try_lock().map_err(|_| busy())?;
        self.compare(shift).await
    }

    /// Compares, and has the core look again for what was reported to the till as not carried out.
    async fn compare(&self, shift: &str) -> Result<Compared, Problem> {
        let client = self.client.as_ref().ok_or_else(|| {
            Code::NotConfigured.problem(cashier::NO_REG_NUM, cashier::NO_REG_NUM_REMEDY)
        })?;
        let compared = self.read_both(client, shift).await?;
        for operation in &compared.unmoved {
            self.look_again(shift, operation).await;
        }
        for (operation, payment_id) in &compared.seconds {
            self.look_at_second(operation, *payment_id).await;
        }
        Ok(compared)
    }

    async fn read_both(&self, client: &Client, shift: &str) -> Result<Compared, Problem> {
        let (journal, of) = (self.journal.clone(), shift.to_owned());
        let reader = off_thread(move || ShiftReader::open(&journal, &of)).await;
        let reader = reader.map_err(|error| unreadable(&error))?;
        let reader = reader.map_err(|error| unreadable(&error))?;
        let comparison = Comparison::new(shift, self.account.clone());
        let state = Arc::new(std::sync::Mutex::new((reader, comparison, None)));
        let shared = Arc::clone(&state);
        let mut date = None;
        let answered = client
            .each_reported(shift, &mut date, move |info| {
                let Ok(mut state) = shared.lock() else {
                    return false;
                };
                let (reader, comparison, broken) = &mut *state;
                let known = reader.reported(&info.order_number, info.payment_id);
                let undoings = known.and_then(|known| {
                    let undoings = known
                        .as_ref()
                        .map(|record| reader.undoings_of(record, info.payment_id));
                    Ok((known, undoings.transpose()?.unwrap_or_default()))
                });
                match undoings {
                    Ok((known, undoings)) => {
                        comparison.reported(&info, known.as_ref(), &undoings);
                        true
                    }
                    Err(error) => {
                        *broken = Some(error);
                        false
                    }
                }
            })
            .await;
        let has_answered = match &answered {
            Ok(()) => true,
            Err(NoReport::Failed(failure)) => is_answer(failure),
            Err(NoReport::Unreadable(_)) => false,
        };
        self.note_answer(date, has_answered);
        let state = Arc::into_inner(state).and_then(|state| state.into_inner().ok());
        let Some((reader, mut comparison, broken)) = state else {
            return Err(Problem::temporarily_unavailable());
        };
        if let Some(error) = broken {
            return Err(unreadable(&error));
        }
        answered.map_err(|failure| no_report(&failure))?;
        let compared = tokio::task::spawn_blocking(move || {
            reader.each(|record, reported| comparison.journalled(record, reported))?;
            Ok::<_, JournalError>(comparison.finish())
        });
        let compared = compared
            .await
            .map_err(|_| Problem::temporarily_unavailable())?;
        compared.map_err(|error| unreadable(&error))
    }

    /// What was reported to the till as not carried out is in the report after all: the core asks for it once more,
    /// and brings it back.
    async fn look_again(&self, shift: &str, operation: &str) {
        let (journal, of, wanted) = (self.journal.clone(), shift.to_owned(), operation.to_owned());
        let found = off_thread(move || ShiftReader::open(&journal, &of)?.to_recheck(&wanted)).await;
        let found = found.unwrap_or_else(|error| {
            log_unreadable(&error);
            Ok(None)
        });
        match found {
            Ok(Some(id)) => {
                tracing::error!(operation, recheck = %id, "Reported by the service, though it was absent or took nothing");
                self.recheck(id, None).await;
            }
            Ok(None) => {}
            Err(error) => log_unreadable(&error),
        }
    }
}

impl Reconciler {
    /// The report holds a further row under an operation's number: a second payment is brought back, a second copy
    /// of a refund is counted, and a person has to see it.
    async fn look_at_second(&self, operation: &str, payment_id: i64) {
        tracing::error!(
            operation,
            payment_id,
            "Reported by the service twice under one number"
        );
        self.recheck(operation.to_owned(), Some(payment_id)).await;
    }

    /// Asks for today's report and keeps what its `Date` shows of the clock. The end of the daemon waits for it, since
    /// it may bring the token.
    pub(super) async fn ask_for_time(
        &self,
        client: &Client,
        operation: &str,
    ) -> Result<(), Problem> {
        let _under_way = self.shared.calls.enter();
        let call = Call::Probe {
            shift: shift::of_day(self.clock.now().wall),
        };
        let exchange = client.call(&call, operation).await;
        let answered = exchange.answer.map(drop);
        let has_answered = answered.as_ref().err().is_none_or(is_answer);
        self.note_answer(exchange.server_date, has_answered);
        answered.map_err(|failure| {
            let error = messages::of_failure(&failure);
            Code::TemporarilyUnavailable.problem(error.message, error.remedy)
        })
    }

    /// What the service has answered past the core: its time, and that it is there.
    pub(super) fn note_answer(&self, date: Option<ServerDate>, has_answered: bool) {
        if let Some(date) = date {
            self.shared.note_server_clock(date);
        }
        // A core that stays with a disk gets it by its own requests.
        if has_answered && self.commands.try_send(Command::ServiceAnswered).is_err() {
            tracing::debug!("The core is not notified that the service has answered");
        }
    }

    async fn recheck(&self, id: String, second: Option<i64>) {
        let command = Command::Recheck { id, second };
        if self.commands.send(command).await.is_err() {
            tracing::warn!("The core has ended");
        }
    }
}

/// Whether a request that failed was answered by the service all the same: that ends an outage.
fn is_answer(failure: &Failure) -> bool {
    match failure {
        Failure::Refused { .. } | Failure::Token { .. } | Failure::SessionOver { .. } => true,
        Failure::NotSent { .. } | Failure::Lost { .. } | Failure::TooManyRequests { .. } => false,
    }
}

fn busy() -> Problem {
    Code::Busy.problem(cashier::RECONCILIATION_RUNS, cashier::AWAIT_END_REMEDY)
}

fn bad_template(what: &str) -> Problem {
    Problem::unprocessable(
        cashier::template_bad(messages::support_text(what)),
        cashier::TEMPLATE_BAD_REMEDY,
    )
}

fn no_report(error: &NoReport) -> Problem {
    let (detail, remedy, retry_after_s) = match error {
        NoReport::Failed(failure) => {
            let error = messages::of_missing_report(failure);
            let wait = match failure {
                Failure::TooManyRequests { retry_after, .. } => *retry_after,
                Failure::NotSent { .. }
                | Failure::Refused { .. }
                | Failure::Token { .. }
                | Failure::SessionOver { .. }
                | Failure::Lost { .. } => None,
            };
            let detail = cashier::report_missing(error.message);
            (detail, error.remedy, wait.map(|wait| wait.as_secs().max(1)))
        }
        NoReport::Unreadable(broken) => {
            tracing::warn!(row = ?broken.row, error = %with_causes(broken), "The report cannot be read");
            let (detail, remedy) = unreadable_report(broken);
            (detail, remedy.to_owned(), None)
        }
    };
    let problem = Code::TemporarilyUnavailable.problem(detail, remedy);
    Problem {
        retry_after_s: retry_after_s.or(problem.retry_after_s),
        ..problem
    }
}

/// What came is reported by its place: only what is no JSON at all is a router's page.
fn unreadable_report(broken: &Unreadable) -> (String, &'static str) {
    let to_support = cashier::REPORT_BAD_ROW_REMEDY;
    match broken.row {
        Some((row, Some(field))) => (cashier::report_bad_field(field, row), to_support),
        Some((row, None)) => (cashier::report_bad_row(row), to_support),
        None if broken.is_json => (
            cashier::REPORT_INCOMPLETE.to_owned(),
            cashier::REPORT_REFUSED_REMEDY,
        ),
        None => (
            cashier::REPORT_OF_ANOTHER.to_owned(),
            cashier::REPORT_WRONG_ANSWER_REMEDY,
        ),
    }
}

fn unreadable(error: &dyn std::error::Error) -> Problem {
    log_unreadable(error);
    Problem::journal_unreadable()
}

fn log_unreadable(error: &dyn std::error::Error) {
    tracing::error!(error = %with_causes(error), "The journal cannot be read");
}
