"""A real browser without a window, driven by the DevTools protocol on a pair of pipes.

    page = browser.page()                     with no memory of any other page
    page.open(url, password="…")              as a person who is asked and types it; returns the status
    page.evaluate("document.title")           of an expression, which may be a promise
    page.wait("document.title === 'x'")       until it is true; fails after a deadline
    page.click("#fleet button")               where a finger would
    page.keys("Tab", "Enter")
    page.complaints                           what the browser has against the page

Protocol: https://chromedevtools.github.io/devtools-protocol; messages are JSON, each ended by NUL.
"""
import base64
import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import time

import pytest

from harness import DEADLINE_S

PROGRAM = shutil.which("chromium-headless-shell")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
           "--disable-background-networking", "--disable-extensions", "--no-first-run",
           "--no-proxy-server", "--lang=en-US", "--remote-debugging-pipe"]
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
SHIFT = 8
# The page that was asked has gone to another one meanwhile.
LEFT = ("Inspected target navigated or closed", "Execution context was destroyed.",
        "Cannot find default execution context", "Cannot find context with specified id")


class Left(Exception):
    pass


def high_pipe():
    """Out of the way of the numbers that the browser wants."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in ends]
    for end in ends:
        os.close(end)
    return high


class Browser:
    def __init__(self, folder):
        (theirs_in, self.to), (self.come, theirs_out) = high_pipe(), high_pipe()
        # It knows them as 3 and 4; sh would not understand a number of two digits.
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", PROGRAM, *OPTIONS,
             f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(theirs_in, theirs_out), start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(folder)})
        os.close(theirs_in)
        os.close(theirs_out)
        self.ids, self.rest, self.pages = itertools.count(1), b"", {}

    def close(self):
        os.close(self.to)
        os.close(self.come)
        try:
            self.process.wait(DEADLINE_S)
        finally:
            # Its helpers are of its own session; it has left them behind when it crashed.
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def send(self, method, session=None, **params):
        number = next(self.ids)
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        return number

    def call(self, method, session=None, **params):
        number = self.send(method, session, **params)
        end = time.monotonic() + DEADLINE_S
        while True:
            message = self.receive(end)
            if message.get("id") == number:
                if message.get("error", {}).get("message") in LEFT:
                    raise Left(method)
                assert "error" not in message, (method, message["error"])
                return message["result"]

    def receive(self, end):
        while b"\0" not in self.rest:
            if not select.select([self.come], [], [], max(0, end - time.monotonic()))[0]:
                pytest.fail("the browser does not answer")
            more = os.read(self.come, 1 << 16)
            if not more:
                pytest.fail("the browser is gone")
            self.rest += more
        text, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(text)
        page = self.pages.get(message.get("sessionId"))
        if page and "method" in message:
            page.happened(message["method"], message["params"])
        return message

    def page(self, width=1600, height=1000):
        return Page(self, width, height)


class Page:
    def __init__(self, browser, width, height):
        self.browser, self.complaints, self.password, self.status = browser, [], None, None
        self.asked = 0  # how often a person would have been
        self.context = browser.call("Target.createBrowserContext")["browserContextId"]
        self.target = browser.call("Target.createTarget", url="about:blank",
                                   browserContextId=self.context)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target,
                                    flatten=True)["sessionId"]
        browser.pages[self.session] = self
        for domain in "Page", "Runtime", "Log", "Network", "Audits":
            self.call(f"{domain}.enable")
        self.size(width, height)

    def close(self):
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)
        del self.browser.pages[self.session]

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    # --- what happens to it

    def happened(self, method, params):
        react = getattr(self, "_" + method.split(".")[1], None)
        if react:
            react(params)

    def _consoleAPICalled(self, params):
        if params["type"] in ("error", "warning", "assert"):
            self.complaints.append([a.get("value", a.get("description")) for a in params["args"]])

    def _exceptionThrown(self, params):
        self.complaints.append(params["exceptionDetails"])

    def _entryAdded(self, params):
        entry = params["entry"]
        self.complaints.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}")

    def _issueAdded(self, params):
        self.complaints.append(params["issue"])

    def _responseReceived(self, params):
        if params["type"] == "Document":
            self.status = params["response"]["status"]

    def _virtualTimeBudgetExpired(self, _):
        self.time_passed = True

    def _requestPaused(self, params):
        self.browser.send("Fetch.continueRequest", self.session, requestId=params["requestId"])

    def _authRequired(self, params):
        self.asked += 1
        answer = {"response": "CancelAuth"}
        if self.password is not None and self.asked == 1:
            answer = {"response": "ProvideCredentials", "username": "me", "password": self.password}
        self.browser.send("Fetch.continueWithAuth", self.session, requestId=params["requestId"],
                          authChallengeResponse=answer)

    # --- what is done to it

    def open(self, url, password=None):
        self.password, self.asked, self.status = password, 0, None
        self.call("Fetch.enable", handleAuthRequests=True)
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")
        self.call("Fetch.disable")
        return self.status

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)

    def dark(self, on=True):
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if on else "light"}])

    def evaluate(self, expression):
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True,
                         returnByValue=True)
        assert "exceptionDetails" not in done, (expression, done["exceptionDetails"])
        return done["result"].get("value")

    def wait(self, expression, seconds=DEADLINE_S):
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(Left):
                if value := self.evaluate(expression):
                    return value
            if time.monotonic() > end:
                pytest.fail(f"not within {seconds} s: {expression}\n{self.text}")
            time.sleep(0.02)

    def pass_time(self, milliseconds):
        """The page's own time, in no time."""
        self.time_passed = False
        self.call("Emulation.setVirtualTimePolicy", policy="pauseIfNetworkFetchesPending",
                  budget=milliseconds)
        end = time.monotonic() + DEADLINE_S
        while not self.time_passed:
            self.browser.receive(end)
        self.call("Emulation.setVirtualTimePolicy", policy="advance")

    @property
    def text(self):
        return self.evaluate("document.body.innerText")

    def click(self, selector):
        x, y = self.wait(f"""(() => {{
            const node = document.querySelector({json.dumps(selector)});
            if (!node)
                return null;
            node.scrollIntoView({{ block: "center", behavior: "instant" }});
            const box = node.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        for kind in "mousePressed", "mouseReleased":
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def keys(self, *names):
        for name in names:
            key = name.removeprefix("Shift+")
            common = {"key": key, "code": key, "modifiers": SHIFT if key != name else 0,
                      "windowsVirtualKeyCode": KEYS.get(key, ord(key[0].upper()))}
            text = {"Enter": "\r", "Tab": "", "Escape": ""}.get(key, key)
            self.call("Input.dispatchKeyEvent", type="keyDown", **common,
                      **({"text": text} if text else {}))
            self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, path, whole=False):
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One for all tests of a file: it takes a while to start."""
    if not PROGRAM:
        pytest.skip("chromium-headless-shell is not installed: scripts/packages test installs it")
    made = Browser(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


@pytest.fixture
def page(browser):
    made = browser.page()
    yield made
    made.close()
