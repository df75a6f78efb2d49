"""Clients that chat in a ring while processes die: each numbers what it writes, and keeps what it receives in order."""
import socket
import threading
import time

from xmpp import CLIENT, Closed, local, q

WINDOW = 5  # written and not yet received by the neighbour


class Talker(threading.Thread):
    """Writes 1, 2, 3 … to its neighbour, at most WINDOW ahead of what the neighbour has received."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client = client
        self.neighbour = None
        self.sent = 0
        self.received = []
        self.last_at = 0.0
        self.others = []  # anything but chat messages
        self.limit = None  # stop writing at this number
        self.failure = None

    def run(self):
        try:
            while self.limit is None or self.sent < self.limit or len(self.received) < self.expected():
                self.write()
                self.read()
        except (Closed, OSError, AssertionError) as e:
            self.failure = repr(e)

    def expected(self):
        return self.writer.sent if self.writer.limit is None else self.writer.limit

    def write(self):
        while self.sent - len(self.neighbour.received) < WINDOW and (self.limit is None or self.sent < self.limit):
            self.sent += 1
            self.client.message(self.neighbour.client.jid, str(self.sent), id=f"n{self.sent}")

    def read(self):
        try:
            self.client.read_some(time.monotonic() + 0.05)
        except socket.timeout:
            pass
        for el in self.client.backlog:
            if local(el) == "message" and el.get("type") == "chat":
                self.received.append(int(el.findtext(q(CLIENT, "body"))))
                self.last_at = time.monotonic()
            else:
                self.others.append(el)
        self.client.backlog.clear()


def make_ring(clients):
    talkers = [Talker(c) for c in clients]
    for i, t in enumerate(talkers):
        t.neighbour = talkers[(i + 1) % len(talkers)]
        t.neighbour.writer = t
    return talkers


def wait_for(condition, timeout, what):
    """Until the condition holds; looks often, fails at the deadline."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.01)


def wait_progress(talkers, timeout=60):
    """Until each has received something new."""
    before = [len(t.received) for t in talkers]
    wait_for(lambda: all(t.failure or len(t.received) > n for t, n in zip(talkers, before)), timeout,
             lambda: f"stuck: {[(i, t.sent, len(t.received)) for i, (t, n) in enumerate(zip(talkers, before)) if len(t.received) <= n]}")
    assert not [t.failure for t in talkers if t.failure]


def finish(talkers, timeout=90):
    """Lets everyone write a few more, waits for all of it, and checks: each message once and in order, no connection lost, and
    nothing but messages came (no contact saw a change of presence)."""
    for t in talkers:
        t.limit = t.sent + 3
    for t in talkers:
        t.join(timeout)
    assert not [t.failure for t in talkers if t.failure]
    for t in talkers:
        assert not t.is_alive(), f"still waiting: {len(t.received)} of {t.writer.limit} received"
        assert t.received == list(range(1, t.writer.limit + 1)), f"{t.client.jid}: {t.received[-30:]}"
        assert not t.others, [(local(o), o.attrib) for o in t.others]
