"""The dashboard in a real browser: who gets it, what it shows while things change, what its buttons
do, and how it looks on small and large screens."""
import contextlib
import json
import os
import signal
import socket
import tempfile
import threading

import pytest

from browser import browser, page
from fixture import reserve_port
from gateway_world import TOKEN, Gateway, gateway
from harness import wait_until
from supervisor import fleet, sh

assert browser and fleet and gateway and page  # fixtures

SLEEPER = "trap 'exit 0' INT TERM; while :; do sleep 0.1; done"
MARKUP = "<img src=x onerror=document.title='hacked'><script>document.title='hacked'</script>"


def url(gateway):
    return f"http://127.0.0.1:{gateway.port}/dashboard"


def cells(page, section):
    """The rows of a table, each by the titles of its columns."""
    return page.evaluate(f"""[...document.querySelectorAll("#{section} tbody tr:not(.more)")].map(
        (row) => Object.fromEntries([...row.cells].map(
            (cell) => [cell.dataset.title, cell.innerText.trim()])))""")


def row(page, section, title, text):
    return next((found for found in cells(page, section) if text in found[title]), None)


def ask_now(page):
    """As a browser does whose network is back: what would come within two seconds comes at once."""
    page.evaluate("window.dispatchEvent(new Event('online'))")


def dead_job(database, error, queue="messages"):
    """One that was given up after its last attempt; its number."""
    number = database.value("select ops.enqueue(%s, 'send-message', '{}')", queue)
    database.execute(
        "update ops.job set state = 'dead', attempt = 3, started_at = now(), finished_at = now(),"
        " last_error = %s, ring = ops.job_ring() where id = %s", error, number)
    return number


@pytest.fixture
def watched(worker, fleet):
    """A gateway beside a fleet of three."""
    fleet.apps(sh(SLEEPER, "good", namespace="a"), sh("exit 3", "bad", max_restarts=1),
               sh("exit 0", "nightly", schedule="0 3 * * *"))
    fleet.start()
    fleet.wait_state("good", "online")
    fleet.wait_state("bad", "errored")
    return Gateway(worker, OPS_HOME=fleet.home)


# --- who gets it

def test_the_page_is_for_who_has_the_token(gateway, page):
    assert page.open(url(gateway)) == 401 and page.asked == 1
    assert "HTTP_API_TOKEN" in page.text and "Fleet" not in page.text
    assert page.open(url(gateway), password="wrong") == 401 and page.asked == 2
    assert page.open(url(gateway), password=TOKEN) == 200
    page.wait("document.querySelector('#link').dataset.link === 'live'")
    assert "token" not in page.evaluate("location.href")


def test_another_site_cannot_give_orders(gateway, database, page):
    """The browser knows the token, and sends it along with the form."""
    number = dead_job(database, "no")
    assert page.open(url(gateway), password=TOKEN) == 200
    page.open("data:text/html,<title>other</title>")
    page.evaluate(f"""document.body.innerHTML = '<form method="post" action="http://127.0.0.1:' +
        '{gateway.port}/api/jobs/{number}/retry"></form>', document.forms[0].submit()""")
    page.wait("document.body?.innerText && location.protocol === 'http:'")
    assert page.status == 403 and "X-Requested-With" in page.text
    assert database.value("select state from ops.job where id = %s", number) == "dead"


# --- the fleet

def test_the_fleet_is_shown_as_it_is_and_restarted(watched, fleet, page):
    page.open(url(watched), password=TOKEN)
    page.wait("document.querySelectorAll('#fleet tbody tr').length === 3")
    good, known = row(page, "fleet", "Worker", "good"), fleet.row("good")
    assert good["Worker"] == "a / good" and good["State"] == "online"
    assert good["PID"] == str(known["pid"]) and good["Restarts"] == "0"
    assert cells(page, "fleet")[0]["State"] == "errored", "trouble comes first"
    assert "exited with code 3" in row(page, "fleet", "Worker", "bad")["Last exit"]
    assert row(page, "fleet", "Worker", "nightly")["Next run"].startswith("in ")
    assert page.evaluate("document.title") == "(1) ops"

    # By the keyboard alone: filter, open, restart, say yes.
    page.keys("/", *"good")
    page.wait("document.querySelectorAll('#fleet tbody tr').length === 1")
    assert [found["Worker"] for found in cells(page, "fleet")] == ["a / good"]
    page.evaluate("document.querySelector('#fleet tbody .open').focus()")
    page.keys("Enter")
    page.wait("document.querySelector('#fleet .more').innerText.includes('opsctl describe good')")
    page.keys("Tab", "Enter")
    page.wait("document.querySelector('#question').open")
    page.keys("Escape")
    page.wait("document.activeElement.getAttribute('aria-label') === 'Restart good'")
    page.keys("Enter")
    page.wait("document.querySelector('#question').open")
    page.keys("Enter")
    pid = wait_until(lambda: (now := fleet.row("good"))["pid"] not in (None, known["pid"])
                     and now["state"] == "online" and now["pid"])
    page.wait("document.querySelector('#news ol').innerText.includes('good: restarted')")
    page.wait(f"document.querySelector('#fleet tbody').innerText.includes('{pid}')")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Restart good"

    # What happens elsewhere is seen without a hand being moved, and told.
    os.kill(pid, signal.SIGKILL)
    page.wait("document.querySelector('#fleet tbody').innerText.includes('killed by')")
    page.wait("document.querySelector('#news ol').innerText.includes('killed by signal 9')")
    fleet.opsctl("stop", "good")
    ask_now(page)
    page.wait("document.querySelector('#news ol').innerText.includes('good: stopped')")
    assert not page.complaints


