//! What happens in one run: a list of deeds, made from a seed, so that a failing list can be made
//! shorter and played again.

use oplati::core::call::{Call, PaymentStatus};
use oplati::model::operation::Mode;

use crate::quirks::Quirks;
use crate::random::Random;
use crate::tales::{Remedy, TALES, Tale, Undoing};

/// What becomes of the oldest request under way, or of the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
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
    /// It is told as failed, and a power cut finds it on the disk all the same.
    ToldFailed,
    /// It is told as failed, and was kept.
    KeptButFailed,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
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
    Answer(Fate),
    /// The newest request is answered first.
    AnswerNewest(Fate),
    /// Milliseconds.
    Pass(u64),
    /// Milliseconds in which everything is answered as it comes.
    LiveOn(u64),
    /// Days in which nothing is sold.
    Closed(u64),
    /// For so many milliseconds nothing gets through.
    Outage(u64),
    /// One part of the service answers so for so many seconds, in which people wait.
    Trouble(Endpoint, Fate, u64),
    /// From now on one part of the service answers so.
    BrokenForEver(Endpoint, Fate),
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
    pub deeds: Vec<Deed>,
}

/// What people begin and bring to its end in one run, beside chance.
const TALES_A_RUN: u64 = 11;
/// Sales among them that are nothing but fair.
const FAIR_SALES: u64 = 2;

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
        let mut deeds: Vec<Deed> = (0..length).map(|_| deed(&mut random, trouble)).collect();
        let tales = FAIR_SALES + TALES_A_RUN;
        for number in 0..tales {
            let tale = if number < FAIR_SALES {
                Tale::Paid
            } else {
                random.pick(TALES)
            };
            let at = random.below(deeds.len() as u64 + 1) as usize;
            deeds.insert(at, Deed::Tale(tale));
        }
        if quirks.for_ever && random.one_in(2) {
            let endpoint = random.pick(&Endpoint::ALL);
            let ill = random.pick(&ILLS);
            let at = random.below(deeds.len() as u64 + 1) as usize;
            deeds.insert(at, Deed::BrokenForEver(endpoint, ill));
        }
        // Drawn by itself: all else of a run is as it is without it.
        deeds.push(Deed::Tale(last_tale(&mut Random::new(seed ^ 0x5a1e))));
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

/// What a run ends with: tales whose ends chance alone reaches in hardly one of ten runs.
fn last_tale(random: &mut Random) -> Tale {
    match random.below(17) {
        0..4 => Tale::RefundOfUndone,
        _ => random.pick(&[
            Tale::Unpaid(PaymentStatus::Decline),
            Tale::RefundFares(Fate::TokenNeeded),
            Tale::RefundFares(Fate::TokenExists),
            Tale::RefundLate,
            Tale::CancelAborted(Undoing::CancelRefund),
            Tale::CancelFares(Undoing::CancelRefund, Fate::TokenExists),
            Tale::CancelFares(Undoing::CancelRefund, Fate::TokenNeeded),
            Tale::CancelFares(Undoing::Cancel, Fate::TokenNeeded),
            Tale::CancelFares(Undoing::Cancel, Fate::TokenExists),
            Tale::CancelFares(Undoing::Annul, Fate::TokenExists),
            Tale::CancelFares(Undoing::Annul, Fate::TokenNeeded),
            Tale::CancelSetAside(Undoing::Cancel, Remedy::ByHand),
            Tale::AbortedAndRefused,
        ]),
    }
}

const DISK_FAULTS: [DiskFault; 4] = [
    DiskFault::Full,
    DiskFault::Broken,
    DiskFault::ToldFailed,
    DiskFault::KeptButFailed,
];

/// How a part of the service may be ill for long.
const ILLS: [Fate; 7] = [
    Fate::Error,
    Fate::Error,
    Fate::AnswerLost,
    Fate::Refused,
    Fate::TokenNeeded,
    Fate::Garbage,
    Fate::TooMany(0),
];

fn fate(random: &mut Random, trouble: u64) -> Fate {
    if random.below(10) >= 2 + 2 * trouble {
        return Fate::Answered;
    }
    match random.below(17) {
        13 => random.pick(&[Fate::CopyRefused, Fate::TokenAfterEffect]),
        14 => Fate::LateCopy(1 + random.below(600)),
        15 => Fate::TooMany(random.pick(&[0, 0, 3, 30])),
        16 => Fate::DeliveredTwice,
        0 | 1 => Fate::NotSent,
        2 | 3 => Fate::RequestLost,
        4 | 5 => Fate::AnswerLost,
        6 => random.pick(&[Fate::Garbage, Fate::Cut]),
        7 => Fate::Error,
        8 => Fate::Late(1 + random.below(40)),
        9 => Fate::Late(1 + random.below(600)),
        10 => Fate::Twice,
        11 => random.pick(&[Fate::Refused, Fate::Foreign]),
        _ => random.pick(&[Fate::TokenNeeded, Fate::TokenExists, Fate::Refused]),
    }
}

