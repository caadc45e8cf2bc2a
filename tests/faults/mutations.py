#!/usr/bin/env python3
"""Breaks the core on purpose, one way at a time, and shows that the simulation notices.

    tests/faults/mutations.py [SEEDS [WORDS]]

Works on a copy; the tree stays as it is. With WORDS, only those whose name holds them. For each mutation it prints how many seeds were played until
a promise broke. Ends with 1 if one was not noticed within SEEDS (100000 if not given), or if its place
in the source was not found any more.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What, where, the text, and what takes its place.
MUTATIONS = [
    ("skip a journal write", "src/core/sale/answers.rs",
     """        step.write_sale(&sale.record, "the payment is being sent");
""", ""),
    ("retry a payment under a new number", "src/core/sale/answers.rs",
     """        sale.set_state(State::InDoubt, now);
        sale.phase = self.doubt(detail, now);
""", """        sale.record.operation.order_number = self.order_number();
        let _ = detail;
        self.pay(&mut sale, "s0".to_owned(), now, step);
        self.sale = Some(sale);
        return;
"""),
    ("treat a time-out as declined", "src/core/sale/answers.rs",
     """        sale.set_state(State::InDoubt, now);
        sale.phase = self.doubt(detail, now);
""", """        let _ = detail;
        return self.finish(sale, State::Declined, None, "timed out", now, step);
"""),
    ("forget the queue at restart", "src/core/mod.rs",
     """            core.restore_entry(entry, now, &mut step);
""", """            let _ = entry;
"""),
    ("forget an abort", "src/core/sale.rs",
     """                    sale.record.ending = Some(Ending::Abort);
                    sale.set(State::InProgress, words::CANCELLING, now);
""", ""),
    ("take one absence as conclusive", "src/core/queue/answers.rs",
     """        let conclusive_from = entry.lost_at + self.settings.settle;
""", """        let conclusive_from = Duration::ZERO;
"""),
    ("take one absence of a refund as conclusive", "src/core/queue/answers.rs",
     """        let conclusive_from = entry.reversal_lost_at + self.settings.settle;
""", """        let conclusive_from = Duration::ZERO;
"""),
    ("count what is left without reversals in doubt", "src/core/queue/outcome.rs",
     """        entry.set(State::InDoubt, seed::NO_CONNECTION, now);
        step.write_entry(&entry.record, "the answer to the refund was lost");
""", """        entry.set(State::InDoubt, seed::NO_CONNECTION, now);
        step.write_entry(&entry.record, "the answer to the refund was lost");
        let (of, amount) = (entry.record.operation.of.clone(), entry.record.operation.amount);
        self.change_target(of.as_deref(), "x", now, step, |sale| give_back_to_left(sale, amount));
"""),
    ("queue the undoing in a second transaction", "src/core/ending.rs",
     """        step.write_entry(&entry.record, "queued");
        if entry.foreign {""", """        if entry.foreign {"""),
    ("take 5xx as refused", "src/service/classify.rs",
     "(400..500).contains(&status)", "(400..600).contains(&status)"),
    ("skip the shift before midnight", "src/core/shift.rs",
     "let days = [date.checked_sub(1.day()), date.checked_add(1.day())];",
     "let days: [Result<Date, jiff::Error>; 0] = [];"),
    ("send a refund again after its absence", "src/core/queue/answers.rs",
     """        if entry.record.is_refund() {
            plan_rechecks(""", """        if entry.record.is_refund() && entry.record.settled.is_some() {
            plan_rechecks("""),
    ("cancel the whole of a sale of which a part was refunded", "src/core/entry.rs",
     "        amount: left,\n", "        amount: operation.amount,\n"),
    ("believe a reversal without a look at its status", "src/core/queue/answers.rs",
     """                step.write_entry(&entry.record, "the refund was answered");
                self.look_at_reversal(entry, info.payment_id, step);
""", """                step.write_entry(&entry.record, "the refund was answered");
                self.fail_entry(entry, words::no_connection("x"), "x", now, step);
"""),
]


def run(copy, seeds):
    """How many seeds were played until a promise broke, or None; and what was said."""
    target = os.environ.get("MUTATIONS_TARGET_DIR", os.path.join(ROOT, "target", "mutations"))
    command = ["cargo", "test", "--locked", "--quiet", "--test", "faults", "--", "--only", "simulation", "--seeds", str(seeds)]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=1800,
                          env={**os.environ, "CARGO_TARGET_DIR": target, "CARGO_INCREMENTAL": "1"})
    said = done.stdout + done.stderr
    if done.returncode == 0:
        return None, said
    played = re.search(r"simulation: (\d+) seeds", said)
    broken = re.search(r"breaks a promise: (.*)", said)
    if not played or not broken:
        raise SystemExit(f"it does not build, or does not run:\n{said[-3000:]}")
    return int(played.group(1)), broken.group(1)


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    words = sys.argv[2] if len(sys.argv) > 2 else ""
    chosen = [mutation for mutation in MUTATIONS if words in mutation[0]]
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "oplati")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("target", ".git"))
        for what, path, old, new in chosen:
            place = os.path.join(copy, path)
            with open(place, encoding="utf-8") as file:
                text = file.read()
            if text.count(old) != 1:
                print(f"GONE    {what}: its place in {path} is not there once")
                missed += 1
                continue
            with open(place, "w", encoding="utf-8") as file:
                file.write(text.replace(old, new))
            played, said = run(copy, seeds)
            with open(place, "w", encoding="utf-8") as file:
                file.write(text)
            if played is None:
                print(f"MISSED  {what}: {seeds} seeds noticed nothing")
                missed += 1
            else:
                print(f"caught  {what}: after {played} seeds: {said}")
            sys.stdout.flush()
    print(f"{len(chosen) - missed} of {len(chosen)} mutations were caught")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
