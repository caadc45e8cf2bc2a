#!/usr/bin/env python3
"""Breaks the core on purpose, one way at a time, and shows that its proof notices.

    tests/faults/mutations.py [SEEDS [WORDS]]
    tests/faults/mutations.py --quick [SEEDS [WORDS]]   the unit tests first, and the simulation for what they miss
    tests/faults/mutations.py --places                  whether each has still its place in the source, at once

The mutations are in `mutants/`. Works on a copy; the tree stays as it is. Every mutation is compiled into the one
copy, behind a question for its number, so that the compiler runs once and not once for each. With WORDS, only
those whose name holds them. Each is given to the simulation, for at most SEEDS histories (20000 if not given),
and where that notices nothing, to the unit tests of what it breaks. For each it prints who has caught it.
Ends with 1 if nobody has noticed one, if the copy breaks a promise without any, or if a place in the source was
not found any more. MUTATIONS_TARGET_DIR: where it is built, `target/mutations` if not given.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

from mutants import EQUAL, MUTATIONS

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.environ.get("MUTATIONS_TARGET_DIR", os.path.join(ROOT, "target", "mutations"))

SEEDS = 20_000
# The copy itself plays so many histories first.
SOUND_SEEDS = 2_000
# Seconds after which a program that still runs has been caught hanging.
MAX_SIMULATION = 7200
MAX_UNIT_TESTS = 120

# Chaos is a small simulation, and takes longer than all the others.
UNIT_TESTS = ["core::", "engine::", "journal::", "report::", "service::classify", "service::report",
              "--skip", "chaos"]

ASK = """
/// Whether the copy is broken in the way of that number.
#[must_use]
pub fn is_mutant(number: usize) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<usize>> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| std::env::var("MUTANT").ok()?.parse().ok()) == Some(number)
}
"""


def mutate(copy):
    """Puts every mutation into the copy; the names of those whose place is gone."""
    gone = []
    for number, (what, path, old, new) in enumerate(MUTATIONS):
        place = os.path.join(copy, path)
        with open(place, encoding="utf-8") as file:
            text = file.read()
        if text.count(old) != 1:
            print(f"GONE    {what}: its place in {path} is not there once")
            gone.append(what)
            continue
        with open(place, "w", encoding="utf-8") as file:
            file.write(text.replace(old, re.sub(r"\bIS\b", f"crate::is_mutant({number})", new)))
    with open(os.path.join(copy, "src/lib.rs"), "a", encoding="utf-8") as file:
        file.write(ASK)
    return gone


def build(copy):
    """The simulation and the unit tests with all mutations in them."""
    command = ["cargo", "test", "--locked", "--lib", "--test", "faults", "--no-run"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False,
                          env={**os.environ, "CARGO_TARGET_DIR": TARGET})
    built = dict(re.findall(r"Executable (?:unittests )?(\S+) \((.*)\)", done.stderr))
    if done.returncode != 0 or len(built) != 2:
        raise SystemExit(f"it does not build:\n{done.stderr[-6000:]}")
    return [os.path.join(copy, built[path]) for path in ("tests/faults/main.rs", "src/lib.rs")]


def run(command, copy, number, limit):
    """Its exit code and what it printed; None for one that does not end."""
    try:
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False, timeout=limit,
                              env={**os.environ, "MUTANT": str(number)})
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stdout + done.stderr


def play(program, copy, number, seeds):
    """How the simulation has noticed, or None."""
    command = [program, "simulation", "--seeds", str(seeds)]
    code, output = run(command, copy, number, MAX_SIMULATION)
    if code == 0:
        return None
    if code is None:
        return "simulation: does not end"
    played = re.search(r"simulation: (\d+) seeds", output)
    broken = re.search(r"breaks a promise: (.*)", output) or re.search(r"panicked at (.*\n.*)", output)
    if broken:
        after = f" after {played.group(1)} seeds" if played else ""
        return f"simulation{after}: {broken.group(1)}"
    if played:
        return "simulation: an end that is never reached"
    raise SystemExit(f"the simulation does not run:\n{output[-3000:]}")


def unit(program, copy, number, _seeds):
    """Which unit test has noticed, or None."""
    code, output = run([program, *UNIT_TESTS], copy, number, MAX_UNIT_TESTS)
    if code == 0:
        return None
    if code is None:
        return "unit tests: they do not end"
    failed = sorted(set(re.findall(r"^    (\S+::\S+)$", output, re.MULTILINE)))
    if not failed:
        raise SystemExit(f"the unit tests do not run:\n{output[-3000:]}")
    more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
    return f"unit test {failed[0]}{more}"


def copied(folder):
    """A copy of the tree with every mutation in it, and what has no place any more."""
    copy = os.path.join(folder, "oplati")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("target", ".git"))
    return copy, mutate(copy)


def places():
    with tempfile.TemporaryDirectory() as folder:
        _, gone = copied(folder)
    print(f"{len(MUTATIONS) - len(gone)} of {len(MUTATIONS)} mutations have their place")
    sys.exit(1 if gone else 0)


def try_all(copy, gone, judges, seeds, words):
    """How many of how many were missed."""
    missed, tried = len(gone), len(gone)
    for number, (what, *_) in enumerate(MUTATIONS):
        if words not in what or what in gone:
            continue
        if what in EQUAL:
            print(f"equal   {what}: {EQUAL[what]}")
            continue
        tried += 1
        noticed = next(filter(None, (judge(program, copy, number, seeds) for judge, program in judges)), None)
        missed += noticed is None
        print(f"caught  {what}: {noticed}" if noticed else f"MISSED  {what}", flush=True)
    return missed, tried


def main():
    words = sys.argv[1:]
    if words == ["--places"]:
        places()
    quick = "--quick" in words
    words = [word for word in words if word != "--quick"]
    seeds = int(words[0]) if words else SEEDS
    copy, gone = copied(os.path.join(TARGET, "copy"))
    simulation, tests = build(copy)
    judges = [(play, simulation), (unit, tests)]
    for judge, program in judges:
        caught = judge(program, copy, "none", min(seeds, SOUND_SEEDS))
        if caught is not None:
            raise SystemExit(f"it breaks a promise without any mutation: {caught}")
    if quick:
        judges.reverse()
    missed, tried = try_all(copy, gone, judges, seeds, words[1] if len(words) > 1 else "")
    print(f"{tried - missed} of {tried} mutations were caught")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
