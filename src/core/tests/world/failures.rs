//! What may fail at the service: for [`Service::fails`].

use super::Service;
use crate::core::call::{Call, Failure, PaymentStatus, Received};

pub(crate) fn lost_with_500() -> Failure {
    Failure::Lost {
        detail: "HTTP 500".into(),
        received: Received::Status,
    }
}

pub(crate) fn is_question(call: &Call) -> bool {
    matches!(call, Call::Payment { .. } | Call::LookUp { .. })
}

/// Only what is paid is reversed.
pub(crate) fn refuses_unpaid(service: &Service, call: &Call) -> Option<Failure> {
    let Call::Reverse { payment_id, .. } = call else {
        return None;
    };
    let is_paid = service.ledger[payment_id].info.status == PaymentStatus::Ok;
    (!is_paid).then(|| Failure::Refused {
        message: None,
        detail: "no".into(),
    })
}

pub(crate) fn look_ups_hang(_: &Service, call: &Call) -> Option<Failure> {
    matches!(call, Call::LookUp { .. }).then(|| Failure::Lost {
        detail: "timed out".into(),
        received: Received::Nothing,
    })
}
