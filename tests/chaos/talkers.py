"""Clients that chat in a ring while processes die: each numbers what it writes, and keeps what it receives in order."""
import bisect
import os
import signal
import socket
import subprocess
import threading
import time

from archives import stanza_id
from cluster import ROOT
from xmpp import CLIENT, Closed, local, q

WINDOW = 5  # written and not yet received by the neighbour


class Talker(threading.Thread):
    """Writes 1, 2, 3 … to its neighbour, at most WINDOW ahead of what the neighbour has received."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client = client
        self.neighbour = self.writer = None
        self.sent_at, self.received_at = [], []
        self.received = []
        self.ids = []  # that the account's archive has given to them (XEP-0359), or None
        self.others = []  # anything but chat messages
        self.limit = None  # stop writing at this number
        self.has_expected_end = False  # its connection ends on purpose
        self.stopping = False  # says nothing any more, and is not read any more
        self.failure = None

    @property
    def sent(self):
        return len(self.sent_at)

    def run(self):
        try:
            while not self.stopping and (self.limit is None or self.sent < self.limit or len(self.received) < self.expected()):
                self.write()
                self.read()
        except (Closed, OSError, AssertionError) as e:
            self.failure = repr(e)

    def expected(self):
        return self.writer.sent if self.writer.limit is None else self.writer.limit

    def write(self):
        while self.sent - len(self.neighbour.received) < WINDOW and (self.limit is None or self.sent < self.limit):
            self.sent_at.append(time.monotonic())
            self.client.message(self.neighbour.client.jid, str(self.sent), id=f"n{self.sent}")

    def read(self):
        try:
            self.client.read_some(time.monotonic() + 0.05)
        except socket.timeout:
            pass
        for el in self.client.backlog:
            if local(el) == "message" and el.get("type") == "chat":
                self.received_at.append(time.monotonic())
                self.received.append(int(el.findtext(q(CLIENT, "body"))))
                self.ids.append(stanza_id(el, self.client.bare))
            else:
                self.others.append(el)
        self.client.backlog.clear()

    def leave(self, in_order):
        """The client goes: with the end of its stream, or with that of its connection only."""
        self.stopping = True
        self.join(10)
        if in_order:
            self.client.send("</stream:stream>")
        self.client.close()

    def first_after(self, moment):
        """When the first message arrived that was written to us after this moment; None: not yet."""
        number = bisect.bisect_right(self.writer.sent_at, moment)
        return self.received_at[number] if number < len(self.received_at) else None


def make_ring(clients):
    talkers = [Talker(c) for c in clients]
    for i, t in enumerate(talkers):
        t.neighbour = talkers[(i + 1) % len(talkers)]
        t.neighbour.writer = t
    return talkers


def subscribe_ring(clients):
    """Each sees the next one's presence and is seen by it, so that a false change of presence would be noticed."""
    for i, c in enumerate(clients):
        c.presence(to=clients[(i + 1) % len(clients)].bare, type="subscribe")
    for c in clients:
        request = c.expect("presence", type="subscribe")
        c.presence(to=request.get("from"), type="subscribed")
    for i, c in enumerate(clients):
        c.expect("presence", from_=clients[(i + 1) % len(clients)].jid, type=None)
    for c in clients:
        c.ping()
        c.backlog.clear()


def add_users(cluster, names):
    path = cluster.folder / "users"
    path.write_text("".join(f"{n} secret\n" for n in names))
    cluster.run("adduser", "--file", path)
    cluster.users.update({n: "secret" for n in names})


def chat_ring(cluster, count):
    """So many clients, in turn on each c2s, in the middle of their talk."""
    names = [f"c{i}" for i in range(count)]
    add_users(cluster, names)
    clients = [cluster.client(n, c2s=1 + i % len(cluster.ports)).login("r").online() for i, n in enumerate(names)]
    for c in clients:
        c.roster()
    subscribe_ring(clients)
    talkers = make_ring(clients)
    for t in talkers:
        t.start()
    wait_progress(talkers)
    return talkers


def wait_for(condition, timeout, what):
    """Until the condition holds; looks often, fails at the deadline. Returns what the condition returned."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.01)
    return found


def wait_progress(talkers, since=None, timeout=60):
    """Until each has received something that was written after this moment (now)."""
    since = time.monotonic() if since is None else since
    is_done = lambda t: t.failure or t.first_after(since)
    wait_for(lambda: all(map(is_done, talkers)), timeout,
             lambda: f"stuck: {[(t.client.jid, t.writer.sent, len(t.received)) for t in talkers if not is_done(t)]}")
    assert not [t.failure for t in talkers if t.failure]


def report(what, talkers, killed_at, started_at):
    """Prints how long it took from the kill until a message that was written after it came through: the first, and the last of all."""
    firsts = sorted(t.first_after(killed_at) - killed_at for t in talkers)
    print(f"{what}: running again {started_at - killed_at:.2f} s after the kill, first message through {firsts[0]:.2f} s, "
          f"everybody's {firsts[-1]:.2f} s")


def is_running(pid):
    """Or holds its files still: a thread of it may live longer than the first."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def kill(cluster, name):
    """kill -9; returns the moment."""
    pid = cluster.pid(name)
    os.kill(pid, signal.SIGKILL)
    killed_at = time.monotonic()
    wait_for(lambda: not is_running(pid), 10, f"{name} does not die")
    return killed_at


def kill_and_restart(cluster, talkers, name):
    killed_at = kill(cluster, name)
    cluster.start(name)
    started_at = time.monotonic()
    wait_progress(talkers)
    report(name, talkers, killed_at, started_at)


def begin_start(cluster, name):
    """Starts it in the background and returns the starter when the process is there, ready or not."""
    starter = subprocess.Popen([str(ROOT / "deploy/local-cluster"), "start", "--dir", str(cluster.folder), name],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    key = "SALLYPORT_PID_" + name.upper().replace("-", "_")
    wait_for(lambda: cluster.refresh().env.get(key), 30, f"{name} has no pid")
    return starter


class Frozen:
    """`with`: a process that is stopped (SIGSTOP) and wakes up late."""

    def __init__(self, cluster, name):
        self.pid = cluster.pid(name)

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


def wait_link_down(cluster, process, peer, count, timeout=30):
    """Until the process's log says for the count-th time that its link to the peer is down."""
    is_line = lambda line: "link down" in line and f"peer={peer}." in line
    wait_for(lambda: sum(map(is_line, cluster.log(process).splitlines())) >= count, timeout,
             lambda: f"{process} did not notice:\n{cluster.log(process)[-2000:]}")


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
    print(f"{sum(len(t.received) for t in talkers)} messages, each once and in order")
