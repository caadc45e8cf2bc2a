//! What happens in one run: a list of deeds, made from a seed, so that a failing list can be made
//! shorter and played again.

use oplati::core::call::{Call, PaymentStatus};
use oplati::model::operation::Mode;

use crate::prng::Random;
use crate::service::quirks::Quirks;
use crate::tales::{Remedy, TALES, Tale, Undoing};

/// What becomes of the oldest request under way, or of the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFate {
    Answered,
    NotSent,
    RequestLost,
    /// Carried out; the answer is lost, a 5xx, or cut.
    AnswerLost,
    /// Carried out; the answer is garbage.
    Garbage,
    /// Carried out; a part of the answer comes.
    Cut,
    /// A 5xx without effect.
    Error,
    /// Carried out so many seconds after the connection was closed.
    Late(u64),
    /// Refused with the service's own words, without effect.
    Refused,
    TokenNeeded,
    TokenExists,
    /// Carried out, and answered by a token error.
    TokenAfterEffect,
    /// A copy was delivered before and carried out; ours is refused, with empty words.
    CopyRefused,
    /// Ours is refused, and a copy is carried out so many seconds later.
    LateCopy(u64),
    /// Carried out twice, at once and by a buyer who pays both; the answer is lost.
    PaidTwice,
    /// The same, and the second one's answer comes.
    DoneTwice,
    /// Delivered twice; the second delivery's answer comes.
    DeliveredTwice,
    /// 429, with so many seconds of `Retry-After`; 0: without.
    TooMany(u64),
    /// Answered twice.
    Twice,
    /// Answered with another's order number, sum or direction.
    Foreign,
}

/// A part of the service, which may be ill by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Session,
    Pay,
    Status,
    Reverse,
    Report,
}

impl Endpoint {
    pub const ALL: [Endpoint; 5] = [
        Endpoint::Session,
        Endpoint::Pay,
        Endpoint::Status,
        Endpoint::Reverse,
        Endpoint::Report,
    ];

    pub fn of(call: &Call) -> Endpoint {
        match call {
            Call::OpenSession(_) | Call::ConsumerStatus { .. } => Endpoint::Session,
            Call::Pay { .. } => Endpoint::Pay,
            Call::Payment { .. } => Endpoint::Status,
            Call::Reverse { .. } => Endpoint::Reverse,
            Call::LookUp { .. } | Call::Probe { .. } => Endpoint::Report,
        }
    }
}

/// How a commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    Full,
    Broken,
    /// It is reported as failed, and a power cut finds it on the disk all the same.
    ReportedFailed,
    /// It is reported as failed, and was kept.
    KeptButFailed,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Something that people begin and bring to its end, as they mostly do.
    Tale(Tale),
    Begin,
    /// Of the sale with that number among those that are done, by so many kopecks.
    Refund(u64, i64),
    /// Of a payment of another till, or of such a sale by its payment's number.
    RefundPayment(u64, i64),
    Cancel(u64, bool),
    CancelRefund(u64),
    Card,
    /// The last `PUT` once more.
    Repeat,
    /// An older `PUT` once more.
    RepeatOlder(u64),
    Abort,
    /// Who asked last hangs up.
    HangUp,
    /// The entry with that number is tried again.
    Retry(u64),
    /// A person closes everything that is set aside, and says truly what happened.
    Settle,
    /// The same for one entry, whatever it is.
    SettleOne(u64),
    /// The shift is compared with the service's report.
    Reconcile,
    /// The till's next shift begins; its name is a text, or the date again.
    NextShift,
    /// No display can show the QR.
    SceneRefused,
    Scan,
    Join,
    /// A buyer joins the oldest session that lives, over a line that is well.
    JoinOldest,
    Buyer(PaymentStatus),
    /// The service changes a status that was final.
    ChangeOfMind,
    /// The connections of held answers break.
    CutHeld,
    Answer(RequestFate),
    /// The newest request is answered first.
    AnswerNewest(RequestFate),
    /// Milliseconds.
    Pass(u64),
    /// Milliseconds in which everything is answered as it comes.
    LiveOn(u64),
    /// Days in which nothing is sold.
    Closed(u64),
    /// For so many milliseconds nothing gets through.
    Outage(u64),
    /// One part of the service answers so for so many seconds, in which people wait.
    Trouble(Endpoint, RequestFate, u64),
    /// From now on one part of the service answers so.
    BrokenForEver(Endpoint, RequestFate),
    /// The process is started with another till's account, for so many seconds.
    OtherAccount(u64),
    /// Other settings, and a start.
    OtherSettings(u64),
    /// The process dies and is started so many seconds later.
    Crash(u64),
    /// The same, and the disk has lost so many of its last commits.
    CrashForgetting(u64),
    /// It dies before the effect with that number.
    CrashBeforeEffect(u64),
    /// It dies in a transaction, after so many rows.
    CrashInCommit(i64),
    /// A transaction fails after so many rows, and the process lives.
    CommitFails(i64),
    /// So many commits fail.
    Disk(DiskFault, u64),
    /// The machine sleeps so many seconds.
    Suspend(u64),
    /// The civil clock jumps by so many seconds.
    Clock(i64),
    /// The machine starts with a clock that is dead, and sets it right after so many seconds.
    DeadClock(u64),
    /// The civil clock is set right.
    ClockRight,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub mode: Mode,
    pub settle_s: u64,
    pub wait_buyer_s: u64,
    pub poll_payment_s: u64,
    pub journal_days: u32,
    pub quirks: Quirks,
    pub deeds: Vec<Action>,
}

