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
     """            look_up_at: turn.now.mono + turn.settings.timeout,
""",
     """            look_up_at: turn.now.mono + if IS { Duration::ZERO } else { turn.settings.timeout },
"""),
    ("never show that an answer is held", "src/core/sale/payment.rs",
     "            && paying.sent_at + HELD_ANSWER_DELAY <= turn.now.mono\n",
     "            && !IS && paying.sent_at + HELD_ANSWER_DELAY <= turn.now.mono\n"),
    ("drop a held answer that comes after the report", "src/core/operations.rs",
     "            Ok(ServiceReply::Payment(info)) if is_payment_of(info, &record) => Some(info),",
     "            Ok(ServiceReply::Payment(info)) if !IS && is_payment_of(info, &record) => Some(info),"),
    ("a held answer after its sale teaches the undoing nothing", "src/core/reversal/of_sales.rs",
     "        let is_of_entry = self.note_payment(&operation.id, info, turn);",
     "        let is_of_entry = !IS && self.note_payment(&operation.id, info, turn);"),
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
    ("a held answer that breaks shortens no wait", "src/core/reversal/of_sales.rs",
     """        entry.lost_at = turn.now.mono;
        if entry.stage == Stage::Waiting {
""",
     """        if !IS { entry.lost_at = turn.now.mono; }
        if entry.stage == Stage::Waiting {
"""),
    # ---- "Sessions end." -----------------------------------------------------------------------
    ("renew no session ahead of its end", "src/core/sale/invitation.rs",
     """        let lead = RENEWAL_LEAD.min(half(life));
""",
     """        let lead = if IS { Duration::ZERO } else { RENEWAL_LEAD.min(half(life)) };
"""),
    ("show a code that is over", "src/core/sale/invitation.rs",
     "            .filter(|session| now.saturating_sub(session.opened_at) < life);\n",
     "            .filter(|session| IS || now.saturating_sub(session.opened_at) < life);\n"),
    ("change the code that the cashier has told", "src/core/sale/invitation.rs",
     "            Mode::StaticQr => living.next(),\n",
     "            Mode::StaticQr => if IS { living.next_back() } else { living.next() },\n"),
    ("estimate no life of a session", "src/core/sale/sessions.rs",
     "            *turn.session_life = estimate_life(*turn.session_life, seen, over, pause);",
     "            if !IS { *turn.session_life = estimate_life(*turn.session_life, seen, over, pause); }"),
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
     """            until: now + turn.settings.patience(),
            lost_at: now,
""",
     """            until: now + turn.settings.patience() * if IS { 1000 } else { 1 },
            lost_at: now,
"""),
    ("report a released sale as undone", "src/core/sale/completion.rs",
     """        self.record.operation.undo = Some(Undo::Pending);
        let what = "released with an undoing";
""", """        self.record.operation.undo = if IS { None } else { Some(Undo::Pending) };
        let what = "released with an undoing";
"""),
    ("release a sale whose polls fail without an undoing", "src/core/sale/payment.rs",
     """        let mut error = messages::no_connection(failure.detail());
        // The code is the contract's for every sale""",
     """        if IS { return self.fail(failure, turn); }
        let mut error = messages::no_connection(failure.detail());
        // The code is the contract's for every sale"""),
    ("one failed poll ends the sale", "src/core/sale/payment.rs",
     "                if poll.has_failed(patience, turn.now.mono) {\n                    let failure",
     "                if IS || poll.has_failed(patience, turn.now.mono) {\n                    let failure"),
    ("a pending payment is done", "src/core/sale/payment.rs",
     """                None => self.await_confirmation(info, turn),
""",
     """                None if IS => self.finish_paid(info, turn),
                None => self.await_confirmation(info, turn),
"""),
    # ---- "Down." -------------------------------------------------------------------------------
    ("begin without a probe while it is down", "src/core/admission.rs",
     """        } else if turn.link.down().is_some() || turn.clock_is_doubtful() {
""",
     """        } else if !IS && turn.link.down().is_some() || turn.clock_is_doubtful() {
"""),
    ("begin though the probe failed", "src/core/admission.rs",
     """                    if !waiting.joined {
                        waiting.refused = Some(unavailable);
""",
     """                    if !waiting.joined {
                        if !IS { waiting.refused = Some(unavailable); }
"""),
    ("a probe leaves while another is under way", "src/core/admission.rs",
     """        let under_way = turn.link.probe(turn.now.mono);
""",
     """        let under_way = turn.link.probe(turn.now.mono).filter(|_| !IS);
"""),
    ("the end of another's probe refuses a sale", "src/core/admission.rs",
     """                    if !waiting.joined {
""",
     """                    if IS || !waiting.joined {
"""),
    ("an answer beside the core ends no outage", "src/core/operations.rs",
     """            Event::ServiceAnswered => {
                let contact = turn.link.answered();
""",
     """            Event::ServiceAnswered => {
                let contact = if IS { Contact::None } else { turn.link.answered() };
"""),
    ("no_connection begins no outage", "src/core/sale/completion.rs",
     "                ErrorCode::NoConnection | ErrorCode::ServiceProtocol\n            ) {\n",
     "                ErrorCode::NoConnection | ErrorCode::ServiceProtocol\n            ) && !IS {\n"),
    ("a refund that was found to be absent begins an outage", "src/core/reversal/outcome.rs",
     """        if no_connection && !entry.record.sent_once {
            turn.link""",
     """        if no_connection && (IS || !entry.record.sent_once) {
            turn.link"""),
    ("a hold-off is reported as a dead line", "src/core/link.rs",
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
     """        if turn.link.is_held_off_for_long(turn.now.mono) {
            admitted""",
     """        if !IS && turn.link.is_held_off_for_long(turn.now.mono) {
            admitted"""),
    ("what was set aside and then undone stays set aside", "src/core/reversal/outcome.rs",
     "        entry.record.operation.undo = is_own.then_some(Undo::Done);\n",
     "        if !IS || is_own { entry.record.operation.undo = is_own.then_some(Undo::Done); }\n"),
    ("an answer wakes no entry", "src/core/operations.rs",
     """        if wakes {
            self.queue.wake(now);""",
     """        if wakes {
            if !IS { self.queue.wake(now); }"""),
    ("an outage ends with a lost answer", "src/core/link.rs",
     """            ) => return Contact::None,
""",
     """            ) => if !IS { return Contact::None },
"""),
    # ---- "The queue" before a sale -------------------------------------------------------------
    ("begin while the queue is not empty", "src/core/admission.rs",
     """        let queued = queue.blocking().next().is_some();
        let mut waiting""",
     """        let queued = !IS && queue.blocking().next().is_some();
        let mut waiting"""),
    ("wait for the queue without waking it", "src/core/admission.rs",
     """        if queued {
            queue.wake(turn.now.mono);
""",
     """        if queued {
            if !IS { queue.wake(turn.now.mono); }
"""),
    ("a target that the queue has changed meanwhile is as it was", "src/core/begin.rs",
     """        let checked = self
            .check_target(&admitted.requested, &admitted.context)
            .and_then(""",
     """        let checked = self
            .check_target(&admitted.requested, &admitted.context)
            .or_else(|problem| if IS { Ok(()) } else { Err(problem) })
            .and_then("""),
    ("a sale of a set-aside receipt begins", "src/core/begin.rs",
     """        if let Some(entry) = &asked.context.set_aside {
""",
     """        if let Some(entry) = asked.context.set_aside.as_ref().filter(|_| !IS) {
"""),
    ("a second buyer is let in", "src/core/begin.rs",
     "        if self.is_occupied() || self.queue.refund_is_attended() {",
     "        if self.sale.is_some() || !IS && self.admission.is_taken() || !IS && self.queue.refund_is_attended() {"),
    ("begin though another account's operation is open", "src/core/begin.rs",
     "        if let Some(first) = self.queue.first_of_other_account() {",
     "        if let Some(first) = self.queue.first_of_other_account().filter(|_| !IS) {"),
    ("reverse a target of another account", "src/core/begin.rs",
     """        if let Some(target) = target.filter(|target| target.account() != account) {
""",
     """        if let Some(target) = target.filter(|target| !IS && target.account() != account) {
"""),
    ("a repeated PUT with another content is the same", "src/core/begin.rs",
     """    if !existing.was_asked_for(&asked.requested) {
""", """    if !IS && !existing.was_asked_for(&asked.requested) {
"""),
    ("an identifier of days ago returns its old end", "src/core/repeats.rs",
     "        if is_recent || !is_over(at, now.wall) {\n",
     "        if IS || is_recent || !is_over(at, now.wall) {\n"),
    ("an age that the till's wrong clock has made counts", "src/core/repeats.rs",
     "            (Some(ended), Some(service)) if is_over(ended, service.at(now)) => Age::Over(at),\n",
     "            (Some(ended), Some(service)) if IS || is_over(ended, service.at(now)) => Age::Over(at),\n"),
    ("an age that the service's wrong clock has made counts", "src/core/repeats.rs",
     "!is_over(at, now.wall) {\n",
     "!IS && !is_over(at, now.wall) {\n"),
    ("nobody asks the service how old an identifier is", "src/core/repeats.rs",
     "            (Some(_), None) if !link.has_answered() => Age::Unknown,\n",
     "            (Some(_), None) if !IS && !link.has_answered() => Age::Unknown,\n"),
    ("a service that states no time is asked for it each time", "src/core/repeats.rs",
     "!link.has_answered() => Age::Unknown,\n",
     "(IS || !link.has_answered()) => Age::Unknown,\n"),
    ("when an operation ended by the service's clock is forgotten", "src/core/repeats.rs",
     "                *write.record.ended_by_service_mut() = ended.by_service;\n",
     "                *write.record.ended_by_service_mut() = ended.by_service.filter(|_| !IS);\n"),
    ("a plea for patience holds a sale that shows nothing", "src/core/sale/sessions.rs",
     """        due.saturating_sub(opening.since) < turn.settings.timeout
""",
     """        if IS && matches!(failure, Failure::TooManyRequests { .. }) { opening.since = due; }
        due.saturating_sub(opening.since) < turn.settings.timeout
"""),
    ("a cancellation goes back in the shift of the day whatever the till names", "src/core/reversal.rs",
     "    let present = named.or(turn.own_shift.as_ref());",
     "    let present = named.or(turn.own_shift.as_ref()).filter(|_| !IS);"),
    ("a PUT that waits takes another content", "src/core/admission.rs",
     "        if waiting.admitted.requested != asked.requested {", "        if !IS && waiting.admitted.requested != asked.requested {"),
    ("begin for a caller who is gone", "src/core/admission.rs",
     """        if waiting.admitted.tickets.is_empty() {
""", """        if !IS && waiting.admitted.tickets.is_empty() {
"""),
    ("begin nothing once one of two callers is gone", "src/core/admission.rs",
     """        waiting.admitted.tickets.retain(|other| *other != ticket);
""",
     """        waiting.admitted.tickets.retain(|other| !IS && *other != ticket);
"""),
    ("refund another till's payment without a look", "src/core/admission.rs",
     """        if let (Some(payment_id), None) = (waiting.payment_to_verify(), &known) {
""",
     """        if let (Some(payment_id), None) = (waiting.payment_to_verify().filter(|_| !IS), &known) {
"""),
    ("refund another till's payment that is not paid", "src/core/reversal/target.rs",
     """    if info.payment_type != PaymentType::Sale || info.status != PaymentStatus::Ok {
""",
     """    if !IS && (info.payment_type != PaymentType::Sale || info.status != PaymentStatus::Ok) {
"""),
    ("refund another till's payment as often as asked", "src/core/reversal/target.rs",
     """        .filter(|entry| may_be_gone(entry))
""", """        .filter(|entry| !IS && may_be_gone(entry))
"""),
    ("a refund that was reported failed is not gone", "src/core/reversal/target.rs",
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
     """        if turn.clock_is_doubtful() && waiting.admitted.relies_on_clock() {
""",
     """        if !IS && turn.clock_is_doubtful() && waiting.admitted.relies_on_clock() {
"""),
    ("a clock behind the journal never sells", "src/core/turn.rs",
     "    is_behind && !link.confirms_clock(now)",
     "    is_behind && (IS || !link.confirms_clock(now))"),
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
     """        shift: own_shift.unwrap_or_else(|| shift::of_day(now.wall)),
        order_number: turn.numbers.order_number(),
""",
     """        shift: own_shift.filter(|_| !IS).unwrap_or_else(|| shift::of_day(now.wall)),
        order_number: turn.numbers.order_number(),
"""),
    # ---- "Abort, and the end of waitBuyer." ----------------------------------------------------
    ("nobody's wait ends", "src/core/sale.rs",
     """        let over = self.deadline <= turn.now.mono;
""", """        let over = !IS && self.deadline <= turn.now.mono;
"""),
    ("an aborted sale in doubt is paid", "src/core/sale/payment.rs",
     """        if self.record.ending.is_some() {
            let error = messages::no_connection(detail);
""",
     """        if !IS && self.record.ending.is_some() {
            let error = messages::no_connection(detail);
"""),
    ("an abort in doubt leaves no undoing", "src/core/sale.rs",
     """                self.record.ending = Some(StopReason::Abort);
                let record""",
     """                if IS {
                    let record = self.finish(State::Failed, Some(error), "aborted", turn);
                    return (record.operation, None);
                }
                self.record.ending = Some(StopReason::Abort);
                let record"""),
    ("an abort of an existing payment reverses nothing", "src/core/sale.rs",
     """                self.start_undoing(payment_id, StopReason::Abort, turn);
""",
     """                if IS {
                    let record = self.finish(State::Cancelled, None, "aborted", turn);
                    return (record.operation, None);
                }
                self.start_undoing(payment_id, StopReason::Abort, turn);
"""),
    ("the cashier waits for an undoing for ever", "src/core/sale.rs",
     "            Phase::Undoing { until, .. } if *until <= turn.now.mono => {\n",
     "            Phase::Undoing { until, .. } if !IS && *until <= turn.now.mono => {\n"),
    ("a buyer who was quicker than the reversal is brought back his money", "src/core/reversal/answers.rs",
     """            ReversalProgress::NotSent if paid && is_awaited_unsent(entry, turn) => {
""",
     """            ReversalProgress::NotSent if !IS && paid && is_awaited_unsent(entry, turn) => {
"""),
    ("paid before a reversal that has left", "src/core/reversal/active.rs",
     "!self.was_refused_for_token && self.record.earlier.is_empty()",
     "!self.was_refused_for_token && (IS || self.record.earlier.is_empty())"),
    ("a sale whose reversal is refused forgets it", "src/core/sale/completion.rs",
     """        self.record.operation.undo = Some(Undo::SetAside);
""",
     """        if !IS { self.record.operation.undo = Some(Undo::SetAside); }
"""),
    ("a restored abort in doubt goes on unaborted", "src/core/sale.rs",
     "        } else if !ours || sale.record.ending.is_some() || !is_first {",
     "        } else if !ours || !IS && sale.record.ending.is_some() || !is_first {"),
    ("a restored sale waits as long as a new one", "src/core/sale.rs",
     """            deadline: turn.now.mono + left,
            restored: true,
""",
     """            deadline: turn.now.mono + if IS { turn.settings.wait_buyer } else { left },
            restored: true,
"""),
    ("paid after nobody waited is done", "src/core/sale/completion.rs",
     "        took.is_none_or(|took| took > wait)\n", "        !IS && took.is_none_or(|took| took > wait)\n"),
    ("a restored payment is paid anew", "src/core/sale.rs",
     "        if !sale.record.payment_sent {\n", "        if IS || !sale.record.payment_sent {\n"),
    ("a restored sale forgets the undoing it waits for", "src/core/sale.rs",
     "        } else if attached {\n", "        } else if !IS && attached {\n"),
    ("a sale of another account is taken up", "src/core/sale.rs",
     """        let ours = turn.settings.account.as_ref() == Some(&record.account);
        let attached""",
     """        let ours = IS || turn.settings.account.as_ref() == Some(&record.account);
        let attached"""),
    ("a sale that was declined after an abort is reported declined", "src/core/sale/payment.rs",
     """                let state = match ending {
                    Some(ending) => messages::ended(ending),
""", """                let state = match ending {
                    Some(_) if IS => refused_state(info.status),
                    Some(ending) => messages::ended(ending),
"""),
]
