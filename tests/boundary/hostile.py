"""A connection manager in an attacker's hands: it has the name, the certificate, the key and the secret of one that is configured, and says over the
link whatever a test wants (proto/LINK.md). It is given the place of c2s-2 in a cluster whose c2s-1 serves bystanders. Blocking, with deadlines."""
import base64
import dataclasses
import hashlib
import pathlib
import re
import secrets
import socket
import ssl
import time

from xmpp import SASL, STREAM

LINK = "urn:sallyport:link:1"
ACCEPT, CONNECT = "jabber:component:accept", "jabber:component:connect"
ZONE = "cluster.internal"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
DEADLINE = 15.0
BIG = (1 << 64) - 1


def name_of(process):
    return f"{process}.{ZONE}"


class Gone(Exception):
    """The other end closed the link."""


@dataclasses.dataclass
class Frame:
    to: str
    sender: str
    payload: str
    s: str = None
    e: int = 0
    n: int = 0
    h: int = 0
    f: int = 0


def frame_text(to, sender, payload, len_=None, **attributes):
    """A frame as bytes. len_: what is claimed instead of the truth. Attributes in the protocol's order; 0 and None are left out."""
    data = payload.encode() if isinstance(payload, str) else payload
    extra = "".join(f" {k}='{attributes[k]}'" for k in ("s", "e", "n", "h", "f", "id") if attributes.get(k))
    length = len(data) if len_ is None else len_
    return f"<route xmlns='{LINK}' to='{to}' from='{sender}'{extra} len='{length}'>".encode() + data + b"</route>"


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


