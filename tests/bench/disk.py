"""What a sale costs the disk: waits for it, and pages of the journal's write-ahead log."""

import os
import re
import subprocess
import tempfile
import time

from parts import JOURNAL, Daemon, Failed, Line, Service, until

PAGE_WITH_HEADER = 4096 + 24
LOG_HEADER = 32


def pages(daemon):
    return max(0, daemon.wal() - LOG_HEADER) // PAGE_WITH_HEADER


def sale_counts(exe):
    """Waits for the disk, those between the scan and the session, and pages, of one sale in mode 0."""
    with tempfile.TemporaryDirectory() as folder:
        service = Service(folder)
        daemon = Daemon(exe, service, line=Line())
        daemon.start()
        daemon.sell()
        # One page is written when it was emptied.
        until("an empty log", lambda: pages(daemon) <= 1)
        before = pages(daemon)
        trace = os.path.join(folder, "trace")
        strace = subprocess.Popen(["strace", "-f", "-ttt", "-y", "-e", "trace=fsync,fdatasync,sendto,writev,write,read",
                                   "-p", str(daemon.process.pid), "-o", trace], stderr=subprocess.PIPE, text=True)
        if "attached" not in strace.stderr.readline():
            raise Failed("strace cannot attach")
        daemon.sell()
        written = pages(daemon) - before
        time.sleep(0.2)
        strace.terminate()
        strace.wait()
        with open(trace, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        daemon.close()
        service.close()
    synced = [number for number, line in enumerate(lines) if re.search(r"f(data)?sync\(\d+<.*" + JOURNAL.rsplit("/", 1)[1], line)]
    scan = next(number for number, line in enumerate(lines) if "getapp.o-plati.by/c/" in line)
    session = next(number for number, line in enumerate(lines) if "POST /ms-pay/pos/demandPayment" in line)
    return len(synced), len([number for number in synced if scan < number < session]), written
