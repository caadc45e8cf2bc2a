"""From a scan, and from the service's last word, to the first byte of the next request at the service.

Beside it, in turns: a driver in Python with one kept connection, and the same bytes over an open connection with nothing
between, which is the limit.
"""

import http.client
import os
import ssl
import tempfile
import threading
import time

from parts import CODE, Daemon, Line, Service, median, p99

BODY = b'{"paymentMode":1,"consumerQR":"%s"}' % CODE
PATH = "/ms-pay/pos/demandPayment"


class Peer:
    """What a till programmer writes in an hour: reads the line, posts over a connection that it keeps."""

    def __init__(self, service, line):
        self.line = line
        if service.tls:
            context = ssl.create_default_context(cafile=service.trusted)
            self.connection = http.client.HTTPSConnection("localhost", service.port, context=context)
        else:
            self.connection = http.client.HTTPConnection("localhost", service.port)
        self.connection.connect()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        text = b""
        while True:
            text += os.read(self.line.till, 4096)
            if text.endswith(b"\r"):
                self.connection.request("POST", PATH, BODY, {"Content-Type": "application/json", "regNum": "OPL000011111"})
                self.connection.getresponse().read()
                text = b""


def bare(service, connection):
    head = (f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nregnum: OPL000011111\r\n"
            f"content-length: {len(BODY)}\r\n\r\n").encode()
    now = time.monotonic_ns()
    connection.sendall(head + BODY)
    request, _ = service.next("POST", "/demandPayment")
    connection.recv(65536)
    return request[2] - now


def measure(exe, rounds, tls, delay_ms):
    """Nanoseconds: from scan to request of ours, of the peer and of the limit; from the last word to the payment."""
    with tempfile.TemporaryDirectory() as folder:
        service, other = Service(folder, tls, delay_ms), Service(folder, tls, delay_ms)
        daemon = Daemon(exe, service, line=Line())
        daemon.start()
        peer_line = Line()
        Peer(other, peer_line)
        connection = other.connect()
        ours, peers, limit, last_word = [], [], [], []
        for turn in range(rounds + 2):
            scanned = daemon.sell()
            opened, _ = service.next("POST", "/demandPayment")
            paid, before = service.next("POST", "/payments")
            peer_scanned = peer_line.scan()
            peer, _ = other.next("POST", "/demandPayment")
            # Its answer comes back before the next one is sent.
            time.sleep(0.02 + 2 * delay_ms / 1000)
            bare_ns = bare(other, connection)
            # The first rounds open what is opened once.
            if turn >= 2:
                ours.append(opened[2] - scanned)
                peers.append(peer[2] - peer_scanned)
                limit.append(bare_ns)
                last_word.append(paid[2] - max(answer[3] for answer in [opened, *before]))
        daemon.close()
        service.close()
        other.close()
        return ours, peers, limit, last_word


def rows(exe, rounds):
    """Rows of a table: what, ours, a driver in Python, the limit."""
    table = []
    for tls, delay_ms, name in ((False, 0, "loopback"), (True, 40, "TLS, 40 ms one way")):
        ours, peers, limit, last_word = measure(exe, rounds if not delay_ms else max(5, rounds // 5), tls, delay_ms)
        base = median(limit)
        show = lambda values: f"{median(values) / base:.2f} × (p99 {p99(values) / p99(limit):.1f} ×)"
        table.append((f"scan → first byte of `demandPayment`, {name}", show(ours), show(peers), f"{base / 1e6:.3f} ms"))
        if delay_ms:
            table.append((f"service's last word → `POST payments`, {name}", f"{median(last_word) / 1e6 / delay_ms / 2:.2f} ×", "–", f"{2 * delay_ms} ms, there and back"))
    return table