class Wire:
    """One link, as bytes. Nothing is said that a test did not ask for."""

    def __init__(self, sock):
        self.sock, self.buffer, self.frames, self.is_closed = sock, b"", [], False

    @classmethod
    def dial_tls(cls, place, target=None, context=None):
        raw = socket.create_connection(("127.0.0.1", place.link_port(target or place.router)), DEADLINE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls((context or place.context()).wrap_socket(raw, server_hostname=name_of(target or place.router)))

    def send(self, data):
        """False when the other end has closed it."""
        try:
            self.sock.settimeout(DEADLINE)
            self.sock.sendall(data.encode() if isinstance(data, str) else data)
            return True
        except (OSError, ssl.SSLError):
            return False

    def read_some(self, deadline):
        data = None
        while data is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise socket.timeout("deadline")
            self.sock.settimeout(min(left, 1))
            try:
                data = self.sock.recv(65536)
            except (socket.timeout, ssl.SSLWantReadError):
                self.send(" ")  # keepalive
            except (OSError, ssl.SSLError):
                data = b""
        if not data:
            self.is_closed = True
            raise Gone("the link is closed")
        self.buffer += data

    def until(self, pattern, timeout=DEADLINE):
        deadline = time.monotonic() + timeout
        while True:
            found = re.search(pattern, self.buffer)
            if found:
                self.buffer = self.buffer[found.end():]
                return found
            self.read_some(deadline)

    def has_ended(self):
        """Whether what came so far says that the other end gives up. Reads, and hardly waits."""
        try:
            while True:
                self.read_some(time.monotonic() + 0.001)
        except socket.timeout:
            return b"<stream:error" in self.buffer
        except Gone:
            return True

    def read_to_end(self, timeout=DEADLINE):
        """All that comes until the other end closes."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                self.read_some(deadline)
        except Gone:
            return self.buffer.decode(errors="replace")

    def close(self):
        self.sock.close()
        self.is_closed = True

    # --- the steps of coming up, each of which a test may take wrongly ---

    def header(self, to, ns=ACCEPT):
        self.send(f"<?xml version='1.0'?><stream:stream xmlns='{ns}' xmlns:stream='{STREAM}' to='{to}'>")
        return self

    def shake(self, secret):
        id_ = self.until(rb"<stream:stream[^>]* id='([^']*)'[^>]*>")[1]
        self.send(f"<handshake>{hashlib.sha1(id_ + secret.encode()).hexdigest()}</handshake>")
        return self

    def hello(self, name, role="c2s", instance=None, version="1"):
        self.instance = instance or secrets.token_hex(8)
        self.send(f"<hello xmlns='{LINK}' version='{version}' name='{name}' role='{role}' instance='{self.instance}' features=''/>")
        return self

    def up(self, place):
        """As an honest initiator would."""
        self.header(place.name).shake(place.secret())
        self.until(rb"<handshake/>")
        self.hello(place.name)
        self.until(rb"<hello [^>]*/>")
        return self

    # --- frames ---

    def parse(self):
        while True:
            head = re.match(rb"\s*<route ([^>]*)>", self.buffer)
            if not head:
                return
            a = {k.decode(): v.decode() for k, v in re.findall(rb"([a-z]+)='([^']*)'", head[1])}
            end = head.end() + int(a["len"])
            if len(self.buffer) < end + 8:
                return
            number = {k: int(a.get(k, 0)) for k in "enhf"}
            self.frames.append(Frame(a["to"], a["from"], self.buffer[head.end():end].decode(), a.get("s"), **number))
            self.buffer = self.buffer[end + 8:]

    def expect(self, fits, timeout=DEADLINE):
        """The first frame that fits (a predicate, or what the payload begins with); others stay."""
        is_match = fits if callable(fits) else lambda f: f.payload.startswith(fits)
        deadline = time.monotonic() + timeout
        while True:
            self.parse()
            for i, frame in enumerate(self.frames):
                if is_match(frame):
                    return self.frames.pop(i)
            try:
                self.read_some(deadline)
            except (socket.timeout, Gone) as e:
                raise AssertionError(f"no such frame ({e}); there is: {self.frames[-5:]}, {self.buffer[-500:]}") from None


class Attacker:
    """A link that is up, under the name of c2s-2, and what is needed to attack from it. It links again when it was thrown out."""

    def __init__(self, cluster, process="c2s-2"):
        self.cluster, self.place = cluster, Place(cluster, process)
        self.name, self.sm, self.router = self.place.name, name_of("sm-1"), name_of("router-1")
        self.next_conn, self.wire, self.looked = 0, None, 0

    def link(self):
        """The link; a new one if the last was ended, which is looked at now and then."""
        now = time.monotonic()
        if self.wire and not self.wire.is_closed and now - self.looked < 0.05:
            return self.wire
        self.looked = now
        if self.wire is None or self.wire.is_closed or not self.is_alive():
            if self.wire:
                self.wire.close()
            self.wire = Wire.dial_tls(self.place).up(self.place)
            self.wire.expect("<peers ")
        return self.wire

    def is_alive(self):
        """Reads what there is, without waiting."""
        try:
            while True:
                self.wire.read_some(time.monotonic() + 0.001)
        except socket.timeout:
            return True
        except Gone:
            return False

    def connection(self, number=None, instance=None, name=None):
        """The address of a client connection that we claim to have."""
        if number is None:
            self.next_conn += 1
            number = self.next_conn
        return f"{name or self.name}/{instance or self.link().instance}-{number}"

    def send(self, payload, sender=None, to=None, **attributes):
        return self.link().send(frame_text(to or self.sm, sender or self.name, payload, **attributes))

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


class Watch:
    """What processes say about an attack: new lines of audit logs, counters that grow."""

    def __init__(self, cluster):
        self.cluster, self.processes = cluster, ["router-1", "sm-1", "c2s-1"]
        self.at = {p: len(cluster.audit(p)) for p in self.processes}
        self.before = {p: self.counters(p) for p in self.processes}
        self.pids = {p: cluster.pid(p) for p in self.processes}

    def counters(self, process):
        text = self.cluster.ctl(process, "metrics").stdout
        return {n: float(v) for n, v in re.findall(r"^(\w+) ([0-9.e+]+)$", text, re.M)}

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

    def counted(self, process, metric, at_least=1, timeout=DEADLINE):
        deadline = time.monotonic() + timeout
        while True:
            grown = self.counters(process).get(metric, 0) - self.before[process].get(metric, 0)
            if grown >= at_least:
                return grown
            assert time.monotonic() < deadline, f"{process}: {metric} grew by {grown}, not {at_least}"
            time.sleep(0.02)

    def alive(self):
        self.cluster.refresh()
        for p in self.processes:
            assert self.cluster.env.get("SALLYPORT_PID_" + p.upper().replace("-", "_")) == str(self.pids[p]), f"{p} died: {self.cluster.log(p)[-4000:]}"
