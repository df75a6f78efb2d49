"""A plain XMPP client for tests: it sends exactly the bytes that a test says and waits for what the test expects.

Blocking sockets with deadlines; no threads. Real clients are tested in tests/interop; this one is for what they would never send.
"""
import base64
import hashlib
import hmac
import itertools
import secrets
import socket
import ssl
import time
import xml.etree.ElementTree as ET

CLIENT = "jabber:client"
STREAM = "http://etherx.jabber.org/streams"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
ROSTER = "jabber:iq:roster"
DEADLINE = 15.0
_ids = itertools.count(1)


class Closed(Exception):
    """The server ended the connection before what was expected came."""


def q(ns, name):
    return f"{{{ns}}}{name}"


def local(el):
    return el.tag.rsplit("}", 1)[-1]


def show(el):
    return ET.tostring(el, encoding="unicode")


class Client:
    """One connection. `jid` is full once bound."""

    def __init__(self, host, port, tls_port=None, ca=None, domain="localhost", name=None, password=None, family=socket.AF_INET):
        self.host, self.port, self.tls_port, self.ca, self.domain = host, port, tls_port, ca, domain
        self.name, self.password, self.family = name, password, family
        self.sock = None
        self.source = None  # the address that it connects from, where not any
        self.jid = None
        self.backlog = []
        self.header = None
        self.is_ended = False  # </stream:stream> was seen
        self.is_closed = False  # the socket is at its end

    # --- bytes ---

    @property
    def bare(self):
        return f"{self.name}@{self.domain}"

    def connect(self, direct_tls=False, alpn=("xmpp-client",), sni=None):
        self.sock = socket.create_connection((self.host, self.tls_port if direct_tls else self.port), DEADLINE,
                                             source_address=(self.source, 0) if self.source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if direct_tls:
            self.start_tls(alpn, sni)
        return self

    def tls_context(self, alpn=None):
        context = ssl.create_default_context(cafile=self.ca)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    def start_tls(self, alpn=None, sni=None, context=None):
        context = context or self.tls_context(alpn)
        self.sock = context.wrap_socket(self.sock, server_hostname=sni or self.domain)
        return self

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)
        return self

    def reset_parser(self):
        self.parser = ET.XMLPullParser(events=("start", "end"))
        self.depth = 0
        self.root = None
        self.is_ended = False

    def _feed(self, data):
        self.parser.feed(data)
        for event, el in self.parser.read_events():
            if event == "start":
                self.depth += 1
                if self.depth == 1:
                    self.root = self.header = el
            else:
                self.depth -= 1
                if self.depth == 1:
                    self.root.remove(el)
                    self.backlog.append(el)
                elif self.depth == 0:
                    self.is_ended = True

    def read_some(self, deadline):
        """Reads what there is, waiting until deadline. Raises socket.timeout or Closed."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("deadline")
        if self.is_closed:
            raise Closed("the connection is closed")
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError, BrokenPipeError):
            data = b""
        if not data:
            self.is_closed = True
            raise Closed("the connection is closed")
        self._feed(data)

    # --- streams ---

    def open(self, to=None, **attributes):
        """Sends a stream header and waits for the server's; returns its root element."""
        self.reset_parser()
        self.header = None
        extra = "".join(f" {k.replace('_', ':')}='{v}'" for k, v in attributes.items())
        self.send(f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='{STREAM}' "
                  f"to='{to or self.domain}' version='1.0'{extra}>")
        return self.wait_header()

    def wait_header(self, timeout=DEADLINE):
        deadline = time.monotonic() + timeout
        while self.header is None:
            self.read_some(deadline)
        return self.header

    def features(self):
        return self.expect(q(STREAM, "features"))

    def secure(self):
        """Connects, upgrades with STARTTLS and opens the stream under TLS; returns the features."""
        self.connect()
        self.open()
        self.features()
        self.send(f"<starttls xmlns='{TLS}'/>")
        self.expect(q(TLS, "proceed"))
        self.start_tls()
        self.open()
        return self.features()

    def direct(self):
        self.connect(direct_tls=True)
        self.open()
        return self.features()

    def auth_plain(self, name=None, password=None, authzid=""):
        text = f"{authzid}\0{name or self.name}\0{password if password is not None else self.password}"
        self.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{base64.b64encode(text.encode()).decode()}</auth>")
        return self.sasl_answer()

    def sasl_answer(self):
        return self.expect(lambda el: el.tag.startswith(f"{{{SASL}}}"))

    def auth_scram(self, mechanism="SCRAM-SHA-256", name=None, password=None, cb_type=None, cb_data=b"", flag=None):
        """A whole SCRAM exchange (RFC 5802); checks the server's signature. Returns the last element."""
        digest = mechanism.replace("-PLUS", "")[6:].lower().replace("-", "")
        name, password = name or self.name, password if password is not None else self.password
        gs2 = (flag or (f"p={cb_type}" if cb_type else "n")) + ",,"
        nonce = secrets.token_urlsafe(18)
        first = f"n={name.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
        b64 = lambda data: base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()
        self.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{b64(gs2 + first)}</auth>")
        answer = self.sasl_answer()
        if local(answer) != "challenge":
            return answer
        server_first = base64.b64decode(answer.text).decode()
        fields = dict(part.split("=", 1) for part in server_first.split(","))
        assert fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce)
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        mac = lambda key, text: hmac.new(key, text.encode(), digest).digest()
        client_key = mac(salted, "Client Key")
        final = f"c={b64(gs2.encode() + cb_data)},r={fields['r']}"
        signed = f"{first},{server_first},{final}"
        signature = mac(hashlib.new(digest, client_key).digest(), signed)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.send(f"<response xmlns='{SASL}'>{b64(final + ',p=' + b64(proof))}</response>")
        answer = self.sasl_answer()
        if local(answer) == "success":
            server_key = mac(salted, "Server Key")
            assert base64.b64decode(answer.text or "") == b"v=" + base64.b64encode(mac(server_key, signed))
        return answer

    def authenticate(self, mechanism="PLAIN"):
        answer = self.auth_plain() if mechanism == "PLAIN" else self.auth_scram(mechanism)
        assert local(answer) == "success", show(answer)
        self.open()
        return self.features()

    def bind(self, resource=None):
        wanted = f"<resource>{resource}</resource>" if resource else ""
        answer = self.iq("set", f"<bind xmlns='{BIND}'>{wanted}</bind>")
        assert answer.get("type") == "result", show(answer)
        self.jid = answer.find(f"{q(BIND, 'bind')}/{q(BIND, 'jid')}").text
        return self.jid

    def login(self, resource=None, mechanism="PLAIN", direct_tls=True):
        """From nothing to a bound resource, without presence."""
        self.direct() if direct_tls else self.secure()
        self.authenticate(mechanism)
        self.bind(resource)
        return self

    def online(self, priority=None):
        """Initial presence, and waits for its own echo (RFC 6121 §4.2.2), so that it is known to be through."""
        self.presence(f"<priority>{priority}</priority>" if priority is not None else "")
        self.expect(q(CLIENT, "presence"), from_=self.jid, type=None)
        return self

    def roster(self):
        return self.iq("get", f"<query xmlns='{ROSTER}'/>").find(q(ROSTER, "query"))

    # --- stanzas ---

    def presence(self, inner="", type=None, to=None):
        attributes = (f" type='{type}'" if type else "") + (f" to='{to}'" if to else "")
        return self.send(f"<presence{attributes}>{inner}</presence>")

    def message(self, to, body, type="chat", id=None, inner=""):
        return self.send(f"<message to='{to}' type='{type}' id='{id or next(_ids)}'><body>{body}</body>{inner}</message>")

    def iq(self, type, inner, to=None, timeout=DEADLINE):
        """Sends an iq and waits for its answer."""
        id = f"iq{next(_ids)}"
        self.send(f"<iq type='{type}' id='{id}'" + (f" to='{to}'" if to else "") + f">{inner}</iq>")
        return self.expect(q(CLIENT, "iq"), id=id, timeout=timeout)

    def ping(self):
        """Returns when everything that was sent before has been handled and its consequences for us have come."""
        return self.iq("get", "<ping xmlns='urn:xmpp:ping'/>")

    # --- waiting ---

    @staticmethod
    def matcher(what, attributes):
        def is_match(el):
            if callable(what) and not what(el):
                return False
            if isinstance(what, str) and el.tag != what and local(el) != what:
                return False
            for key, value in attributes.items():
                key = key.rstrip("_")
                found = el.findtext(q(CLIENT, key)) if key in ("body", "show", "status", "subject") else el.get(key)
                if found != value:
                    return False
            return True
        return is_match

    def expect(self, what=None, timeout=DEADLINE, **attributes):
        """The first element not yet taken that fits, waiting for it; others stay. what: a tag ("message" or "{ns}name") or a predicate.
        Attributes are compared (from_='…'; None: must be absent); body, show, status and subject are children."""
        is_match = self.matcher(what, attributes)
        deadline = time.monotonic() + timeout
        while True:
            for i, el in enumerate(self.backlog):
                if is_match(el):
                    return self.backlog.pop(i)
            try:
                self.read_some(deadline)
            except (socket.timeout, Closed) as e:
                raise AssertionError(f"expected {what} {attributes}: {e}; there is: {[show(b) for b in self.backlog]}") from None

    def expect_none(self, what=None, **attributes):
        """Nothing like it has come when everything sent so far is handled."""
        self.ping()
        is_match = self.matcher(what, attributes)
        found = [show(el) for el in self.backlog if is_match(el)]
        assert not found, found

    def expect_stream_error(self, condition, timeout=DEADLINE):
        """The stream error of RFC 6120 §4.9.3 with this name, then the end of stream and connection."""
        error = self.expect(q(STREAM, "error"), timeout=timeout)
        assert error.find(q(STREAM_ERRORS, condition)) is not None, show(error)
        self.expect_close(timeout)
        assert self.is_ended, "</stream:stream> is missing"

    def expect_close(self, timeout=DEADLINE):
        deadline = time.monotonic() + timeout
        try:
            while True:
                self.read_some(deadline)
        except Closed:
            pass
        except socket.timeout:
            raise AssertionError("the connection is still open") from None

    def logout(self):
        """Ends the stream in order and waits for the server's end."""
        try:
            self.send("</stream:stream>")
            self.expect_close()
        except (OSError, AssertionError):
            pass
        self.close()

    def close(self):
        """Drops the connection without a word."""
        if self.sock:
            self.sock.close()
            self.sock = None


def error_of(stanza):
    """(type, condition) of an error stanza."""
    assert stanza.get("type") == "error", show(stanza)
    error = stanza.find(q(CLIENT, "error"))
    names = [local(c) for c in error if c.tag.startswith(f"{{{STANZA_ERRORS}}}") and local(c) != "text"]
    return error.get("type"), names[0]
