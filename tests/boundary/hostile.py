"""A connection manager in an attacker's hands: it has the name, the certificate, the key and the secret of one that is configured, and says over the
link whatever a test wants (proto/LINK.md). It is given the place of c2s-2 in a cluster whose c2s-1 serves bystanders. Blocking, with deadlines."""
import base64
import json
import pathlib
import re
import secrets
import socket
import ssl
import time

from link import DEADLINE, LINK, Gone, Wire, frame_text
from xmpp import SASL

ZONE = "cluster.internal"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
BIG = (1 << 64) - 1


def name_of(process):
    return f"{process}.{ZONE}"


class Place:
    """Where one process of a local cluster has its keys, and how its links are reached."""

    def __init__(self, cluster, process, router="router-1"):
        self.cluster, self.process, self.router, self.folder = cluster, process, router, pathlib.Path(cluster.folder)
        self.name = name_of(process)

    def secret(self, process=None):
        return (self.folder / "secret" / f"{process or self.process}+{self.router}").read_text().strip()

    def conf(self, process):
        return (self.folder / "conf" / f"{process}.conf").read_text()

    def link_port(self, process):
        return int(re.search(r'link_listen = "127.0.0.1:(\d+)"', self.conf(process))[1])

    def unix_path(self):
        return self.folder / "s" / f"{self.process}+{self.router}"

    def context(self, is_server=False, has_cert=True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.folder / "link/ca.pem")
        context.check_hostname = False
        if has_cert:
            context.load_cert_chain(self.folder / f"link/{self.process}.pem", self.folder / f"link/{self.process}.key")
        return context


def dial_tls(place, target=None, context=None):
    """A link of which nothing is there but TLS."""
    raw = socket.create_connection(("127.0.0.1", place.link_port(target or place.router)), DEADLINE)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Wire((context or place.context()).wrap_socket(raw, server_hostname=name_of(target or place.router)))


def bring_up(wire, place, instance=None):
    """As an honest component that dials."""
    wire.header(place.name).shake(place.secret())
    wire.until(rb"<handshake/>")
    wire.hello(place.name, instance=instance)
    wire.heard_hello()
    return wire


class Door:
    """Where the router calls (layout a). Calls that came for nothing wait here until they are thrown away."""

    def __init__(self, place, process=None):
        self.place = place
        self.listener = socket.create_server(("127.0.0.1", place.link_port(process or place.process)), backlog=16)

    def throw_away(self):
        self.listener.setblocking(False)
        try:
            while True:
                self.listener.accept()[0].close()
        except BlockingIOError:
            pass

    def accept(self):
        """The next call, before TLS."""
        self.listener.settimeout(DEADLINE)
        raw = self.listener.accept()[0]
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(DEADLINE)
        return raw

    def next_once(self, context):
        return Wire(context.wrap_socket(self.accept(), server_side=True))

    def next(self, context=None):
        """The next call that gets through TLS."""
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                return self.next_once(context or self.place.context(is_server=True))
            except (OSError, ssl.SSLError):  # it had been given up
                assert time.monotonic() < deadline

    def next_up(self, instance=None):
        """As an honest component that is dialled."""
        while True:
            wire = self.next()
            try:
                called(wire, self.place.name)
                wire.hello(self.place.name, instance=instance)
                wire.heard_hello()
                return wire
            except Gone:
                wire.close()

    def close(self):
        self.listener.close()


def called(wire, name):
    """Up to the handshake, as who was dialled."""
    wire.until(rb"<stream:stream[^>]*>")
    wire.answer(name)
    wire.until(rb"<handshake>[0-9a-f]+</handshake>")
    wire.write("<handshake/>")
    return wire


