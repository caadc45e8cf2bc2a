"""A till for the tests of displays: the simulated service, the daemon, and eyes for pictures.

Needs Debian's zbar-tools. Pictures are rows of red, green and blue bytes: `Picture`.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import zlib

from demo_page import WAIT_S, Failed, expect, until

CONF = "linuxcash/cash/paysystems/oplati/oplati.conf"


class Picture:
    """Finished pixels."""

    def __init__(self, width, height, rgb):
        self.width, self.height, self.rgb = width, height, rgb

    def __eq__(self, other):
        return (self.width, self.height, self.rgb) == (other.width, other.height, other.rgb)

    def codes(self):
        """What zbar reads."""
        with tempfile.NamedTemporaryFile(suffix=".ppm") as file:
            file.write(b"P6 %d %d 255\n" % (self.width, self.height) + self.rgb)
            file.flush()
            return codes_in(file.name)

    def colours(self):
        return {self.rgb[start:start + 3] for start in range(0, len(self.rgb), 3)}


def codes_in(path):
    """The QR codes that zbar reads in a picture's file."""
    ran = subprocess.run(["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", path],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    expect(f"zbarimg works: {ran.returncode} {ran.stderr}", ran.returncode in (0, 4))
    return ran.stdout.splitlines()


def read_png(data):
    """A PNG as this program writes it: red, green, blue, one byte each."""
    expect("a PNG", data[:8] == b"\x89PNG\r\n\x1a\n")
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colours = struct.unpack(">IIBB", body[:10])
            expect("red, green, blue", (depth, colours) == (8, 2))
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    lines, stride = zlib.decompress(packed), width * 3
    before, rows = bytes(stride), []
    for start in range(0, len(lines), stride + 1):
        method, line = lines[start], lines[start + 1:start + 1 + stride]
        if method == 0:
            before = line
        elif method == 2:
            before = bytes((a + b) & 255 for a, b in zip(line, before))
        else:
            raise Failed(f"a filter that is not expected: {method}")
        rows.append(before)
    return Picture(width, height, b"".join(rows))


class OverSocket(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=WAIT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Till:
    """The simulated service and the daemon in a folder of their own."""

    def __init__(self, program, display, till="", user=None):
        """`user`: a prefix of commands such as setpriv and its user id, for the daemon."""
        self.folder = tempfile.mkdtemp(prefix="till-")
        os.chmod(self.folder, 0o755)
        # Other users may not be able to reach the place where it was built.
        self.program = shutil.copy(program, self.folder)
        os.chmod(self.program, 0o755)
        # The buyer's window is looked for beside it; most tests need none.
        window = f"{program}-window"
        if os.path.exists(window):
            os.chmod(shutil.copy(window, self.folder), 0o755)
        self.root = os.path.join(self.folder, "root")
        self.prefix, owner = user or ([], None)
        self.log = open(os.path.join(self.folder, "log"), "w+", encoding="utf-8")
        self.daemon = None
        self.service = subprocess.Popen([self.program, "sim", "--listen", "127.0.0.1:0"],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        url = self.service.stdout.readline().split()[-1]
        conf = os.path.join(self.root, CONF)
        os.makedirs(os.path.dirname(conf))
        with open(conf, "w", encoding="utf-8") as file:
            file.write(f"[Main]\nurl = {url}\nregNum = OPL000011111\nmode = 2\nwaitBuyer = 600\n"
                       f"[Scanner]\ndevice = none\n[Display]\ndevice = {display}\n[Till]\n{till}\n")
        if owner is not None:
            for folder, _, files in os.walk(self.root):
                for path in [folder, *(os.path.join(folder, name) for name in files)]:
                    os.chown(path, owner, owner)
        self.sales = 0

    def start(self):
        self.daemon = subprocess.Popen([*self.prefix, self.program, "--root", self.root, "daemon"],
                                       stdout=self.log, stderr=self.log)
        until("the daemon answers", self._answers)

    def _answers(self):
        expect(f"the daemon runs: {self.log_text()}", self.daemon.poll() is None)
        try:
            return self.call("GET", "/v1/health")[0] == 200
        except OSError:
            return False

    def kill(self):
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()

    def send(self, which):
        self.daemon.send_signal(which)

    def call(self, method, path, body=None):
        connection = OverSocket(os.path.join(self.root, "run/oplati/till.sock"))
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def display(self):
        """What health reports of the first display."""
        devices = json.loads(self.call("GET", "/v1/health")[1])["devices"]
        return [device for device in devices if device["name"] == "display1"][0]

    def frame(self, width, height):
        status, body = self.call("GET", f"/display/frame.png?width={width}&height={height}")
        expect(f"a picture, not {status}", status == 200)
        return read_png(body)

    def begin_sale(self):
        """Begins a sale in mode 2; answers with its id and the text of its code."""
        self.sales += 1
        sale, things = f"sale-{self.sales}", [{"name": "Хлеб", "cost": 1234}]
        status, body = self.call("PUT", f"/v1/sales/{sale}", {
            "amount": 1234, "receipt": {"number": str(self.sales), "items": things}})
        expect(f"a sale, not {status}: {body}", status == 201)
        return sale, self.code(sale)

    def code(self, sale):
        def shows():
            shows = json.loads(self.call("GET", f"/v1/operations/{sale}")[1])["shows"]
            return shows and shows["qr"]
        return until("the sale has a code", shows)

    def abort(self, sale):
        status, _ = self.call("POST", f"/v1/operations/{sale}/abort")
        expect(f"the sale is aborted, not {status}", status == 200)

    def verb(self, *verb):
        return subprocess.run([self.program, "--root", self.root, *verb], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=WAIT_S)

    def scene(self, name, width, height):
        """A scene as the program draws it without the daemon."""
        path = os.path.join(self.folder, "scene.png")
        drawn = self.verb("display", name, "--size", f"{width}x{height}", "--save", path)
        expect(f"a scene: {drawn.stderr}", drawn.returncode == 0)
        with open(path, "rb") as file:
            return read_png(file.read())

    def log_text(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8") as log:
            return log.read()

    def close(self):
        for process in (self.daemon, self.service):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        self.service.stdout.close()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
