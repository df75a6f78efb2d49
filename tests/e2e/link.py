"""The link protocol (proto/LINK.md) in a test's own hands: one end of one link, as bytes and as frames. Nothing is said that the test did not ask for,
but keepalives while it waits. Blocking, with deadlines. hub.py is made of it, and the hostile ones of tests/boundary."""
import dataclasses
import hashlib
import re
import secrets
import socket
import ssl
import time

from xmpp import STREAM

LINK = "urn:sallyport:link:1"
ACCEPT, CONNECT = "jabber:component:accept", "jabber:component:connect"  # the component dials; the router dials
DEADLINE = 15.0
NUMBERS = ("s", "e", "n", "h", "f", "id")  # in the order of the protocol


class Gone(EOFError):
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
    id: str = None

    def __repr__(self):
        return f"<{self.sender}->{self.to} s={self.s} e={self.e} n={self.n} h={self.h} f={self.f} {self.payload[:120]}>"

    def again(self):
        """The bytes that it came as."""
        return frame_text(self.to, self.sender, self.payload, **{k: getattr(self, k) for k in NUMBERS})


def frame_text(to, sender, payload, len_=None, **attributes):
    """A frame as bytes. len_: what is claimed instead of the truth. Attributes in the protocol's order; 0 and None are left out."""
    data = payload.encode() if isinstance(payload, str) else payload
    extra = "".join(f" {k}='{attributes[k]}'" for k in NUMBERS if attributes.get(k))
    length = len(data) if len_ is None else len_
    return f"<route xmlns='{LINK}' to='{to}' from='{sender}'{extra} len='{length}'>".encode() + data + b"</route>"


def frame_from(attributes, payload):
    numbers = {k: int(attributes.get(k, 0)) for k in "enhf"}
    return Frame(attributes["to"], attributes["from"], payload, attributes.get("s"), **numbers, id=attributes.get("id"))


def dial_unix(path):
    """A connection to a Unix socket that may be about to appear."""
    deadline = time.monotonic() + DEADLINE
    while True:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(path))
            return sock
        except OSError:
            sock.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class Wire:
    """One end of a link, on a socket that is connected."""

    def __init__(self, sock):
        self.sock, self.buffer, self.frames, self.is_closed, self.instance = sock, b"", [], False, None

    # --- bytes ---

    def write(self, data):
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
                self.write(" ")  # keepalive
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

    def read_what_there_is(self):
        """Hardly waits. False: the other end has closed it."""
        try:
            while True:
                self.read_some(time.monotonic() + 0.001)
        except socket.timeout:
            return True
        except Gone:
            return False

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
        """Of who dialled."""
        self.write(f"<?xml version='1.0'?><stream:stream xmlns='{ns}' xmlns:stream='{STREAM}' to='{to}'>")
        return self

    def shake(self, secret):
        id_ = self.until(rb"<stream:stream[^>]* id='([^']*)'[^>]*>")[1]
        self.write(f"<handshake>{hashlib.sha1(id_ + secret.encode()).hexdigest()}</handshake>")
        return self

    def answer(self, component, ns=CONNECT, id_="1"):
        """The header of who was dialled. It does not look at the other's."""
        self.write(f"<?xml version='1.0'?><stream:stream xmlns='{ns}' xmlns:stream='{STREAM}' from='{component}' id='{id_}'>")
        return self

    def hello(self, name, role="c2s", instance=None, version="1"):
        self.instance = instance or secrets.token_hex(8)
        self.write(f"<hello xmlns='{LINK}' version='{version}' name='{name}' role='{role}' instance='{self.instance}' features=''/>")
        return self

    def heard_hello(self):
        """The other end's instance."""
        return self.until(rb"<hello [^>]*instance='([0-9a-f]{16})'[^>]*/>")[1].decode()

    # --- frames ---

    def parse(self):
        while True:
            head = re.match(rb"\s*<route ([^>]*)>", self.buffer)
            if not head:
                return
            attributes = {k.decode(): v.decode() for k, v in re.findall(rb"([a-z]+)='([^']*)'", head[1])}
            end = head.end() + int(attributes["len"])
            if len(self.buffer) < end + 8:
                return
            assert self.buffer[end:end + 8] == b"</route>"
            self.frames.append(frame_from(attributes, self.buffer[head.end():end].decode()))
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
