//! `oplati demo --once`: one sale in each mode, a refund and a cancellation, without a page, as a check
//! of the whole program.
//!
//! The cashier's part goes through the till API and the buyer's part through the simulator, as on the
//! page; the states are read from the event stream, since that alone tells each of them. At the end
//! the service's own ledger decides whether all is as it should be, not what the daemon says of itself.

use std::io::Write;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde::Deserialize;

use super::DemoError;
use super::buyer::{Decision, Payment, Taken};
use super::loopback::Stream;
use super::table::{Table, seconds};
use super::world::{Parts, World};
use crate::money::Kopecks;
use crate::operation::{Item, ItemKind, Mode, Operation, Receipt, SaleRequest, Shows, State, word};

/// The bound of one sale; three of them and the start stay below 20 s.
const SALE_LIMIT: Duration = Duration::from_secs(6);

/// How long a person takes to do the next thing: short, but long enough for the daemon to wait.
const PERSONS_PAUSE: Duration = Duration::from_millis(300);

/// A sale of the plan.
struct Planned {
    id: &'static str,
    title: &'static str,
    mode: Mode,
    goods: &'static str,
    amount: Kopecks,
}

const PLAN: [Planned; 3] = [
    Planned {
        id: "demo-mode-0",
        title: "Режим 0: сканер читает QR-код покупателя",
        mode: Mode::ConsumerQr,
        goods: "Сыр",
        amount: Kopecks(1234),
    },
    Planned {
        id: "demo-mode-1",
        title: "Режим 1: покупатель вводит код с дисплея",
        mode: Mode::StaticQr,
        goods: "Яблоки",
        amount: Kopecks(700),
    },
    Planned {
        id: "demo-mode-2",
        title: "Режим 2: покупатель сканирует QR-код с дисплея",
        mode: Mode::DynamicQr,
        goods: "Букет ромашек",
        amount: Kopecks(5999),
    },
];

/// What is brought back of the planned sales.
struct Returned {
    id: &'static str,
    title: &'static str,
    collection: &'static str,
    /// Of which sale.
    of: &'static str,
    amount: Kopecks,
}

const RETURNS: [Returned; 2] = [
    Returned {
        id: "demo-refund",
        title: "Возврат части оплаты",
        collection: "refunds",
        of: "demo-mode-2",
        amount: Kopecks(500),
    },
    Returned {
        id: "demo-cancel",
        title: "Отмена оплаты",
        collection: "cancellations",
        of: "demo-mode-1",
        amount: Kopecks(700),
    },
];

/// What an event tells of an operation, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Seen {
    id: String,
    state: State,
    message: String,
}

/// Plays the sales, tells of them on standard output, and compares with the ledger.
///
/// # Errors
/// [`DemoError::NotAsItShould`] with what is wrong, [`DemoError::Call`], [`DemoError::Io`].
pub async fn play(world: &World) -> Result<(), DemoError> {
    let parts = world.parts();
    let mut table = Table::new(std::io::stdout());
    let began = Instant::now();
    let mut sales = Vec::new();
    for planned in &PLAN {
        let played = tokio::time::timeout(SALE_LIMIT, play_sale(parts, planned, &mut table)).await;
        let late = || {
            DemoError::NotAsItShould(format!("{} did not end within {SALE_LIMIT:?}", planned.id))
        };
        sales.push(played.map_err(|_| late())??);
    }
    for returned in &RETURNS {
        let played = tokio::time::timeout(SALE_LIMIT, play_return(parts, returned, &mut table));
        let late = || {
            DemoError::NotAsItShould(format!("{} did not end within {SALE_LIMIT:?}", returned.id))
        };
        played.await.map_err(|_| late())??;
    }
    let ledger = parts.buyer.payments().await?;
    check(&PLAN, &sales, &ledger).map_err(DemoError::NotAsItShould)?;
    table.line(&format!(
        "В книге сервиса: оплат {}, по одной на продажу, суммы и возвраты верны, все проведены.",
        PLAN.len()
    ))?;
    table.line(&format!(
        "Всё как надо · all as it should be · {}",
        seconds(began.elapsed())
    ))
}

async fn play_sale<W: Write>(
    parts: &Parts,
    planned: &Planned,
    table: &mut Table<W>,
) -> Result<Operation, DemoError> {
    table.line(&format!(
        "{}, {} р.",
        planned.title,
        planned.amount.to_string().replace('.', ",")
    ))?;
    // Before the sale begins, so that its first state is not missed.
    let mut events = parts.till.listen("/v1/events", None).await?;
    let began = Instant::now();
    let body =
        serde_json::to_value(request(planned)).map_err(|error| DemoError::Io(error.into()))?;
    let _: Operation = parts
        .till
        .ask(
            Method::PUT,
            &format!("/v1/sales/{}", planned.id),
            Some(&body),
        )
        .await?;
    let mut last: Option<Seen> = None;
    loop {
        let seen = next_change(&mut events, planned.id, last.as_ref()).await?;
        table.state(began.elapsed(), &word(seen.state), &seen.message)?;
        if seen.state.is_final() {
            break;
        }
        if last.as_ref().map(|last| last.state) != Some(seen.state) {
            act(parts, planned.id, seen.state, table).await?;
        }
        last = Some(seen);
    }
    table.line("")?;
    Ok(parts
        .till
        .ask(Method::GET, &format!("/v1/operations/{}", planned.id), None)
        .await?)
}