def test_who_looks_away_asks_for_nothing(gateway, page):
    page.open(url(gateway), password=TOKEN)
    page.wait("document.querySelector('#link').dataset.link === 'live'")
    page.evaluate("""window.asked = 0, window.trueFetch = fetch,
        window.fetch = (...words) => { window.asked++; return trueFetch(...words); }""")
    hide = """Object.defineProperty(document, "hidden", { get: () => %s, configurable: true }),
              document.dispatchEvent(new Event("visibilitychange"))"""
    for stop, go_on in ((lambda: page.evaluate(hide % "true"), lambda: page.evaluate(hide % "false")),
                        (lambda: page.click("#pause"), lambda: page.click("#pause"))):
        stop()
        before = page.evaluate("asked")
        page.pass_time(60_000)
        assert page.evaluate("asked") == before
        go_on()
        page.wait(f"asked > {before}")


class Liar(threading.Thread):
    """An opsd of which every word is markup."""

    def __init__(self, home):
        super().__init__(daemon=True)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(f"{home}/opsd.sock")
        self.listening.listen(16)
        worker = {"id": 0, "instance": 0, "state": "online", "pid": 1, "restarts": 0, "wanted": "up",
                  **{name: MARKUP for name in ("name", "namespace", "reason", "status_text", "user")},
                  "stats": {MARKUP: MARKUP}}
        self.says = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {
            "daemon": {"version": MARKUP, "home": MARKUP}, "workers": [worker]}}).encode() + b"\n"
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                with client:
                    client.makefile("rb").readline()
                    client.sendall(self.says)

    def close(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.join()


def test_what_workers_say_of_themselves_is_text(worker, page):
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="ops-") as home:
        with contextlib.closing(Liar(home)):
            gateway = Gateway(worker, OPS_HOME=home)
            page.open(url(gateway), password=TOKEN)
            page.wait("document.querySelectorAll('#fleet tbody tr').length === 1")
            [shown] = cells(page, "fleet")
            assert shown["Worker"] == f"{MARKUP} / {MARKUP}" and shown["Last exit"] == MARKUP
            page.click("#fleet tbody .open")
            more = page.evaluate("document.querySelector('#fleet .more').innerText")
            assert more.count("<script>") > 3
            assert MARKUP in page.evaluate("document.querySelector('#about').innerText")
            assert page.evaluate("document.querySelectorAll('body script, body img').length") == 0
            assert page.evaluate("document.title") == "ops" and not page.complaints
        ask_now(page)
        page.wait("document.querySelector('#fleet .refusal').innerText.includes('opsd')")
        assert MARKUP in page.evaluate("document.querySelector('#fleet tbody').innerText")


# --- the queues

def test_a_dead_job_is_found_and_retried_and_its_error_is_text(gateway, database, page):
    database.execute("select ops.enqueue('import', 'x', '{}')")
    number, other = dead_job(database, MARKUP), dead_job(database, "no", queue=MARKUP)
    page.open(url(gateway), password=TOKEN)
    page.wait("document.querySelectorAll('#queues tbody tr').length === 3")
    assert row(page, "queues", "Queue", "import")["Waiting"] == "1"
    assert row(page, "queues", "Queue", MARKUP)["Dead"] == "1"
    page.click("#queues [aria-label='1 dead jobs of messages: show them']")
    page.wait("document.querySelectorAll('#jobs tbody tr').length === 1")
    [shown] = cells(page, "jobs")
    assert shown["Job"] == f"# {number}" and shown["Attempts"] == "3/3"
    assert shown["Last error"] == MARKUP
    page.click("#jobs tbody .open")
    assert MARKUP in page.wait("document.querySelector('#jobs .more').innerText")
    assert page.evaluate("location.search") == "?queue=messages"

    page.click(f"[aria-label='Retry job {number}']")
    wait_until(lambda: database.value("select state from ops.job where id = %s", number)
               == "available")
    page.wait("document.querySelector('#jobs .empty').checkVisibility()")
    page.evaluate("document.querySelector('#jobs-queue').value = '',"
                  "document.querySelector('#jobs-queue').dispatchEvent(new Event('change'))")
    page.wait(f"document.querySelector('#jobs tbody').innerText.includes('{other}')")
    assert not page.evaluate("document.querySelector('#jobs-older').checkVisibility()")
    database.execute("insert into ops.job (id, queue, kind, payload, state, finished_at, ring) values"
                     " (9, 'old', 'x', '{}', 'done', now(), ops.job_ring())")
    database.execute("select setval('ops.job_number', 200000)")
    page.evaluate("document.querySelector('#jobs-state').value = 'done',"
                  "document.querySelector('#jobs-state').dispatchEvent(new Event('change'))")
    page.wait("document.querySelector('#jobs-older').checkVisibility()")
    assert page.evaluate("document.title") == "ops"
    assert page.evaluate("document.querySelectorAll('main script, main img').length") == 0
    assert all("status of 503" in str(complaint) for complaint in page.complaints)


