"""Runs the benchmarks and prints their tables: see tests/bench/run."""

import argparse
import os
import platform
import sqlite3
import tempfile
import time

import disk
import idle
import line
from parts import median

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [text.split(":")[1].strip() for text in file if text.startswith("model name")]
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) // 1024 // 1024
    return f"{len(names)} × {names[0] if names else platform.machine()}, {memory} GiB, Linux {platform.release()}"


def bare_commit_ms():
    """One row by one transaction into a file of its own, durable when it returns."""
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(os.path.join(folder, "bare.sqlite3"), isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE rows (text TEXT)")
        times = []
        for _ in range(30):
            began = time.monotonic()
            database.execute("INSERT INTO rows VALUES (?)", ["x" * 1000])
            times.append((time.monotonic() - began) * 1000)
        database.close()
    return median(times)


def table(titles, rows):
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def plot(journals):
    """Milliseconds by the number of operations, both by tens: one line a kind."""
    import math
    kinds = ("start", "page of history", "page by shift", "sale")
    colours = ("#1a73e8", "#188038", "#e37400", "#c5221f")
    x = lambda size: 70 + 480 * math.log10(size / 10) / 5
    y = lambda ms: 260 - 60 * math.log10(max(ms, 0.1) / 0.1)
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="720" height="320" font-family="sans-serif" font-size="12">',
             '<rect width="720" height="320" fill="white"/>']
    for exponent in range(-1, 4):
        at = y(10 ** exponent)
        parts.append(f'<line x1="70" x2="550" y1="{at:.0f}" y2="{at:.0f}" stroke="#ddd"/>'
                     f'<text x="62" y="{at + 4:.0f}" text-anchor="end">{10.0 ** exponent:g} ms</text>')
    for size, *_ in journals:
        parts.append(f'<text x="{x(size):.0f}" y="282" text-anchor="middle">{size:,}</text>'.replace(",", " "))
    parts.append('<text x="310" y="305" text-anchor="middle">operations in the journal</text>')
    for number, (kind, colour) in enumerate(zip(kinds, colours)):
        points = " ".join(f"{x(row[0]):.0f},{y(row[number + 1]):.0f}" for row in journals)
        last = journals[-1]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
                     f'<text x="560" y="{y(last[number + 1]) + 4:.0f}" fill="{colour}">{kind}</text>')
    return "\n".join(parts + ["</svg>", ""])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("exe")
    parser.add_argument("pictures")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    exe = os.path.abspath(options.exe)
    lines = line.rows(exe, options.rounds)
    waits, before_session, pages = disk.sale_counts(exe)
    woken, resident, most = idle.idle(exe)
    journals = idle.journals(exe)
    with open(options.pictures, encoding="utf-8") as file:
        pictures = file.read().rstrip()
    text = "\n".join([
        "# Performance",
        "",
        "Made by `tests/bench/run --write`; ratios hold on other machines, times only on this one: " + machine() + ".",
        "",
        "## The line",
        "",
        "A driver of a few lines in Python with one kept connection, and the same bytes over an open connection with nothing between, are",
        "measured in turns with the daemon, which opens a connection that carries one request before it is needed.",
        "",
        table(("what", "oplati", "a driver in Python", "limit"), lines),
        "",
        "## The disk",
        "",
        table(("a sale in mode 0", "count"), (
            ("waits for the disk", waits),
            ("of these between scan and `demandPayment`", before_session),
            ("pages of the write-ahead log", pages),
            ("one bare commit of SQLite", f"{bare_commit_ms():.2f} ms"))),
        "",
        "## The daemon that waits",
        "",
        "With a serial scanner and a picture of 800×480.",
        "",
        table(("what", "measured"), (
            ("wake-ups a second", f"{sum(woken.values()):.2f} (" + ", ".join(
                f"{name.split()[0]} {count:.2f}" for name, count in sorted(woken.items()) if count > 0.004) + ")"),
            ("resident", f"{resident / 1024:.1f} MiB"),
            ("at most, after a sale", f"{most / 1024:.1f} MiB"))),
        "",
        "## Large journals",
        "",
        "![Time by size](performance.svg)",
        "",
        table(("operations", "start to ready, ms", "page of history, ms", "page by shift, ms", "a whole sale, ms"), [
            (f"{size:,}".replace(",", " "), *(f"{value:.1f}" for value in values)) for size, *values in journals]),
        "",
        "## Pictures",
        "",
        "```",
        pictures,
        "```",
        ""])
    print(text)
    if options.write:
        with open(os.path.join(DOCS, "performance.md"), "w", encoding="utf-8") as file:
            file.write(text)
        with open(os.path.join(DOCS, "performance.svg"), "w", encoding="utf-8") as file:
            file.write(plot(journals))


if __name__ == "__main__":
    main()
