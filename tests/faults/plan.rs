//! What happens in one run: a list of deeds, made from a seed, so that a failing list can be made
//! shorter and played again.

use oplati::operation::Mode;
use oplati::service::call::PaymentStatus;

use crate::random::Random;
use crate::service::{Quirks, Service};

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
    /// A copy was delivered before and carried out; ours is refused, with empty words.
    CopyRefused,
    /// Ours is refused, and a copy is carried out so many seconds later.
    LateCopy(u64),
    /// 429, with so many seconds of `Retry-After`; 0: without.
    TooMany(u64),
    /// Answered twice.
    Twice,
    /// Answered with another's order number, sum or direction.
    Foreign,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
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
    Abort,
    Retry,
    /// A person closes what is set aside.
    Settle,
    /// The shift is compared with the service's report.
    Reconcile,
    /// No display can show the QR.
    SceneRefused,
    Scan,
    Join,
    /// A buyer joins the oldest session that lives, over a line that is well.
    JoinOldest,
    Buyer(PaymentStatus),
    /// The connections of held answers break.
    CutHeld,
    Answer(Fate),
    /// The newest request is answered first.
    AnswerNewest(Fate),
    /// Milliseconds.
    Pass(u64),
    /// Milliseconds in which everything is answered as it comes.
    LiveOn(u64),
    /// For so many milliseconds nothing gets through.
    Outage(u64),
    /// The process is started with another till's account, for so many seconds.
    OtherAccount(u64),
    /// The process dies and is started so many seconds later.
    Crash(u64),
    /// It dies before the effect with that number.
    CrashBeforeEffect(u64),
    /// It dies in a transaction, after so many rows.
    CrashInCommit(i64),
    /// So many commits find the disk full.
    DiskFull(u64),
    /// The civil clock jumps by so many seconds.
    Clock(i64),
}

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub mode: Mode,
    pub settle_s: u64,
    pub wait_buyer_s: u64,
    pub poll_payment_s: u64,
    pub quirks: Quirks,
    pub deeds: Vec<Deed>,
}

impl Plan {
    pub fn of_seed(seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let mode = random.pick(&[Mode::ConsumerQr, Mode::StaticQr, Mode::DynamicQr]);
        let settle_s = random.pick(&[0, 5, 30, 120]);
        let wait_buyer_s = random.pick(&[60, 60, 180]);
        let poll_payment_s = random.pick(&[5, 5, 5, 1, 20]);
        let quirks = Service::random_quirks(&mut random);
        // Some runs are mostly well, others mostly not.
        let trouble = random.below(4);
        let length = 20 + random.below(90);
        let deeds = (0..length).map(|_| deed(&mut random, trouble)).collect();
        Plan {
            seed,
            mode,
            settle_s,
            wait_buyer_s,
            poll_payment_s,
            quirks,
            deeds,
        }
    }
}

fn fate(random: &mut Random, trouble: u64) -> Fate {
    if random.below(10) >= 2 + 2 * trouble {
        return Fate::Answered;
    }
    match random.below(16) {
        13 => Fate::CopyRefused,
        14 => Fate::LateCopy(1 + random.below(600)),
        15 => Fate::TooMany(random.pick(&[0, 0, 3, 30])),
        0 | 1 => Fate::NotSent,
        2 | 3 => Fate::RequestLost,
        4 | 5 => Fate::AnswerLost,
        6 => random.pick(&[Fate::Garbage, Fate::Cut]),
        7 => Fate::Error,
        8 => Fate::Late(1 + random.below(40)),
        9 => Fate::Late(1 + random.below(600)),
        10 => Fate::Twice,
        11 => random.pick(&[Fate::Refused, Fate::Foreign]),
        _ => random.pick(&[Fate::TokenNeeded, Fate::Refused]),
    }
}

fn deed(random: &mut Random, trouble: u64) -> Deed {
    match random.below(100) {
        0..9 => Deed::Begin,
        9..12 => Deed::Refund(random.below(4), 1 + random.below(120) as i64),
        12 => Deed::RefundPayment(random.below(4), 1 + random.below(120) as i64),
        13..16 => Deed::Cancel(random.below(4), random.one_in(3)),
        16..18 => Deed::CancelRefund(random.below(4)),
        18 => random.pick(&[Deed::Card, Deed::Card, Deed::SceneRefused]),
        19 => random.pick(&[Deed::Repeat, Deed::Settle, Deed::Reconcile]),
        20..23 => Deed::Abort,
        23 => random.pick(&[Deed::Retry, Deed::CutHeld]),
        24..29 => Deed::Scan,
        29..33 => Deed::Join,
        33 => Deed::JoinOldest,
        34..40 => Deed::Buyer(PaymentStatus::Ok),
        40 => Deed::Buyer(random.pick(&[
            PaymentStatus::Decline,
            PaymentStatus::NotEnough,
            PaymentStatus::Timeout,
            PaymentStatus::TechnicalCancelling,
        ])),
        41..72 => Deed::Answer(fate(random, trouble)),
        72..75 => Deed::AnswerNewest(fate(random, trouble)),
        75..90 => Deed::Pass(1 + random.below(15_000)),
        90 if random.one_in(2) => Deed::Pass(1 + random.below(700_000)),
        90 => Deed::LiveOn(1 + random.below(150_000)),
        91 => {
            let most = random.pick(&[100, 60_000, 60_000, 60_000, 200_000_000]);
            Deed::Outage(1 + random.below(most))
        }
        92 | 93 => {
            let most = random.pick(&[30, 30, 30, 30, 4000]);
            Deed::Crash(random.below(most))
        }
        94 | 95 => Deed::CrashBeforeEffect(random.below(6)),
        96 => Deed::CrashInCommit(1 + random.below(4) as i64),
        97 => {
            let time = 1 + random.below(600);
            random.pick(&[Deed::CrashInCommit(2), Deed::OtherAccount(time)])
        }
        98 => Deed::DiskFull(1 + random.below(5)),
        _ => {
            let most = random.pick(&[100, 100, 100, 4000, 200_000]);
            Deed::Clock(random.below(2 * most) as i64 - most as i64)
        }
    }
}
