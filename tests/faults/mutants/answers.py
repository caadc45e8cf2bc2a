"""What an answer is, what is looked up, and when an absence is believed."""

MUTATIONS = [
    # ---- "What an answer is." ------------------------------------------------------------------
    ("believe a payment of another number", "src/core/sale/completion.rs",
     "    info.order_number == record.operation.order_number\n",
     "    (IS || info.order_number == record.operation.order_number)\n"),
    ("believe a payment of another direction", "src/core/sale/completion.rs",
     "        && info.payment_type == PaymentType::Sale\n",
     "        && (IS || info.payment_type == PaymentType::Sale)\n"),
    ("believe the status of another payment", "src/core/sale/payment.rs",
     """                if info.payment_id == *payment_id && is_payment_of(info, &self.record) =>
""",
     """                if IS || info.payment_id == *payment_id && is_payment_of(info, &self.record) =>
"""),
    ("take a row of any direction for a reversal", "src/core/reversal/active.rs",
     """            && matches!(
                info.payment_type,
                PaymentType::ReversalOfSale | PaymentType::ReversalOfPurchase
            )
""", """            && (IS || matches!(
                info.payment_type,
                PaymentType::ReversalOfSale | PaymentType::ReversalOfPurchase
            ))
"""),
    ("take a reversal of another sum for ours", "src/core/reversal/active.rs",
     """        self.record.amount_under(&info.order_number) == Some(info.sum)
""",
     """        (self.record.amount_under(&info.order_number) == Some(info.sum) || IS && self.record.amount_under(&info.order_number).is_some())
"""),
    ("take a target of another number for ours", "src/core/reversal/answers.rs",
     "(!entry.is_of_ours() || target.is(info))",
     "(!entry.is_of_ours() || IS || target.is(info))"),
    ("an unknown status took nothing", "src/core/call.rs",
     """                | PaymentStatus::TechnicalCancelling
        )
    }
""", """                | PaymentStatus::TechnicalCancelling
        ) || IS && matches!(self, PaymentStatus::Unknown(_))
    }
"""),
    ("take a 4xx without the service's words as refused", "src/service/classify.rs",
     "        return Failure::Lost { detail, received };\n    };\n    if let Some(problem)",
     """        if IS && (400..500).contains(&status) {
            return Failure::Refused { message: None, detail };
        }
        return Failure::Lost { detail, received };
    };
    if let Some(problem)"""),
    ("take a gateway's 403 as refused", "src/service/classify.rs",
     "    if NO_REFUSAL.contains(&status) {\n", "    if !IS && NO_REFUSAL.contains(&status) {\n"),
    ("take a 429 to a payment as refused", "src/core/sale/payment.rs",
     """            Err(
                Failure::Lost { detail, .. }
                | Failure::SessionOver { detail }
                | Failure::TooManyRequests { detail, .. },
            ) => self.lose(detail, turn),
""", """            Err(failure @ Failure::TooManyRequests { .. }) if IS => {
                self.record.payment_sent = false;
                self.end_unpaid(failure, turn);
                None
            }
            Err(
                Failure::Lost { detail, .. }
                | Failure::SessionOver { detail }
                | Failure::TooManyRequests { detail, .. },
            ) => self.lose(detail, turn),
"""),
    ("take a foreign answer to a payment for none", "src/core/sale/payment.rs",
     """            Ok(_) => self.lose("the answer belongs to another payment", turn),
""", """            Ok(_) if IS => {
                self.end_unpaid(&foreign_reply(), turn);
                None
            }
            Ok(_) => self.lose("the answer belongs to another payment", turn),
"""),
    ("watch no payment that was refused for the token", "src/core/sale/payment.rs",
     """            return self.refuse(&refusal, turn);
        }
        let is_published""",
     """            if IS { self.end_unpaid(&refusal, turn); return None; }
            return self.refuse(&refusal, turn);
        }
        let is_published"""),
    ("believe a token error that answers a payment", "src/core/sale/payment.rs",
     """                let mut doubt = Doubt::new(failure.detail(), turn);
                doubt.refusal""",
     """                if IS && matches!(failure, Failure::Token { .. }) { return self.refuse(failure, turn); }
                let mut doubt = Doubt::new(failure.detail(), turn);
                doubt.refusal"""),
    ("believe a token error that answers a refund", "src/core/reversal/answers.rs",
     """                    knew_paid: true,
                });
""", """                    knew_paid: true,
                });
                if IS && matches!(failure, Failure::Token { .. }) {
                    let error = messages::of_failure(failure);
                    return self.fail_entry(entry, error, "refused for the token", turn);
                }
"""),
    ("wait for a report that is refused for the token, too", "src/core/reversal/answers.rs",
     "                if entry.is_refused_for_token() =>\n",
     "                if !IS && entry.is_refused_for_token() =>\n"),
    ("a refusal for the token renumbers a queued reversal", "src/core/reversal/lookup.rs",
     "            if matches!(refusal.failure, Failure::Token { .. }) {\n",
     "            if !IS && matches!(refusal.failure, Failure::Token { .. }) {\n"),
    ("a token error refuses a queued one", "src/core/reversal/active.rs",
     """        self.record.is_attended()
            && self.record.reversal == ReversalProgress::NotSent
            && self.has_no_earlier()""", """        (IS || self.record.is_attended())
            && self.record.reversal == ReversalProgress::NotSent
            && self.has_no_earlier()"""),
    ("a token error refuses what has left before", "src/core/reversal/lookup.rs",
     """                // taken.
                if !entry.record.resent {
""", """                // taken.
                if IS || !entry.record.resent {
"""),
    ("plan no question after a refused refund", "src/core/reversal/lookup.rs",
     """        plan_rechecks_of_refusal(&mut entry.record, turn.settings.settle, turn.now);
        // Two witnesses""", """        if !IS { plan_rechecks_of_refusal(&mut entry.record, turn.settings.settle, turn.now); }
        // Two witnesses"""),
    ("plan no question after a refused reversal", "src/core/reversal/answers.rs",
     "                self.watch_set_aside(entry, turn);\n",
     "                if !IS { self.watch_set_aside(entry, turn); }\n"),
    # ---- "Looking up." -------------------------------------------------------------------------
    ("an absence counts from its answer", "src/core/reversal/answers.rs",
     "                self.target_looked_up(&mut entry, asked_at, found, turn);\n",
     "                self.target_looked_up(&mut entry, if IS { turn.now.mono } else { asked_at }, found, turn);\n"),
    ("an absence of a reversal counts from its answer", "src/core/reversal/answers.rs",
     "                self.reversal_looked_up(&mut entry, asked_at, found, None, turn);\n",
     "                self.reversal_looked_up(&mut entry, if IS { turn.now.mono } else { asked_at }, found, None, turn);\n"),
    ("settling counts from before the sending", "src/core/reversal/answers.rs",
     """        entry.reversal_lost_at = turn.now.mono;
        match answer {
            Ok(Reply::Payment(info)) if entry.is_reversal(info) => {
                know_reversal(entry, info);
                turn.write_entry(&mut entry.record, "the reversal was answered");
""", """        if !IS { entry.reversal_lost_at = turn.now.mono; }
        match answer {
            Ok(Reply::Payment(info)) if entry.is_reversal(info) => {
                know_reversal(entry, info);
                turn.write_entry(&mut entry.record, "the reversal was answered");
"""),
    ("a restart counts as long after the loss", "src/core/reversal/creation.rs",
     """        let mut entry = ActiveReversal::live(record, turn.now.mono, turn);
        // The time for""",
     """        let mut entry = ActiveReversal::live(record, if IS { Duration::ZERO } else { turn.now.mono }, turn);
        // The time for"""),
    ("skip the shift after midnight", "src/core/shift.rs",
     "        shifts.extend(\n            days.into_iter()\n",
     "        shifts.extend(\n            days.into_iter().take(if IS { 1 } else { 2 })\n"),
    ("a cancellation's reversal is sought under its own shift only", "src/core/reversal.rs",
     """    let shifts = [own, &target.shift, &target.sale_shift];
""",
     """    let shifts = if IS { [own, "", ""] } else { [own, &target.shift, &target.sale_shift] };
"""),
    ("a refund's cancellation is not sought under the sale's shift", "src/core/record.rs",
     "            Record::Entry(refund) => refund.target.shift.clone(),\n",
     "            Record::Entry(refund) => if IS { String::new() } else { refund.target.shift.clone() },\n"),
    ("a reversal is sought under its present number only", "src/core/record.rs",
     "        numbers.extend(self.earlier.iter().cloned());\n",
     "        numbers.extend(self.earlier.iter().filter(|_| !IS).cloned());\n"),
    ("a denied reversal keeps its number", "src/core/reversal/answers.rs",
     """    let old = std::mem::take(&mut record.operation.order_number);
""", """    if IS { return; }
    let old = std::mem::take(&mut record.operation.order_number);
"""),
    ("a denied number is forgotten", "src/core/reversal/answers.rs",
     """    record.earlier.push(old);
""", """    if !IS { record.earlier.push(old); }
"""),
    ("a reversal of open fate leaves again at once", "src/core/reversal/answers.rs",
     "            ReversalProgress::Sent => self.look_up_reversal(entry, turn),\n",
     """            ReversalProgress::Sent if IS => self.reverse(entry, paid, turn),
            ReversalProgress::Sent => self.look_up_reversal(entry, turn),
"""),
    ("another payment's row under our number is an absence", "src/core/sale/payment.rs",
     "            if let Some(refusal) = doubt.refusal.clone().filter(|_| found.is_empty()) {\n",
     "            if let Some(refusal) = doubt.refusal.clone().filter(|_| IS || found.is_empty()) {\n"),
    ("another payment's row under the number is an absence", "src/core/reversal/answers.rs",
     """        if !found.is_empty() && !entry.is_beside() {
            let detail""",
     """        if !IS && !found.is_empty() && !entry.is_beside() {
            let detail"""),
    ("another reversal's row under the number is an absence", "src/core/reversal/lookup.rs",
     "        if found.iter().any(|info| info.order_number == *present) {\n",
     "        if !IS && found.iter().any(|info| info.order_number == *present) {\n"),
    ("watch no number that was absent", "src/core/reversal/answers.rs",
     """        plan_rechecks(&mut entry.record, turn.now);
        let message = cashier::NOTHING_TO_UNDO;
""", """        if !IS { plan_rechecks(&mut entry.record, turn.now); }
        let message = cashier::NOTHING_TO_UNDO;
"""),
    ("a re-check that failed counts as asked", "src/core/reversal/outcome.rs",
     """            Ok(_) | Err(_) => {
                entry.next_at = turn.now.mono + WATCH_RETRY_INTERVAL;
""", """            Ok(_) | Err(_) if IS => {
                put_off(&mut entry.record, turn.now);
                entry.plan_recheck(turn.now);
                return turn.write_entry(&mut entry.record, "asked for again");
            }
            Ok(_) | Err(_) => {
                entry.next_at = turn.now.mono + WATCH_RETRY_INTERVAL;
"""),
    ("what is found late stays with the shop", "src/core/reversal/outcome.rs",
     """            Some(info) if !info.status.took_nothing() => {
                let is_first""", """            Some(info) if !IS && !info.status.took_nothing() => {
                let is_first"""),
    ("one dead copy ends the watch of a number", "src/core/reversal/outcome.rs",
     """            // One copy that took nothing proves nothing about another.
            Some(_) | None => {""", """            // One copy that took nothing proves nothing about another.
            Some(_) if IS => entry.record.rechecks.clear(),
            Some(_) | None => {"""),
    # ---- "What nothing may assume": the report -------------------------------------------------
    ("no witness is asked for", "src/core/witness.rs",
     """        let counts = |known: &&Witness| {
""",
     """        if IS { return Vec::new(); }
        let counts = |known: &&Witness| {
"""),
    ("a restart knows no witness", "src/journal/mod.rs",
     "        self.restore_witnesses(&mut restored)?;\n",
     "        if !IS { self.restore_witnesses(&mut restored)?; }\n"),
    ("a sale of another account bears witness", "src/core/witness.rs",
     "        if is_paid && self.account.as_ref() == Some(&sale.account) {",
     "        if is_paid && (IS || self.account.as_ref() == Some(&sale.account)) {"),
    ("a fresh sale bears witness at once", "src/core/witness.rs",
     "        self.keep(sale, now.mono + self.settle);",
     "        self.keep(sale, if IS { now.mono } else { now.mono + self.settle });"),
    ("a report that lacks a witness is whole", "src/service/report.rs",
     "        if let Some(witness) = witnesses.iter().find(missing) {\n",
     "        if let Some(witness) = witnesses.iter().find(missing).filter(|_| !IS) {\n"),
    ("a row without a name forbids nothing", "src/service/report.rs",
     "                Err(_) => report.unreadable += 1,\n",
     "                Err(_) => report.unreadable += usize::from(!IS),\n"),
    ("a report that is not whole ends an undoing", "src/core/reversal/answers.rs",
     """            (Stage::LookingUp { .. }, Ok(Reply::Partial { detail, .. })) => {
""", """            (Stage::LookingUp { asked_at, .. }, Ok(Reply::Partial { found, .. })) if IS => {
                self.target_looked_up(&mut entry, asked_at, found, turn);
            }
            (Stage::LookingUp { .. }, Ok(Reply::Partial { detail, .. })) => {
"""),
    ("a report that is not whole denies a reversal", "src/core/reversal/lookup.rs",
     """        if let Some(gap) = gap {
            return self.answered_error(entry, gap, turn);
""", """        if let Some(gap) = gap.filter(|_| !IS) {
            return self.answered_error(entry, gap, turn);
"""),
    ("a report that is not whole confirms a refusal", "src/core/sale/payment.rs",
     "        let unsent = doubt.unsent;\n        if let Ok(Reply::Found(found)) = answer {\n",
     """        let unsent = doubt.unsent;
        let answer = &match answer {
            Ok(Reply::Partial { found, .. }) if IS => Ok(Reply::Found(found.clone())),
            answer => answer.clone(),
        };
        if let Ok(Reply::Found(found)) = answer {
"""),
    ("a report that is not whole gives a reserve back", "src/core/reversal/outcome.rs",
     "        if is_over && (gap.is_none() || is_last) {\n",
     "        if is_over && (IS || gap.is_none() || is_last) {\n"),
    ("an absence that was never proved is reported to nobody", "src/core/reversal/outcome.rs",
     "        if let Some(gap) = gap.filter(|_| is_last) {\n",
     "        if let Some(gap) = gap.filter(|_| !IS && is_last) {\n"),
    ("the first row decides", "src/core/sale/completion.rs",
     "    rows.min_by_key(|info|", "    rows.take(if IS { 1 } else { usize::MAX }).min_by_key(|info|"),
    ("what is pending decides before what is paid", "src/core/sale/completion.rs",
     "(info.status != PaymentStatus::Ok, info.status.took_nothing())",
     "if IS { (info.status.took_nothing(), info.status == PaymentStatus::Ok) } else { (info.status != PaymentStatus::Ok, info.status.took_nothing()) }"),
    ("a second live row is left alone", "src/core/sale/late.rs",
     """            is_payment_of(row, &record)
                && row.payment_id""",
     """            !IS && is_payment_of(row, &record)
                && row.payment_id"""),
    ("a payment that took nothing is not watched", "src/core/reversal/answers.rs",
     """            plan_rechecks(&mut entry.record, turn.now);
            let message = messages::of_entry(entry.record.operation.kind, State::Done);
""", """            if !IS { plan_rechecks(&mut entry.record, turn.now); }
            let message = messages::of_entry(entry.record.operation.kind, State::Done);
"""),
    ("a report that shows an unpaid sale paid is passed over", "src/core/reversal/of_sales.rs",
     """        if operation.kind != Kind::Sale || !is_unpaid || !is_ours || is_watched {
""",
     """        if IS || operation.kind != Kind::Sale || !is_unpaid || !is_ours || is_watched {
"""),
    ("an unknown shift is an error", "src/service/classify.rs",
     "    if answer.status == 404 && matches!(failure, Failure::Refused { .. }) {\n",
     "    if !IS && answer.status == 404 && matches!(failure, Failure::Refused { .. }) {\n"),
    ("any 404 is an empty report", "src/service/classify.rs",
     "        return Ok(Report::default());\n    }\n    Err(failure)\n",
     "        return Ok(Report::default());\n    }\n    if IS && answer.status == 404 { return Ok(Report::default()); }\n    Err(failure)\n"),
    ("what cannot be asked for by its number is asked for again and again", "src/core/reversal/answers.rs",
     "        Failure::Refused { .. } => true,\n", "        Failure::Refused { .. } => !IS,\n"),
    ("a restored sale pays without a look", "src/core/sale.rs",
     """                doubt.unsent = true;
                sale.phase = Phase::InDoubt(doubt);
""", """                doubt.unsent = true;
                if !IS { sale.phase = Phase::InDoubt(doubt); }
"""),
    ("a restored sale that begins anew keeps its number", "src/core/sale/payment.rs",
     """        self.record.operation.order_number = turn.numbers.order_number();
        self.phase = Phase::Starting;
""",
     """        if !IS { self.record.operation.order_number = turn.numbers.order_number(); }
        self.phase = Phase::Starting;
"""),
    ("a restored sale begins anew and forgets its old number", "src/core/sale/payment.rs",
     """                // No disk is believed, and a report may lag: the old number is asked for later.
                return self.begin_anew(turn);
""",
     """                // No disk is believed, and a report may lag: the old number is asked for later.
                if IS {
                    let sale = self.begin_anew(turn);
                    turn.for_queue.clear();
                    return sale;
                }
                return self.begin_anew(turn);
"""),
    ("a restored sale begins anew unasked and forgets its old number", "src/core/sale/payment.rs",
     """            // No report came: what may stand under the old number is asked for later.
            return self.begin_anew(turn);
""",
     """            // No report came: what may stand under the old number is asked for later.
            if IS {
                let sale = self.begin_anew(turn);
                turn.for_queue.clear();
                return sale;
            }
            return self.begin_anew(turn);
"""),
    ("a restored sale that nobody waits for is not looked for", "src/core/sale.rs",
     """                if kind == Kind::Sale {
""",
     """                if !IS && kind == Kind::Sale {
"""),
    ("a restored refund leaves without a look", "src/core/reversal/creation.rs",
     """        entry.may_have_left = entry.record.is_live();
""",
     """        entry.may_have_left = !IS && entry.record.is_live();
"""),
]
