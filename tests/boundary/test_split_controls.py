"""Control runs: what the tests of the boundary must catch is planted, and the same witnesses and the same checker must name it, and it alone."""
import base64
import contextlib
import json
import pathlib
import secrets
import socket
import subprocess
import sys

import pytest

from netcapture import ECHO, ICMP
from netcheck import Finding, check
from netsecrets import Search, of_memory, secret
from netsplit import Split
from network import can_run
from netwitness import Witness
from xmpp import SASL

pytestmark = pytest.mark.skipif(not can_run(), reason="needs root and namespaces")
HOLD = "import signal, sys; held = sys.stdin.buffer.read(); print('holding', flush=True); signal.pause()"
DNS_QUERY = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"


class Scene:
    """A cluster that runs, layout a, and is used by nobody: what is found is what a test plants."""

    def __init__(self):
        self.split = Split("a")
        try:
            self.gate = self.split.hosts["gate-1"]
            self.internet = self.split.network.internet
            self.address = self.split.network.address
            self.witness = Witness(self.split).start()
            self.split.start(SSLKEYLOGFILE="/var/log/sallyport/%i/tls-keys")
            self.known, self.processes = set(), {}
        except BaseException:
            self.split.close()
            raise

    @contextlib.contextmanager
    def watched(self, *leaks, has_texts=True):
        """Afterwards findings are those of what happened within; leaks: what is secret."""
        passed = self.witness.undeclared()
        yield self
        evidence = self.witness.evidence(is_last=False, has_texts=has_texts)
        evidence.texts.update({f"memory:{n}": lambda p=p: of_memory(p) for n, p in self.processes.items()})
        self.search = Search(leaks, self.split.folder) if leaks else None
        self.evidence, self.passed = evidence, self.witness.undeclared() - passed
        found = check(evidence, self.witness.declared, self.search, {})
        self.findings = [f for f in found if f not in self.known]
        self.known.update(found)

    def found(self):
        return {(f.kind, f.where) for f in self.findings}

    def dial(self, place, target, port, data=b""):
        """A TCP connection that may well come to nothing; its first packet has left."""
        with place.inside():
            s = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET)
        with s:
            s.settimeout(1)
            with contextlib.suppress(OSError):
                s.connect((target, port))
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass

    def send(self, place, target, port, data, kind=socket.SOCK_DGRAM, protocol=0):
        with place.inside():
            s = socket.socket(socket.AF_INET, kind, protocol)
        with s:
            s.sendto(data, (target, port))


@pytest.fixture(scope="module")
def scene():
    s = Scene()
    yield s
    s.split.close()


def password():
    text = f"nobody's password {secrets.token_hex(8)}"
    return secret(text, text)


def key():
    value = secrets.token_bytes(32)
    return secret(f"the key {value[:4].hex()}", value)


def test_an_honest_run_has_no_findings(scene):
    with scene.watched(password(), key()):
        scene.dial(scene.internet, scene.address("gate-1"), 5222, b"<stream:stream")
    assert scene.findings == [] and scene.passed == 0


# --- leaks -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [lambda v: v, lambda v: base64.b64encode(b"\0alice\0" + v), lambda v: b"key=" + v.hex().encode(),
                                  lambda v: b"v=" + base64.b64encode(v)], ids=["clear", "plain", "hexadecimal", "base64"])
def test_what_is_secret_is_known_in_every_form(form, tmp_path):
    for leak in (password(), key()):
        search = Search([leak, password()], tmp_path)
        assert search.find([b"something before ", form(leak.value), b" and behind"]) == {leak}


def test_what_a_process_of_the_dmz_writes_to_a_file_is_found(scene):
    leaks = password(), key()
    with scene.watched(*leaks):
        scene.gate.write("/var/tmp/planted", b"a dump: " + leaks[0].value)
        scene.gate.write("/var/log/sallyport/c2s-1/planted", b"v=" + base64.b64encode(leaks[1].value) + b"\n")
    assert set(scene.findings) == {Finding("secret", "file:gate-1", leak.name) for leak in leaks}


def test_what_goes_in_clear_over_a_declared_flow_is_found(scene):
    leaks = password(), key()
    with scene.watched(*leaks):
        scene.dial(scene.internet, scene.address("gate-1"), 5223, b"not TLS " + b" ".join(leak.value for leak in leaks))
    assert {f for f in scene.findings if f.where.startswith("wire")} == {Finding("secret", "wire:gate-1", leak.name) for leak in leaks}
    assert scene.passed == 0  # no firewall would have stopped it