/// A refund or a cancellation, which no buyer has to confirm.
async fn play_return<W: Write>(
    parts: &Parts,
    returned: &Returned,
    table: &mut Table<W>,
) -> Result<(), DemoError> {
    let amount = returned.amount.to_string().replace('.', ",");
    table.line(&format!("{}, {amount} р.", returned.title))?;
    let body = if returned.collection == "refunds" {
        serde_json::json!({
            "sale": returned.of,
            "amount": returned.amount,
            "receipt": {"number": returned.id, "items": [{"name": "Возврат", "cost": returned.amount}]},
        })
    } else {
        serde_json::json!({"operation": returned.of})
    };
    let began = Instant::now();
    let path = format!("/v1/{}/{}", returned.collection, returned.id);
    let mut operation: Operation = parts.till.ask(Method::PUT, &path, Some(&body)).await?;
    loop {
        let name = word(operation.state);
        table.state(began.elapsed(), &name, &operation.message)?;
        if operation.state.is_final() {
            break;
        }
        let path = format!("/v1/operations/{}?wait=5&after={name}", returned.id);
        operation = parts.till.ask(Method::GET, &path, None).await?;
    }
    table.line("")?;
    if operation.state == State::Done {
        return Ok(());
    }
    Err(DemoError::NotAsItShould(format!(
        "{} ended {}: {}",
        returned.id,
        word(operation.state),
        operation.message
    )))
}

fn request(planned: &Planned) -> SaleRequest {
    let item = Item {
        name: planned.goods.to_owned(),
        quantity: Some("1.000".to_owned()),
        price: Some(planned.amount),
        cost: planned.amount,
        kind: ItemKind::Goods,
        barcode: None,
    };
    let receipt = Receipt {
        number: planned.id.to_owned(),
        shift: None,
        items: vec![item],
        header: None,
        footer: None,
        paid_otherwise: Kopecks::ZERO,
    };
    SaleRequest {
        amount: planned.amount,
        receipt,
        mode: Some(planned.mode),
    }
}

/// The next event of this operation that says something new.
async fn next_change(
    events: &mut Stream,
    id: &str,
    last: Option<&Seen>,
) -> Result<Seen, DemoError> {
    while let Some(message) = events.next().await? {
        if message.event != "operation" {
            continue;
        }
        let seen: Seen = serde_json::from_str(&message.data).map_err(|error| {
            DemoError::NotAsItShould(format!("an event of an operation is unreadable: {error}"))
        })?;
        if seen.id == id && last != Some(&seen) {
            return Ok(seen);
        }
    }
    Err(DemoError::NotAsItShould(
        "the daemon closed its event stream".to_owned(),
    ))
}

/// What the people do when the operation waits for one of them.
async fn act<W: Write>(
    parts: &Parts,
    id: &str,
    state: State,
    table: &mut Table<W>,
) -> Result<(), DemoError> {
    match state {
        State::AwaitingScan => {
            tokio::time::sleep(PERSONS_PAUSE).await;
            let code = parts.buyer.qr().await?;
            table.act("покупатель показывает QR-код, сканер читает его")?;
            parts.scanner.scan(&code)?;
        }
        State::AwaitingBuyer => {
            tokio::time::sleep(PERSONS_PAUSE).await;
            let operation: Operation = parts
                .till
                .ask(Method::GET, &format!("/v1/operations/{id}"), None)
                .await?;
            let (what, taken) = match operation.shows {
                Some(Shows::Code(code)) => ("покупатель вводит код с дисплея", Taken::Code(code)),
                Some(Shows::Qr(text)) => ("покупатель сканирует QR-код с дисплея", Taken::Qr(text)),
                None => {
                    return Err(DemoError::NotAsItShould(format!(
                        "{id} waits for the buyer, but shows nothing"
                    )));
                }
            };
            table.act(what)?;
            parts.buyer.join(&taken).await?;
        }
        State::AwaitingConfirmation => {
            tokio::time::sleep(PERSONS_PAUSE).await;
            table.act("покупатель подтверждает оплату")?;
            parts.buyer.decide(Decision::Confirm).await?;
        }
        State::New
        | State::InProgress
        | State::InDoubt
        | State::Queued
        | State::Done
        | State::Declined
        | State::NotEnoughMoney
        | State::Expired
        | State::Cancelled
        | State::Failed => {}
    }
    Ok(())
}

