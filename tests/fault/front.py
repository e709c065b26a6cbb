"""A front of the sandbox as the services outside have it: a name, TLS, HTTP/2 (nginx), and the
environment in which a worker finds it there (outside.c).

    front.name(False)     from now on the name cannot be resolved
    front.stop()          nobody listens; front.start() on the same port
    front.requests()      ["HTTP/2.0 connection status", ...]
"""
import shutil
import socket
import subprocess

from fixture import reserve_port
from harness import DEADLINE_S, wait_until
from preload import preload

CONFIGURATION = """
daemon off; user {user}; pid {folder}/pid; worker_processes 1; error_log {folder}/errors;
events {{ worker_connections 200; }}
http {{
    log_format short "$server_protocol $connection $status";
    access_log {folder}/requests short;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {folder}/certificate; ssl_certificate_key {folder}/key;
        location / {{ proxy_pass {behind}; proxy_http_version 1.1; }}
    }}
}}
"""


class Front:
    def __init__(self, folder, behind):
        self.folder, self.held, self.process = folder, reserve_port(), None
        self.port = self.held.getsockname()[1]
        self.names = folder / "names"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=front.test", "-addext",
             "subjectAltName=DNS:front.test", "-keyout", folder / "key", "-out",
             folder / "certificate"], check=True, capture_output=True)
        (folder / "configuration").write_text(CONFIGURATION.format(
            folder=folder, port=self.port, behind=behind, user="root root"))
        self.name(True)
        self.start()

    @property
    def url(self):
        return f"https://front.test:{self.port}"

    def environment(self):
        return preload("outside", OUTSIDE_NAMES=self.names, OUTSIDE_CA=self.folder / "certificate")

    def name(self, known):
        self.names.touch() if known else self.names.unlink()

    def start(self):
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        with open(self.folder / "said", "ab") as said:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig=TERM", program, "-p", self.folder, "-e",
                 self.folder / "errors", "-c", self.folder / "configuration"],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        wait_until(self._listens, what="nginx listens")

    def _listens(self):
        assert self.process.poll() is None, (self.folder / "said").read_text()
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE_S)

    def close(self):
        self.stop()
        self.held.close()

    def requests(self):
        return (self.folder / "requests").read_text().splitlines()
