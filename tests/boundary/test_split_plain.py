"""Where a domain turns PLAIN on through the DMZ, passwords cross it, and so they do when they are changed in band (XEP-0077); what remains of them
there afterwards is nothing: not in files, not in memory."""
import base64
import secrets

import pytest

from netsecrets import Search, of_memory, of_tree, secret
from netsplit import DOMAIN, Split
from network import can_run
from xmpp import SASL, local

pytestmark = pytest.mark.skipif(not can_run(), reason="needs root and namespaces")
PIECE = 12  # bytes: so little of a password that is left over is found


def plain(name, password):
    return f"<auth xmlns='{SASL}' mechanism='PLAIN'>{base64.b64encode(f'{chr(0)}{name}{chr(0)}{password}'.encode()).decode()}</auth>"


def pieces(name, password):
    """A password in pieces, and the base64 of PLAIN in pieces: what was written over in part is found, too."""
    account = name.split()[0]
    text64 = base64.b64encode(f"\0{account}\0{password}".encode()).decode()[len(account) * 2:].rstrip("=")
    texts = [("", password), ("base64 ", text64)]
    return [secret(f"{name}'s {kind}piece {i}", text[i:i + PIECE]) for kind, text in texts for i in range(0, len(text) - PIECE, PIECE)]


class People:
    def __init__(self, split):
        self.split, self.passwords = split, {}

    def add(self, name, is_account=True):
        self.passwords[name] = secrets.token_urlsafe(60)
        if is_account:
            self.split.adduser(name, self.passwords[name])

    def change(self, name, client):
        """In band, and a login with the new one."""
        new = secrets.token_urlsafe(60)
        words = f"<query xmlns='jabber:iq:register'><username>{name}</username><password>{new}</password></query>"
        assert client.iq("set", words, to=DOMAIN).get("type") == "result"
        self.passwords[f"{name} again"] = new
        self.split.client(name, new, "gate-2").login("again", "PLAIN").logout()

    def client(self, name, host):
        return self.split.client(name, self.passwords[name], host)

    def go_sendxmpp(self, name, to):
        """It knows PLAIN alone."""
        command = ["go-sendxmpp", "-u", f"{name}@{DOMAIN}", "-p", self.passwords[name], "-j", f"{self.split.network.address('gate-1')}:5223", "-t", "-n", to.bare]
        self.split.network.internet.run("env", f"HOME={self.split.folder}", *command, input="hello from go", timeout=40)
        to.expect(lambda el: "hello from go" in (el.findtext("{jabber:client}body") or ""))


@pytest.fixture(scope="module", params=["a", "b"])
def used(request):
    """A cluster through which people logged in by PLAIN: with STARTTLS and without, in one element and in two, with a wrong password, by a real client."""
    with Split(request.param, domain='mechanisms_dmz = {"SCRAM-SHA-256", "PLAIN"}') as split:
        split.start()
        people = People(split)
        for name in ("alice", "bob", "carol", "dave"):
            people.add(name)
        people.add("mallory", is_account=False)
        alice = people.client("alice", "gate-1").login("a", "PLAIN", direct_tls=False).online()
        bob = people.client("bob", "gate-2").login("b", "PLAIN").online()
        carol = people.client("carol", "gate-1")
        carol.direct()
        words = plain("carol", carol.password)
        carol.send(words[:-20])
        alice.ping()  # the first part has been read
        assert local(carol.send(words[-20:]).sasl_answer()) == "success"
        mallory = people.client("mallory", "gate-1")
        mallory.direct()
        assert local(mallory.auth_plain()) == "failure"
        people.go_sendxmpp("dave", alice)
        people.change("bob", bob)
        alice.message(bob.jid, "hello")
        bob.expect("message", body="hello")
        alice.ping()
        bob.ping()
        yield people


def test_no_piece_of_a_password_is_left_in_the_dmz(used, tmp_path):
    known = [p for name, password in used.passwords.items() for p in pieces(name, password)]
    mark = secret("a name of the cluster", "example.internal")
    search, found = Search([*known, mark], tmp_path), {}
    for host in (h for h in used.split.hosts.values() if h.zone == "dmz"):
        found[host.name] = search.find(of_tree(host.root))
        found.update({n: search.find(of_memory(p)) for n, p in host.pids().items()})
    assert all(mark in f for f in found.values())  # the search sees something
    assert not {where: names for where, f in found.items() if (names := sorted(s.name for s in f - {mark}))}