class Attacker:
    """A link that is up, under the name of c2s-2, and what is needed to attack from it. It links again when it was thrown out: it dials the router, or
    waits for its call (layout a)."""

    def __init__(self, cluster, process="c2s-2"):
        self.cluster, self.place = cluster, Place(cluster, process)
        self.name, self.sm, self.router = self.place.name, name_of("sm-1"), name_of("router-1")
        self.next_conn, self.wire, self.looked = 0, None, 0
        is_called = json.loads((self.place.folder / "cluster.json").read_text())["layout"] == "a"
        self.door = Door(self.place) if is_called else None

    def link(self):
        """The link; a new one if the last was ended, which is looked at now and then."""
        now = time.monotonic()
        if self.wire and not self.wire.is_closed and now - self.looked < 0.05:
            return self.wire
        self.looked = now
        if self.wire is None or self.wire.is_closed or not self.wire.read_what_there_is():
            self.link_again()
        return self.wire

    def link_again(self, instance=None):
        """Another link, as a new process or as the one that we were (its instance)."""
        self.hang_up()
        self.wire = self.door.next_up(instance) if self.door else bring_up(dial_tls(self.place), self.place, instance)
        self.wire.expect("<peers ")
        return self.wire

    def hang_up(self):
        """No link. The router is made to call at once, and not when it has waited for long enough."""
        if self.wire:
            self.wire.close()
        if self.door:
            self.door.throw_away()
            self.cluster.ctl("router-1", "reload", check=True)

    def close(self):
        for each in filter(None, (self.wire, self.door)):
            each.close()

    def connection(self, number=None, instance=None, name=None):
        """The address of a client connection that we claim to have."""
        if number is None:
            self.next_conn += 1
            number = self.next_conn
        return f"{name or self.name}/{instance or self.link().instance}-{number}"

    def send(self, payload, sender=None, to=None, **attributes):
        return self.link().write(frame_text(to or self.sm, sender or self.name, payload, **attributes))

    def open(self, conn, host=None, addr="192.0.2.7:4711", **facts):
        """An <open/> and the answer to it, if it is the features."""
        self.send(open_text(host or self.cluster.domain, addr, **facts), conn)
        return self.link().expect(lambda f: f.to == conn)

    def barrier(self):
        """All that was sent before has been handled by router and session manager."""
        conn = self.connection()
        answer = self.open(conn)
        self.send(f"<end xmlns='{LINK}' why='lost'/>", conn)
        return answer

    def session(self, user, resource="evil"):
        """A session of an account whose password we know, bound and available."""
        return Session(self, user).login(resource)


class Component(Wire):
    """A third-party component, as bytes to the router's port."""

    def __init__(self, cluster):
        super().__init__(socket.create_connection((cluster.host, cluster.component_port), DEADLINE))
        self.cluster = cluster

    def attach(self, secret=None):
        """With a secret that is given, the answer is not awaited."""
        if secret:
            self.header(self.cluster.component).shake(secret)
            return self
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                self.header(self.cluster.component).shake(self.cluster.component_secret)
                self.until(rb"<handshake[^>]*/>")
                return self
            except Gone:  # the one before us is being parted with, after all that it sent
                assert b"conflict" in self.buffer and time.monotonic() < deadline, self.buffer[-2000:]
                self.__init__(self.cluster)


def open_text(host, addr="192.0.2.7:4711", tls="1.3", cipher="TLS_AES_256_GCM_SHA384", lost=False, inner="", **more):
    facts = {"host": host, "addr": addr, "tls": tls, "cipher": cipher, **more, "lost": "1" if lost else None}
    return f"<open xmlns='{LINK}'" + "".join(f" {k}='{v}'" for k, v in facts.items() if v is not None) + f">{inner}</open>"


def auth_text(name, password):
    return f"<auth xmlns='{SASL}' mechanism='PLAIN'>{base64.b64encode(f'{chr(0)}{name}{chr(0)}{password}'.encode()).decode()}</auth>"