/// What people begin and bring to its end in one run, beside chance.
const TALES_A_RUN: u64 = 7;
/// What a run ends with, and now and then one more.
const LAST_TALES_A_RUN: u64 = 2;
/// Sales among them that are nothing but fair.
const FAIR_SALES: u64 = 1;

impl Plan {
    pub fn of_seed(seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let mode = random.pick(&[Mode::ConsumerQr, Mode::StaticQr, Mode::DynamicQr]);
        let settle_s = random.pick(&[0, 5, 30, 120]);
        let wait_buyer_s = random.pick(&[60, 60, 180]);
        let poll_payment_s = random.pick(&[5, 5, 5, 1, 20]);
        let journal_days = random.pick(&[400, 400, 1, 3]);
        let quirks = Quirks::random(&mut random);
        // Some runs are mostly well, others mostly not.
        let trouble = random.below(4);
        let length = random.below(40);
        let mut deeds: Vec<Action> = (0..length).map(|_| deed(&mut random, trouble)).collect();
        let tales = FAIR_SALES + TALES_A_RUN;
        for number in 0..tales {
            let tale = if number < FAIR_SALES {
                Tale::Paid
            } else {
                random.pick(TALES)
            };
            let at = random.below(deeds.len() as u64 + 1) as usize;
            deeds.insert(at, Action::Tale(tale));
        }
        if quirks.for_ever && random.one_in(2) {
            let endpoint = random.pick(&Endpoint::ALL);
            let ill = random.pick(&ILLS);
            let at = random.below(deeds.len() as u64 + 1) as usize;
            deeds.insert(at, Action::BrokenForEver(endpoint, ill));
        }
        // Drawn by itself: all else of a run is as it is without it.
        let mut random = Random::new(seed ^ 0x5a1e);
        let last = LAST_TALES_A_RUN + u64::from(random.one_in(6));
        deeds.extend((0..last).map(|_| Action::Tale(last_tale(&mut random))));
        Plan {
            seed,
            mode,
            settle_s,
            wait_buyer_s,
            poll_payment_s,
            journal_days,
            quirks,
            deeds,
        }
    }
}

