"""What stands on the guest's screens, seen from outside, and monitors that come and go.

QEMU photographs a screen (`screendump`), and zbarimg, which shares no code with the program, reads it.
A monitor is QEMU's VNC server: a viewer that asks for another size is one that was plugged in, and one
that asks for no size at all was unplugged.
"""

import hashlib
import re
import socket
import struct
import subprocess
import time

from image import RigError

# As long as a screen may take to show something; emulation on a busy machine is slow.
PATIENCE = 40
PAUSE = 0.1


class Screens:
    """The screens of one guest, by the names of their devices."""

    def __init__(self, qmp, folder):
        self.qmp = qmp
        self.folder = folder
        self.verbs = {"screen-reads": self._reads, "screen-is": self._is, "monitor": self._monitor}

    def _dump(self, device, kind):
        path = self.folder / f"{device}.{kind}"
        self.qmp.execute("screendump", filename=str(path), device=device, format=kind)
        return path

    def _until(self, look, wanted):
        until = time.monotonic() + PATIENCE
        tries = 0
        while True:
            tries += 1
            seen = look()
            if seen == wanted:
                return f"{tries} looks"
            if time.monotonic() > until:
                raise RigError(f"the screen shows {seen!r}, not {wanted!r}")
            time.sleep(PAUSE)

    def _reads(self, request):
        """Until exactly this code is read; `-` for none."""
        device, _, payload = request.partition(" ")
        return self._until(lambda: read(self._dump(device, "png")), "" if payload == "-" else payload)

    def _is(self, request):
        """Until the pixels are these: width, height and SHA-256 of red, green, blue."""
        device, _, wanted = request.partition(" ")
        return self._until(lambda: pixels(self._dump(device, "ppm")), wanted)

    def _monitor(self, request):
        """`off`, or the size of the monitor that is plugged into the virtio card."""
        # QEMU passes changes only on, and believes that no monitor was reported to it at first.
        sizes = [(1024, 600), (0, 0)] if request == "off" else [tuple(map(int, request.split("x")))]
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as viewer:
            viewer.settimeout(PATIENCE)
            viewer.connect(str(self.folder / "vnc"))
            ask(viewer, sizes)


def read(picture):
    """The QR code in a picture, or nothing."""
    try:
        done = subprocess.run(["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(picture)],
                              capture_output=True, check=False, timeout=PATIENCE)
    except FileNotFoundError as error:
        raise RigError("zbarimg is needed: apt-get install zbar-tools") from error
    if done.returncode not in (0, 4):
        raise RigError(f"zbarimg: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout.decode("utf-8", "replace").removesuffix("\n")


def pixels(picture):
    """Size and digest of a portable pixmap."""
    head, size, depth, data = picture.read_bytes().split(b"\n", 3)
    if head != b"P6" or depth != b"255":
        raise RigError(f"QEMU gives {head!r} with {depth!r}")
    return f"{size.decode().replace(' ', 'x')} {hashlib.sha256(data).hexdigest()}"


def ask(viewer, sizes):
    """Asks for desktop sizes in the RFB protocol (RFC 6143, and its extension SetDesktopSize)."""
    def take(count):
        return viewer.recv(count, socket.MSG_WAITALL)

    take(12)
    viewer.sendall(b"RFB 003.008\n")
    if b"\x01" not in take(take(1)[0]):
        raise RigError("QEMU's VNC server wants a password")
    viewer.sendall(b"\x01")
    if take(4) != bytes(4):
        raise RigError("QEMU's VNC server refuses")
    viewer.sendall(b"\x01")
    # Size, pixel format, name.
    take(struct.unpack(">I", take(24)[20:])[0])
    # ExtendedDesktopSize is understood; then the sizes, with one screen each.
    viewer.sendall(struct.pack(">BxHi", 2, 1, -308))
    for width, height in sizes:
        viewer.sendall(struct.pack(">BxHHBxIHHHHI", 251, width, height, 1, 0, 0, 0, width, height, 0))
    # Each answer is a rectangle of this kind whose reason is our request.
    received = b""
    while len(answers := re.findall(rb"\0\x01(..)....\xff\xff\xfe\xcc", received, re.DOTALL)) < len(sizes):
        piece = viewer.recv(65536)
        if not piece:
            raise RigError("QEMU's VNC server hung up")
        received += piece
    if b"\0\x03" in answers:
        raise RigError("the card does not listen to its monitor")
