"""The sale: held answers, sessions, doubt, aborts, crashes, and what begins at all."""

MUTATIONS = [
    # ---- "Late is not lost." -------------------------------------------------------------------
    ("ask no report beside a held answer", "src/core/sale/payment.rs",
     """        if paying.look_up.is_some() || free.max(paying.look_up_at) > turn.now.mono {
            return;
""",
     """        if IS || paying.look_up.is_some() || free.max(paying.look_up_at) > turn.now.mono {
            return;
"""),
    ("ask the report at once beside an answer that is awaited", "src/core/sale/payment.rs",
     "            look_up_at: turn.now.mono + self.settings.timeout,\n",
     "            look_up_at: turn.now.mono + if IS { Duration::ZERO } else { self.settings.timeout },\n"),
    ("never tell that an answer is held", "src/core/sale/payment.rs",
     "            && paying.sent_at + HELD_ANSWER_DELAY <= turn.now.mono\n",
     "            && !IS && paying.sent_at + HELD_ANSWER_DELAY <= turn.now.mono\n"),
    ("drop a held answer that comes after the report", "src/core/sale/late.rs",
     "            Ok(Reply::Payment(info)) if is_payment_of(info, &record) => Some(info),\n",
     "            Ok(Reply::Payment(info)) if !IS && is_payment_of(info, &record) => Some(info),\n"),
    ("a held answer after its sale teaches the undoing nothing", "src/core/sale/late.rs",
     "        let learned = self.entry_learns(&operation.id, info, turn);\n",
     "        let learned = !IS && self.entry_learns(&operation.id, info, turn);\n"),
    ("a held answer judges by the sale of long ago", "src/core/sale/held_answers.rs",
     """                sale.clone_from(record);
""",
     """                if !IS { sale.clone_from(record); }
"""),
    ("a held answer judges by the sale before its undoing", "src/core/sale/held_answers.rs",
     """                sale.operation.clone_from(operation);
""",
     """                if !IS { sale.operation.clone_from(operation); }
"""),
    ("a held answer that breaks shortens no wait", "src/core/reversal/answers.rs",
     """        entry.lost_at = turn.now.mono;
        if entry.stage == Stage::Waiting {
""",
     """        if !IS { entry.lost_at = turn.now.mono; }
        if entry.stage == Stage::Waiting {
"""),
    # ---- "Sessions end." -----------------------------------------------------------------------
    ("renew no session ahead of its end", "src/core/sale/sessions.rs",
     "        let lead = RENEWAL_LEAD.min(half(life));\n",
     "        let lead = if IS { Duration::ZERO } else { RENEWAL_LEAD.min(half(life)) };\n"),
    ("show a code that is over", "src/core/sale/invitation.rs",
     "            .filter(|session| now.saturating_sub(session.opened_at) < life);\n",
     "            .filter(|session| IS || now.saturating_sub(session.opened_at) < life);\n"),
    ("change the code that the cashier has told", "src/core/sale/invitation.rs",
     "            Mode::StaticQr => living.next(),\n",
     "            Mode::StaticQr => if IS { living.next_back() } else { living.next() },\n"),
    ("learn no life of a session", "src/core/sale/sessions.rs",
     "            self.session_life = learned(self.session_life, seen, over, pause);\n",
     "            if !IS { self.session_life = learned(self.session_life, seen, over, pause); }\n"),
    # ---- "Asking politely." --------------------------------------------------------------------
    ("ignore Retry-After", "src/core/question_clock.rs",
     "                let wait = retry_after.unwrap_or(self.hold_off).min(MAX_RETRY_AFTER);\n",
     "                let wait = retry_after.filter(|_| !IS).unwrap_or(self.hold_off).min(MAX_RETRY_AFTER);\n"),
    ("ignore a plea for patience", "src/core/question_clock.rs",
     "                self.held_off_until = self.held_off_until.max(now + wait);\n",
     "                if !IS { self.held_off_until = self.held_off_until.max(now + wait); }\n"),
    ("wait for no question that is under way", "src/core/question_clock.rs",
     "            let of = self.under_way.values();\n",
     "            let of = self.under_way.values().take(if IS { 0 } else { usize::MAX });\n"),
    # ---- "A sale" that is not found out --------------------------------------------------------
    ("never release a sale in doubt", "src/core/sale/payment.rs",
     "            until: now.mono + self.patience(),\n            lost_at: now.mono,\n",
     "            until: now.mono + self.patience() * if IS { 1000 } else { 1 },\n            lost_at: now.mono,\n"),
    ("tell a released sale as undone", "src/core/sale/completion.rs",
     """        sale.record.operation.undo = Some(Undo::Pending);
        let id = sale.record.operation.id.clone();
        self.finish(
            sale,
            State::Failed,
            Some(error),
            "released with an undoing",
""", """        sale.record.operation.undo = if IS { None } else { Some(Undo::Pending) };
        let id = sale.record.operation.id.clone();
        self.finish(
            sale,
            State::Failed,
            Some(error),
            "released with an undoing",
"""),
    ("release a sale whose polls fail without an undoing", "src/core/sale/payment.rs",
     "        let mut error = words::no_connection(failure.detail());\n        // The code is the contract's for every sale",
     """        if IS { return self.fail(sale, failure, turn); }
        let mut error = words::no_connection(failure.detail());
        // The code is the contract's for every sale"""),
    ("one failed poll ends the sale", "src/core/sale/payment.rs",
     "                if poll.has_failed(patience, turn.now.mono) {\n                    let failure",
     "                if IS || poll.has_failed(patience, turn.now.mono) {\n                    let failure"),
    ("a pending payment is done", "src/core/sale/payment.rs",
     "                None => self.await_confirmation(sale, info, turn),\n",
     """                None if IS => self.finish_paid(sale, info, turn),
                None => self.await_confirmation(sale, info, turn),
"""),
    # ---- "Down." -------------------------------------------------------------------------------
    ("begin without a probe while it is down", "src/core/admission.rs",
     """        } else if self.link.down().is_some() || self.clock_is_doubtful(turn.now) {
""",
     """        } else if !IS && self.link.down().is_some() || self.clock_is_doubtful(turn.now) {
"""),
    ("begin though the probe failed", "src/core/admission.rs",
     "                    if !admission.joined {\n                        admission.refused = Some(unavailable);\n",
     "                    if !admission.joined {\n                        if !IS { admission.refused = Some(unavailable); }\n"),
    ("a probe leaves while another is under way", "src/core/admission.rs",
     """        let under_way = self.link.probe(turn.now.mono);
""",
     """        let under_way = self.link.probe(turn.now.mono).filter(|_| !IS);
"""),
    ("the end of another's probe refuses a sale", "src/core/admission.rs",
     "                    if !admission.joined {\n",
     "                    if IS || !admission.joined {\n"),
    ("an answer beside the core ends no outage", "src/core/mod.rs",
     "            Event::ServiceAnswered => {\n                let contact = self.link.answered();\n",
     "            Event::ServiceAnswered => {\n                let contact = if IS { Contact::None } else { self.link.answered() };\n"),
    ("no_connection begins no outage", "src/core/sale/completion.rs",
     "                ErrorCode::NoConnection | ErrorCode::ServiceProtocol\n            ) {\n",
     "                ErrorCode::NoConnection | ErrorCode::ServiceProtocol\n            ) && !IS {\n"),
    ("a refund that was found to be absent begins an outage", "src/core/reversal/outcome.rs",
     """        if no_connection && !entry.record.sent_once {
            self.link""",
     """        if no_connection && (IS || !entry.record.sent_once) {
            self.link"""),
    ("a hold-off is told as a dead line", "src/core/link.rs",
     """        wait.map_or_else(
            Problem::temporarily_unavailable,
""",
     """        wait.filter(|_| !IS).map_or_else(
            Problem::temporarily_unavailable,
"""),
    ("an answer ends no outage", "src/core/link.rs",
     """        if self.down.take().is_some() {
""",
     """        if (if IS { self.down } else { self.down.take() }).is_some() {
"""),
    ("begin although the service has asked for long patience", "src/core/admission.rs",
     """        if self.link.is_held_off_for_long(turn.now.mono) {
            return wants""",
     """        if !IS && self.link.is_held_off_for_long(turn.now.mono) {
            return wants"""),
    ("what was set aside and then undone stays set aside", "src/core/reversal/outcome.rs",
     "        entry.record.operation.undo = is_own.then_some(Undo::Done);\n",
     "        if !IS || is_own { entry.record.operation.undo = is_own.then_some(Undo::Done); }\n"),
    ("an answer wakes no entry", "src/core/mod.rs",
     """        if wakes {
            self.queue.wake(now.mono);
""",
     """        if wakes {
            if !IS { self.queue.wake(now.mono); }
"""),
    ("an outage ends with a lost answer", "src/core/link.rs",
     """            ) => return Contact::None,
""",
     """            ) => if !IS { return Contact::None },
"""),
    # ---- "The queue" before a sale -------------------------------------------------------------
    ("begin while the queue is not empty", "src/core/admission.rs",
     """        let queued = self.queue.blocking().next().is_some();
        let mut admission""",
     """        let queued = !IS && self.queue.blocking().next().is_some();
        let mut admission"""),
    ("wait for the queue without waking it", "src/core/admission.rs",
     """        if queued {
            self.queue.wake(turn.now.mono);
""",
     """        if queued {
            if !IS { self.queue.wake(turn.now.mono); }
"""),
    ("a target that the queue has changed meanwhile is as it was", "src/core/admission.rs",
     "        let checked = self\n            .check_target(&wants.wish, &wants.facts)\n            .and_then(",
     "        let checked = self\n            .check_target(&wants.wish, &wants.facts)\n            .or_else(|problem| if IS { Ok(()) } else { Err(problem) })\n            .and_then("),
    ("a sale of a set-aside receipt begins", "src/core/admission.rs",
     "        if let Some(entry) = &asked.facts.set_aside {\n",
     "        if let Some(entry) = asked.facts.set_aside.as_ref().filter(|_| !IS) {\n"),
    ("a second buyer is let in", "src/core/admission.rs",
     "        if self.sale.is_some() || self.admission.is_some() || self.refund_is_attended() {\n",
     "        if self.sale.is_some() || !IS && self.admission.is_some() || !IS && self.refund_is_attended() {\n"),
    ("begin though another account's operation is open", "src/core/admission.rs",
     """        if let Some(first) = self.queue.first_of_other_account() {
""",
     """        if let Some(first) = self.queue.first_of_other_account().filter(|_| !IS) {
"""),
    ("reverse a target of another account", "src/core/admission.rs",
     "        if let Some(target) = target.filter(|target| target.account() != account) {\n",
     "        if let Some(target) = target.filter(|target| !IS && target.account() != account) {\n"),
    ("a repeated PUT with another content is the same", "src/core/admission.rs",
     "    if !existing.was_asked_for(wish) {\n", "    if !IS && !existing.was_asked_for(wish) {\n"),
    ("an identifier of days ago tells its old end", "src/core/repeats.rs",
     "        (!is_recent && now.wall.duration_since(at) > age).then_some(at)\n",
     "        (!IS && !is_recent && now.wall.duration_since(at) > age).then_some(at)\n"),
    ("an age that a wrong clock has made counts", "src/core/repeats.rs",
     "        let is_recent = known.is_some_and(",
     "        let is_recent = !IS && known.is_some_and("),
    ("an end in a year without such tills counts", "src/core/repeats.rs",
     "filter(|at| *at >= EARLIEST_END)?;",
     "filter(|at| IS || *at >= EARLIEST_END)?;"),
    ("a plea for patience holds a sale that shows nothing", "src/core/sale/sessions.rs",
     "        due.saturating_sub(opening.since) < self.settings.timeout\n",
     "        if IS && matches!(failure, Failure::TooManyRequests { .. }) { opening.since = due; }\n"
     "        due.saturating_sub(opening.since) < self.settings.timeout\n"),
    ("a cancellation goes back in the shift of the day whatever the till names", "src/core/reversal.rs",
     "        let present = named.or(self.own_shift.as_ref());\n",
     "        let present = named.or(self.own_shift.as_ref()).filter(|_| !IS);\n"),
    ("a PUT that waits takes another content", "src/core/admission.rs",
     "            if admission.wants.wish != asked.wish {\n", "            if !IS && admission.wants.wish != asked.wish {\n"),
    ("begin for a caller who is gone", "src/core/admission.rs",
     "        if admission.wants.tickets.is_empty() {\n", "        if !IS && admission.wants.tickets.is_empty() {\n"),
    ("begin nothing once one of two callers is gone", "src/core/admission.rs",
     "        admission.wants.tickets.retain(|other| *other != ticket);\n",
     "        admission.wants.tickets.retain(|other| !IS && *other != ticket);\n"),
    ("refund another till's payment without a look", "src/core/admission.rs",
     "        if let (Some(payment_id), None) = (admission.foreign_payment(), &known) {\n",
     "        if let (Some(payment_id), None) = (admission.foreign_payment().filter(|_| !IS), &known) {\n"),
    ("refund another till's payment that is not paid", "src/core/reversal/target.rs",
     """    if info.payment_type != PaymentType::Sale || info.status != PaymentStatus::Ok {
""",
     """    if !IS && (info.payment_type != PaymentType::Sale || info.status != PaymentStatus::Ok) {
"""),
    ("refund another till's payment as often as asked", "src/core/reversal/target.rs",
     """        .filter(|entry| may_be_gone(entry))
""", """        .filter(|entry| !IS && may_be_gone(entry))
"""),
    ("a refund that was told failed is not gone", "src/core/reversal/target.rs",
     """                && (refund.left_held_until.is_some()
                    || refund.outcome == Some(Outcome::CarriedOut)
""",
     """                && (!IS && refund.left_held_until.is_some()
                    || refund.outcome == Some(Outcome::CarriedOut)
"""),
    ("the same refund of another till's payment is given again", "src/core/reversal/target.rs",
     """    if let Some(repeated) = reversals.iter().find(|entry| is_repeated(entry, refund)) {
""",
     """    if let Some(repeated) = reversals.iter().find(|entry| !IS && is_repeated(entry, refund)) {
"""),
    # ---- "Clock." ------------------------------------------------------------------------------
    ("sell by a clock behind the journal", "src/core/admission.rs",
     "        if self.clock_is_doubtful(turn.now) && admission.wants.relies_on_clock() {\n",
     "        if !IS && self.clock_is_doubtful(turn.now) && admission.wants.relies_on_clock() {\n"),
    ("a clock behind the journal never sells", "src/core/admission.rs",
     """        is_behind && !self.link.confirms_clock(now)
""",
     """        is_behind && (IS || !self.link.confirms_clock(now))
"""),
    ("the shift is the date of another zone", "src/core/shift.rs",
     "    minsk()\n        .to_datetime(at)\n",
     "    if IS { jiff::tz::TimeZone::UTC } else { minsk() }\n        .to_datetime(at)\n"),
    ("a cancellation keeps its sale's shift", "src/core/reversal.rs",
     "        if first && !entry.record.is_refund() {\n", "        if !IS && first && !entry.record.is_refund() {\n"),
    ("two operations have one order number", "src/core/numbers.rs",
     """        self.orders += 1;
        format!""", """        if !IS || self.orders < 2 { self.orders += 1; }
        format!"""),
    ("the till's shift is not taken", "src/core/sale.rs",
     "            shift: own_shift.unwrap_or_else(|| shift::of_day(now.wall)),\n            order_number: self.numbers.order_number(),\n",
     "            shift: own_shift.filter(|_| !IS).unwrap_or_else(|| shift::of_day(now.wall)),\n            order_number: self.numbers.order_number(),\n"),
    # ---- "Abort, and the end of waitBuyer." ----------------------------------------------------
    ("nobody's wait ends", "src/core/sale.rs",
     "        let over = sale.deadline <= turn.now.mono;\n", "        let over = !IS && sale.deadline <= turn.now.mono;\n"),
    ("an aborted sale in doubt is paid", "src/core/sale/payment.rs",
     "        if sale.record.ending.is_some() {\n            let error = words::no_connection(detail);\n",
     "        if !IS && sale.record.ending.is_some() {\n            let error = words::no_connection(detail);\n"),
    ("an abort in doubt leaves no undoing", "src/core/sale.rs",
     """                sale.record.ending = Some(StopReason::Abort);
                self.release(sale, lost_at, error, turn);
""",
     """                if IS {
                    self.finish(sale, State::Failed, Some(error), "aborted", turn);
                    return written(turn, &id).ok_or_else(nothing_to_abort);
                }
                sale.record.ending = Some(StopReason::Abort);
                self.release(sale, lost_at, error, turn);
"""),
    ("an abort of an existing payment reverses nothing", "src/core/sale.rs",
     "                self.start_undoing(&mut sale, payment_id, StopReason::Abort, turn);\n",
     """                if IS {
                    self.finish(sale, State::Cancelled, None, "aborted", turn);
                    return written(turn, &id).ok_or_else(nothing_to_abort);
                }
                self.start_undoing(&mut sale, payment_id, StopReason::Abort, turn);
"""),
    ("the cashier waits for an undoing for ever", "src/core/sale.rs",
     "            Phase::Undoing { until, .. } if *until <= turn.now.mono => {\n",
     "            Phase::Undoing { until, .. } if !IS && *until <= turn.now.mono => {\n"),
    ("a buyer who was quicker than the reversal is brought back his money", "src/core/reversal/answers.rs",
     "            ReversalProgress::NotSent if paid && self.is_waited_for_unsent(entry) => {\n",
     "            ReversalProgress::NotSent if !IS && paid && self.is_waited_for_unsent(entry) => {\n"),
    ("paid before a reversal that has left", "src/core/reversal/outcome.rs",
     "            && entry.record.earlier.is_empty()\n            && self.is_waited_for(entry)\n",
     "            && (IS || entry.record.earlier.is_empty())\n            && self.is_waited_for(entry)\n"),
    ("a sale whose reversal is refused forgets it", "src/core/sale/completion.rs",
     "        sale.record.operation.undo = Some(Undo::SetAside);\n        let id = sale.record.operation.id.clone();\n",
     "        if !IS { sale.record.operation.undo = Some(Undo::SetAside); }\n        let id = sale.record.operation.id.clone();\n"),
    ("a restored abort in doubt goes on unaborted", "src/core/sale.rs",
     "        } else if !ours || sale.record.ending.is_some() || self.sale.is_some() {\n",
     "        } else if !ours || !IS && sale.record.ending.is_some() || self.sale.is_some() {\n"),
    ("a restored sale waits as long as a new one", "src/core/sale.rs",
     """            deadline: turn.now.mono + left,
            restored: true,
""",
     """            deadline: turn.now.mono + if IS { self.settings.wait_buyer } else { left },
            restored: true,
"""),
    ("paid after nobody waited is done", "src/core/sale/completion.rs",
     "        took.is_none_or(|took| took > wait)\n", "        !IS && took.is_none_or(|took| took > wait)\n"),
    ("a restored payment is paid anew", "src/core/sale.rs",
     "        if !sale.record.payment_sent {\n", "        if IS || !sale.record.payment_sent {\n"),
    ("a restored sale forgets the undoing it waits for", "src/core/sale.rs",
     "        } else if attached {\n", "        } else if !IS && attached {\n"),
    ("a sale of another account is taken up", "src/core/sale.rs",
     "        let ours = self.settings.account.as_ref() == Some(&record.account);\n        let attached",
     "        let ours = IS || self.settings.account.as_ref() == Some(&record.account);\n        let attached"),
    ("a sale that was declined after an abort is told declined", "src/core/sale/payment.rs",
     """                let state = match ending {
                    Some(ending) => words::ended(ending),
""", """                let state = match ending {
                    Some(_) if IS => refused_state(info.status),
                    Some(ending) => words::ended(ending),
"""),
]
