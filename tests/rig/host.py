"""One guest: QEMU with the devices that the host plays, and the line between both.

The guest asks over its second serial line; a line `HOST what` is answered with `OK …` or `ERR …`.
"""

import json
import os
import select
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from image import RigError
from screens import Screens

KERNEL = """console=ttyS0 panic=-1 quiet mitigations=off tsc=reliable no_timer_check lpj=1000000
cryptomgr.notests audit=0 apparmor=0
systemd.log_target=console systemd.log_level=notice systemd.show_status=no"""
# As long as anything in the guest may take; emulation on a busy machine is slow.
PATIENCE = 60


class Guest:
    """A running guest."""

    def __init__(self, parts, initrd, folder):
        self.folder = Path(folder)
        self.control = self._listener("control")
        self.serial_listener = self._listener("serial")
        self.console = open(self.folder / "console.log", "wb")
        command, environment = parts.qemu()
        command += [
            "-M", "pc", "-accel", "tcg,thread=multi", "-smp", "1", "-m", "512",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", str(parts.vmlinux), "-initrd", str(initrd), "-append", " ".join(KERNEL.split()),
            "-chardev", "stdio,id=console", "-serial", "chardev:console",
            "-chardev", f"socket,id=control,path={self.folder}/control", "-serial", "chardev:control",
            "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off",
            "-device", "qemu-xhci,id=usb",
            "-chardev", f"socket,id=serial,path={self.folder}/serial",
            "-device", "usb-serial,chardev=serial,id=ftdi,bus=usb.0,port=1",
            "-device", "bochs-display,id=bochs",
            "-device", "virtio-gpu-pci,id=virtio,xres=1024,yres=600",
            "-vnc", f"unix:{self.folder}/vnc,display=virtio",
        ]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                        stdout=self.console, stderr=subprocess.STDOUT)
        self.control_line = self._accepted(self.control)
        self.serial = self._accepted(self.serial_listener)
        self.qmp = Monitor(self.folder / "qmp")
        self.screens = Screens(self.qmp, self.folder)
        self.received = b""

    def _listener(self, name):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.folder / name))
        listener.listen(1)
        return listener

    def _accepted(self, listener):
        listener.settimeout(PATIENCE)
        try:
            return listener.accept()[0]
        except TimeoutError as error:
            raise RigError(f"QEMU does not start: {self.tail()}") from error

    def tail(self):
        """The end of the guest's console."""
        self.console.flush()
        return (self.folder / "console.log").read_text("utf-8", "replace")[-6000:]

    def lines(self, deadline):
        """What the guest sends, line by line, until it ends."""
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.control_line], [], [], 1)
            if not ready:
                if self.process.poll() is not None:
                    return
                continue
            piece = self.control_line.recv(65536)
            if not piece:
                return
            *lines, self.received = (self.received + piece).split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "replace").strip()
        raise RigError("the guest took too long")

    def answer(self, request):
        """Does what the guest asks for."""
        verb, _, rest = request.partition(" ")
        try:
            done = {"serial-unplug": self._unplug, "serial-plug": self._plug,
                    "serial-send": self._send, **self.screens.verbs}[verb](rest)
            reply = f"OK {done or ''}"
        except (RigError, OSError, KeyError) as error:
            reply = f"ERR {error!r}"
        self.control_line.sendall(reply.strip().encode() + b"\n")

    def _unplug(self, _):
        self.qmp.execute("device_del", id="ftdi")
        self.qmp.wait_for("DEVICE_DELETED", "ftdi")

    def _plug(self, _):
        self.qmp.execute("device_add", driver="usb-serial", chardev="serial", id="ftdi", bus="usb.0", port="1")

    def _send(self, hexadecimal):
        self.serial.sendall(bytes.fromhex(hexadecimal))

    def stop(self):
        """Ends the guest, whatever it does."""
        self.process.kill()
        self.process.wait()
        self.console.close()


class Monitor:
    """QEMU's machine protocol."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.socket.connect(str(path))
                break
            except OSError as error:
                if time.monotonic() > until:
                    raise RigError(f"QEMU's monitor: {error}") from error
                time.sleep(0.02)
        self.socket.settimeout(PATIENCE)
        self.lines = self.socket.makefile("rw", encoding="utf-8")
        self.events = []
        self._read()
        self.execute("qmp_capabilities")

    def _read(self):
        line = self.lines.readline()
        if not line:
            raise RigError("QEMU's monitor hung up")
        return json.loads(line)

    def execute(self, command, **arguments):
        self.lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.lines.flush()
        while True:
            message = self._read()
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise RigError(message["error"]["desc"])
            elif "return" in message:
                return message["return"]

    def wait_for(self, event, device):
        def is_it(message):
            return message["event"] == event and message.get("data", {}).get("device") == device
        while not any(map(is_it, self.events)):
            message = self._read()
            if "event" in message:
                self.events.append(message)
        self.events = [message for message in self.events if not is_it(message)]


def folder():
    """A short path: the name of a Unix socket has at most 107 bytes."""
    return tempfile.mkdtemp(prefix="rig-", dir=os.environ.get("TMPDIR", "/tmp"))
