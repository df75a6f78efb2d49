"""A hostile connection manager and client certificates (deploy/SECURITY.md): what it can do where EXTERNAL is allowed through it, which is all that rests on its
word, and what it cannot even there. Its chains are PEM in the facts of a connection (proto/LINK.md)."""
import base64
import re
import shutil

import pytest

from authority import DAY, SERVER, Authority, b64, now, write
from cluster import Cluster
from hostile import LINK, Attacker, name_of
from xmpp import SASL


class Stage:
    """c2s-2 is the attacker's; c2s-1 serves bystanders. Whether EXTERNAL is allowed through c2s-2 is the test's to say."""

    def __init__(self, folder):
        self.ca, self.foreign, self.crl = Authority(folder), Authority(folder, "Foreign CA"), folder / "sm.crl"
        write(self.crl, self.ca.crl())
        self.cluster = Cluster("--c2s", "2", "--links", "tls", "--set", f'c2s:client_ca = "{self.ca.file}"')
        self.conf = self.cluster.folder / "conf" / "sm-1.conf"
        text = re.sub(r"(?m)^inside = .*$", 'inside = {"c2s-1.cluster.internal"}', self.conf.read_text())
        keys = f'    external_ca = "{self.ca.file}"\n    external_crl = {{"{self.crl}"}}\n'
        self.plain = text.replace('host "localhost" {\n', 'host "localhost" {\n' + keys)
        self.conf.write_text(self.plain)
        self.cluster.kill("sm-1")
        self.cluster.start("sm-1")
        self.cluster.kill("c2s-2")
        self.bystander = self.cluster.online("bystander", "desk")
        self.cluster.adduser("alice")
        self.a = Attacker(self.cluster)

    def allow(self, is_allowed):
        keys = '    mechanisms_dmz = {"EXTERNAL", "SCRAM-SHA-256"}\n' if is_allowed else ""
        self.conf.write_text(self.plain.replace('host "localhost" {\n', 'host "localhost" {\n' + keys))
        assert self.cluster.ctl("sm-1", "reload").returncode == 0

    def open(self, chain):
        """A connection with this chain, and what the session manager offers on it."""
        conn = self.a.connection()
        return conn, self.a.open(conn, inner=f"<chain>{chain}</chain>").payload

    def try_it(self, conn, authzid=""):
        self.a.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{b64(authzid)}</auth>", conn)
        return self.a.link().expect(lambda f: f.to == conn).payload

    def close(self):
        self.a.close()
        self.cluster.down()


@pytest.fixture(scope="module")
def whole_stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("external")
    made = Stage(folder)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def stage(whole_stage):
    whole_stage.allow(True)
    yield whole_stage
    whole_stage.bystander.ping()  # nobody noticed
    assert not whole_stage.bystander.backlog


def certificate(stage, **options):
    return stage.ca.issue("alice@localhost", **options).pem.decode()


def test_a_certificate_that_is_public_is_enough_where_external_is_allowed_through_it(stage):
    """The documented limit: only c2s sees the proof."""
    conn, features = stage.open(certificate(stage))
    assert "<mechanism>EXTERNAL<" in features
    stage.a.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>", conn)
    assert stage.a.link().expect(lambda f: f.to == conn and f.s).payload.startswith("<success")


def test_and_is_worth_nothing_through_a_dmz(stage):
    stage.allow(False)
    at = len(stage.cluster.audit("sm-1"))
    conn, features = stage.open(certificate(stage))
    assert "EXTERNAL" not in features
    assert "<invalid-mechanism/>" in stage.try_it(conn)
    stage.cluster.wait_event("sm-1", "login-refused", since=at, mechanism="EXTERNAL", c2s=name_of("c2s-2"))
    assert not stage.cluster.events("sm-1", "client-certificate-refused", since=at)  # it was not looked at