# --- when something is away

def test_a_gateway_that_is_gone_is_said_and_comes_back(worker, page):
    held = reserve_port()
    gateway = Gateway(worker, HTTP_LISTEN=f"127.0.0.1:{held.getsockname()[1]}")
    page.open(url(gateway), password=TOKEN)
    page.wait("document.querySelector('#link').dataset.link === 'live'")
    gateway.process.kill()
    page.wait("document.querySelector('#trouble').innerText.includes('does not answer since')")
    assert page.evaluate("document.querySelector('#link').dataset.link") == "gone"
    gateway.start()
    page.wait("document.querySelector('#link').dataset.link === 'live'")
    page.wait("document.querySelector('#trouble').hidden")

    gateway.process.kill()
    gateway.settings["HTTP_API_TOKEN"] = "another" + TOKEN
    gateway.start(ready=False)
    ask_now(page)
    page.wait("document.querySelector('#trouble').innerText.includes('reload the page')")
    assert all("Failed to load resource" in str(complaint) for complaint in page.complaints)
    held.close()


# --- how it looks

# Of each text that is seen, what WCAG 2.2 (1.4.3) calls contrast; those below 4.5.
PALE = """(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const over = (colours) => {
        canvas.clearRect(0, 0, 1, 1);
        for (const colour of colours) {
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
        }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => value / 255);
    };
    const light = (colour) => colour
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const pale = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);

    for (let text; (text = walker.nextNode());) {
        const node = text.parentElement;

        if (!text.data.trim() || !node.checkVisibility() || node.closest(".unseen, .skip, option"))
            continue;
        const grounds = [];
        for (let up = node; up; up = up.parentElement)
            grounds.unshift(getComputedStyle(up).backgroundColor);
        const below = light(over(grounds));
        const above = light(over([...grounds, getComputedStyle(node).color]));
        const contrast = (Math.max(below, above) + 0.05) / (Math.min(below, above) + 0.05);
        if (contrast < 4.5)
            pale.push(`${text.data.trim()}: ${contrast.toFixed(2)}`);
    }
    return pale;
})()"""

# Texts that end beyond the edge, unless they are made to end in dots.
CUT = """(() => {
    const cut = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const range = document.createRange();

    for (let text; (text = walker.nextNode());) {
        const node = text.parentElement, cell = node.closest(".words");

        if (!node.checkVisibility() || node.closest(".unseen, .skip, thead") ||
            (cell && getComputedStyle(cell).whiteSpace === "nowrap"))
            continue;
        range.selectNodeContents(text);
        if (range.getBoundingClientRect().right > innerWidth)
            cut.push(text.data);
    }
    return cut;
})()"""

# What a screen reader has no name for.
NAMELESS = """[...document.querySelectorAll("button, input, select, section, nav, table, dl.glance")]
    .filter((node) => node.checkVisibility() && !(node.innerText?.trim() || node.ariaLabel || node.labels?.length ||
        node.caption || document.getElementById(node.getAttribute("aria-labelledby") ?? "")))
    .map((node) => node.outerHTML)"""


def test_it_can_be_read_on_every_screen(watched, database, page):
    dead_job(database, "x" * 300 + " " + "word " * 50)
    database.execute("select ops.enqueue('import', 'x', '{}')")
    page.open(url(watched) + "?state=any", password=TOKEN)
    page.wait("document.querySelectorAll('#jobs tbody tr').length === 2")
    page.wait("document.querySelectorAll('#fleet tbody tr').length === 3")
    for section in "fleet", "jobs":
        page.click(f"#{section} tbody .open")
    for width in 320, 375, 800, 1280, 1600:
        for dark in False, True:
            page.size(width, 800)
            page.dark(dark)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, width
            assert page.evaluate(CUT) == [], width
            assert page.evaluate(PALE) == [], (width, dark)
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate("document.querySelectorAll('main, h1').length") == 2
    assert json.dumps(page.complaints) == "[]"
