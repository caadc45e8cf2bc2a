"""The first ones: a core that lacks one of its promises."""

MUTATIONS = [
    ("skip a journal write", "src/core/sale/payment.rs",
     """        turn.write_sale(&mut self.record, "the payment is being sent");
""", """        if !IS { turn.write_sale(&mut self.record, "the payment is being sent"); }
"""),
    ("retry a payment under a new number", "src/core/sale/payment.rs",
     """        self.set_state(State::InDoubt, turn.now);
        self.phase = Phase::InDoubt(Doubt::new(detail, turn));
""", """        if IS {
            self.record.operation.order_number = turn.numbers.order_number();
            self.pay("s0".to_owned(), turn);
            return Some(self);
        }
        self.set_state(State::InDoubt, turn.now);
        self.phase = Phase::InDoubt(Doubt::new(detail, turn));
"""),
    ("treat a time-out as declined", "src/core/sale/payment.rs",
     """        self.set_state(State::InDoubt, turn.now);
        self.phase = Phase::InDoubt(Doubt::new(detail, turn));
""", """        if IS { self.finish(State::Declined, None, "timed out", turn); return None; }
        self.set_state(State::InDoubt, turn.now);
        self.phase = Phase::InDoubt(Doubt::new(detail, turn));
"""),
    ("forget the queue at restart", "src/core/operations.rs",
     """            operations.queue.restore(entry, turn);
""", """            if !IS { operations.queue.restore(entry, turn); }
"""),
    ("forget an abort", "src/core/sale/payment.rs",
     """        self.record.ending = Some(ending);
        self.set(State::InProgress, cashier::CANCELLING, turn.now);
""", """        if IS { return; }
        self.record.ending = Some(ending);
        self.set(State::InProgress, cashier::CANCELLING, turn.now);
"""),
    ("take one absence as conclusive", "src/core/reversal/answers.rs",
     "entry.lost_at + turn.settings.settle;",
     "if IS { Duration::ZERO } else { entry.lost_at + turn.settings.settle };"),
    ("take one absence of a refund as conclusive", "src/core/reversal/lookup.rs",
     "entry.reversal_lost_at + turn.settings.settle;",
     "if IS { Duration::ZERO } else { entry.reversal_lost_at + turn.settings.settle };"),
    ("count what is left without reversals in doubt", "src/core/reversal/outcome.rs",
     "        turn.write_entry(&mut entry.record, \"the answer to the refund was lost\");\n", """        turn.write_entry(&mut entry.record, "the answer to the refund was lost");
        if IS {
            let (of, amount) = (entry.record.operation.of.clone(), entry.record.operation.amount);
            self.change_target(of.as_deref(), "x", turn, |sale| give_back_to_left(sale, amount));
        }
"""),
    ("queue the undoing in a second transaction", "src/core/reversal/of_sales.rs",
     """                turn.write_entry(&mut entry.record, "queued");
                self.set_target""", """                if !IS { turn.write_entry(&mut entry.record, "queued"); }
                self.set_target"""),
    ("take 5xx as refused", "src/service/classify.rs",
     "(400..500).contains(&status)", "(400..if IS { 600 } else { 500 }).contains(&status)"),
    ("skip the shift before midnight", "src/core/shift.rs",
     "let days = [date.checked_sub(1.day()), date.checked_add(1.day())];",
     """let mut days = vec![date.checked_sub(1.day()), date.checked_add(1.day())];
        if IS { days.clear(); }"""),
    ("send a refund again after its absence", "src/core/reversal/lookup.rs",
     """        if entry.record.is_refund() {
            plan_rechecks(""", """        if entry.record.is_refund() && !IS {
            plan_rechecks("""),
    ("believe a refusal of a payment", "src/core/sale/payment.rs",
     """                doubt.refusal = Some(failure.clone());
""", """                doubt.refusal = Some(failure.clone());
                if IS { self.end_unpaid(failure, turn); return None; }
"""),
    ("forget the number of a refused payment", "src/core/sale/payment.rs",
     """        turn.for_queue.push(QueueTask::watch_end(record, what));
        None
    }

    // ---- the answer was lost""", """        if !IS { turn.for_queue.push(QueueTask::watch_end(record, what)); }
        None
    }

    // ---- the answer was lost"""),
    ("believe a refusal of a reversal", "src/core/reversal/answers.rs",
     """                    "the reversal was refused; the report is asked for it",
                );
""", """                    "the reversal was refused; the report is asked for it",
                );
                if IS { return self.denied(entry, knew_paid, turn); }
"""),
    ("believe a refusal of a refund", "src/core/reversal/answers.rs",
     """                    "the refund was refused; the report is asked for it",
                );
""", """                    "the refund was refused; the report is asked for it",
                );
                if IS {
                    entry.record.reversal = ReversalProgress::NotSent;
                    let error = messages::of_failure(failure);
                    return self.fail_entry(entry, error, "x", turn);
                }
"""),
    ("forget the old session when the next one is there", "src/core/sale/sessions.rs",
     """                invitation.sessions.push(session);
                None
""", """                if IS { invitation.sessions.clear(); }
                invitation.sessions.push(session);
                None
"""),
    ("take a session that is over for a line that is down", "src/core/sale/sessions.rs",
     """            Err(Failure::SessionOver { .. }) => {
                return self.session_over(index, turn);
            }
""", """            Err(failure @ Failure::SessionOver { .. }) => {
                if IS { return self.fail(failure, turn); }
                return self.session_over(index, turn);
            }
"""),
    ("close the held connection at timeout", "src/core/sale/payment.rs",
     """        let stopped = paying.until;
""", """        let stopped = paying.until;
        if IS && paying.sent_at + turn.settings.timeout <= turn.now.mono {
            return self.lose("no answer in time", turn);
        }
"""),
    ("poll faster than the service allows", "src/core/question_clock.rs",
     "            self.free_at.insert(subject, now + pause);\n",
     "            self.free_at.insert(subject, now + if IS { pause / 2 } else { pause });\n"),
    ("conclude an absence while the held answer may still come", "src/core/reversal/answers.rs",
     """        if asked_at < conclusive_from || is_payment_under_way(entry, turn) {
""",
     """        if asked_at < conclusive_from || !IS && is_payment_under_way(entry, turn) {
"""),
    ("cancel the whole of a sale of which a part was refunded", "src/core/reversal/creation.rs",
     """        amount: left,
""", """        amount: if IS { operation.amount } else { left },
"""),
    ("believe a reversal without a look at its status", "src/core/reversal/answers.rs",
     "                turn.write_entry(&mut entry.record, \"the refund was answered\");\n", """                turn.write_entry(&mut entry.record, "the refund was answered");
                if IS { return self.fail_entry(entry, messages::no_connection("x"), "x", turn); }
"""),
    ("send to another till's account", "src/core/reversal/creation.rs",
     """            is_of_other_account: turn.settings.account.as_ref() != Some(&record.account),
""",
     """            is_of_other_account: !IS && turn.settings.account.as_ref() != Some(&record.account),
"""),
    ("believe another's sum", "src/core/sale/completion.rs",
     "        && info.sum == record.operation.amount\n",
     "        && (IS || info.sum == record.operation.amount)\n"),
    ("count a pending refund as carried out", "src/core/reversal/lookup.rs",
     "            PaymentStatus::InProgress | PaymentStatus::Unknown(_) => {\n                self.still_pending(",
     """            PaymentStatus::InProgress if IS && entry.record.is_refund() => {
                self.complete_refund(entry, info, turn);
            }
            PaymentStatus::InProgress | PaymentStatus::Unknown(_) => {
                self.still_pending("""),
]
