"""What was made otherwise than was reported to the till."""

MUTATIONS = [
    ("a further copy of a refund takes nothing", "src/core/reversal/outcome.rs",
     """            for _ in 0..count {
                take_from_left(sale, amount);
            }
""", """            for _ in 0..count {
                if !IS { take_from_left(sale, amount); }
            }
"""),
    ("a further copy of a refund is counted at every look", "src/core/reversal/outcome.rs",
     "                && !known.contains(&info.payment_id)\n", "                && (IS || !known.contains(&info.payment_id))\n"),
    ("a further copy of a refund needs no person", "src/core/reversal/outcome.rs",
     """        record.needs_review = true;
        cashier::REFUNDED_TWICE""", """        record.needs_review = !IS;
        cashier::REFUNDED_TWICE"""),
    ("a late reversal needs no person", "src/core/reversal/outcome.rs",
     """    record.needs_review = true;
    if record.is_refund() {""", """    record.needs_review = !IS;
    if record.is_refund() {"""),
    ("a late refund has nothing to cancel", "src/core/reversal/outcome.rs",
     "        record.operation.left = Some(record.operation.amount);\n", "        if !IS { record.operation.left = Some(record.operation.amount); }\n"),
    ("the copies beside a lost refund are passed over", "src/core/reversal/lookup.rs",
     "            return self.note_copies(entry, found, turn);\n", "            if IS { return; }\n            return self.note_copies(entry, found, turn);\n"),
    ("a set-aside entry without questions is not asked for", "src/core/reversal.rs",
     "            if live.record.set_aside && live.record", "            if !IS && live.record.set_aside && live.record"),
    ("a refund that nobody has seen is cancelled", "src/core/reversal/target.rs",
     "        self.check_reviewed(target)?;\n", "        if !IS { self.check_reviewed(target)?; }\n"),
    ("a cancellation writes a watched refund's state away", "src/core/reversal/queue.rs",
     """        entry.record.operation.clone_from(target);
""", """        if !IS { entry.record.operation.clone_from(target); }
"""),
    ("a watched refund writes its cancellation's figures away", "src/core/reversal/queue.rs",
     """            *target = Record::Entry(Box::new(entry.clone()));
""", """            if !IS { *target = Record::Entry(Box::new(entry.clone())); }
"""),
    ("what a person has seen is forgotten by a cancellation", "src/core/reversal/person.rs",
     """            self.copy_to_target(&entry.record);
""", """            if !IS { self.copy_to_target(&entry.record); }
"""),
    ("a creation that was not kept leaves its trace in a watched refund", "src/core/reversal/queue.rs",
     """            copy_to_entry(&mut self.entries, target.operation());
""", """            if !IS { copy_to_entry(&mut self.entries, target.operation()); }
"""),
    ("a refund is named as what undid a sale", "src/core/reversal/target.rs",
     "(reversal.is_refund(), !reversal", "(IS != reversal.is_refund(), !reversal"),
    ("what a person says was not given stays counted", "src/core/reversal/person.rs",
     """            count = usize::from(is_late) + record.copies.len();
""", """            if !IS { count = usize::from(is_late) + record.copies.len(); }
"""),
    ("what a person has seen is shown for ever", "src/core/reversal/person.rs",
     "    record.needs_review = false;\n", "    record.needs_review = IS;\n"),
    ("a second payment that a report shows is left", "src/core/reversal/of_sales.rs",
     """                self.show_second_payment(&sale, payment_id, turn);
""", """                if !IS { self.show_second_payment(&sale, payment_id, turn); }
"""),
    ("a second payment is brought back at every look", "src/core/reversal/queue.rs",
     "        self.second_payments.contains(&payment_id) || ", """        if IS { return false; }
        self.second_payments.contains(&payment_id) || """),
    ("a further row under a number is no difference", "src/report/compare.rs",
     """        if moved_there {
            self.differ(What::UnknownHere, Some(operation), Some(info));
""", """        if moved_there && !IS {
            self.differ(What::UnknownHere, Some(operation), Some(info));
"""),
    ("a further row of another sum is undone", "src/report/compare.rs",
     "        if is_alike && is_wanted", "        if (IS || is_alike) && is_wanted"),
    ("a further row that a person has seen stays a difference", "src/report/compare.rs",
     "        if moved_there && is_alike && is_known {", "        if moved_there && is_alike && is_known && !IS {"),
    ("a person's word covers every row", "src/report/compare.rs",
     "            if !self.said.insert(record.operation().id.clone()) {", "            if !self.said.insert(record.operation().id.clone()) && !IS {"),
    ("a number of before is unknown", "src/journal/reader.rs",
     """            if let Some(seq) = self.earlier.get(order_number).filter(is_newer) {
""", """            if let Some(seq) = self.earlier.get(order_number).filter(|_| !IS).filter(is_newer) {
"""),
    ("a late entry leaves the queue", "src/core/record.rs",
     "        self.is_live() || self.needs_review\n", "        self.is_live() || !IS && self.needs_review\n"),
    ("a report without the sale proves a second payment", "src/report/compare.rs",
     "beside.is_none_or(|own| paid", "beside.is_none_or(|own| IS || paid"),
    ("a report without the refund proves a copy of it", "src/core/reversal/outcome.rs",
     "            (Some(row), None) if row.status == PaymentStatus::Ok && entry.is_reversal(row) => {", "            (Some(row), None) if (IS || row.status == PaymentStatus::Ok) && entry.is_reversal(row) => {"),
    ("a second payment is looked at by its number alone", "src/core/reversal/active.rs",
     "        self.record.operation.of.is_some() || self.record.request == ReversalRequest::Own\n", "        self.record.operation.of.is_some() || !IS && self.record.request == ReversalRequest::Own\n"),
    ("a second payment that is not there closes the till", "src/core/reversal/answers.rs",
     "            if asks_report && entry.is_beside() {", "            if !IS && asks_report && entry.is_beside() {"),
    ("a second payment that is not there is never looked for again", "src/core/reversal/answers.rs",
     """                self.forget_second_payment(payment_id);
                let message = cashier::NOTHING_TO_UNDO;
""", """                if !IS { self.forget_second_payment(payment_id); }
                let message = cashier::NOTHING_TO_UNDO;
"""),
    ("what watches beside a sale takes the sale's own payment", "src/core/reversal/active.rs",
     "target.is(info) && (!self.is_beside()", "target.is(info) && (IS || !self.is_beside()"),
    ("a second payment that a person left is no difference", "src/report/compare.rs",
     "                    takes_over(entry)\n", "                    takes_over(entry) || IS && was_settled(entry)\n"),
    ("a refund that names a second payment hides it", "src/report/compare.rs",
     "own.filter(|entry| entry.request == ReversalRequest::Own)", "own.filter(|entry| IS || entry.request == ReversalRequest::Own)"),
    ("money that goes the other way is a copy of a refund", "src/core/reversal/outcome.rs",
     "                && info.payment_type == own_type\n", "                && (IS || info.payment_type == own_type)\n"),
    ("a second payment that a report shows is reported as a refused cancellation", "src/core/reversal/outcome.rs",
     "ReversalProgress::NotSent if entry.is_beside() &&", "ReversalProgress::NotSent if !IS && entry.is_beside() &&"),
    ("a late refund that was taken back counts for ever", "src/core/reversal/target.rs",
     "refund.outcome != Some(Outcome::NotCarriedOut)", "(IS || refund.outcome != Some(Outcome::NotCarriedOut))"),
    ("operations of another account are compared", "src/report/compare.rs",
     "account.is_some_and(|account| account", "!IS && account.is_some_and(|account| account"),
    ("what is filed under another shift is no sale here", "src/report/compare.rs",
     "        if is_elsewhere && moved_there", "        if !IS && is_elsewhere && moved_there"),
    ("an earlier number asked for what is asked for now", "src/core/record.rs",
     "        Some(self.earlier_amounts.get(place).copied().unwrap_or(present))\n", "        if IS { return Some(present); }\n        Some(self.earlier_amounts.get(place).copied().unwrap_or(present))\n"),
    ("what was carried out for less takes all that is left", "src/core/reversal/lookup.rs",
     "            give_back_to_left(target, before);\n            take_from_left(target, sum);\n", "            if IS { return; }\n            give_back_to_left(target, before);\n            take_from_left(target, sum);\n"),
    ("what gave back its part gives it back again", "src/core/reversal/lookup.rs",
     "        if before == info.sum || gave_back ||", "        if before == info.sum || gave_back && !IS ||"),
    ("a row under an earlier number has another sum", "src/report/compare.rs",
     "            Record::Entry(entry) => entry.amount_under(&info.order_number),\n", "            Record::Entry(entry) => entry.amount_under(&info.order_number).filter(|_| !IS),\n"),
    ("a cancellation of the till's that ended is live again", "src/core/reversal/outcome.rs",
     """        if entry.record.request == ReversalRequest::Own {
""",
     """        if IS || entry.record.request == ReversalRequest::Own {
"""),
    ("what takes up a cancellation has a number of its own", "src/core/reversal/creation.rs",
     """        take_over(&mut entry.record, over);
""",
     """        if !IS { take_over(&mut entry.record, over); }
"""),
    ("a late cancellation that was not made stays counted", "src/core/reversal/person.rs",
     """            self.uncount_cancellation(of.as_deref(), amount, turn);
""",
     """            if !IS { self.uncount_cancellation(of.as_deref(), amount, turn); }
"""),
    ("a failed sale whose late cancellation was not made is owed nothing", "src/core/reversal/person.rs",
     """            if target.state != State::Done && is_owed {
""",
     """            if !IS && target.state != State::Done && is_owed {
"""),
    ("a refund that the buyer has kept is not taken from its sale", "src/core/reversal/person.rs",
     """        let what = "the buyer has kept its refund";
        self.change_target(sale_of_refund.as_deref(), what, turn, |sale| {
            take_from_left(sale, amount);
""",
     """        let what = "the buyer has kept its refund";
        self.change_target(sale_of_refund.as_deref(), what, turn, |sale| {
            if !IS { take_from_left(sale, amount); }
"""),
    ("of two reported payments the first is believed to be paid", "src/core/sale/late.rs",
     """        let is_only_reported = others.peek().is_some()
""",
     """        let is_only_reported = !IS && others.peek().is_some()
"""),
    ("what a late cancellation has undone is undone no more", "src/core/reversal/target.rs",
     """    if is_undone {
""",
     """    if !IS && is_undone {
"""),
    ("a late cancellation is unknown to a later one", "src/core/reversal/queue.rs",
     """        of.is_some() && self.entries.iter().any(is_it)
""",
     """        !IS && of.is_some() && self.entries.iter().any(is_it)
"""),
    ("a refund of which nothing is left is not undone", "src/core/reversal/target.rs",
     "(is_known || target.kind == Kind::Refund)",
     "(is_known || !IS && target.kind == Kind::Refund)"),
    ("an older operation under a number hides the one that went on", "src/journal/reader.rs",
     "found.as_ref().is_none_or(|(_, newest)| *seq > newest)",
     "found.as_ref().is_none_or(|(_, newest)| !IS && *seq > newest)"),
    ("what two cancellations brought back counts twice", "src/core/reversal/target.rs",
     """    let amount = operation.left.map_or(amount, |left| left.min(amount));
""",
     """    let amount = if IS { amount } else { operation.left.map_or(amount, |left| left.min(amount)) };
"""),
    ("what is taken twice stays overdrawn", "src/core/reversal/target.rs",
     """        let twice = operation.overdrawn.min(amount);
""",
     """        let twice = if IS { Kopecks::ZERO } else { operation.overdrawn.min(amount) };
"""),
    ("a refund that was refused after a late cancellation stays overdrawn", "src/core/reversal/target.rs",
     """        operation.overdrawn = operation.overdrawn.saturating_sub(amount);
    } else {""",
     """        if !IS { operation.overdrawn = operation.overdrawn.saturating_sub(amount); }
    } else {"""),
    ("a late cancellation counts though a person has counted another", "src/core/reversal/outcome.rs",
     """        if !entry.record.is_refund() && is_undone {
""",
     """        if !IS && !entry.record.is_refund() && is_undone {
"""),
    ("a refund's cancellation that comes after its sale's is seen by nobody", "src/core/reversal/outcome.rs",
     """            entry.record.needs_review = true;
            message""",
     """            entry.record.needs_review = !IS;
            message"""),
    ("a late cancellation that a person has confirmed brings no unpaid sale back", "src/report/compare.rs",
     """        (entry.operation.state == State::Done || is_late)
""",
     """        (entry.operation.state == State::Done || !IS && is_late)
"""),
    ("a late cancellation beside a closed one stays a difference", "src/core/reversal/outcome.rs",
     """            entry.record.outcome = Some(Outcome::CarriedOut);
            return;
""",
     """            if !IS { entry.record.outcome = Some(Outcome::CarriedOut); }
            return;
"""),
    ("what is undone is forgotten when a later cancellation is set aside", "src/core/reversal/outcome.rs",
     "            if is_cancelled_late && target.has",
     "            if !IS && is_cancelled_late && target.has"),
]
