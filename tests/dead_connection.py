#!/usr/bin/env python3
"""A connection that dies without a word while the service holds the answer to a payment.

    tests/dead_connection.py PATH_OF_OPLATI

Two network namespaces with a cable between them: the daemon in one, a stand-in for the service in the other.
When the payment has arrived and its answer is held, the stand-in's packets are dropped, or the cable is
pulled. No reset and no end ever comes, as when a router forgets a connection. The daemon must notice by the
connection's own probes, soon after `timeout` and long before it would give the answer up.

Needs root and Debian's iproute2; without root it reports this and is skipped with exit code 77.
"""

import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from demo_page import Failed, expect, until
from till import CONF, OverSocket

TILL, SERVICE = f"till-{os.getpid()}", f"svc-{os.getpid()}"
# A network for documentation (RFC 5737) that no machine is in.
TILL_ADDRESS, SERVICE_ADDRESS, PORT = "192.0.2.1", "192.0.2.2", 8080
TIMEOUT_S = 3
WAIT_BUYER_S = 600
# The first probe after 5 s of silence, the next after 2 s: by then `timeout` is over. The rest is for a slow machine.
NOTICED_WITHIN_S = max(TIMEOUT_S, 5 + 2) + 8
LOG = "linuxcash/logs/current/terminal.log"


class StandIn(http.server.BaseHTTPRequestHandler):
    """Answers as the service does; holds the answer to a payment for ever."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if "/consumerStatus" in self.path:
            self.answer({"isConsumerReady": True, "loyaltyCards": []})
        else:
            self.answer([])

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/demandPayment"):
            self.answer({"dynamicQR": "o-plati://o-cashpay/dyn/Ab3_Cd5-Ef7hIj9lMn1pQr3tUv5x", "sessionId": 31149})
        else:
            print(self.path, flush=True)
            time.sleep(WAIT_BUYER_S)

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve():
    server = http.server.ThreadingHTTPServer((SERVICE_ADDRESS, PORT), StandIn)
    print("ready", flush=True)
    server.serve_forever()


def ip(*words):
    ran = subprocess.run(["ip", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    expect(f"ip {' '.join(words)}: {ran.stdout}", ran.returncode == 0)


class Network:
    """Both namespaces and the cable."""

    def __init__(self):
        try:
            for name in (TILL, SERVICE):
                ip("netns", "add", name)
            ip("-n", TILL, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", SERVICE)
            for name, address in ((TILL, TILL_ADDRESS), (SERVICE, SERVICE_ADDRESS)):
                ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
                ip("-n", name, "link", "set", "lo", "up")
                ip("-n", name, "link", "set", "cable", "up")
        except Failed:
            self.close()
            raise

    def drop_packets(self):
        ip("-n", SERVICE, "route", "add", "blackhole", f"{TILL_ADDRESS}/32")

    def pull_cable(self):
        ip("-n", SERVICE, "link", "set", "cable", "down")

    def close(self):
        for name in (TILL, SERVICE):
            subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL)


def inside(name, *command):
    return ["ip", "netns", "exec", name, *command]


def configure(root):
    path = os.path.join(root, CONF)
    os.makedirs(os.path.dirname(path))
    os.makedirs(os.path.join(root, os.path.dirname(LOG)))
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[Main]\nurl = http://{SERVICE_ADDRESS}:{PORT}\nregNum = OPL000011111\npassword = a-password\nmode = 2\n"
                   f"timeout = {TIMEOUT_S}\nwaitBuyer = {WAIT_BUYER_S}\n"
                   f"[Scanner]\ndevice = none\n[Display]\ndevice = png:{root}/buyer.png@320x240\n")


def call(root, method, path, body=None):
    connection = OverSocket(os.path.join(root, "run/oplati/till.sock"))
    try:
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def answers(root, daemon):
    expect("the daemon runs", daemon.poll() is None)
    try:
        return call(root, "GET", "/v1/health")[0] == 200
    except OSError:
        return False


def lost_payment(root):
    """The log's line of the payment's request, once it has ended."""
    with open(os.path.join(root, LOG), encoding="utf-8") as log:
        lines = [line for line in log if "pos/payments" in line and "method=POST" in line]
    return lines and lines[0]


def dies(program, cut):
    """Cuts the line while an answer is held; returns after how many seconds the daemon knew, and its line."""
    network, processes = Network(), []
    with tempfile.TemporaryDirectory() as root:
        configure(root)
        try:
            stand_in = subprocess.Popen(inside(SERVICE, sys.executable, os.path.abspath(__file__), "--serve"),
                                        stdout=subprocess.PIPE, text=True)
            processes.append(stand_in)
            expect("the stand-in listens", stand_in.stdout.readline() == "ready\n")
            daemon = subprocess.Popen(inside(TILL, program, "--root", root, "daemon"), stderr=subprocess.DEVNULL)
            processes.append(daemon)
            until("the daemon answers", lambda: answers(root, daemon))
            receipt = {"number": "1", "items": [{"name": "Хлеб", "cost": 1234}]}
            status, body = call(root, "PUT", "/v1/sales/sale-1", {"amount": 1234, "receipt": receipt})
            expect(f"a sale, not {status}: {body}", status == 201)
            expect("the payment arrives", stand_in.stdout.readline().endswith("/pos/payments\n"))
            held = time.monotonic()
            until("the answer is held longer than timeout", lambda: time.monotonic() > held + TIMEOUT_S + 1)
            expect(f"the answer is awaited: {lost_payment(root)}", not lost_payment(root))
            cut(network)
            began = time.monotonic()
            line = until("the daemon notices", lambda: lost_payment(root), NOTICED_WITHIN_S)
            return time.monotonic() - began, line
        finally:
            for process in processes:
                process.kill()
                process.wait()
            network.close()


def main():
    if os.geteuid() != 0:
        print("skipped: network namespaces need root")
        return 77
    program, failed = os.path.abspath(sys.argv[1]), 0
    for what, cut in (("packets are dropped", Network.drop_packets), ("the cable is pulled", Network.pull_cable)):
        try:
            seconds, line = dies(program, cut)
            print(f"{what}: noticed after {seconds:.1f} s: {line.strip()}")
            expect("it failed by itself", "Request failed" in line and not re.search("no answer within", line))
        except (Failed, OSError) as error:
            failed += 1
            print(f"{what}: FAILED: {error}")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        sys.exit(main())