/// What a run ends with: tales whose ends chance alone reaches in hardly one of ten runs, each as often in a hundred
/// as is wanting.
const LAST_TALES: &[(u64, Tale)] = &[
    (14, Tale::RefundOfUndone),
    (4, Tale::Unpaid(PaymentStatus::Decline)),
    (4, Tale::Unpaid(PaymentStatus::NotEnough)),
    (2, Tale::AbortedAfter),
    (2, Tale::NoSession(RequestFate::NotSent)),
    (2, Tale::NoSession(RequestFate::Garbage)),
    (2, Tale::NoScene),
    (4, Tale::NoSession(RequestFate::TokenExists)),
    (3, Tale::Card),
    (2, Tale::CardFails(RequestFate::Refused)),
    (2, Tale::CardFails(RequestFate::Garbage)),
    (3, Tale::CardNoScene),
    (3, Tale::CardFails(RequestFate::NotSent)),
    (4, Tale::CardFails(RequestFate::TokenNeeded)),
    (4, Tale::CardFails(RequestFate::TokenExists)),
    (3, Tale::RefundAborted),
    (
        3,
        Tale::RefundSetAside(RequestFate::RequestLost, Remedy::Leave),
    ),
    (4, Tale::RefundFares(RequestFate::TokenNeeded)),
    (4, Tale::RefundFares(RequestFate::TokenExists)),
    (5, Tale::RefundLate),
    (4, Tale::CancelAborted(Undoing::Cancel)),
    (4, Tale::CancelAborted(Undoing::Annul)),
    (4, Tale::CancelAborted(Undoing::CancelRefund)),
    (
        4,
        Tale::CancelFares(Undoing::Cancel, RequestFate::TokenNeeded),
    ),
    (
        4,
        Tale::CancelFares(Undoing::Cancel, RequestFate::TokenExists),
    ),
    (
        4,
        Tale::CancelFares(Undoing::Annul, RequestFate::TokenNeeded),
    ),
    (
        4,
        Tale::CancelFares(Undoing::Annul, RequestFate::TokenExists),
    ),
    (
        4,
        Tale::CancelFares(Undoing::CancelRefund, RequestFate::TokenNeeded),
    ),
    (
        5,
        Tale::CancelFares(Undoing::CancelRefund, RequestFate::TokenExists),
    ),
    (3, Tale::CancelSetAside(Undoing::Cancel, Remedy::ByHand)),
    (3, Tale::CancelSetAside(Undoing::Cancel, Remedy::Leave)),
    (3, Tale::CancelSetAside(Undoing::Annul, Remedy::Leave)),
    (
        3,
        Tale::CancelSetAside(Undoing::CancelRefund, Remedy::Leave),
    ),
    (4, Tale::CancelSetAside(Undoing::Cancel, Remedy::Again)),
    (4, Tale::ReleasedAndSetAside(Remedy::Leave)),
    (8, Tale::AbortedAndRefused(RequestFate::Refused)),
    (2, Tale::AbortedAndRefused(RequestFate::TokenNeeded)),
    (1, Tale::AbortedAndRefused(RequestFate::TokenAfterEffect)),
    (1, Tale::CancelClosedTooEarly(Undoing::Cancel)),
    (1, Tale::CancelClosedTooEarly(Undoing::Annul)),
    (1, Tale::CancelClosedTooEarly(Undoing::CancelRefund)),
];

fn last_tale(random: &mut Random) -> Tale {
    let all = LAST_TALES.iter().map(|(often, _)| often).sum();
    let mut drawn = random.below(all);
    for (often, tale) in LAST_TALES {
        if drawn < *often {
            return *tale;
        }
        drawn -= often;
    }
    unreachable!("what is drawn is below the sum")
}

const DISK_FAULTS: [DiskFault; 4] = [
    DiskFault::Full,
    DiskFault::Broken,
    DiskFault::ReportedFailed,
    DiskFault::KeptButFailed,
];

/// How a part of the service may be ill for long.
const ILLS: [RequestFate; 7] = [
    RequestFate::Error,
    RequestFate::Error,
    RequestFate::AnswerLost,
    RequestFate::Refused,
    RequestFate::TokenNeeded,
    RequestFate::Garbage,
    RequestFate::TooMany(0),
];

fn fate(random: &mut Random, trouble: u64) -> RequestFate {
    if random.below(10) >= 2 + 2 * trouble {
        return RequestFate::Answered;
    }
    match random.below(17) {
        13 => random.pick(&[RequestFate::CopyRefused, RequestFate::TokenAfterEffect]),
        14 => RequestFate::LateCopy(1 + random.below(600)),
        15 => RequestFate::TooMany(random.pick(&[0, 0, 3, 30])),
        16 => random.pick(&[RequestFate::DeliveredTwice, RequestFate::DoneTwice]),
        0 | 1 => RequestFate::NotSent,
        2 | 3 => RequestFate::RequestLost,
        4 | 5 => RequestFate::AnswerLost,
        6 => random.pick(&[RequestFate::Garbage, RequestFate::Cut]),
        7 => RequestFate::Error,
        8 => RequestFate::Late(1 + random.below(40)),
        9 => RequestFate::Late(1 + random.below(600)),
        10 => RequestFate::Twice,
        11 => random.pick(&[RequestFate::Refused, RequestFate::Foreign]),
        _ => random.pick(&[
            RequestFate::TokenNeeded,
            RequestFate::TokenExists,
            RequestFate::Refused,
        ]),
    }
}

