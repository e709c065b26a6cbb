"""A network that goes wrong: stands between a program and a server, and does as it is told.

    with Proxy(target) as network:           # a port, or the path of a Unix socket
        DATABASE_URL = f"...?host=127.0.0.1&port={network.port}"
        network.silence()                    # takes all, passes nothing on: a host that hangs
        network.stall()                      # takes nothing any more: its buffers fill up
        network.reset()                      # RST to both sides of all connections
        network.end()                        # FIN, with all that was under way
        network.refuse()                     # no new connections; those there are go on
        network.shred(pause_s=0)             # one byte at a time
        network.after_answer(100, network.reset)   # once so many bytes have come back
        network.heal()                       # as in the beginning; what was swallowed stays so
"""
import contextlib
import itertools
import select
import socket
import ssl
import struct
import subprocess
import threading
import time

CHUNK = 65536
GATHER_S = 0.02


class _Link:
    """A client and its way to the server; a thread for each direction."""

    def __init__(self, near, far):
        self.near, self.far = near, far
        self.cut = self.reset = False

    def end(self, reset):
        """Wakes both threads, which close what they read from."""
        self.reset, self.cut = reset, True
        for connection in self.near, self.far:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)

    def close(self, connection):
        with contextlib.suppress(OSError):
            if self.reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()


class Proxy:
    def __init__(self, target):
        self.target = target
        self.taken = 0  # connections, ever
        self.asked = self.answered = 0  # bytes that were passed on
        self._lock = threading.Lock()
        self._links = []
        self._flowing = threading.Event()
        self._watches = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        self.heal()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.heal()
        self.end()

    # --- what it is told

    def heal(self):
        self._swallows = self._refuses = False
        self._piece, self._pause_s = CHUNK, 0
        self._watches = []
        self._flowing.set()

    def silence(self):
        self._swallows = True

    def stall(self):
        self._flowing.clear()

    def refuse(self):
        self._refuses = True

    def shred(self, pause_s=0):
        self._piece, self._pause_s = 1, pause_s

    def reset(self):
        self._cut(reset=True)

    def end(self):
        self._cut(reset=False)

    def after_answer(self, count, act):
        """act when so many more bytes have come back: they are passed on, and no more with them."""
        with self._lock:
            self._watches.append((self.answered + count, act))

    @property
    def open(self):
        """How many connections there are."""
        with self._lock:
            return len(self._links)

    # --- how it does it

    def _cut(self, reset):
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.end(reset)

    def _connect(self):
        if isinstance(self.target, int):
            return socket.create_connection(("127.0.0.1", self.target))
        far = socket.socket(socket.AF_UNIX)
        far.connect(str(self.target))
        return far

    def _accept(self):
        with contextlib.suppress(OSError):
            for _ in itertools.count():
                near, _ = self._listener.accept()
                self._begin(near)

    def _begin(self, near):
        self.taken += 1
        link = _Link(near, None)
        try:
            if self._refuses:
                raise ConnectionRefusedError
            link.far = self._connect()
        except OSError:
            link.reset = True
            link.close(near)
            return
        with self._lock:
            self._links.append(link)
        for source, sink in (near, link.far), (link.far, near):
            if source.family == socket.AF_INET:
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, args=(link, source, sink), daemon=True).start()

    def _pump(self, link, source, sink):
        with contextlib.suppress(OSError):
            while taken := self._read(source):
                self._pass_on(link, taken, sink)
        # The end is swallowed, too.
        if not self._swallows or link.cut:
            link.end(link.reset)
            with self._lock:
                self._links = [other for other in self._links if other is not link]
        link.close(source)

    def _read(self, source):
        self._flowing.wait()
        return source.recv(CHUNK)

    def _pass_on(self, link, taken, sink):
        back = sink is link.near
        while taken and not self._swallows and not link.cut:
            self._flowing.wait()
            size = min(self._piece, len(taken))
            if back:
                size = max(1, min([size, *(at - self.answered for at, _ in self._watches)]))
            sink.sendall(taken[:size])
            taken = taken[size:]
            if back:
                self._count_answered(size)
            else:
                self.asked += size
            if self._pause_s:
                time.sleep(self._pause_s)

    def _count_answered(self, size):
        with self._lock:
            self.answered += size
            due = [act for at, act in self._watches if at <= self.answered]
            self._watches = [watch for watch in self._watches if watch[0] > self.answered]
        for act in due:
            act()


class TlsProxy(Proxy):
    """Speaks TLS as poolers and newer servers of PostgreSQL do: in records as large as there may be."""

    def __init__(self, target, folder):
        made = folder / "certificate"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", folder / "key", "-out", made], check=True, capture_output=True)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(made, folder / "key")
        super().__init__(target)

    def _begin(self, near):
        near.recv(8)  # SSLRequest
        near.sendall(b"S")
        super()._begin(self._context.wrap_socket(near, server_side=True))

    def _read(self, source):
        taken = super()._read(source)
        while not isinstance(source, ssl.SSLSocket) and select.select([source], [], [], GATHER_S)[0]:
            more = source.recv(CHUNK)
            if not more:
                break
            taken += more
        return taken
