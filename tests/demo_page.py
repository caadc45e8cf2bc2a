#!/usr/bin/env python3
"""Plays the demo's page in headless Chromium as a person with a mouse would.

    tests/demo_page.py PATH_OF_OPLATI [SCREENSHOT.png]

Needs Debian's chromium and chromium-driver, and nothing else. Starts `oplati demo`, pays in all three
modes, refuses, aborts, breaks the connection, and ends the demo with Ctrl-C. Every wait is for a
condition, with a bound. Prints `N passed, N failed`; the exit code is 0 only if nothing failed.
"""

import base64
import functools
import glob
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

WAIT_S = 20  # the bound of every wait for a condition
LOOK_EVERY_S = 0.05
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the name that WebDriver's specification gives

CHROMIUM = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--force-device-scale-factor=1", "--window-size=1440,900",
]


class Failed(Exception):
    """A condition did not come true, or a check did not hold."""


def until(what, condition, bound_s=WAIT_S):
    """Waits until the condition gives something true, and returns that."""
    end = time.monotonic() + bound_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"not within {bound_s} s: {what}")
        time.sleep(LOOK_EVERY_S)


class Browser:
    """One Chromium, driven over WebDriver."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="demo-page-")
        driver = shutil.which("chromedriver") or "/usr/bin/chromedriver"
        self.driver = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       text=True, start_new_session=True)
        self.session = None
        try:
            self.port = self._port()
            capabilities = {"alwaysMatch": {
                "goog:chromeOptions": {"args": [*CHROMIUM, f"--user-data-dir={self.profile}"]},
                "goog:loggingPrefs": {"browser": "ALL"},
            }}
            self.session = self._call("POST", "/session", {"capabilities": capabilities})["sessionId"]
        except BaseException:
            self.close()
            raise

    def _port(self):
        for line in self.driver.stdout:
            if "successfully on port" in line:
                return int(line.split("on port")[1].strip(" .\n"))
        raise Failed("chromedriver did not start")

    def _call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise Failed(f"{method} {path}: {value['error']}: {value['message'].splitlines()[0]}")
        return value

    def __call__(self, method, path, body=None):
        return self._call(method, f"/session/{self.session}{path}", body)

    def run(self, script, *arguments):
        return self("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def click(self, selector):
        """Clicks in the middle of the element, once it is there to be clicked."""
        found = []

        def clicked():
            try:
                element = self("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]
                if not self("GET", f"/element/{element}/enabled"):
                    return False
                self("POST", f"/element/{element}/click", {})
                return True
            except Failed as error:
                found[:] = [str(error)]
                return False

        try:
            until(f"{selector} can be clicked", clicked)
        except Failed as error:
            raise Failed(f"{error} {found}") from None

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def until_text(self, selector, expected):
        seen = [None]

        def matches():
            seen[0] = self.text(selector)
            return expected in seen[0]

        try:
            until(f"{selector} shows {expected!r}", matches)
        except Failed as error:
            raise Failed(f"{error}, but {seen[0]!r}") from None

    def until_screen(self, screen):
        until(f"the phone shows {screen}",
              lambda: self.run("return document.getElementById('phone').dataset.screen") == screen)

    def save(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self("GET", "/screenshot")))

    def resize(self, width, height):
        """Sets the size of the page itself, without the window around it."""
        self("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}})

    def close(self):
        if self.session is not None:
            try:
                self("DELETE", "")
            except (OSError, Failed, ValueError):
                pass  # the browser is gone already
        self.driver.terminate()
        self.driver.wait(timeout=10)
        self.driver.stdout.close()
        until("the browser's folder is gone", self._removed)

    def _removed(self):
        """The browser's last processes may still write there for a moment."""
        shutil.rmtree(self.profile, ignore_errors=True)
        return not os.path.exists(self.profile)


