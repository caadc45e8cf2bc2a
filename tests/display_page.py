#!/usr/bin/env python3
"""The buyer's page `/display` in headless Chromium, also with the daemon killed and restarted.

    tests/display_page.py PATH_OF_OPLATI [SCREENSHOT.png]

Needs Debian's chromium, chromium-driver and zbar-tools. Codes are read by zbar from the browser's
screenshots. Every wait is for a condition, with a bound. The exit code is 0 only if nothing failed.
"""

import http.client
import os
import signal
import socket
import sys
import tempfile

from demo_page import WAIT_S, Browser, expect, given, play, until
from till import Till, codes_in

SCENE = 1000000  # from the number of a scene to the next one's
SECONDS_LOST = 8  # three of silence, and what a loaded machine adds
# (width, height, pixels of the screen for one of the page)
PAGES = [(800, 480, 1), (1024, 600, 1), (1280, 720, 1.5), (480, 800, 2), (1366, 768, 1.25)]


class Page:
    def __init__(self, program):
        self.port = free_port()
        self.till = Till(program, "web", f"listen = 127.0.0.1:{self.port}")
        self.browser = None
        try:
            self.till.start()
            self.browser = Browser()
            self.size(*PAGES[0])
            self.browser("POST", "/url", {"url": f"http://127.0.0.1:{self.port}/display"})
        except BaseException:
            self.close()
            raise

    def cdp(self, command, **parameters):
        return self.browser("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def size(self, width, height, ratio):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=False)

    def state(self):
        return self.browser.run("return document.documentElement.dataset.state")

    def until_state(self, state, bound_s=WAIT_S):
        until(f"the page is {state}", lambda: self.state() == state, bound_s)

    def codes(self):
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            self.browser.save(file.name)
            return codes_in(file.name)

    def until_code(self, code):
        until("the code is on the page", lambda: self.codes() == [code])

    def until_code_of(self, sale):
        """A restarted daemon shows another code as soon as it has one: what counts is the present one."""
        until("the sale's code is on the page", lambda: self.codes() == [self.till.code(sale)])

    def until_lost(self):
        """«No connection» in three languages and as a sign, and no code, neither to be seen nor kept."""
        self.until_state("lost", SECONDS_LOST)
        expect("no code is to be seen", self.codes() == [])
        words = self.browser.run("return document.getElementById('lost').innerText")
        for word in ("Нет связи", "Няма сувязі", "No connection"):
            expect(f"{word}: {words!r}", word in words)
        kept = self.browser.run("""
            const sign = document.querySelector('#lost svg').getBoundingClientRect();
            const canvas = document.getElementById('picture');
            return [canvas.width * canvas.height, sign.width > 50, getComputedStyle(canvas.parentNode).display];""")
        expect(f"nothing is kept: {kept}", kept == [0, True, "none"])

    def end_sales(self):
        """After a failure, so that the next test can begin one."""
        if self.till.daemon.poll() is not None:
            self.till.start()
        for sale in range(1, self.till.sales + 1):
            self.till.abort(f"sale-{sale}")

    def close(self):
        if self.browser is not None:
            self.browser.close()
        self.till.close()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_every_page_has_its_own_pixels(page, picture):
    """On every size the picture is drawn for the screen's pixels, whole, and its code is read."""
    sale, code = page.till.begin_sale()
    for width, height, ratio in PAGES:
        page.size(width, height, ratio)
        until("the page knows its size", lambda: page.browser.run("return [innerWidth, devicePixelRatio]") == [width, ratio])
        expected = page.browser.run("return pageSize()")
        expect(f"the screen's own pixels: {expected}",
               abs(expected[0] - width * ratio) < 1 and abs(expected[1] - height * ratio) < 1)

        def fits():
            return page.browser.run("""
                const canvas = document.getElementById('picture'), box = canvas.getBoundingClientRect();
                const ratio = devicePixelRatio, [width, height] = arguments;
                return canvas.width === width && canvas.height === height && Math.abs(box.width * ratio - width) < 0.05
                    && Math.abs(box.height * ratio - height) < 0.05 && box.x === 0 && box.y === 0;""", *expected)
        until(f"a picture of {expected} pixels", fits)
        page.until_code(code)
        same = page.browser.run("""
            const answer = await fetch(`/display/frame.png?width=${arguments[0]}&height=${arguments[1]}`);
            const picture = await createImageBitmap(await answer.blob());
            const other = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
            other.drawImage(picture, 0, 0);
            const own = document.getElementById('picture');
            const shown = new OffscreenCanvas(own.width, own.height).getContext('2d');
            shown.drawImage(own, 0, 0);
            const all = (context) => context.getImageData(0, 0, picture.width, picture.height).data;
            const [a, b] = [all(other), all(shown)];
            return a.length === b.length && a.every((value, index) => value === b[index]);""", *expected)
        expect(f"pixel by pixel the daemon's picture at {expected}", same)
        spill = page.browser.run("const r = document.documentElement; return [r.scrollWidth - innerWidth, r.scrollHeight - innerHeight]")
        expect(f"no scrolling: {spill}", max(spill) <= 0)
        if picture is not None and ratio == 1:
            page.browser.save(picture)
    page.size(*PAGES[0])
    health = page.till.display()
    expect(f"health sees the page: {health}", health["state"] == "connected")
    page.till.abort(sale)
    until("the code is gone", lambda: page.codes() == [])
    page.until_state("shown")


def test_killed_and_restarted(page, _picture):
    sale, code = page.till.begin_sale()
    page.until_code(code)
    page.till.kill()
    page.until_lost()
    page.till.start()
    page.until_code_of(sale)
    page.till.abort(sale)
    until("the code is gone", lambda: page.codes() == [])


def test_a_daemon_that_hangs(page, _picture):
    """The line stands, but nothing comes through it."""
    sale, code = page.till.begin_sale()
    page.until_code(code)
    page.till.send(signal.SIGSTOP)
    try:
        page.until_lost()
    finally:
        page.till.send(signal.SIGCONT)
    page.until_code(code)
    page.till.abort(sale)
    until("the code is gone", lambda: page.codes() == [])


def test_killed_between_word_and_picture(page, _picture):
    """The number of a new scene is sent, its picture never comes."""
    page.browser.run("""
        window.realFetch = window.fetch;
        window.fetch = (...all) => { window.asked = true; return new Promise(() => {}); };""")
    sale, _ = page.till.begin_sale()
    until("the picture is asked for", lambda: page.browser.run("return window.asked"))
    page.till.kill()
    page.until_lost()
    page.browser.run("window.fetch = window.realFetch")
    page.till.start()
    page.until_code_of(sale)
    page.till.abort(sale)
    until("the code is gone", lambda: page.codes() == [])


def test_a_late_picture_is_never_shown(page, _picture):
    """A picture of a code arrives when its sale is over."""
    sale, code = page.till.begin_sale()
    page.until_code(code)
    page.browser.run("""
        window.realFetch = window.fetch;
        window.late = [];
        window.seen = [];
        window.fetch = async (...all) => {
            const answer = await window.realFetch(...all);
            await new Promise((release) => window.late.push(release));
            return answer;
        };
        window.watcher = new MutationObserver(() => window.seen.push(Number(document.documentElement.dataset.picture)));
        window.watcher.observe(document.documentElement, { attributes: true, attributeFilter: ['data-picture'] });""")
    number = int(page.browser.run("return document.documentElement.dataset.picture"))
    # A page of another size needs the same scene anew.
    page.size(900, 500, 1)
    until("the picture of the code is on its way", lambda: page.browser.run("return window.late.length > 0"))
    page.till.abort(sale)
    until("the page knows of another scene", lambda: page.browser.run("return newest") // SCENE > number // SCENE)
    until("the old code is gone before the new picture is there", lambda: page.codes() == [])
    expect("the new picture is not there", page.state() in ("waiting", "lost"))
    page.browser.run("window.fetch = window.realFetch; for (const release of window.late) release();")
    until("a newer picture stands", lambda: int(page.browser.run(
        "return document.documentElement.dataset.picture ?? -1")) // SCENE > number // SCENE)
    seen = page.browser.run("window.watcher.disconnect(); return window.seen")
    # NaN, which is null here, is no picture at all.
    expect(f"the late picture {number} was never shown: {seen}", number not in seen)
    expect("no code", page.codes() == [])
    page.size(*PAGES[0])


def test_a_page_that_slept(page, _picture):
    """A page that is hidden or frozen keeps nothing that could flash up, and comes back by itself."""
    sale, code = page.till.begin_sale()
    page.until_code(code)
    hide = """
        Object.defineProperty(document, 'hidden', { configurable: true, get: () => arguments[0] });
        document.dispatchEvent(new Event('visibilitychange'));"""
    page.browser.run("const hidden = arguments[0];" + hide.replace("arguments[0]", "hidden"), True)
    page.until_lost()
    until("a hidden page is no display", lambda: page.till.display()["state"] == "missing")
    page.browser.run("const hidden = arguments[0];" + hide.replace("arguments[0]", "hidden"), False)
    page.until_code(code)
    # Away, and back out of the browser's store.
    page.browser("POST", "/url", {"url": "about:blank"})
    page.till.abort(sale)
    page.browser("POST", "/back", {})
    page.until_state("shown")
    expect("the code of before is not there", page.codes() == [])


def test_a_frozen_page(page, _picture):
    """What the browser puts to sleep by itself lets go; in this test nothing wakes it, so it comes last."""
    sale, code = page.till.begin_sale()
    page.until_code(code)
    page.cdp("Page.setWebLifecycleState", state="frozen")
    until("a frozen page is no display", lambda: page.till.display()["state"] == "missing")
    page.cdp("Page.setWebLifecycleState", state="active")
    expect("nothing is kept", page.browser.run("return document.getElementById('picture').width") == 0)
    page.till.abort(sale)


def test_rules_for_browsers(page, _picture):
    def head(path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=WAIT_S)
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    status, headers = head("/display")
    policy = headers["content-security-policy"]
    expect(f"a strict policy: {policy}", status == 200 and "default-src 'none'" in policy
           and "frame-ancestors 'none'" in policy and "unsafe" not in policy and "'nonce-" in policy)
    expect("another number each time", head("/display")[1]["content-security-policy"] != policy)
    for path in ("/display", "/display/frame.png", "/display/frame.png?width=800&height=480", "/display/events"):
        status, headers = head(path)
        expect(f"{path} is not stored", status == 200 and headers["cache-control"] == "no-store")
        expect(f"{path} is refused to strangers", head(path, Sec_Fetch_Site="cross-site")[0] == 403)
        expect(f"{path} has no other name", head(path, Host="evil.example")[0] == 403)
    for size in ("width=800", "width=319&height=100", "width=4000&height=2160", "width=-1&height=9", "width=1e3&height=800"):
        expect(f"no picture of {size}", head(f"/display/frame.png?{size}")[0] == 400)
    expect("no window over TCP", head("/display/events?window_width=800&window_height=480")[0] == 403)


def test_nothing_was_blocked(page, _picture):
    """No script error and no refused resource, but for the daemon's absence."""
    entries = page.browser("POST", "/se/log", {"type": "browser"})
    bad = [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")
           and not any(part in entry["message"] for part in ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING",
                                                              "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE"))]
    expect(f"a silent console: {bad}", not bad)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    picture = sys.argv[2] if len(sys.argv) == 3 else None
    tests = [test_every_page_has_its_own_pixels, test_killed_and_restarted, test_a_daemon_that_hangs,
             test_killed_between_word_and_picture, test_a_late_picture_is_never_shown, test_a_page_that_slept,
             test_rules_for_browsers, test_nothing_was_blocked, test_a_frozen_page]
    page = Page(os.path.abspath(sys.argv[1]))
    try:
        passed, failed = play([given(test, page, picture) for test in tests], lambda: page.till.log_text(), page.end_sales)
    finally:
        page.close()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