def test_what_goes_under_tls_is_found(scene):
    leak = password()
    with scene.watched(leak):
        c = scene.split.client("nobody", "")
        c.direct()
        c.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{base64.b64encode(b'aa' + leak.value).decode()}</auth>").sasl_answer()
        c.close()
    assert Finding("secret", "wire:gate-1", leak.name) in scene.findings
    assert scene.found() <= {("secret", "wire:gate-1"), ("secret", "memory:c2s-1")}


def test_what_a_process_of_the_dmz_holds_in_memory_is_found(scene):
    leaks = password(), key()
    p = scene.gate.popen(sys.executable, "-c", HOLD, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with scene.watched(*leaks):
        p.stdin.write(b"".join(leak.value for leak in leaks))
        p.stdin.close()
        assert p.stdout.readline() == b"holding\n"
        scene.processes["planted"] = int(pathlib.Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text())  # below nsenter
    del scene.processes["planted"]
    p.stdout.close()
    p.kill()
    assert set(scene.findings) == {Finding("secret", "memory:planted", leak.name) for leak in leaks}


def test_tls_that_nobody_can_look_into_is_a_finding(scene):
    log = scene.gate.file("/var/log/sallyport/c2s-1/tls-keys")
    with scene.watched():
        before = log.read_text()
        c = scene.split.client("nobody", "")
        c.direct()
        c.close()
        opened = log.read_text()
        log.write_text(before)  # as if a process had written none
    log.write_text(opened)
    assert scene.found() == {("sealed", "gate-1")}


def test_a_search_that_sees_nothing_is_a_finding(scene):
    mark = secret("what must be there", secrets.token_bytes(16), "*")
    with scene.watched():
        pass
    found = check(scene.evidence, scene.witness.declared, Search([mark], scene.split.folder), {"file:gate-1": [mark]})
    assert [f for f in found if f not in scene.known] == [Finding("blind", "file:gate-1", mark.name)]


def refused(host):
    """Packets that the planned firewall of a host refused to its users, by its own counters."""
    said = json.loads(host.run("nft", "-j", "list", "chain", "inet", "sallyport", "ours"))["nftables"]
    return sum(e["counter"]["packets"] for x in said if "rule" in x for e in x["rule"]["expr"] if "counter" in e)


# --- flows -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 6])
def test_a_connection_from_the_dmz_inwards_is_found_by_every_witness(scene, version):
    with scene.watched(has_texts=False):
        scene.dial(scene.gate, scene.address("core-1", version), 5276)
    seen_by = {"rules:gate-1", "wire:gate-1", "rules:wire", "wire:core-1"}
    assert scene.found() == {(kind, where) for kind in ("inward", "undeclared") for where in seen_by}
    assert scene.passed > 0


def test_a_connection_that_the_firewall_of_its_host_stops_is_found_there(scene):
    """As the user of c2s: whoever took it over. The rules that the plan made refuse it, and count it."""
    program = f"import socket; socket.create_connection(('{scene.address('core-2')}', 5222), 5)"
    before = refused(scene.gate)
    with scene.watched(has_texts=False):
        done = scene.gate.run("setpriv", "--reuid=sallyport-c2s", "--clear-groups", sys.executable, "-c", program, check=False)
    assert done.returncode == 1 and "in create_connection" in done.stderr, done.stderr
    assert refused(scene.gate) > before
    assert scene.found() == {("inward", "rules:gate-1"), ("undeclared", "rules:gate-1")}
    assert scene.passed == 0  # it never came to the wire


def test_a_datagram_and_an_echo_inwards_are_found(scene):
    with scene.watched(has_texts=False):
        scene.send(scene.gate, scene.address("core-1"), 514, b"<13>a line for syslog")
        scene.send(scene.gate, scene.address("core-2"), 0, bytes([ECHO[ICMP], 0, 0xF7, 0xFF]) + b"\0" * 4, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    assert {f.what.split(" ")[0] for f in scene.findings if f.kind == "inward"} == {"udp", "icmp"}


def test_a_question_to_a_name_server_that_is_not_declared_is_found(scene):
    with scene.watched(has_texts=False):
        scene.send(scene.gate, "192.0.2.53", 53, DNS_QUERY)
    assert {f.kind for f in scene.findings} == {"undeclared"}
    assert {f.where for f in scene.findings} >= {"wire:gate-1", "rules:gate-1"}


def test_a_listener_that_is_not_declared_is_found_and_so_is_who_dials_it(scene):
    with scene.gate.inside():
        server = socket.create_server((scene.address("gate-1"), 8080))
    with server, scene.watched(has_texts=False):
        scene.dial(scene.internet, scene.address("gate-1"), 8080)
    assert Finding("listener", "gate-1", f"tcp {scene.address('gate-1')}:8080") in scene.findings
    assert {f.kind for f in scene.findings} == {"listener", "undeclared"}
    assert ("undeclared", "wire:gate-1") in scene.found()