class Demo:
    """`oplati demo` on a free port, in a folder for temporary files of its own."""

    def __init__(self, program):
        self.folder = tempfile.mkdtemp(prefix="demo-page-")
        self.process = subprocess.Popen(
            [program, "demo", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=open(self.folder + ".log", "w+"),
            text=True, env={**os.environ, "TMPDIR": self.folder})
        self.url = self.process.stdout.readline().strip()
        if not self.url.startswith("http://127.0.0.1:"):
            self.process.kill()
            raise Failed(f"no address on the first line, but {self.url!r}: {self.log_text()}")

    def log_text(self):
        """What the demo wrote on stderr: warnings and errors of its daemon among it."""
        with open(self.folder + ".log", encoding="utf-8") as log:
            return log.read()

    def request(self, method, path, headers=None, body=None):
        host = self.url.removeprefix("http://").strip("/")
        connection = http.client.HTTPConnection(host, timeout=WAIT_S)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def stop(self):
        """Ctrl-C; answers with the exit code, what was left behind, and what was written to stderr."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=WAIT_S)
        return self.process.returncode, glob.glob(f"{self.folder}/*"), self.log_text()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.remove(self.folder + ".log")


def expect(what, condition):
    if not condition:
        raise Failed(what)


def play(tests, log_text, tidy=lambda: None):
    """Runs tests one after another and prints how each went; `log_text` is the daemon's log, `tidy` mends what
    a test that failed has left. Answers how many passed and how many failed."""
    passed = failed = 0
    for test in tests:
        began = time.monotonic()
        try:
            test()
            passed += 1
            print(f"ok    {test.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
        except (Failed, OSError, KeyError, ValueError) as error:
            failed += 1
            tidy()
            print(f"FAIL  {test.__name__}: {error}", flush=True)
            print("".join(f"      | {line}\n" for line in log_text().splitlines()[-20:]))
    return passed, failed


def given(test, *arguments):
    """The test with what it needs, under its own name."""
    return functools.wraps(test)(lambda: test(*arguments))


def switch_network(browser, value):
    """Turns the switch, and waits until the line is as it is set."""
    browser.click(f"label:has(#net-{value})")
    until(f"the line is {value}", lambda: browser.run("return page.network") == value)


def begin_sale(browser, mode):
    """A new receipt with three things, and «Оплатить»."""
    if "Новый чек" in browser.text("#pay"):
        browser.click("#pay")
    # The radio button itself is drawn as its label.
    browser.click(f"label:has(#mode-{mode})")
    if browser.text("#total") == "0,00":
        for good in ("bread", "milk", "cheese"):
            browser.click(f"#good-{good}")
    browser.until_text("#total", "12,34")
    browser.click("#pay")


def confirm(browser):
    browser.until_screen("confirm")
    browser.until_text("#confirm", "Подтвердить 12,34")
    browser.click("#confirm")


def paid(browser):
    browser.until_text("#state", "done")
    browser.until_text("#message", "Оплата выполнена")
    browser.until_screen("result")
    browser.until_text("#result", "Оплачено")


def states(browser):
    return browser.run("return [...document.querySelectorAll('#timeline li')].map((line) => line.dataset.state)")


def frame_is_drawn(browser):
    size = browser.run("const f = document.getElementById('frame'); return [f.naturalWidth, f.naturalHeight]")
    expect(f"the buyer's display is 800 by 480, not {size}", size == [800, 480])


def all_fits(browser, width, height):
    """On a screen of this size the page shows everything at once."""
    browser.resize(width, height)
    spill = browser.run("""
        const root = document.documentElement;
        const hidden = [...document.querySelectorAll('.panel, .phone, #pay, #abort, #queue, .face:not([hidden]) > :not([hidden]), .log')]
            .filter((part) => { const box = part.getBoundingClientRect();
                return box.right > innerWidth + 1 || box.bottom > innerHeight + 1 || box.height < 2; })
            .map((part) => part.id || part.className);
        const cut = [...document.querySelectorAll('.panel, .glass, .receipt, .state')]
            .filter((part) => part.scrollHeight > part.clientHeight + 1).map((part) => part.id || part.className);
        return [root.scrollWidth > innerWidth || root.scrollHeight > innerHeight, hidden, cut];""")
    expect(f"all fits on {width}×{height}: {spill}", spill == [False, [], []])


def test_mode_0(browser, _demo):
    """The buyer shows a QR code, the scanner on the pseudo-terminal reads it."""
    begin_sale(browser, 0)
    browser.until_screen("qr")
    until("the buyer's code is drawn", lambda: browser.run(
        "return document.getElementById('buyer-qr').src.startsWith('data:image/svg') && page.qr?.text?.length > 0"))
    browser.click("#show-qr")
    confirm(browser)
    paid(browser)
    seen = states(browser)
    expect(f"the timeline shows the scan: {seen}", "awaiting_scan" in seen and seen[-1] == "done")
    frame_is_drawn(browser)


def test_mode_1_by_fingers(browser, _demo):
    """The buyer types the code digit by digit; a wrong one is refused."""
    begin_sale(browser, 1)
    browser.until_screen("code")
    browser.until_text("#message", "код подтверждения: ")
    code = browser.text("#message").split(": ")[1]
    wrong = "".join(str((int(digit) + 1) % 10) for digit in code)
    for digit in wrong:
        browser.click(f"#key-{digit}")
    browser.click("#send-code")
    browser.until_text("#notice", "не нашёл")
    for _ in wrong:
        browser.click("#key-back")
    for digit in code:
        browser.click(f"#key-{digit}")
    browser.until_text("#typed", code)
    browser.click("#send-code")
    confirm(browser)
    paid(browser)


def test_mode_1_by_button(browser, _demo):
    """The code is taken from the display with one click."""
    begin_sale(browser, 1)
    browser.until_screen("code")
    browser.click("#copy-code")
    browser.click("#send-code")
    confirm(browser)
    paid(browser)


def test_mode_2(browser, _demo):
    """The buyer scans the code on the display."""
    begin_sale(browser, 2)
    browser.until_text("#message", "Отсканируйте QR-код для оплаты")
    browser.click("#scan-qr")
    confirm(browser)
    paid(browser)


def test_the_qr_code_is_renewed(browser, _demo):
    """The session ends before the buyer comes: the display shows another code, and the buyer pays by that."""
    browser.click("#short-sessions")
    begin_sale(browser, 2)
    browser.until_screen("scan")
    browser.until_text("#timeline", "QR-код обновлён")
    # The next session lives as long as all do, so that the buyer need not hurry.
    browser.click("#short-sessions")
    seen = browser.run("return page.shown.renewals")
    until("a session that lasts", lambda: browser.run("return page.shown.renewals") > seen)
    browser.click("#scan-qr")
    confirm(browser)
    paid(browser)


def test_the_picture(browser, _demo, path=None):
    """In the middle of mode 2 everything is to be seen at once; saved where the command line names."""
    scene = browser.run("return page.scene")
    begin_sale(browser, 2)
    browser.until_screen("scan")
    until("the display's new picture is loaded", lambda: browser.run(
        "const shown = Number(new URL(document.getElementById('frame').src).searchParams.get('scene'));"
        "return page.scene > arguments[0] && shown === page.scene", scene))
    frame_is_drawn(browser)
    for width, height in ((1280, 800), (1920, 1080), (1440, 900)):
        all_fits(browser, width, height)
    if path is not None:
        browser.save(path)
    browser.resize(420, 900)
    expect("a narrow window has no scrolling sideways", browser.run(
        "return document.documentElement.scrollWidth <= innerWidth"))
    browser.resize(1440, 900)
    browser.click("#scan-qr")
    confirm(browser)
    paid(browser)


def test_the_buyer_refuses(browser, _demo):
    for button, state, message, result in (
        ("#decline", "declined", "Покупатель отклонил оплату", "Вы отклонили оплату"),
        ("#poor", "not_enough_money", "Недостаточно средств у покупателя", "Не хватает денег"),
    ):
        begin_sale(browser, 2)
        browser.click("#scan-qr")
        browser.until_screen("confirm")
        browser.click(button)
        browser.until_text("#state", state)
        browser.until_text("#message", message)
        browser.until_text("#result", result)


def test_the_cashier_aborts(browser, _demo):
    begin_sale(browser, 0)
    browser.until_text("#state", "awaiting_scan")
    browser.click("#abort")
    browser.until_text("#state", "cancelled")
    browser.until_text("#message", "Оплата отменена")


def test_a_lost_answer_is_found(browser, _demo):
    """The payment's answer is lost; the lookup finds the payment, and the sale goes on."""
    switch_network(browser, "lose")
    begin_sale(browser, 2)
    browser.click("#scan-qr")
    until("the loss is seen", lambda: "in_doubt" in states(browser))
    confirm(browser)
    paid(browser)
    switch_network(browser, "on")


def test_money_comes_back(browser, _demo):
    """The connection breaks while the buyer pays: the sale fails, and its undoing gives the money back."""
    begin_sale(browser, 2)
    browser.click("#scan-qr")
    browser.until_screen("confirm")
    switch_network(browser, "off")
    browser.click("#confirm")
    browser.until_text("#state", "failed")
    browser.until_text("#message", "Ошибка обращения к серверу")
    browser.until_text("#result", "деньги вернутся")
    browser.until_text("#queue", "1")
    # Long lines of the log and long messages must not push anything out of sight.
    all_fits(browser, 1280, 800)
    browser.resize(1440, 900)
    switch_network(browser, "on")
    browser.until_text("#queue", "0")
    browser.until_text("#result", "Деньги возвращены")


def test_no_connection(browser, _demo):
    """Without the service nothing is sold; with it again, all is well."""
    switch_network(browser, "off")
    begin_sale(browser, 2)
    until("the cashier is told", lambda: browser.run(
        "return document.getElementById('state-card').dataset.tone") == "bad")
    switch_network(browser, "on")

    def sold():
        if browser.text("#state") == "awaiting_buyer":
            return True
        if browser.run("return !document.getElementById('pay').disabled"):
            browser.click("#pay")
        return False

    until("sales go on", sold)
    browser.click("#scan-qr")
    confirm(browser)
    paid(browser)


def test_the_log_is_shown(browser, _demo):
    for line in ("INFO Request method=POST path=/ms-pay/pos/payments status=200", "state=done"):
        until(f"the log shows {line}", lambda: line in browser.text("#log"))
    expect("several lines", browser.run("return document.getElementById('log').childElementCount") > 5)


def test_nothing_was_blocked(browser, _demo):
    """No script error, no refused resource, but for the refusals that the tests themselves provoke."""
    entries = browser("POST", "/se/log", {"type": "browser"})
    provoked = ("status of 409", "status of 503")
    bad = [entry["message"] for entry in entries
           if entry["level"] in ("SEVERE", "WARNING") and not any(part in entry["message"] for part in provoked)]
    expect(f"a silent console: {bad}", not bad)


def test_strangers_are_refused(_browser, demo):
    host = demo.url.removeprefix("http://").strip("/")
    status, headers, _ = demo.request("GET", "/")
    expect("the page", status == 200)
    policy = headers.get("content-security-policy", "")
    expect(f"a strict policy: {policy}", "default-src 'none'" in policy and "unsafe" not in policy)
    for name, stranger in (("Host", "evil.example"), ("Host", host.replace("127.0.0.1", "evil.example")),
                           ("Origin", "http://evil.example"), ("Origin", "null")):
        status, _, _ = demo.request("POST", "/scan", {name: stranger, "Content-Type": "application/json"}, '{"text": "x"}')
        expect(f"{name}: {stranger} is refused, not {status}", status == 403)


def test_ctrl_c_leaves_nothing(_browser, demo):
    code, left, log_text = demo.stop()
    expect(f"exit code 0, not {code}: {log_text}", code == 0)
    expect(f"no files: {left}", not left)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    picture = sys.argv[2] if len(sys.argv) == 3 else None
    tests = [test_mode_0, test_mode_1_by_fingers, test_mode_1_by_button, test_mode_2,
             test_the_qr_code_is_renewed,
             lambda browser, demo: test_the_picture(browser, demo, picture),
             test_the_buyer_refuses, test_the_cashier_aborts, test_a_lost_answer_is_found, test_money_comes_back,
             test_no_connection,
             test_the_log_is_shown, test_nothing_was_blocked, test_strangers_are_refused, test_ctrl_c_leaves_nothing]
    passed = failed = 0
    demo = Demo(sys.argv[1])
    try:
        browser = Browser()
        try:
            browser.resize(1440, 900)
            browser("POST", "/url", {"url": demo.url})
            for test in tests:
                name = test.__name__ if test.__name__ != "<lambda>" else "test_the_picture"
                try:
                    test(browser, demo)
                    passed += 1
                    print(f"ok    {name}")
                except (Failed, OSError, KeyError, ValueError, subprocess.TimeoutExpired) as error:
                    failed += 1
                    print(f"FAIL  {name}: {error}")
                    print("".join(f"      | {line}\n" for line in demo.log_text().splitlines()[-20:]))
        finally:
            browser.close()
    finally:
        demo.close()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
