"""A gateway of a test's own, and those who talk to it: Telegram, an administrator, and strangers.

    gateway.post_update(update, bot="shop")    as Telegram does; returns the status
    gateway.api("GET", "/api/queues")          with the token; returns (status, JSON)
    gateway.ask("GET", "/metrics", headers={}) anything; returns an Answer
"""
import contextlib
import http.client
import json
import socket

import pytest

from harness import wait_until

SECRET = "secret_of_the_webhook-1"
TOKEN = "token-of-the-api-0123456789"


class Answer:
    def __init__(self, response):
        self.status, self.body = response.status, response.read()
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    @property
    def json(self):
        return json.loads(self.body)


def message(number, chat=7, text="hello"):
    return {"update_id": number, "message": {
        "message_id": number, "date": 1700000000, "text": text,
        "chat": {"id": chat, "type": "private"}, "from": {"id": chat, "first_name": "A"}}}


class Gateway:
    def __init__(self, worker, **settings):
        self.worker = worker
        self.settings = {"HTTP_LISTEN": "127.0.0.1:0", "HTTP_API_TOKEN": TOKEN,
                         "WEBHOOK_SECRET": SECRET, **settings}
        self.start()

    def start(self, *, ready=True):
        self.process = self.worker.start("main/gateway", **self.settings)
        line = self.process.wait_line("listening")
        self.port = int(line.rsplit("port=", 1)[1])
        if ready:
            self.process.wait_line("storing updates")
            wait_until(lambda: self.api("GET", "/api/queues")[0] == 200)

    def connection(self, host="127.0.0.1", timeout=20):
        return http.client.HTTPConnection(host, self.port, timeout=timeout)

    def ask(self, method, path, body=None, headers=None, connection=None):
        own = connection or self.connection()
        with contextlib.closing(own) if not connection else contextlib.nullcontext():
            own.request(method, path, body, headers or {})
            return Answer(own.getresponse())

    def post_update(self, update, bot="shop", secret=SECRET, connection=None):
        body = update if isinstance(update, (bytes, str)) else json.dumps(update)
        headers = {"Content-Type": "application/json"}
        if secret is not None:
            headers["X-Telegram-Bot-Api-Secret-Token"] = secret
        return self.ask("POST", f"/telegram/{bot}", body, headers, connection)

    def api(self, method, path, body=None):
        answer = self.ask(method, path, json.dumps(body) if body is not None else None,
                          {"Authorization": f"Bearer {TOKEN}"})
        return answer.status, answer.json

    def socket(self, host="127.0.0.1"):
        return socket.create_connection((host, self.port), timeout=20)


@pytest.fixture
def gateway(worker):
    """Ends with 0 when it is asked to, and without a complaint of a sanitizer."""
    made = Gateway(worker)
    yield made
    if made.process.process.poll() is None:
        made.process.process.terminate()
        assert made.process.wait() == 0, made.process.output
    for word in ("Sanitizer", "runtime error:", "Assertion"):
        assert word not in made.process.output, made.process.output
