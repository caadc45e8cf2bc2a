"""What the benchmarks run: a daemon, a service, a scanner's line; and how figures are made."""

import http.client
import json
import os
import queue
import re
import socket
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
import tty

HERE = os.path.dirname(os.path.abspath(__file__))
TLS = os.path.join(HERE, "../blackbox/tls")
CONF = "linuxcash/cash/paysystems/oplati/oplati.conf"
JOURNAL = "linuxcash/cash/paysystems/oplati/journal.sqlite3"
CODE = b"https://getapp.o-plati.by/c/AB12CD34"
ENDS = ("done", "failed", "expired", "cancelled", "declined", "not_enough_money")
WAIT_S = 30


class Failed(Exception):
    """The benchmark cannot run."""


def until(what, look):
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        seen = look()
        if seen:
            return seen
        time.sleep(0.002)
    raise Failed(f"never: {what}")


def started(*command):
    """A process of ours and the first line that it prints."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


def pem(folder, name, kind):
    """A certificate or key of the black-box tests, as Python's TLS wants it."""
    with open(os.path.join(TLS, name), "rb") as file:
        data = file.read()
    path = os.path.join(folder, name + ".pem")
    text = ssl.DER_cert_to_PEM_cert(data)
    if kind != "CERTIFICATE":
        text = text.replace("CERTIFICATE", kind)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


class Service:
    """The stand-in, behind a line that may take its time."""

    def __init__(self, folder, tls=False, delay_ms=0):
        command = ["python3", os.path.join(HERE, "service.py")]
        if tls:
            command += [pem(folder, "good.der", "CERTIFICATE"), pem(folder, "server.key.der", "PRIVATE KEY")]
        self.process, port = started(*command)
        self.processes = [self.process]
        if delay_ms:
            process, port = started("python3", os.path.join(HERE, "delay.py"), port, str(delay_ms))
            self.processes.append(process)
        self.port, self.tls = int(port), tls
        self.url = f"{'https' if tls else 'http'}://localhost:{port}"
        self.trusted = os.path.join(TLS, "ca.pem")
        self.requests, self.connected = queue.Queue(), 0
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            words = line.split()
            if words[0] == "connected":
                self.connected += 1
            else:
                self.requests.put((words[0], words[1], int(words[2]), int(words[3]), int(words[4])))

    def next(self, method, end):
        """The next request of that kind, and what was asked before it."""
        before = []
        while True:
            request = self.requests.get(timeout=WAIT_S)
            if request[0] == method and request[1].endswith(end):
                return request, before
            before.append(request)

    def connect(self):
        """A bare connection to it, TLS included."""
        connection = socket.create_connection(("localhost", self.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            connection = ssl.create_default_context(cafile=self.trusted).wrap_socket(connection, server_hostname="localhost")
        return connection

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()


class Line:
    """A scanner's serial line."""

    def __init__(self):
        self.scanner, self.till = os.openpty()
        tty.setraw(self.till)
        self.node = os.ttyname(self.till)

    def scan(self, code=CODE):
        """When the first byte left."""
        now = time.monotonic_ns()
        os.write(self.scanner, code + b"\r")
        return now


class OverSocket(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT_S)
        self.sock.connect(self.path)


class Daemon:
    """`oplati daemon` in a folder of its own."""

    def __init__(self, exe, service=None, more="", display="none", line=None, root=None):
        self.exe, self.folder = exe, None if root else tempfile.TemporaryDirectory()
        self.root = root or self.folder.name
        self.line = line
        url = service.url if service else "http://localhost:1"
        self.env = dict(os.environ, SSL_CERT_FILE=service.trusted) if service else dict(os.environ)
        conf = os.path.join(self.root, CONF)
        os.makedirs(os.path.dirname(conf), exist_ok=True)
        os.makedirs(os.path.join(self.root, "linuxcash/logs/current"), exist_ok=True)
        scanner = f"serial:{line.node}" if line else "none"
        with open(conf, "w", encoding="utf-8") as file:
            file.write(f"[Main]\nurl = {url}\nregNum = OPL000011111\npassword = a-password\nmode = 0\n{more}\n"
                       f"[Scanner]\ndevice = {scanner}\n[Display]\ndevice = {display.format(root=self.root)}\n")
        self.process, self.sales = None, 0

    def start(self, *wrapper):
        """Seconds until it is ready, as systemd sees it."""
        notify = os.path.join(self.root, "notify")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(notify)
        listener.settimeout(60)
        env = dict(self.env, NOTIFY_SOCKET=notify)
        began = time.monotonic()
        with open(os.path.join(self.root, "stderr"), "ab") as log:
            self.process = subprocess.Popen([*wrapper, self.exe, "--root", self.root, "daemon"], env=env, stderr=log,
                                            stdout=subprocess.DEVNULL)
        while b"READY=1" not in listener.recv(4096):
            pass
        took = time.monotonic() - began
        listener.close()
        os.unlink(notify)
        return took

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def close(self):
        self.stop()
        if self.folder:
            self.folder.cleanup()

    def call(self, method, path, body=None):
        connection = OverSocket(os.path.join(self.root, "run/oplati/till.sock"))
        connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")

    def begin(self):
        """Begins a sale, and returns its identifier."""
        self.sales += 1
        name = f"s{self.sales}-{time.monotonic_ns()}"
        body = {"amount": 150, "receipt": {"number": name, "items": [
            {"name": "Хлеб «Нарочанский»", "quantity": "1.000", "price": 150, "cost": 150, "kind": "goods"}]}}
        status, answer = self.call("PUT", f"/v1/sales/{name}", body)
        if status != 201:
            raise Failed(f"a sale was answered {status}: {answer}")
        return name

    def until_state(self, name, *states):
        version = 0
        while True:
            _, seen = self.call("GET", f"/v1/operations/{name}?wait=10&after={version}")
            if seen["state"] in states:
                return seen
            if seen["state"] in ENDS:
                raise Failed(f"a sale ended {seen['state']}: {seen['error']}")
            version = seen["version"]

    def sell(self):
        """A whole sale, its code scanned; when the scan left."""
        name = self.begin()
        self.until_state(name, "awaiting_scan")
        # The cashier turns the display round.
        time.sleep(0.2)
        scanned = self.line.scan()
        self.until_state(name, "done")
        return scanned

    def wal(self):
        return os.path.getsize(os.path.join(self.root, JOURNAL) + "-wal")

    def status(self, field):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(rf"^{field}:\s+(\d+)", file.read(), re.M)[1])

    def wakeups(self):
        """How often its threads gave the processor up by themselves, by name."""
        counts = {}
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            try:
                with open(f"/proc/{self.process.pid}/task/{thread}/status", encoding="utf-8") as file:
                    text = file.read()
            except FileNotFoundError:
                continue
            name = re.search(r"^Name:\s+(.*)", text)[1]
            counts[name + " " + thread] = int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1])
        return counts


def median(values):
    return statistics.median(values)


def p99(values):
    return sorted(values)[min(len(values) - 1, len(values) * 99 // 100)]
