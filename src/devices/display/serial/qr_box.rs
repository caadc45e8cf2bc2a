//! QR boxes: they draw a code by themselves and have a picture for each result, and no text.

use super::code_page::in_latin;
use super::port::{After, Step};
use crate::core::scene::Scene;
use crate::devices::profile::display::QrBox;
use crate::model::money::Kopecks;

/// What a box shows for a scene.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) step: Step,
    /// The scene that stands there now: what has no picture leaves the box idle.
    pub(super) shows: &'static str,
}

/// Shows nothing, or a welcome.
pub(super) fn cleared(qr_box: &QrBox) -> Step {
    Step::plain(qr_box.clear.filled(b"", "", "").unwrap_or_default())
}

/// What follows the opening.
pub(super) fn ready(qr_box: &QrBox) -> Vec<Step> {
    let query = qr_box.firmware_query.fixed().unwrap_or_default();
    let query = (!query.is_empty()).then_some(Step {
        bytes: query,
        after: After::Firmware,
    });
    [cleared(qr_box)].into_iter().chain(query).collect()
}

/// The picture of a scene; `None` when the code is longer than the box takes, which
/// [`crate::devices::display::Capabilities::refuses`] before.
///
/// A box's picture of success means that a payment succeeded: a refund and a found card are not that,
/// and leave it idle.
pub(super) fn picture(qr_box: &QrBox, scene: &Scene, wallet: &str) -> Option<Picture> {
    let (template, payload, amount) = match scene {
        Scene::Qr { payload, amount } => {
            (&qr_box.qr, payload.text(), amount.unwrap_or(Kopecks::ZERO))
        }
        Scene::Paid { amount } => (&qr_box.paid, "", *amount),
        Scene::Cancelled => {
            let cancelled = qr_box.cancelled.as_ref();
            (cancelled.unwrap_or(&qr_box.failed), "", Kopecks::ZERO)
        }
        Scene::Declined
        | Scene::NotEnoughMoney
        | Scene::TimeIsUp
        | Scene::NotCompleted
        | Scene::NoConnection => (&qr_box.failed, "", Kopecks::ZERO),
        Scene::Idle
        | Scene::ScanMe
        | Scene::Code { .. }
        | Scene::PleaseConfirm { .. }
        | Scene::Checking
        | Scene::Refunded { .. }
        | Scene::CardFound { .. } => {
            return Some(Picture {
                step: cleared(qr_box),
                shows: Scene::Idle.name(),
            });
        }
    };
    // What would end the code ends the name, too.
    let ends = qr_box.payload_without.iter();
    let wallet = ends.fold(in_latin(wallet), |name, end| name.replace(end, ""));
    let bytes = template.filled(payload.as_bytes(), &amount.to_string(), &wallet)?;
    Some(Picture {
        step: Step::plain(bytes),
        shows: scene.name(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WALLET_NAME;
    use crate::devices::profile::Registry;

    fn qr_box(id: &str) -> QrBox {
        let registry = Registry::built_in();
        registry.display(id).unwrap().qr_box.clone().unwrap()
    }

    fn bytes(id: &str, scene: &Scene) -> Vec<u8> {
        picture(&qr_box(id), scene, WALLET_NAME).unwrap().step.bytes
    }

    #[test]
    fn mertech_gets_what_its_only_public_driver_sends() {
        let bytes = |scene| bytes("mertech-qr-pay", &scene);
        let qr = Scene::qr("ABC".to_owned(), Some(Kopecks(1)));
        let expected = [2, 0xf2, 2, 0, 3, 0x41, 0x42, 0x43, 2, 0xf2, 3];
        assert_eq!(bytes(qr), expected);
        let longest = bytes(Scene::qr("x".repeat(255), None));
        assert_eq!((longest.len(), longest[4]), (255 + 8, 255));
        let correct = [2, 0xf0, 3, 0x63, 0x6f, 0x72, 0x72, 0x65, 0x63, 0x74, 3];
        assert_eq!(bytes(Scene::Paid { amount: Kopecks(1) }), correct);
        let mistake = [2, 0xf0, 3, 0x6d, 0x69, 0x73, 0x74, 0x61, 0x6b, 0x65, 3];
        for scene in [Scene::Declined, Scene::TimeIsUp, Scene::Cancelled] {
            assert_eq!(bytes(scene), mistake);
        }
        let cls = [2, 0xf0, 3, 0x43, 0x4c, 0x53, 3];
        for scene in [Scene::Idle, Scene::Checking, Scene::ScanMe] {
            assert_eq!(bytes(scene), cls);
        }
        let too_long = Scene::qr("x".repeat(256), None);
        assert_eq!(
            picture(&qr_box("mertech-qr-pay"), &too_long, WALLET_NAME),
            None
        );
    }

    #[test]
    fn bonrix_gets_amounts_as_roubles_and_kopecks() {
        let bytes = |scene| bytes("bonrix-qr-35", &scene);
        let qr = |amount| bytes(Scene::qr("https://x.by/1".to_owned(), amount));
        assert_eq!(
            qr(Some(Kopecks(123_405))),
            b"DisplayQRCodeScreen**https://x.by/1**1234.05**O!plati\n"
        );
        assert_eq!(
            qr(None),
            b"DisplayQRCodeScreen**https://x.by/1**0.00**O!plati\n"
        );
        let named = |name| {
            let scene = Scene::qr("x".to_owned(), None);
            let sent = picture(&qr_box("bonrix-qr-35"), &scene, name).unwrap();
            String::from_utf8(sent.step.bytes).unwrap()
        };
        let head = "DisplayQRCodeScreen**x**0.00**";
        assert_eq!(named("Оплати"), format!("{head}Oplati\n"));
        assert_eq!(named("Мой **банк"), format!("{head}Moy bank\n"));
        let cancelled = bytes(Scene::Cancelled);
        assert_eq!(cancelled, b"DisplayCancelQRCodeScreen**-**-**-\n");
    }

    #[test]
    fn what_a_box_has_no_picture_for_leaves_it_idle_and_is_reported() {
        let amount = Kopecks(1);
        let shows = |scene| {
            picture(&qr_box("mertech-qr-pay"), &scene, WALLET_NAME)
                .unwrap()
                .shows
        };
        assert_eq!(shows(Scene::Refunded { amount }), "idle");
        assert_eq!(shows(Scene::PleaseConfirm { amount }), "idle");
        assert_eq!(shows(Scene::Paid { amount }), "paid");
        assert_eq!(shows(Scene::NotCompleted), "not_completed");
    }
}
