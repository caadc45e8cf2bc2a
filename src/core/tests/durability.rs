//! What waits for the disk, and what a power cut may take. That it may take the rest at any moment without losing money
//! is shown by `tests/faults`.

use super::stories::confirming;
use super::world::{SECOND, World};
use crate::core::call::{Call, PaymentStatus};
use crate::model::operation::{Mode, State};

const MODES: [Mode; 3] = [Mode::ConsumerQr, Mode::StaticQr, Mode::DynamicQr];

#[test]
fn a_sale_waits_for_the_disk_when_it_is_asked_for_when_it_pays_and_when_it_ends() {
    for mode in MODES {
        let mut world = World::begun(mode);
        assert_eq!(world.waits_for_disk, 1, "{mode:?}: asked for");
        if mode == Mode::ConsumerQr {
            world.scan("https://getapp.o-plati.by/c/AB12");
            let asked = world.pending.iter();
            let mut asked = asked.map(|(_, call)| matches!(call, Call::OpenSession(_)));
            assert!(asked.any(|opens| opens), "the code is on its way");
            assert_eq!(world.waits_for_disk, 1, "{mode:?}: a scan");
            world.settle();
        } else {
            world.join();
            world.advance(2 * SECOND);
        }
        assert_eq!(world.state("s"), State::AwaitingConfirmation);
        assert_eq!(world.waits_for_disk, 2, "{mode:?}: the intent to pay");
        world.buyer(PaymentStatus::Ok);
        world.advance(2 * SECOND);
        assert_eq!(world.state("s"), State::Done);
        assert_eq!(world.waits_for_disk, 3, "{mode:?}: the end");
    }
}

#[test]
fn a_caller_who_has_seen_more_than_the_disk_kept_sees_newer_versions_after_a_power_cut() {
    for mode in MODES {
        let mut world = confirming(mode);
        let seen = world.operation("s").version;
        world.power_cut(SECOND);
        assert!(
            world.operation("s").version > seen,
            "{mode:?}: a call that waits for a newer version ends"
        );
        world.settle();
        world.buyer(PaymentStatus::Ok);
        world.advance(60 * SECOND);
        assert_eq!(world.state("s"), State::Done, "{mode:?}");
        assert_eq!(world.paid_and_kept(), 1999, "{mode:?}");
    }
}

#[test]
fn a_power_cut_before_the_payment_lets_the_sale_begin_anew() {
    for mode in [Mode::StaticQr, Mode::DynamicQr] {
        let mut world = World::begun(mode);
        let seen = world.operation("s").version;
        assert_eq!(world.state("s"), State::AwaitingBuyer, "{mode:?}");
        world.power_cut(SECOND);
        world.settle();
        world.advance(60 * SECOND);
        assert_eq!(world.state("s"), State::AwaitingBuyer, "{mode:?}");
        assert!(world.operation("s").version > seen, "{mode:?}");
        assert_eq!(world.paid_and_kept(), 0, "{mode:?}");
    }
}