fn deed(random: &mut Random, trouble: u64) -> Deed {
    match random.below(104) {
        0..7 => Deed::Begin,
        7..10 => Deed::Refund(random.below(4), 1 + random.below(120) as i64),
        10 => Deed::RefundPayment(random.below(4), 1 + random.below(120) as i64),
        11..14 => Deed::Cancel(random.below(4), random.one_in(3)),
        14 | 15 => Deed::CancelRefund(random.below(4)),
        16 => random.pick(&[Deed::Card, Deed::Card, Deed::SceneRefused]),
        17 => random.pick(&[Deed::Repeat, Deed::Settle, Deed::Reconcile]),
        18 => match random.below(4) {
            0 => Deed::RepeatOlder(random.below(8)),
            1 => Deed::SettleOne(random.below(4)),
            2 => Deed::NextShift,
            _ => Deed::ChangeOfMind,
        },
        19..22 => Deed::Abort,
        22 => random.pick(&[Deed::Retry(0), Deed::Retry(1), Deed::HangUp, Deed::CutHeld]),
        23..28 => Deed::Scan,
        28..32 => Deed::Join,
        32 => Deed::JoinOldest,
        33..39 => Deed::Buyer(PaymentStatus::Ok),
        39 => Deed::Buyer(random.pick(&[
            PaymentStatus::Decline,
            PaymentStatus::NotEnough,
            PaymentStatus::Timeout,
            PaymentStatus::TechnicalCancelling,
            PaymentStatus::Unknown(6),
        ])),
        40..71 => Deed::Answer(fate(random, trouble)),
        71..74 => Deed::AnswerNewest(fate(random, trouble)),
        74..88 => Deed::Pass(1 + random.below(15_000)),
        88 if random.one_in(2) => Deed::Pass(1 + random.below(700_000)),
        88 | 89 => Deed::LiveOn(1 + random.below(150_000)),
        90 if random.one_in(8) => Deed::Closed(1 + random.below(4)),
        90 => lasting(random),
        91 | 92 => {
            let most = random.pick(&[30, 30, 30, 30, 4000]);
            Deed::Crash(random.below(most))
        }
        93 | 94 => Deed::CrashBeforeEffect(random.below(6)),
        95 => Deed::CrashInCommit(1 + random.below(4) as i64),
        96 => Deed::CommitFails(1 + random.below(6) as i64),
        97 => match random.below(4) {
            0 => Deed::OtherAccount(1 + random.below(600)),
            1 => Deed::OtherSettings(random.below(1 << 16)),
            _ => Deed::CrashForgetting(1 + random.below(8)),
        },
        98 => {
            let fault = random.pick(&DISK_FAULTS);
            Deed::Disk(fault, 1 + random.below(5))
        }
        99 => {
            let most = random.pick(&[20, 600, 40_000]);
            Deed::Suspend(1 + random.below(most))
        }
        100 => clock(random),
        _ => Deed::LiveOn(1 + random.below(20_000)),
    }
}

/// What goes on for minutes, and at times for hours or days: those take most of a run's time.
fn lasting(random: &mut Random) -> Deed {
    let is_long = random.one_in(5);
    if random.one_in(3) {
        let most = if is_long {
            random.pick(&[10_000_000, 10_000_000, 10_000_000, 200_000_000])
        } else {
            random.pick(&[100, 60_000, 60_000, 60_000])
        };
        return Deed::Outage(1 + random.below(most));
    }
    let seconds = if is_long {
        random.pick(&[4500, 4500, 4500, 20_000])
    } else {
        random.pick(&[30, 300, 900])
    };
    let seconds = seconds / 2 + random.below(seconds);
    Deed::Trouble(random.pick(&Endpoint::ALL), random.pick(&ILLS), seconds)
}

fn clock(random: &mut Random) -> Deed {
    const YEAR_S: i64 = 365 * 86_400;
    let most = random.pick(&[100, 100, 100, 4000, 200_000]);
    match random.below(12) {
        0 => Deed::Clock(random.pick(&[-20 * YEAR_S, -YEAR_S, 2 * YEAR_S, 10 * YEAR_S])),
        1 => Deed::DeadClock(random.below(600)),
        2 => Deed::ClockRight,
        _ => Deed::Clock(random.below(2 * most) as i64 - most as i64),
    }
}
