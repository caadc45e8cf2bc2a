#!/usr/bin/env python3
"""The technician's page `/` in headless Chromium, against the daemon and the simulated service.

    tests/technician_page.py PATH_OF_OPLATI [FOLDER_FOR_SCREENSHOTS]

Needs Debian's chromium, chromium-driver and zbar-tools. The scanner is a real pseudo-terminal. Every wait is
for a condition, with a bound. The exit code is 0 only if nothing failed.
"""

import http.client
import json
import os
import sys
import tempfile
import termios
import tty

from demo_page import Browser, Failed, WAIT_S, expect, given, play, until
from display_page import free_port
from till import CONF, Till, codes_in

WRONG = "a-wrong-token-that-no-log-may-hold"
SETTLED_S = 180
SIZES = [("800x600", 800, 600), ("1280x800", 1280, 800), ("phone", 360, 740)]


class Scanner:
    """A pseudo-terminal behind a link, as udev makes one: to unplug it is to lose both."""

    def __init__(self, link):
        self.link = link
        self.plug()

    def plug(self):
        self.ours, theirs = os.openpty()
        tty.setraw(theirs, termios.TCSANOW)
        os.symlink(os.ttyname(theirs), self.link)
        os.close(theirs)

    def unplug(self):
        os.remove(self.link)
        os.close(self.ours)