/// Whether the service's ledger holds exactly the planned sales, each paid once.
fn check(plan: &[Planned], sales: &[Operation], ledger: &[Payment]) -> Result<(), String> {
    for (planned, sale) in plan.iter().zip(sales) {
        if sale.state != State::Done {
            return Err(format!(
                "{} ended {}: {}",
                planned.id,
                word(sale.state),
                sale.message
            ));
        }
        let mut payments = ledger
            .iter()
            .filter(|payment| payment.order_number == sale.order_number);
        let (Some(payment), None) = (payments.next(), payments.next()) else {
            return Err(format!(
                "{} does not have exactly one payment in the service's ledger",
                planned.id
            ));
        };
        if !payment.is_sale() || !payment.is_paid() {
            return Err(format!(
                "{} is done, but its payment is not: {payment:?}",
                planned.id
            ));
        }
        let back = RETURNS.iter().find(|returned| returned.of == planned.id);
        let back = back.map_or(Kopecks::ZERO, |returned| returned.amount);
        if payment.reversed != back {
            return Err(format!(
                "of {} {} came back instead of {back}",
                planned.id, payment.reversed
            ));
        }
        if payment.kopecks != planned.amount {
            return Err(format!(
                "{} is about {}, its payment about {}",
                planned.id, planned.amount, payment.kopecks
            ));
        }
    }
    let payments = ledger.iter().filter(|payment| payment.is_sale()).count();
    if sales.len() != plan.len() || payments != plan.len() {
        return Err(format!(
            "{payments} payments in the service's ledger for {} sales",
            plan.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(planned: &Planned, order_number: &str) -> Operation {
        serde_json::from_value(serde_json::json!({
            "id": planned.id, "kind": "sale", "state": "done", "amount": planned.amount,
            "mode": planned.mode, "shift": "24112026", "order_number": order_number,
            "payment_id": 1, "of": null, "left": planned.amount, "undo": null, "shows": null,
            "message": "Оплата выполнена", "error": null, "card": null, "slip": null,
            "created_at": "2026-11-24T06:52:50.000Z", "updated_at": "2026-11-24T06:52:51.000Z",
            "finished_at": "2026-11-24T06:52:51.000Z",
        }))
        .unwrap()
    }

    fn paid(planned: &Planned, order_number: &str) -> Payment {
        Payment {
            order_number: order_number.to_owned(),
            kopecks: planned.amount,
            reversed: RETURNS
                .iter()
                .find(|returned| returned.of == planned.id)
                .map_or(Kopecks::ZERO, |returned| returned.amount),
            status: 1,
            kind: 1,
        }
    }

    /// The plan as it should end: operations and ledger.
    fn right() -> (Vec<Operation>, Vec<Payment>) {
        let numbered = || PLAN.iter().zip(["a-1", "a-2", "a-3"]);
        (
            numbered().map(|(p, n)| sale(p, n)).collect(),
            numbered().map(|(p, n)| paid(p, n)).collect(),
        )
    }

    #[test]
    fn three_paid_sales_are_right() {
        let (sales, ledger) = right();
        assert_eq!(check(&PLAN, &sales, &ledger), Ok(()));
    }

    #[test]
    fn each_thing_that_can_be_wrong_is_named() {
        type Spoil = fn(&mut Vec<Operation>, &mut Vec<Payment>);
        let spoils: [(Spoil, &str); 9] = [
            (
                |_, ledger| ledger[2].reversed = Kopecks(499),
                "of demo-mode-2 4.99 came back instead of 5.00",
            ),
            (
                |sales, _| sales[0].state = State::Declined,
                "demo-mode-0 ended declined",
            ),
            (
                |_, ledger| drop(ledger.remove(1)),
                "demo-mode-1 does not have exactly one payment",
            ),
            (
                |_, ledger| ledger.push(ledger[2].clone()),
                "demo-mode-2 does not have exactly one payment",
            ),
            (
                |_, ledger| ledger[0].status = 0,
                "demo-mode-0 is done, but its payment is not",
            ),
            (
                |_, ledger| ledger[0].kind = 3,
                "demo-mode-0 is done, but its payment is not",
            ),
            (
                |_, ledger| ledger[1].kopecks = Kopecks(70_000),
                "demo-mode-1 is about 7.00, its payment about 700.00",
            ),
            (
                |sales, _| drop(sales.pop()),
                "3 payments in the service's ledger for 3 sales",
            ),
            (
                |_, ledger| ledger.push(paid(&PLAN[0], "b-9")),
                "4 payments in the service's ledger for 3 sales",
            ),
        ];
        for (spoil, expected) in spoils {
            let (mut sales, mut ledger) = right();
            spoil(&mut sales, &mut ledger);
            let found = check(&PLAN, &sales, &ledger).unwrap_err();
            assert!(
                found.starts_with(expected),
                "{found:?} instead of {expected:?}"
            );
        }
    }

    #[test]
    fn the_plan_is_a_sale_the_till_may_ask_for() {
        for planned in &PLAN {
            let request = request(planned);
            assert!(request.amount.is_payable());
            assert_eq!(
                request
                    .receipt
                    .items
                    .iter()
                    .map(|item| item.cost.0)
                    .sum::<i64>(),
                request.amount.0
            );
        }
        let longest = SALE_LIMIT * u32::try_from(PLAN.len()).unwrap();
        assert!(longest < Duration::from_secs(20));
    }
}
