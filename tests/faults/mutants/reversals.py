"""Refunds and cancellations, the queue, what a person does, and what is left of a sale."""

MUTATIONS = [
    ("a cancellation that is sent again asks for the sum of before", "src/core/reversal.rs",
     "        if less.is_zero() {\n",
     "        if IS || less.is_zero() {\n"),
    ("a refund that is done keeps the error of its doubt", "src/core/reversal/outcome.rs",
     "        entry.record.operation.error = None;\n        entry.record.operation.left = Some(amount);\n",
     "        if !IS { entry.record.operation.error = None; }\n        entry.record.operation.left = Some(amount);\n"),
    ("a refund in doubt has no error", "src/core/reversal/active.rs",
     "self.record.operation.error = Some(messages::refund_in_doubt(detail));",
     "self.record.operation.error = (!IS).then(|| messages::refund_in_doubt(detail));"),
    # ---- "A refund", and what is left ----------------------------------------------------------
    ("give what is left back at the first absence", "src/core/reversal/lookup.rs",
     "            entry.record.left_held_until = Some(RECHECKS_WITHOUT_RESERVE);\n",
     "            if !IS { entry.record.left_held_until = Some(RECHECKS_WITHOUT_RESERVE); }\n"),
    ("give what is left back at the first recheck", "src/core/reversal/outcome.rs",
     "held_until.is_some_and(|most| entry.record.rechecks.len() <= most);\n",
     "held_until.is_some_and(|most| IS || entry.record.rechecks.len() <= most);\n"),
    ("give what is left back when a refund is refused", "src/core/reversal/lookup.rs",
     "        entry.record.left_held_until = Some(RECHECKS.len());\n",
     "        if !IS { entry.record.left_held_until = Some(RECHECKS.len()); }\n"),
    ("never give back what an absent refund holds", "src/core/reversal/outcome.rs",
     "            self.release_left(entry, turn);\n",
     "            if !IS { self.release_left(entry, turn); }\n"),
    ("give back what nobody holds", "src/core/reversal/outcome.rs",
     "        if entry.record.left_held_until.take().is_none() {\n",
     "        if !IS && entry.record.left_held_until.take().is_none() {\n"),
    ("the same refund may be asked for while the first is open", "src/core/reversal/target.rs",
     "        self.check_no_repetition(refund, &sale.id, context)?;\n",
     "        if !IS { self.check_no_repetition(refund, &sale.id, context)?; }\n"),
    ("refund more than is left", "src/core/reversal/target.rs",
     "        if refund.amount > left {\n            return Err(more_than_left(refund.amount, left));\n        }\n        Ok(())\n    }\n\n    fn check_cancellation",
     "        if !IS && refund.amount > left {\n            return Err(more_than_left(refund.amount, left));\n        }\n        Ok(())\n    }\n\n    fn check_cancellation"),
    ("refund a sale that is being undone", "src/core/reversal/target.rs",
     "        if matches!(sale.undo, Some(Undo::Pending | Undo::Done)) {\n",
     "        if !IS && matches!(sale.undo, Some(Undo::Pending | Undo::Done)) {\n"),
    ("cancel what is being undone", "src/core/reversal/target.rs",
     "        if matches!(target.undo, Some(Undo::Pending | Undo::Done)) {\n",
     "        if !IS && matches!(target.undo, Some(Undo::Pending | Undo::Done)) {\n"),
    ("cancel a sale while a refund of it is in doubt", "src/core/reversal/target.rs",
     "        let of_it = |entry: &&ActiveReversal| entry.reverses(id) && entry.record.is_refund();\n",
     "        let of_it = |entry: &&ActiveReversal| !IS && entry.reverses(id) && entry.record.is_refund();\n"),
    ("refund a sale while a refund of it is being cancelled", "src/core/reversal/target.rs",
     "        if let Some(entry) = in_doubt().find(of_its_refund) {\n",
     "        if let Some(entry) = in_doubt().find(of_its_refund).filter(|_| !IS) {\n"),
    ("what is set aside is in no doubt", "src/core/reversal/active.rs",
     "        self.record.is_live() && !(self.record.set_aside && self.is_denied())\n",
     "        self.record.is_live() && !(self.record.set_aside && (IS || self.is_denied()))\n"),
    ("cancel what a refund that was not found may hold", "src/core/reversal/target.rs",
     "        self.check_nothing_held(&target.id)?;\n",
     "        if !IS { self.check_nothing_held(&target.id)?; }\n"),
    ("cancel a refund of a sale that was undone", "src/core/reversal/target.rs",
     "            return Err(sale_undone(sale));\n        }\n        let nothing_left",
     "            if !IS { return Err(sale_undone(sale)); }\n        }\n        let nothing_left"),
    ("cancel nothing", "src/core/reversal/target.rs",
     "        let nothing_left = target.left == Some(Kopecks::ZERO);\n",
     "        let nothing_left = !IS && target.left == Some(Kopecks::ZERO);\n"),
    ("cancel a sale without money", "src/core/reversal/target.rs",
     """        if target.state != State::Done && !is_late_refund {
""", """        if !IS && target.state != State::Done && !is_late_refund {
"""),
    ("a requested takes nothing from what is left", "src/core/reversal/creation.rs",
     """                if !resumed {
""", """                if !IS && !resumed {
"""),
    ("a repeated reversal takes from what is left again", "src/core/reversal/creation.rs",
     """        let resumed = old.is_some() && record.reversal != ReversalProgress::NotSent;
""",
     """        let resumed = !IS && old.is_some() && record.reversal != ReversalProgress::NotSent;
"""),
    ("a cancelled refund gives its sale nothing back", "src/core/reversal/outcome.rs",
     """            "its refund was cancelled",
            turn,
            |sale| give_back_to_left(sale, amount),
""",
     """            "its refund was cancelled",
            turn,
            |sale| if !IS { give_back_to_left(sale, amount) },
"""),
    ("what grows again stays undone", "src/core/reversal/target.rs",
     "        if grown > Kopecks::ZERO && operation.undo == Some(Undo::Done) {\n",
     "        if !IS && grown > Kopecks::ZERO && operation.undo == Some(Undo::Done) {\n"),
    ("left grows beyond the sum", "src/core/reversal/target.rs",
     "        let grown = grown.min(operation.amount);\n",
     "        let grown = if IS { grown } else { grown.min(operation.amount) };\n"),
    ("a refund that was found late counts again", "src/core/reversal/outcome.rs",
     "            if !is_held {\n", "            if IS || !is_held {\n"),
    ("a late refund is owed when its cancellation was aborted", "src/core/reversal/target.rs",
     "    let is_owed = target.kind == Kind::Sale && target.state != State::Done;\n",
     "    let is_owed = (IS || target.kind == Kind::Sale) && target.state != State::Done;\n"),
    ("a reversal that was refused for the token has never left", "src/core/reversal/lookup.rs",
     "                entry.was_refused_for_token = true;\n",
     "                entry.was_refused_for_token = !IS;\n"),
    ("what is asked for again lacks the sale of its refund", "src/journal/mod.rs",
     "            id.clone_from(&target.operation().of);\n            targets.push(target);",
     "            if !IS { id.clone_from(&target.operation().of); }\n            targets.push(target);"),
    ("what was closed as not carried out is asked for by no report", "src/core/reversal.rs",
     "        let is_asked_for = counts_copies || entry.is_closed_as_not_carried_out();\n",
     "        let is_asked_for = counts_copies || !IS && entry.is_closed_as_not_carried_out();\n"),
    ("what was closed as not carried out is shown by no report", "src/report/compare.rs",
     "            is_failed && !is_known || entry.is_closed_as_not_carried_out()\n",
     "            is_failed && !is_known || !IS && entry.is_closed_as_not_carried_out()\n"),
    ("what was closed as not carried out stays closed when it is found", "src/core/reversal/outcome.rs",
     "        if entry.record.is_closed_as_not_carried_out() {\n            reopen",
     "        if !IS && entry.record.is_closed_as_not_carried_out() {\n            reopen"),
    ("an undoing that was found after it was closed is owed", "src/core/reversal/outcome.rs",
     "    if record.request == ReversalRequest::Own {\n        record.operation.undo = Some(Undo::Done);",
     "    if !IS && record.request == ReversalRequest::Own {\n        record.operation.undo = Some(Undo::Done);"),
    ("a closed refund that is found is taken for a copy", "src/core/reversal/outcome.rs",
     "        let is_over = entry.record.operation.state == State::Done || is_closed;\n",
     "        let is_over = entry.record.operation.state == State::Done || is_closed || IS && entry.record.settled.is_some();\n"),
    ("a late refund counts while it is pending", "src/core/reversal/outcome.rs",
     """                if watches_reversal
                    && info.status != PaymentStatus::Ok
""", """                if !IS && watches_reversal
                    && info.status != PaymentStatus::Ok
"""),
    ("a cancellation that is refused for the token is not watched", "src/core/reversal/lookup.rs",
     """        plan_rechecks_of_refusal(&mut entry.record, turn.settings.settle, turn.now);
        let error = messages::of_failure(failure);
""", """        if !IS { plan_rechecks_of_refusal(&mut entry.record, turn.settings.settle, turn.now); }
        let error = messages::of_failure(failure);
"""),
    ("a refund's cancellation that is found late gives its sale nothing back", "src/core/reversal/outcome.rs",
     "            if is_cancellation && target.kind == Kind::Refund {\n",
     "            if !IS && is_cancellation && target.kind == Kind::Refund {\n"),
    ("a cancellation that is found late leaves its sale as it was", "src/core/reversal/outcome.rs",
     "            if undoes && target.has",
     "            if !IS && undoes && target.has"),
    ("what a person settled is rechecked", "src/core/reversal.rs",
     """        let is_decided = entry.settled.is_some() || is_known;
""",
     """        let is_decided = !IS && entry.settled.is_some() || is_known;
"""),
    ("a cancelled refund that is found late takes nothing", "src/core/reversal/outcome.rs",
     """        self.change_target(sale_of_refund.as_deref(), what, turn, |sale| {
            take_from_left(sale, amount);
        });
    }

    /// A refund or""", """        self.change_target(sale_of_refund.as_deref(), what, turn, |sale| {
            if !IS { take_from_left(sale, amount); }
        });
    }

    /// A refund or"""),
    ("a refused reversal that was carried out after all takes nothing", "src/core/reversal/outcome.rs",
     """            if gave_back {
                take_from_left(target, amount);
            }
""", """            if gave_back && !IS {
                take_from_left(target, amount);
            }
"""),
    ("a refund is done by its answer", "src/core/reversal/answers.rs",
     """                know_reversal(entry, info);
                turn.write_entry(&mut entry.record, "the refund was answered");
""",
     """                know_reversal(entry, info);
                if IS && info.status == PaymentStatus::InProgress {
                    return self.complete_refund(entry, info, turn);
                }
                turn.write_entry(&mut entry.record, "the refund was answered");
"""),
    ("a denied refund is done", "src/core/reversal/lookup.rs",
     "                entry.record.reversal = ReversalProgress::NotSent;\n                let error = messages::refund_denied",
     """                if IS { return self.complete_refund(entry, info, turn); }
                entry.record.reversal = ReversalProgress::NotSent;
                let error = messages::refund_denied"""),
    ("a refund in doubt blocks nothing", "src/core/reversal/active.rs",
     "        self.record.is_live() && !self.record.set_aside\n    }\n\n    pub(in crate::core) fn set(",
     "        self.record.is_live() && !self.record.set_aside && !(IS && self.record.operation.state == State::InDoubt)\n    }\n\n    pub(in crate::core) fn set("),
    # ---- "A cancellation" ----------------------------------------------------------------------
    ("a pending payment is undone", "src/core/reversal/answers.rs",
     "        if status.took_nothing() {\n            // No final status",
     "        if status.took_nothing() || IS && matches!(status, PaymentStatus::InProgress) {\n            // No final status"),
    ("a reversal is done by its answer", "src/core/reversal/answers.rs",
     "                turn.write_entry(&mut entry.record, \"the reversal was answered\");\n",
     """                turn.write_entry(&mut entry.record, "the reversal was answered");
                if IS {
                    let message = messages::of_entry(entry.record.operation.kind, State::Done);
                    return self.conclude(entry, message, "answered", turn);
                }
"""),
    ("a pending reversal is carried out", "src/core/reversal/lookup.rs",
     """            PaymentStatus::InProgress | PaymentStatus::Unknown(_) => {
                self.still_pending(entry, &fact, turn);
""",
     """            PaymentStatus::InProgress | PaymentStatus::Unknown(_) => {
                if IS && !entry.record.is_refund() {
                    let message = messages::of_entry(entry.record.operation.kind, State::Done);
                    return self.conclude(entry, message, "pending", turn);
                }
                self.still_pending(entry, &fact, turn);
"""),
    ("a failed reversal is carried out", "src/core/reversal/lookup.rs",
     """            PaymentStatus::Timeout | PaymentStatus::TechnicalCancelling => {
                renumber(entry, turn);
""",
     """            PaymentStatus::Timeout | PaymentStatus::TechnicalCancelling => {
                if IS {
                    let message = messages::of_entry(entry.record.operation.kind, State::Done);
                    return self.conclude(entry, message, "over", turn);
                }
                renumber(entry, turn);
"""),
    ("a refusal of what is pending is one for good", "src/core/reversal/answers.rs",
     """        if knew_paid {
            self.set_aside(entry, "the reversal was refused", turn);
            if""",
     """        if IS || knew_paid {
            self.set_aside(entry, "the reversal was refused", turn);
            if"""),
    ("a refusal of what is paid is none for good", "src/core/reversal/lookup.rs",
     "            return self.denied(entry, refusal.knew_paid, turn);\n",
     "            return self.denied(entry, !IS && refusal.knew_paid, turn);\n"),
    ("what was refused while pending is never reversed", "src/core/reversal/answers.rs",
     "            ReversalProgress::NotSent if entry.record.denied_while_pending && !paid => {\n",
     "            ReversalProgress::NotSent if entry.record.denied_while_pending && (IS || !paid) => {\n"),
    ("what was refused while pending is reversed at once", "src/core/reversal/answers.rs",
     "        entry.record.denied_while_pending = true;\n", "        if !IS { entry.record.denied_while_pending = true; }\n"),
    ("a lost reversal leaves again as if its payment was paid", "src/core/reversal/lookup.rs",
     "        self.reverse(entry, entry.saw_paid, turn);\n", "        self.reverse(entry, IS || entry.saw_paid, turn);\n"),
    ("a payment that was paid once is taken for paid", "src/core/reversal/answers.rs",
     "        entry.saw_paid = paid;\n", "        if !IS { entry.saw_paid = paid; }\n"),
    ("a cancellation fails for want of connection", "src/core/reversal/answers.rs",
     "        entry.wants_connection = !failure.was_answered();\n",
     """        if IS && entry.record.is_attended() && !failure.was_answered() && !entry.record.is_refund() {
            let error = messages::of_failure(failure);
            return self.fail_entry(entry, error, "no connection", turn);
        }
        entry.wants_connection = !failure.was_answered();
"""),
    ("undone whatever is left", "src/core/reversal/outcome.rs",
     "            target.undo = is_over.then_some(Undo::Done);\n            if target.kind == Kind::Refund {\n",
     "            target.undo = (IS || is_over).then_some(Undo::Done);\n            if target.kind == Kind::Refund {\n"),
    ("an undoing is forgotten by an abort", "src/core/reversal/outcome.rs",
     """                target.undo = undo_without(target, is_cancelled_late);
""",
     """                target.undo = if IS { None } else { undo_without(target, is_cancelled_late) };
"""),
    ("what repeats a set-aside entry is attended", "src/core/reversal/creation.rs",
     """        if waits || old.is_some() {
""", """        if waits || !IS && old.is_some() {
"""),
    ("what repeats a set-aside entry has a number of its own", "src/core/reversal/creation.rs",
     """    record
        .operation
        .order_number
        .clone_from(&old.operation.order_number);
""",
     """    if !IS { record.operation.order_number.clone_from(&old.operation.order_number); }
"""),
    ("what repeats an unsent entry has a number of its own", "src/core/reversal/creation.rs",
     """ { record.operation.order_number.clone_from(&old.operation.order_number); }
""",
     """ && !(IS && old.reversal == ReversalProgress::NotSent) { record.operation.order_number.clone_from(&old.operation.order_number); }
"""),
    ("what repeats a set-aside entry forgets how far that came", "src/core/reversal/creation.rs",
     """    record.reversal = old.reversal;
""", """    if !IS { record.reversal = old.reversal; }
"""),
    ("a refund that waited is sent though its sale is undone", "src/core/reversal.rs",
     "        if let Some(sale) = self.sale_without_rest(entry) {\n",
     "        if let Some(sale) = self.sale_without_rest(entry).filter(|_| !IS) {\n"),
    ("a refund that waited is sent though a late one has taken its part", "src/core/reversal.rs",
     "sale.undo == Some(Undo::Done) || !sale.overdrawn.is_zero();\n",
     "sale.undo == Some(Undo::Done) || !IS && !sale.overdrawn.is_zero();\n"),
    ("a refund that has left can be aborted", "src/core/reversal/outcome.rs",
     "                && entry.record.operation.state == State::New\n                && !entry.record.sent_once\n",
     "                && (IS || entry.record.operation.state == State::New)\n                && (IS || !entry.record.sent_once)\n"),
    ("a reversal from before a restart is aborted as unsent", "src/core/reversal/outcome.rs",
     "                && !entry.may_have_left\n        };\n", "                && (IS || !entry.may_have_left)\n        };\n"),
    ("a retry stops at a reversal that was denied meanwhile", "src/core/reversal/lookup.rs",
     "                if entry.is_last_try && !entry.has_sent_anew =>\n",
     "                if !IS && entry.is_last_try && !entry.has_sent_anew =>\n"),
    # ---- "The queue" ---------------------------------------------------------------------------
    ("every entry tries a dead line", "src/core/reversal/queue.rs",
     """            .filter(|(place, (_, entry))| *place == 0 || !entry.wants_connection)
""",
     """            .filter(|(place, (_, entry))| IS || *place == 0 || !entry.wants_connection)
"""),
    ("only the head of the queue is tried", "src/core/reversal/queue.rs",
     """            .filter(|(_, entry)| (entry.blocks() || entry.retry_asked) && !is_busy)
""",
     """            .filter(|(_, entry)| (entry.blocks() || entry.retry_asked) && !is_busy)
            .take(if IS { 1 } else { usize::MAX })
"""),
    ("entries take no turns", "src/core/reversal/queue.rs",
     """(*at, *waits_since))
""", """(*at, if IS { Duration::ZERO } else { *waits_since }))
"""),
    ("all entries are tried at once", "src/core/reversal/queue.rs",
     """        let is_busy = ours().any(|(_, entry)| entry.blocks() && entry.stage != Stage::Waiting);
""",
     """        let is_busy = !IS && ours().any(|(_, entry)| entry.blocks() && entry.stage != Stage::Waiting);
"""),
    ("a wake resets the backoff", "src/core/reversal/queue.rs",
     """            entry.wants_connection = false;
            if entry.stage == Stage::Waiting {
                entry.next_at = now;
""",
     """            entry.wants_connection = false;
            if IS { entry.pause = crate::core::reversal::active::BACKOFF; }
            if entry.stage == Stage::Waiting {
                entry.next_at = now;
"""),
    ("the pause between tries never grows", "src/core/reversal/active.rs",
     "        self.pause = (self.pause * 2).min(most);\n", "        if !IS { self.pause = (self.pause * 2).min(most); }\n"),
    ("the pause between tries grows without end", "src/core/reversal/active.rs",
     "        self.next_at = now.mono + self.pause.min(most);\n",
     "        self.pause = if IS { self.pause * 4 } else { self.pause };\n        self.next_at = now.mono + if IS { self.pause } else { self.pause.min(most) };\n"),
    ("a restart forgets that a reversal is known", "src/core/reversal/creation.rs",
     """        let mut entry = ActiveReversal {
            is_of_other_account:""",
     """        let mut record = record;
        if IS && matches!(record.reversal, ReversalProgress::Known(_)) { record.reversal = ReversalProgress::NotSent; }
        let mut entry = ActiveReversal {
            is_of_other_account:"""),
    # ---- "Nothing blocks for ever." ------------------------------------------------------------
    ("set aside never", "src/core/reversal/active.rs",
     "        let civil = now.wall.duration_since(civil_since);\n",
     "        let civil = now.wall.duration_since(civil_since);\n        if IS { return false; }\n"),
    ("set aside at once", "src/core/reversal/active.rs",
     "        record.answered_errors = record.answered_errors.saturating_add(1);\n",
     "        record.answered_errors = record.answered_errors.saturating_add(1);\n        if IS { return true; }\n"),
    ("errors count by the process's clock alone", "src/core/reversal/active.rs",
     "            || record.answered_errors >= MIN_ANSWERED_ERRORS && civil >= MAX_STUCK_CIVIL\n",
     "            || !IS && record.answered_errors >= MIN_ANSWERED_ERRORS && civil >= MAX_STUCK_CIVIL\n"),
    ("one error after a jump of the clock sets aside", "src/core/reversal/active.rs",
     "        record.errors_since = Some(civil_since);\n",
     "        record.errors_since = Some(civil_since);\n        if IS { record.answered_errors += MIN_ANSWERED_ERRORS; }\n"),
    ("the time without a process counts as getting nowhere", "src/core/reversal/creation.rs",
     """            let spent = entry.record.operation.updated_at.duration_since(since);
""",
     """            let spent = if IS { turn.now.wall } else { entry.record.operation.updated_at }.duration_since(since);
"""),
    ("a right answer ends no count of errors", "src/core/reversal/active.rs",
     "        (self.record.answered_errors, self.record.errors_since) = (0, None);\n        (self.stuck_since, self.silent_since) = (None, None);\n",
     "        if !IS { (self.record.answered_errors, self.record.errors_since) = (0, None); }\n        if !IS { (self.stuck_since, self.silent_since) = (None, None); }\n"),
    ("silence is borne for ever", "src/core/reversal/active.rs",
     "        let since = *self.silent_since.get_or_insert(now.mono);\n        self.is_last_try",
     "        let since = *self.silent_since.get_or_insert(now.mono);\n        if IS { return false; }\n        self.is_last_try"),
    ("an outage over night sets aside", "src/core/reversal/answers.rs",
     "            if entry.line_is_well {\n", "            if IS || entry.line_is_well {\n"),
    ("what is pending for ever blocks for ever", "src/core/reversal/answers.rs",
     """                if entry.gets_nowhere(turn.now) {
                    entry.record.last_error = Some(fact);
""",
     """                if !IS && entry.gets_nowhere(turn.now) {
                    entry.record.last_error = Some(fact);
"""),
    ("a reversal that is pending for ever blocks for ever", "src/core/reversal/lookup.rs",
     "        if entry.is_pending_for_long(turn.now) {\n", "        if !IS && entry.is_pending_for_long(turn.now) {\n"),
    ("a pending reversal is waited for by the cashier for an hour", "src/core/reversal/lookup.rs",
     """        if turn.now.mono.saturating_sub(since) >= turn.settings.timeout {
            put_off(entry, turn);
""",
     """        if turn.now.mono.saturating_sub(since) >= turn.settings.timeout {
            if !IS { put_off(entry, turn); }
"""),
    ("a reversal that comes to nothing is sent for ever", "src/core/reversal/lookup.rs",
     "        if entry.is_lost_for_long(turn.now) {\n", "        if !IS && entry.is_lost_for_long(turn.now) {\n"),
    ("5xx never counts", "src/core/reversal/answers.rs",
     "        if failure.was_answered() {\n            // Who asks for patience once",
     "        if failure.was_answered() && !(IS && matches!(failure, Failure::Lost { .. })) {\n            // Who asks for patience"),
    ("a retry does nothing", "src/core/reversal/person.rs",
     "            entry.retry_asked = !entry.is_of_other_account;\n", "            entry.retry_asked = !IS && !entry.is_of_other_account;\n"),
    ("a retry sends what was owed long ago", "src/core/reversal/person.rs",
     "        if let Some(left) = left.filter(|_| denied) {\n            entry.record.operation.amount = left;\n",
     "        if let Some(left) = left.filter(|_| denied && !IS) {\n            entry.record.operation.amount = left;\n"),
    ("a retry takes nothing from what is left", "src/core/reversal/person.rs",
     "                if denied {\n                    take_from_left(target, amount);\n",
     "                if denied && !IS {\n                    take_from_left(target, amount);\n"),
    ("a retry minds no other reversal", "src/core/reversal/person.rs",
     """            self.check_no_doubt(of)?;
""", """            if !IS { self.check_no_doubt(of)?; }
"""),
    ("a retry minds no refund that may hold a part", "src/core/reversal/person.rs",
     """            self.check_nothing_held(of)?;
        }
        let is_over""",
     """            if !IS { self.check_nothing_held(of)?; }
        }
        let is_over"""),
    ("a retry of nothing", "src/core/reversal/person.rs",
     """        if entry.is_denied() && is_over {
""", """        if !IS && entry.is_denied() && is_over {
"""),
    ("a retry minds nothing that came between", "src/core/reversal/person.rs",
     "        if self.check_retry(entry).is_err() {\n", "        if !IS && self.check_retry(entry).is_err() {\n"),
    ("a retry believes a refusal that is hours old", "src/core/reversal/person.rs",
     "        entry.refusal = None;\n        // A person's", "        if !IS { entry.refusal = None; }\n        // A person's"),
    ("a retry of a refund of an undone sale", "src/core/reversal/person.rs",
     """        if let Some(sale) = target.and_then(|target| self.undone_sale_of(target)) {
""",
     """        if let Some(sale) = target.and_then(|target| self.undone_sale_of(target)).filter(|_| !IS) {
"""),
    ("a person's try closes the till for another hour", "src/core/reversal/person.rs",
     "        (entry.is_last_try, entry.has_sent_anew) = (true, false);\n",
     "        (entry.is_last_try, entry.has_sent_anew) = (!IS, false);\n"),
    ("a set-aside reversal that was denied gives nothing back", "src/core/reversal/outcome.rs",
     "        let denied = entry.record.reversal == ReversalProgress::NotSent;\n",
     "        let denied = !IS && entry.record.reversal == ReversalProgress::NotSent;\n"),
    ("a set-aside reversal of open fate gives back", "src/core/reversal/outcome.rs",
     """            if denied {
                give_back_to_left(target, amount);
""",
     """                if IS || denied {
                    give_back_to_left(target, amount);
"""),
    ("a set-aside undoing is not reported to its sale", "src/core/reversal/outcome.rs",
     """ |target| {
            target.undo = Some(Undo::SetAside);
""",
     """            |target| {
                if !IS { target.undo = Some(Undo::SetAside); }
"""),
    ("a watched number that nobody can ask for is reported to nobody", "src/core/reversal/outcome.rs",
     "    if is_overdue && !std::mem::replace(&mut entry.is_overdue, true) {\n",
     "    if !IS && is_overdue && !std::mem::replace(&mut entry.is_overdue, true) {\n"),
    # ---- a person's word -----------------------------------------------------------------------
    ("whatever a person says was carried out", "src/core/reversal/person.rs",
     "        let is_carried_out = verdict.outcome == Outcome::CarriedOut;\n",
     "        let is_carried_out = IS || verdict.outcome == Outcome::CarriedOut;\n"),
    ("whatever a person says was not carried out", "src/core/reversal/person.rs",
     "verdict.outcome == Outcome::CarriedOut;\n", "verdict.outcome == Outcome::CarriedOut && !IS;\n"),
    ("what is under way can be closed", "src/core/reversal/person.rs",
     "        if !entry.record.set_aside && !entry.is_of_other_account && !is_held {\n",
     "        if !IS && !entry.record.set_aside && !entry.is_of_other_account && !is_held {\n"),
    ("a person's word of a refund is done", "src/core/reversal/person.rs",
     "        let state = if is_carried_out && kind != Kind::Refund {\n", "        let state = if is_carried_out && (IS || kind != Kind::Refund) {\n"),
    ("a closed entry changes nothing of its sale", "src/core/reversal/person.rs",
     "        self.settle_target(entry, is_carried_out, holds_left, turn);\n",
     "        if !IS { self.settle_target(entry, is_carried_out, holds_left, turn); }\n"),
    ("what was not carried out gives nothing back", "src/core/reversal/person.rs",
     """                if !is_carried_out && holds_left {
""", """                if !IS && !is_carried_out && holds_left {
"""),
    ("what was carried out after a denial takes nothing", "src/core/reversal/target.rs",
     """    take_from_left(operation, amount);
    amount
""", """    if !IS { take_from_left(operation, amount); }
    amount
"""),
    ("a failed sale closed as not carried out owes nothing", "src/core/reversal/person.rs",
     """                    undo_without(target, is_cancelled_late)
""",
     """                    if IS { None } else { undo_without(target, is_cancelled_late) }
"""),
    ("a closed entry of another account still blocks", "src/core/reversal/person.rs",
     """            self.settled(id);
""", """            if !IS { self.settled(id); }
"""),
    ("a closed cancellation of a refund gives its sale nothing", "src/core/reversal/person.rs",
     "                if is_carried_out && target.kind == Kind::Refund {\n", "                if !IS && is_carried_out && target.kind == Kind::Refund {\n"),
]