class Page:
    def __init__(self, program, folder):
        self.folder = folder
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.till = Till(program, "web", f"listen = 127.0.0.1:{self.port}")
        self.scanner = Scanner(os.path.join(self.till.folder, "scanner"))
        self.browser = None
        try:
            conf = os.path.join(self.till.root, CONF)
            with open(conf, encoding="utf-8") as file:
                text = file.read()
            self.service = next(line.split("://")[1].split("/")[0] for line in text.splitlines() if line.startswith("url"))
            text = text.replace("[Scanner]\ndevice = none", f"[Scanner]\ndevice = serial:{self.scanner.link}@9600")
            with open(conf, "w", encoding="utf-8") as file:
                file.write(text)
            self.till.start()
            with open(os.path.join(self.till.root, "run/oplati/till.token"), encoding="utf-8") as file:
                self.token = file.read().strip()
            self.browser = Browser()
            self.browser.resize(1280, 800)
            self.visit("/")
        except BaseException:
            self.close()
            raise

    def visit(self, path):
        """Opens an address anew, also when only its fragment differs."""
        self.browser("POST", "/url", {"url": "about:blank"})
        self.browser("POST", "/url", {"url": self.origin + path})

    def text(self, selector):
        return self.browser.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def until_text(self, selector, *words, bound_s=WAIT_S):
        try:
            until(f"{selector} shows {words}", lambda: all(word in self.text(selector) for word in words), bound_s)
        except Failed as error:
            raise Failed(f"{error}; it shows {self.text(selector)!r}") from None

    def is_shown(self, selector):
        return self.browser.run("return !!document.querySelector(arguments[0])?.offsetParent", selector)

    def enter(self, token):
        until("the form is there", lambda: self.is_shown("#enter"))
        self.browser.run("document.getElementById('token').value = arguments[0]", token)
        self.browser.click("#enter button")

    def inside(self):
        """Inside, by the token if not yet."""
        until("the page knows where it is", lambda: self.is_shown("#enter") or self.is_shown("#bench"))
        if self.is_shown("#enter"):
            self.enter(self.token)
        until("the bench is there", lambda: self.is_shown("#bench"))
        self.until_text("#line", "на связи")

    def press(self, scope, label):
        """Presses the button with that label; what is drawn anew meanwhile is looked for again."""
        pressed = """
            const all = [...document.querySelectorAll(arguments[0] + ' button')];
            const found = all.find((part) => part.textContent === arguments[1] && !part.disabled);
            found?.click();
            return !!found;"""
        until(f"{label} can be pressed", lambda: self.browser.run(pressed, scope, label))

    def shoot(self, name):
        """Screenshots of every size; nothing may reach over the side."""
        for size, width, height in SIZES:
            self.browser.resize(width, height)
            until("the page has its size", lambda: self.browser.run("return innerWidth") == width)
            wide = self.browser.run("return document.documentElement.scrollWidth")
            expect(f"{name} fits {size}: {wide}", wide <= width)
            if self.folder:
                self.browser.save(os.path.join(self.folder, f"{name}-{size}.png"))
        self.browser.resize(1280, 800)

    def codes(self):
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            self.browser.save(file.name)
            return codes_in(file.name)

    def control(self, method, path, body):
        connection = http.client.HTTPConnection(self.service, timeout=WAIT_S)
        try:
            connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            return connection.getresponse().status
        finally:
            connection.close()

    def request(self, method, path, body=None, **headers):
        """Over TCP as a program would: the connection and its answer, which the caller closes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        return connection, connection.getresponse()

    def log(self):
        status, body = self.till.call("GET", "/v1/log?lines=500")
        expect(f"the log is there: {status}", status == 200)
        return "\n".join(json.loads(body)["lines"]) + self.till.log_text()

    def pay(self):
        sale, _ = self.till.begin_sale()
        until("a buyer joins", lambda: self.control("POST", "/sim/buyer/join", {}) == 200)
        until("the buyer confirms", lambda: self.control("POST", "/sim/buyer/confirm", {}) == 200)
        until("the sale is done", lambda: self.state(sale) == "done")
        return sale

    def state(self, operation):
        return json.loads(self.till.call("GET", f"/v1/operations/{operation}")[1])["state"]

    def close(self):
        if self.browser is not None:
            self.browser.close()
        self.till.close()


def test_the_form(page):
    """A wrong token is refused plainly and is kept nowhere; the right one lets in."""
    page.enter(WRONG)
    page.until_text("#refused", "Ключ не подходит", "oplati open")
    expect("the field is empty", page.browser.run("return document.getElementById('token').value") == "")
    page.shoot("form")
    page.inside()
    page.until_text("#status", "Нужно внимание")
    log_text = page.log()
    expect("no log holds the refused token", WRONG not in log_text)
    expect("nor the right one", page.token not in log_text)
    expect("but it shows that one was refused", "was refused" in log_text)


def test_devices_live(page):
    page.inside()
    page.until_text("[data-device=scanner1]", "подключено", "с ")
    page.until_text("[data-device=display1]", "не подключено")
    page.until_text("#reasons [data-code=device]", "display1")
    page.scanner.unplug()
    until("the scanner is missing", lambda: page.browser.run(
        "return document.querySelector('[data-device=scanner1]')?.dataset.state") == "missing")
    page.until_text("#reasons", "scanner1")
    page.scanner.plug()
    page.until_text("[data-device=scanner1] .mark", "подключено")
    until("it is connected", lambda: page.browser.run(
        "return document.querySelector('[data-device=scanner1]')?.dataset.state") == "connected")


def test_of_devices(page):
    """The quick test with its checks; the interactive one with progress, stopped."""
    page.inside()
    page.press("[data-device=scanner1]", "Проверить")
    page.until_text("[data-device=scanner1]", "Проверка закончена")
    expect("a check is shown", page.is_shown("[data-device=scanner1] .check"))
    page.press("[data-device=scanner1]", "Проверить со сканированием")
    page.until_text("[data-device=scanner1]", "Идёт проверка")
    expect("progress is shown", page.is_shown("[data-device=scanner1] progress"))
    until("its code is in the picture", lambda: len(page.codes()) == 1)
    page.shoot("test")
    page.press("[data-device=scanner1]", "Остановить")
    page.until_text("[data-device=scanner1]", "Проверка закончена")


def test_a_sale_appears(page):
    """A sale that the till makes is there without a reload, with its steps; a time leads to it."""
    page.inside()
    sale = page.pay()
    line = f"[data-id={sale}]"
    page.until_text(f"{line} summary", "Продажа", "12,34 BYN", "выполнена")
    begun = page.browser.run(
        "const all = [...document.querySelectorAll('#operations details')]; return all.every((part) => !part.open)")
    expect("no time line is open", begun)
    page.browser.run("""
        const when = document.getElementById('when');
        when.value = '23:59';
        when.dispatchEvent(new Event('change'));""")
    page.until_text(f"{line} ol", "мс", "ждёт покупателя", "выполнена")
    steps = page.browser.run("return document.querySelectorAll(arguments[0]).length", f"{line} li")
    expect(f"every step: {steps}", steps >= 4)
    expect("it is marked", page.browser.run("return document.querySelector('details.found').dataset.id") == sale)
    page.until_text("#log", f"operation={sale}")
    page.shoot("sale")


def test_the_queue(page):
    """A cancellation that the service does not answer waits in the queue, and is tried when ordered to."""
    page.inside()
    sale = page.pay()
    plan = {"plan": [{"on": "any", "do": "lose_request", "times": 0}]}
    expect("the service is away", page.control("POST", "/sim/faults", plan) == 200)
    status, body = page.till.call("PUT", "/v1/cancellations/cancel-1", {"operation": sale})
    expect(f"a cancellation: {status} {body}", status in (200, 201))
    page.until_text("#queue", "Отмена", "12,34 BYN", sale)
    page.shoot("queue")
    expect("the service is back", page.control("DELETE", "/sim/faults", {}) == 200)
    page.press("#queue", "Повторить")
    # That a lost reversal is not found proves nothing before the settling time.
    page.until_text("#queue", "Пусто", bound_s=SETTLED_S)
    until("the money is back", lambda: page.state("cancel-1") == "done")


def test_a_link_works_once(page):
    """Also that the code leaves the address."""
    page.inside()
    page.browser.click("#leave")
    until("outside", lambda: page.is_shown("#enter"))
    ran = page.till.verb("open")
    expect(f"a link: {ran.stderr}", ran.returncode == 0)
    link = ran.stdout.strip()
    expect(f"of our own: {link.split('#')[0]}", link.startswith(page.origin + "/#code="))
    page.visit(link.removeprefix(page.origin))
    until("inside", lambda: page.is_shown("#bench"))
    expect("the code left", page.browser.run("return location.href") == page.origin + "/")
    page.browser.click("#leave")
    until("outside again", lambda: page.is_shown("#enter"))
    page.visit(link.removeprefix(page.origin))
    page.until_text("#refused", "уже использована")
    expect("not inside", not page.is_shown("#bench"))
    expect("no log holds the code", link.split("=")[1] not in page.log())


def test_nothing_is_kept(page):
    page.inside()
    kept = page.browser.run("""
        return [document.documentElement.outerHTML, JSON.stringify(localStorage), JSON.stringify(sessionStorage),
                document.cookie, location.href].join('\\n')""")
    expect("the token is nowhere", page.token not in kept)


def test_a_stream_ends_with_its_session(page):
    """Whoever keeps a copy of the cookie sees nothing after the logout."""
    own = {"Origin": page.origin}
    connection, answer = page.request("POST", "/v1/session", {"token": page.token}, **own)
    expect(f"a session: {answer.status}", answer.status == 204)
    cookie = {"Cookie": answer.getheader("Set-Cookie").split(";")[0]}
    connection.close()
    connection, answer = page.request("GET", "/v1/events", **own, **cookie)
    expect(f"a stream: {answer.status}", answer.status == 200)
    ending, ended = page.request("DELETE", "/v1/session", **own, **cookie)
    expect(f"the session ends: {ended.status}", ended.status == 204)
    ending.close()
    try:
        # Signs of life would keep one long read going for ever.
        until("the stream ends", lambda: answer.readline() == b"")
    finally:
        connection.close()
    connection, answer = page.request("GET", "/v1/events", **own, **cookie)
    expect(f"no other stream: {answer.status}", answer.status == 401)
    connection.close()


def test_logout(page):
    page.inside()
    page.browser.click("#leave")
    until("the form is back", lambda: page.is_shown("#enter") and not page.is_shown("#bench"))
    page.visit("/")
    until("it stays", lambda: page.is_shown("#enter"))


def test_the_console_is_silent(page):
    """No script error and nothing that the policy refused; the refused ways in above are expected."""
    entries = page.browser("POST", "/se/log", {"type": "browser"})
    bad = [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")
           and not ("status of 401" in entry["message"] and ("/v1/session" in entry["message"] or "/v1/events" in entry["message"]))]
    expect(f"a silent console: {bad}", not bad)
    connection, answer = page.request("GET", "/")
    policy = answer.getheader("Content-Security-Policy")
    connection.close()
    expect(f"a strict policy: {policy}", "default-src 'none'" in policy and "unsafe" not in policy)


def test_without_listen(page):
    """`oplati open` shows what to write where."""
    till = Till(page.till.program, "web")
    try:
        till.start()
        ran = till.verb("open")
        expect(f"refused: {ran}", ran.returncode != 0 and ran.stdout == "")
        expect(f"shows what to do: {ran.stderr}", "listen = 127.0.0.1:" in ran.stderr and "[Till]" in ran.stderr)
    finally:
        till.close()


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    tests = [test_the_form, test_devices_live, test_of_devices, test_a_sale_appears, test_the_queue, test_a_link_works_once,
             test_nothing_is_kept, test_a_stream_ends_with_its_session, test_logout, test_the_console_is_silent,
             test_without_listen]
    page = Page(os.path.abspath(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else None)
    try:
        passed, failed = play([given(test, page) for test in tests], lambda: page.till.log_text())
    finally:
        page.close()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
