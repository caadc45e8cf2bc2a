#!/usr/bin/env python3
"""`oplati display --window` on a real X server in memory.

    tests/display_window.py PATH_OF_OPLATI [SCREENSHOT.ppm]

`oplati-window` stands beside it, as `cargo build --features window` puts it. Needs Debian's xvfb, libxss1 and zbar-tools. As root the daemon and the window run as two different users, the
window as a member of the socket's group; else that is skipped, and counted. Every wait is for a condition,
with a bound. The exit code is 0 only if nothing failed.
"""

import ctypes
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading

from demo_page import WAIT_S, Failed, expect, until
from till import Picture, Till

WIDTH, HEIGHT = 1280, 800
SECONDS_LOST = 8  # three of silence, and what a loaded machine adds
DAEMON_ID, TILL_GROUP, CASHIER_ID, STRANGER_ID = 61001, 61001, 61002, 61003


def as_user(user, group, *groups):
    kept = f"--groups={','.join(str(one) for one in groups)}" if groups else "--clear-groups"
    return ["setpriv", f"--reuid={user}", f"--regid={group}", kept]


class Screen:
    """An X server; its pixels are in a file."""

    def __init__(self, depth=24):
        self.folder = tempfile.mkdtemp(prefix="screen-")
        reading, writing = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{WIDTH}x{HEIGHT}x{depth}", "-fbdir", self.folder,
             "-nolisten", "tcp", "-noreset", "-ac"], pass_fds=[writing], stderr=subprocess.DEVNULL)
        os.close(writing)
        with os.fdopen(reading) as number:
            self.name = ":" + number.readline().strip()
        expect("Xvfb starts", self.name != ":")

    def picture(self):
        """All pixels, out of the XWD that the server keeps."""
        with open(os.path.join(self.folder, "Xvfb_screen0"), "rb") as file:
            data = file.read()
        header, _, _, _, width, height = struct.unpack(">6I", data[:24])
        order, = struct.unpack(">I", data[28:32])
        bits, stride = struct.unpack(">2I", data[44:52])
        colours, = struct.unpack(">I", data[76:80])
        expect("16 or 32 bits a pixel", bits in (16, 32))
        start = header + colours * 12
        pixels = data[start:start + stride * height]
        expect("rows without gaps", stride == width * bits // 8)
        if bits == 16:
            words = [word for word, in struct.iter_unpack("<H", pixels)]
            pixels = b"".join(bytes((word << 3 & 0xf8, word >> 3 & 0xfc, word >> 8 & 0xf8, 0)) for word in words)
        rgb = bytearray(width * height * 3)
        # Least byte first: blue, green, red, nothing.
        for to, of in enumerate((2, 1, 0) if order == 0 else (1, 2, 3)):
            rgb[to::3] = pixels[of::4]
        return Picture(width, height, bytes(rgb))

    def focus(self):
        """Who gets what is typed: 0 nobody, 1 whatever the pointer is over."""
        x11 = ctypes.CDLL("libX11.so.6")
        x11.XOpenDisplay.restype = ctypes.c_void_p
        display = ctypes.c_void_p(x11.XOpenDisplay(self.name.encode()))
        window, revert = ctypes.c_ulong(), ctypes.c_int()
        x11.XGetInputFocus(display, ctypes.byref(window), ctypes.byref(revert))
        x11.XCloseDisplay(display)
        return window.value

    def close(self):
        if self.server.poll() is None:
            self.server.terminate()
            self.server.wait(timeout=WAIT_S)
        shutil.rmtree(self.folder, ignore_errors=True)


class Window:
    def __init__(self, till, screen, *more, prefix=()):
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}
        if screen is not None:
            environment["DISPLAY"] = screen.name
        self.log = open(os.path.join(till.folder, "window.log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen([*prefix, till.program, "--root", till.root, "display", "--window", *more],
                                        env=environment, stdout=self.log, stderr=self.log)

    def log_text(self):
        with open(self.log.name, encoding="utf-8") as log:
            return log.read()

    def ends(self):
        """The exit code and what was written."""
        code = self.process.wait(timeout=WAIT_S)
        return code, self.log_text()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


def until_seen(screen, what, bound_s=WAIT_S, is_seen=None, picture=None):
    def seen():
        now = screen.picture()
        return now if (now == picture if picture is not None else is_seen(now)) else None
    return until(what, seen, bound_s)


def until_code(screen, till, sale):
    """A restarted daemon shows another code as soon as it has one: what counts is the present one."""
    return until_seen(screen, "the code is on the screen",
                      is_seen=lambda picture: picture.codes() == [till.code(sale)])


def daemons_picture(till, screen):
    """Pixel by pixel what the daemon draws for this size."""
    return until(f"the screen shows the daemon's picture ({till.display()})",
                 lambda: screen.picture() == till.frame(WIDTH, HEIGHT))


def test_mistakes_are_reported(program, screen):
    """Without a session, with an unknown monitor, and without a window in oplati.conf."""
    till = Till(program, "window")
    other = Till(program, "web")
    try:
        window = Window(till, None)
        code, log_text = window.ends()
        expect(f"no session: {code} {log_text}", code == 69 and "WAYLAND_DISPLAY" in log_text and "cashier" in log_text)
        window = Window(till, screen, "DP-9")
        code, log_text = window.ends()
        expect(f"no such monitor: {code} {log_text}", code == 64 and '"DP-9"' in log_text and "screen" in log_text)
        window = Window(other, screen)
        code, log_text = window.ends()
        expect(f"no window wanted: {code} {log_text}", code == 78 and "device = window" in log_text)
        window = Window(other, screen, "--autostart")
        code, log_text = window.ends()
        expect(f"no window wanted, at the session's start: {code} {log_text}", code == 0)
    finally:
        till.close()
        other.close()


def test_the_only_monitor_is_never_covered_by_itself(program, screen):
    till = Till(program, "window")
    window = Window(till, screen, "--autostart")
    try:
        till.start()
        until("the window waits", lambda: "there is no second monitor" in window.log_text())
        expect("nothing is covered", screen.picture().colours() == {b"\0\0\0"})
        expect("health shows it", till.display()["state"] == "missing")
        window.process.terminate()
        expect("a good end", window.ends()[0] == 0)
    finally:
        window.close()
        till.close()


def test_a_sale_is_seen_and_a_dead_daemon_too(program, screen, users=None, picture=None):
    """The code is on the screen, gone when the daemon is killed or hangs, and there again after it."""
    daemon, cashier = users or (None, ())
    till = Till(program, "window", user=daemon)
    window = None
    try:
        no_connection = till.scene("no_connection", WIDTH, HEIGHT)
        window = Window(till, screen, "SCREEN", prefix=cashier)
        until_seen(screen, "«no connection» before the daemon comes", picture=no_connection)
        till.start()
        until("health sees the window", lambda: till.display()["state"] == "connected")
        daemons_picture(till, screen)
        expect("what is typed goes elsewhere", screen.focus() in (0, 1))
        sale, _ = till.begin_sale()
        seen = until_code(screen, till, sale)
        expect("pixel by pixel what the daemon draws", seen == till.frame(WIDTH, HEIGHT))
        expect("health knows the scene", till.display()["shows"] == "qr")
        if picture is not None:
            with open(picture, "wb") as file:
                file.write(b"P6 %d %d 255\n" % (seen.width, seen.height) + seen.rgb)
        till.kill()
        until_seen(screen, "«no connection» after the kill", SECONDS_LOST, picture=no_connection)
        till.start()
        until_code(screen, till, sale)
        till.send(signal.SIGSTOP)
        try:
            until_seen(screen, "«no connection» while the daemon hangs", SECONDS_LOST, picture=no_connection)
        finally:
            till.send(signal.SIGCONT)
        until_code(screen, till, sale)
        till.abort(sale)
        daemons_picture(till, screen)
        expect("the code is gone", screen.picture().codes() == [])
        window.process.terminate()
        code, log_text = window.ends()
        expect(f"a good end: {code} {log_text}", code == 0)
        until("health misses the window", lambda: till.display()["state"] == "missing")
    except Failed as error:
        raise Failed(f"{error}\n{window and window.log_text()}\n{till.log_text()[-3000:]}") from None
    finally:
        if window is not None:
            window.close()
        till.close()


def test_two_users(program, screen):
    """The daemon and the cashier are two users, who share the socket's group; a stranger gets no picture."""
    for reachable in (os.path.dirname(screen.folder),):
        expect(f"{reachable} is open to all", os.stat(reachable).st_mode & 0o001)
    daemon = (as_user(DAEMON_ID, TILL_GROUP), DAEMON_ID)
    cashier = as_user(CASHIER_ID, CASHIER_ID, TILL_GROUP)
    test_a_sale_is_seen_and_a_dead_daemon_too(program, screen, (daemon, cashier))
    till = Till(program, "window", user=daemon)
    window = None
    try:
        till.start()
        window = Window(till, screen, prefix=as_user(STRANGER_ID, STRANGER_ID))
        until("the stranger gets the error", lambda: "Permission denied" in window.log_text())
        until_seen(screen, "«no connection»", picture=till.scene("no_connection", WIDTH, HEIGHT))
        expect("no window for health", till.display()["state"] == "missing")
    finally:
        if window is not None:
            window.close()
        till.close()


def test_the_session_ends(program):
    """The X server goes away: the window ends, and nothing hangs."""
    screen = Screen()
    till = Till(program, "window")
    window = Window(till, screen)
    try:
        until("the window stands", lambda: "the only monitor" in window.log_text())
        screen.close()
        code, log_text = window.ends()
        expect(f"the end of the session is a good end: {code} {log_text}", code == 0 and "session is over" in log_text)
    finally:
        window.close()
        till.close()


def test_sixteen_bits(program):
    """Weak graphics of tills: an X server of 16 bits shows the code as well."""
    screen = Screen(depth=16)
    till = Till(program, "window")
    window = None
    try:
        till.start()
        window = Window(till, screen, "SCREEN")
        until("health sees the window", lambda: till.display()["state"] == "connected")
        sale, _ = till.begin_sale()
        until_code(screen, till, sale)
    finally:
        if window is not None:
            window.close()
        till.close()
        screen.close()


class SaverInfo(ctypes.Structure):
    _fields_ = [("window", ctypes.c_ulong), ("state", ctypes.c_int), ("kind", ctypes.c_int),
                ("since", ctypes.c_ulong), ("idle", ctypes.c_ulong), ("mask", ctypes.c_ulong)]


class Neighbour:
    """Another program of the session: the screen saver's settings, and a window that covers everything."""

    def __init__(self, screen):
        self.x11, self.saver = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXss.so.1")
        pointer, number = ctypes.c_void_p, ctypes.c_ulong
        self.x11.XOpenDisplay.restype = pointer
        self.x11.XDefaultRootWindow.argtypes, self.x11.XDefaultRootWindow.restype = [pointer], number
        self.x11.XCreateSimpleWindow.argtypes = [pointer, number] + [ctypes.c_int] * 2 + [ctypes.c_uint] * 3 + [number] * 2
        self.x11.XCreateSimpleWindow.restype = number
        self.x11.XMapRaised.argtypes = [pointer, number]
        for call in (self.x11.XFlush, self.x11.XCloseDisplay):
            call.argtypes = [pointer]
        self.x11.XForceScreenSaver.argtypes = [pointer, ctypes.c_int]
        self.saver.XScreenSaverAllocInfo.restype = ctypes.POINTER(SaverInfo)
        self.saver.XScreenSaverQueryInfo.argtypes = [pointer, number, ctypes.POINTER(SaverInfo)]
        self.display = self.x11.XOpenDisplay(screen.name.encode())
        self.root = self.x11.XDefaultRootWindow(self.display)

    def force_saver(self):
        self.x11.XForceScreenSaver(self.display, 1)
        self.x11.XFlush(self.display)

    def saver_is_on(self):
        info = self.saver.XScreenSaverAllocInfo()
        self.saver.XScreenSaverQueryInfo(self.display, self.root, info)
        return info.contents.state == 1

    def cover(self):
        self.window = self.x11.XCreateSimpleWindow(self.display, self.root, 0, 0, WIDTH, HEIGHT, 0, 0xff0000, 0xff0000)
        self.raise_again()

    def raise_again(self):
        self.x11.XMapRaised(self.display, self.window)
        self.x11.XFlush(self.display)

    def close(self):
        self.x11.XCloseDisplay(self.display)


def repeat(deed, end):
    while not end.wait(0.02):
        deed()


def test_nothing_stays_over_a_code(program, screen):
    """A screen saver ends, and a window that was raised goes below, when a buyer is to see something."""
    till = Till(program, "window")
    window, neighbour = None, Neighbour(screen)
    try:
        till.start()
        window = Window(till, screen, "SCREEN")
        until("health sees the window", lambda: till.display()["state"] == "connected")
        daemons_picture(till, screen)
        neighbour.cover()
        # The pointer may be drawn in the middle.
        until_seen(screen, "the screen is covered", is_seen=lambda picture: picture.rgb[:3] == b"\xff\0\0")
        neighbour.force_saver()
        until("the saver is on", neighbour.saver_is_on)
        sale, _ = till.begin_sale()
        until_code(screen, till, sale)
        until("the saver is off", lambda: not neighbour.saver_is_on())
        # And while the same code stands there.
        neighbour.cover()
        neighbour.force_saver()
        until_code(screen, till, sale)
        until("the saver is off again", lambda: not neighbour.saver_is_on())
        # One that does not give way.
        fights = threading.Event()
        fighter = threading.Thread(target=lambda: repeat(neighbour.raise_again, fights))
        fighter.start()
        try:
            until("health shows that it is covered", lambda: till.display()["state"] == "covered")
            reasons = json.loads(till.call("GET", "/v1/health")[1])["reasons"]
            expect("and what to do", any("закрыто другим окном. Закройте" in reason for reason in reasons))
        finally:
            fights.set()
            fighter.join()
        until("it is seen again", lambda: till.display()["state"] == "connected")
        devices = json.loads(till.call("GET", "/v1/devices")[1])["devices"]
        expect("the line to the daemon stood", [device["counters"]["reconnects"] for device in devices] == [0])
    finally:
        if window is not None:
            window.close()
        neighbour.close()
        till.close()


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    program, picture = sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None
    passed = failed = skipped = 0
    tests = [("mistakes_are_reported", test_mistakes_are_reported),
             ("the_only_monitor_is_never_covered_by_itself", test_the_only_monitor_is_never_covered_by_itself),
             ("a_sale_is_seen_and_a_dead_daemon_too",
              lambda *both: test_a_sale_is_seen_and_a_dead_daemon_too(*both, picture=picture)),
             ("two_users", test_two_users),
             ("nothing_stays_over_a_code", test_nothing_stays_over_a_code),
             ("sixteen_bits", lambda program, _: test_sixteen_bits(program)),
             ("the_session_ends", lambda program, _: test_the_session_ends(program))]
    screen = Screen()
    try:
        for name, test in tests:
            if name == "two_users" and os.geteuid() != 0:
                skipped += 1
                print(f"skip  {name}: only root may start programs as other users")
                continue
            try:
                test(program, screen)
                passed += 1
                print(f"ok    {name}", flush=True)
            except (Failed, OSError, KeyError, ValueError, subprocess.TimeoutExpired) as error:
                failed += 1
                print(f"FAIL  {name}: {error}", flush=True)
    finally:
        screen.close()
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