class Session:
    """The gate's end of a session, with numbers as the test wants them."""

    def __init__(self, attacker, user):
        self.attacker, self.user, self.conn = attacker, user, attacker.connection()
        self.n = self.down = 0
        self.is_confirming = True  # h and f are said as an honest gate would

    def login(self, resource):
        a = self.attacker
        a.open(self.conn)
        a.send(auth_text(self.user, a.cluster.users[self.user]), self.conn)
        success = a.link().expect(lambda f: f.to == self.conn and f.s)
        assert success.payload.startswith("<success"), success
        self.s, self.e = success.s, success.e
        self.took(success)
        self.say(f"<restart xmlns='{LINK}' host='{a.cluster.domain}'/>")
        self.expect("<stream:features")
        self.say(f"<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='{BIND}'><resource>{resource}</resource></bind></iq>")
        self.expect("<iq ")
        self.jid = f"{self.user}@{a.cluster.domain}/{resource}"
        self.say("<presence xmlns='jabber:client'/>")
        self.expect("<presence ")
        return self

    def took(self, frame):
        self.down = max(self.down, frame.n)

    def say(self, payload, **attributes):
        """The next numbered frame."""
        self.n += 1
        self.raw(payload, self.n, **attributes)

    def raw(self, payload, n, conn=None, **attributes):
        numbers = {"e": self.e, **({"h": self.down} if self.is_confirming else {}), **attributes}
        self.attacker.send(payload, conn or self.conn, s=numbers.pop("s", self.s), n=n, **numbers)

    def expect(self, fits, timeout=DEADLINE):
        is_match = fits if callable(fits) else lambda f: f.payload.startswith(fits)
        frame = self.attacker.link().expect(lambda f: f.s == self.s and f.n and is_match(f), timeout)
        self.took(frame)
        return frame

    def message(self, to, body, **attributes):
        self.say(f"<message xmlns='jabber:client' to='{to}' type='chat'><body>{body}</body></message>", **attributes)

    def end(self):
        """The client is gone, as an honest gate would say it."""
        self.say(f"<end xmlns='{LINK}' why='lost'/>")

    def ping(self):
        """Everything said before has been handled by the session manager."""
        id_ = secrets.token_hex(4)
        self.say(f"<iq xmlns='jabber:client' type='get' id='{id_}'><ping xmlns='urn:xmpp:ping'/></iq>")
        return self.expect(lambda f: f"id='{id_}'" in f.payload)


def metrics_text(cluster, process):
    """As a monitoring system reads it."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(DEADLINE)
        s.connect(str(cluster.folder / "s" / f"{process}+metrics"))
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: s.recv(65536), b"")).decode()


def is_running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Watch:
    """What processes say about an attack: new lines of audit logs, counters that grow."""

    def __init__(self, cluster, processes=("router-1", "sm-1", "c2s-1")):
        self.cluster, self.processes = cluster, processes
        self.at = {p: len(cluster.audit(p)) for p in self.processes}
        self.before = {p: self.counters(p) for p in self.processes}
        self.pids = {p: cluster.pid(p) for p in self.processes}
        self.restarted = set()

    def counters(self, process):
        """Its own, by name, and audit events by name and event."""
        return {n: float(v) for n, v in re.findall(r'^(\w+(?:{event="[\w-]+"})?) ([0-9.e+]+)$', metrics_text(self.cluster, process), re.M)}

    def news(self, process):
        return self.cluster.audit(process)[self.at[process]:]

    def audited(self, process, *texts, timeout=DEADLINE):
        """A new line of the process's audit log that holds all texts."""
        deadline = time.monotonic() + timeout
        while True:
            for line in self.news(process).splitlines():
                if all(t in line for t in texts):
                    return line
            assert time.monotonic() < deadline, f"{process} did not audit {texts}: {self.news(process)[-2000:]}"
            time.sleep(0.01)

    def grown(self, process, metric):
        return self.counters(process).get(metric, 0) - self.before[process].get(metric, 0)

    def counted(self, process, metric, at_least=1, timeout=DEADLINE):
        deadline = time.monotonic() + timeout
        while True:
            grown = self.grown(process, metric)
            if grown >= at_least:
                return grown
            assert time.monotonic() < deadline, f"{process}: {metric} grew by {grown}, not {at_least}"
            time.sleep(0.02)

    def has_restarted(self, process):
        """By the test: its counters began again."""
        self.restarted.add(process)
        self.pids[process], self.before[process] = self.cluster.pid(process), {}

    def alive(self):
        for p, pid in self.pids.items():
            assert is_running(pid), f"{p} died: {self.cluster.log(p)[-4000:]}"