ROWS = {
    "another authority": (lambda s: s.foreign.issue("alice@localhost").pem.decode(), "the certificate's issuer is not known"),
    "expired": (lambda s: certificate(s, begin=now() - 9 * DAY, end=now() - DAY), "the certificate has expired"),
    "not valid yet": (lambda s: certificate(s, begin=now() + DAY), "the certificate is not valid yet"),
    "a server's": (lambda s: certificate(s, purposes=[SERVER]), "the certificate is for another purpose"),
    "the authority itself": (lambda s: s.ca.pem.decode(), None),
    "a self-made one below an authority that never signed it": (lambda s: forged(s), None),
    "a name alone": (lambda s: "alice@localhost", "the chain cannot be read"),
    "garbage in PEM": (lambda s: "-----BEGIN CERTIFICATE-----\n" + base64.b64encode(b"\x30\x82\xff\xff" + b"A" * 300).decode()
                       + "\n-----END CERTIFICATE-----\n", "the chain cannot be read"),
    "empty": (lambda s: "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "the chain cannot be read"),
    "a changed byte": (lambda s: changed(certificate(s)), None),
    "nine of them": (lambda s: certificate(s) * 9, "the chain cannot be read"),
}


def forged(stage):
    """The authority's name, and another's signature; and its own certificate behind it."""
    impostor = Authority(stage.ca.folder, "Impostor")
    impostor.subject = stage.ca.subject
    return impostor.issue("alice@localhost").pem.decode() + stage.ca.pem.decode()


def changed(pem):
    """In the signature, which is last."""
    head, body, tail = re.match(r"(-----[^-]+-----\n)(.*)(\n-----END.*)", pem, re.S).groups()
    der = bytearray(base64.b64decode(body))
    der[-1] ^= 1
    return head + base64.b64encode(bytes(der)).decode() + tail


@pytest.mark.parametrize("name", ROWS)
def test_a_chain_that_does_not_verify_opens_nothing(stage, name):
    make, reason = ROWS[name]
    at = len(stage.cluster.audit("sm-1"))
    conn, features = stage.open(make(stage))
    assert "<stream:features" in features and "EXTERNAL" not in features
    assert "<invalid-mechanism/>" in stage.try_it(conn, "alice@localhost")
    event = stage.cluster.wait_event("sm-1", "client-certificate-refused", since=at, c2s=name_of("c2s-2"), host="localhost")
    assert reason in (None, event["reason"])


def test_revoked_inside_whatever_it_says(stage):
    issued = stage.ca.issue("alice@localhost")
    conn, features = stage.open(issued.pem.decode())
    assert "EXTERNAL" in features
    write(stage.crl, stage.ca.crl(issued))
    assert "<not-authorized/>" in stage.try_it(conn)
    assert "EXTERNAL" not in stage.open(issued.pem.decode())[1]


def test_somebody_else_s_account_is_invalid(stage):
    conn, _ = stage.open(certificate(stage))
    assert "<invalid-authzid/>" in stage.try_it(conn, "bystander@localhost")


@pytest.mark.parametrize("kib", [25, 900])
def test_a_chain_above_its_limit_is_no_fact(stage, kib):
    at = len(stage.cluster.audit("sm-1"))
    conn = stage.a.connection()
    stage.a.send(f"<open xmlns='{LINK}' host='localhost' addr='192.0.2.7:1' tls='1.3'><chain>{'A' * kib * 1024}</chain></open>", conn)
    stage.cluster.wait_audit("sm-1", "frame-refused", "malformed or too large", since=at)


def test_another_chain_on_the_same_connection_is_refused(stage):
    at = len(stage.cluster.audit("sm-1"))
    conn, _ = stage.open("none")
    stage.a.send(f"<open xmlns='{LINK}' host='localhost' addr='192.0.2.7:4711' tls='1.3' cipher='TLS_AES_256_GCM_SHA384'>"
                 f"<chain>{certificate(stage)}</chain></open>", conn)
    stage.cluster.wait_audit("sm-1", "frame-refused", "other facts", since=at)
    assert "<invalid-mechanism/>" in stage.try_it(conn)


def test_without_tls_a_chain_is_nothing(stage):
    conn = stage.a.connection()
    answer = stage.a.open(conn, tls=None, cipher=None, inner=f"<chain>{certificate(stage)}</chain>").payload
    assert "EXTERNAL" not in answer
    assert "<success" not in stage.try_it(conn)


def test_it_may_not_begin_before_it_is_offered(stage):
    """As nobody honest does: while the certificate is still being looked at."""
    for _ in range(20):
        conn = stage.a.connection()
        text = f"<open xmlns='{LINK}' host='localhost' addr='192.0.2.7:4711' tls='1.3'><chain>{certificate(stage)}</chain></open>"
        stage.a.send(text, conn)
        stage.a.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>", conn)
        stage.a.send(f"<end xmlns='{LINK}' why='lost'/>", conn)
    stage.a.barrier()
