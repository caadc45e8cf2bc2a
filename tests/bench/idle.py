"""A daemon that waits: wake-ups, memory, and the time of a start."""

import os
import sqlite3
import tempfile
import time

from parts import JOURNAL, Daemon, Line, Service, median

SETTLES_S, WATCHED_S = 8, 30
# A year of a busy shop, and thirty.
SIZES = (10, 10_000, 1_000_000)


def idle(exe):
    """Wake-ups a second by thread, resident KiB, and the most in a sale, with a serial scanner and a picture."""
    with tempfile.TemporaryDirectory() as folder:
        service = Service(folder)
        daemon = Daemon(exe, service, line=Line(), display="png:{root}/buyer.png@800x480")
        daemon.start()
        time.sleep(SETTLES_S)
        resident = daemon.status("VmRSS")
        before = daemon.wakeups()
        time.sleep(WATCHED_S)
        after = daemon.wakeups()
        daemon.sell()
        most = daemon.status("VmHWM")
        daemon.close()
        service.close()
    woken = {name: (count - before.get(name, 0)) / WATCHED_S for name, count in after.items()}
    return woken, resident, most


def fill(journal, count):
    """Copies of the sale that is in the journal, two hundred a shift, with two steps each."""
    database = sqlite3.connect(journal)
    columns = [row[1] for row in database.execute("PRAGMA table_info(operations)")]
    changed = {"seq": "NULL", "id": "'c' || n", "shift": "printf('%08d', n / 200)", "order_number": "'x-' || n",
               "payment_id": "1000000 + n", "open": "0", "state": "'done'",
               "operation": "json_set(operation, '$.id', 'c' || n, '$.shift', printf('%08d', n / 200))"}
    names = ", ".join(columns)
    values = ", ".join(changed.get(column, column) for column in columns)
    database.execute(f"WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count}) "
                     f"INSERT INTO operations ({names}) SELECT {values} FROM operations, n WHERE operations.seq = 1")
    database.execute("INSERT INTO history (seq, before, at, state, what) SELECT 100 + 2 * seq, NULL, updated_at, 'new', 'copied' "
                     "FROM operations WHERE seq > 1 UNION ALL "
                     "SELECT 101 + 2 * seq, 100 + 2 * seq, updated_at, state, 'copied' FROM operations WHERE seq > 1")
    database.execute("UPDATE operations SET last_step = 101 + 2 * seq WHERE seq > 1")
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def journals(exe, sizes=SIZES, rounds=9):
    """For each size in milliseconds: a start, a page of history, a page by shift, a sale without its buyer."""
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            service = Service(folder)
            line = Line()
            daemon = Daemon(exe, service, line=line)
            daemon.start()
            daemon.sell()
            daemon.stop()
            journal = os.path.join(daemon.root, JOURNAL)
            fill(journal, size)
            starts = []
            for _ in range(rounds):
                starts.append(daemon.start())
                daemon.stop()
            daemon.start()
            pages, shifts, sales = [], [], []
            shift = f"{size // 400:08d}"
            for _ in range(rounds):
                for path, times in ((f"/v1/operations?limit=50", pages), (f"/v1/operations?shift={shift}&limit=50", shifts)):
                    began = time.monotonic()
                    status, _ = daemon.call("GET", path)
                    times.append(time.monotonic() - began)
                    assert status == 200
                began = time.monotonic()
                name = daemon.begin()
                daemon.until_state(name, "awaiting_scan")
                line.scan()
                daemon.until_state(name, "done")
                sales.append(time.monotonic() - began)
            daemon.close()
            service.close()
            found.append((size, *(median(values) * 1000 for values in (starts, pages, shifts, sales))))
    return found