fn deed(random: &mut Random, trouble: u64) -> Action {
    match random.below(104) {
        0..7 => Action::Begin,
        7..10 => Action::Refund(random.below(4), 1 + random.below(120) as i64),
        10 => Action::RefundPayment(random.below(4), 1 + random.below(120) as i64),
        11..14 => Action::Cancel(random.below(4), random.one_in(3)),
        14 | 15 => Action::CancelRefund(random.below(4)),
        16 => random.pick(&[Action::Card, Action::Card, Action::SceneRefused]),
        17 => random.pick(&[Action::Repeat, Action::Settle, Action::Reconcile]),
        18 => match random.below(4) {
            0 => Action::RepeatOlder(random.below(8)),
            1 => Action::SettleOne(random.below(4)),
            2 => Action::NextShift,
            _ => Action::ChangeOfMind,
        },
        19..22 => Action::Abort,
        22 => random.pick(&[
            Action::Retry(0),
            Action::Retry(1),
            Action::HangUp,
            Action::CutHeld,
        ]),
        23..28 => Action::Scan,
        28..32 => Action::Join,
        32 => Action::JoinOldest,
        33..39 => Action::Buyer(PaymentStatus::Ok),
        39 => Action::Buyer(random.pick(&[
            PaymentStatus::Decline,
            PaymentStatus::NotEnough,
            PaymentStatus::Timeout,
            PaymentStatus::TechnicalCancelling,
            PaymentStatus::Unknown(6),
        ])),
        40..71 => Action::Answer(fate(random, trouble)),
        71..74 => Action::AnswerNewest(fate(random, trouble)),
        74..88 => Action::Pass(1 + random.below(15_000)),
        88 if random.one_in(2) => Action::Pass(1 + random.below(700_000)),
        88 | 89 => Action::LiveOn(1 + random.below(150_000)),
        90 if random.one_in(8) => Action::Closed(1 + random.below(4)),
        90 => lasting(random),
        91 | 92 => {
            let most = random.pick(&[30, 30, 30, 30, 4000]);
            Action::Crash(random.below(most))
        }
        93 | 94 => Action::CrashBeforeEffect(random.below(6)),
        95 => Action::CrashInCommit(1 + random.below(4) as i64),
        96 => Action::CommitFails(1 + random.below(6) as i64),
        97 => match random.below(4) {
            0 => Action::OtherAccount(1 + random.below(600)),
            1 => Action::OtherSettings(random.below(1 << 16)),
            _ => Action::CrashForgetting(1 + random.below(8)),
        },
        98 => {
            let fault = random.pick(&DISK_FAULTS);
            Action::Disk(fault, 1 + random.below(5))
        }
        99 => {
            let most = random.pick(&[20, 600, 40_000]);
            Action::Suspend(1 + random.below(most))
        }
        100 => clock(random),
        _ => Action::LiveOn(1 + random.below(20_000)),
    }
}

/// What goes on for minutes, and at times for hours or days: those take most of a run's time.
fn lasting(random: &mut Random) -> Action {
    let is_long = random.one_in(5);
    if random.one_in(3) {
        let most = if is_long {
            random.pick(&[10_000_000, 10_000_000, 10_000_000, 200_000_000])
        } else {
            random.pick(&[100, 60_000, 60_000, 60_000])
        };
        return Action::Outage(1 + random.below(most));
    }
    let seconds = if is_long {
        random.pick(&[4500, 4500, 4500, 20_000])
    } else {
        random.pick(&[30, 300, 900])
    };
    let seconds = seconds / 2 + random.below(seconds);
    Action::Trouble(random.pick(&Endpoint::ALL), random.pick(&ILLS), seconds)
}

fn clock(random: &mut Random) -> Action {
    const YEAR_S: i64 = 365 * 86_400;
    let most = random.pick(&[100, 100, 100, 4000, 200_000]);
    match random.below(12) {
        0 => Action::Clock(random.pick(&[-20 * YEAR_S, -YEAR_S, 2 * YEAR_S, 10 * YEAR_S])),
        1 => Action::DeadClock(random.below(600)),
        2 => Action::ClockRight,
        _ => Action::Clock(random.below(2 * most) as i64 - most as i64),
    }
}
