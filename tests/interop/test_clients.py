"""Clients that people use, from Debian's packages, log in and talk. slixmpp has a file of its own."""
import pathlib
import subprocess

import pytest

from steps import interested, state
from terminal import Terminal

HERE = pathlib.Path(__file__).parent


@pytest.fixture
def terminal(tmp_path):
    made = []

    def make(name):
        made.append(Terminal(tmp_path, name))
        return made[-1]

    yield make
    for t in made:
        t.close()


def test_a_libstrophe_program_talks_to_itself(cluster, unique, tmp_path):
    name = cluster.adduser(unique("strophe"))
    program = tmp_path / "strophe_client"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libstrophe"], capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["gcc", "-o", program, HERE / "strophe_client.c", *flags], check=True)
    done = subprocess.run([program, f"{name}@localhost", "secret", cluster.host, str(cluster.port), cluster.ca], capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stderr[-3000:]
    assert cluster.events("sm-1", "login", account=f"{name}@localhost")[-1]["mechanism"] == "SCRAM-SHA-512"


@pytest.mark.parametrize("direct", [False, True], ids=["starttls", "direct-tls"])
def test_go_sendxmpp_sends_a_message(cluster, unique, direct, tmp_path):
    name, bob = cluster.adduser(unique("go")), cluster.online(unique("bob"))
    port = cluster.tls_port if direct else cluster.port
    command = ["go-sendxmpp", "-u", f"{name}@localhost", "-p", "secret", "-j", f"localhost:{port}", "-n", *(["-t"] if direct else []), bob.bare]
    done = subprocess.run(command, input="hello from go", capture_output=True, text=True, timeout=40,
                          env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    got = bob.expect("message")
    assert "hello from go" in got.findtext("{jabber:client}body")
    assert got.get("from").startswith(f"{name}@localhost/")


def profanity(cluster, terminal, name):
    t = terminal("profanity").run("profanity").wait("Profanity")
    t.type(f"/connect {name}@localhost server {cluster.host} port {cluster.port} tls trust")
    t.wait("Enter password").type("secret").wait("logged in successfully")
    return t


def test_profanity_chats(cluster, unique, terminal):
    name, bob = cluster.adduser(unique("prof")), cluster.online(unique("bob"))
    t = profanity(cluster, terminal, name)
    assert cluster.events("sm-1", "login", account=f"{name}@localhost")[-1]["mechanism"] == "SCRAM-SHA-512"
    t.type(f"/msg {bob.bare} hello from profanity")
    got = bob.expect("message", body="hello from profanity")
    bob.message(got.get("from"), "hello to you")
    t.wait("hello to you")
    t.quit("/quit")


def test_profanity_adds_a_contact_and_both_see_each_other(cluster, unique, terminal):
    name, bob = cluster.adduser(unique("prof")), interested(cluster, unique("bob"), "desk")
    t = profanity(cluster, terminal, name)
    prof = f"{name}@localhost"
    t.type(f"/roster add {bob.bare} Bobby").wait(f"Roster item added: {bob.bare} (Bobby)")
    t.type(f"/sub request {bob.bare}")
    bob.expect("presence", type="subscribe", from_=prof)
    bob.presence(type="subscribed", to=prof).presence(type="subscribe", to=prof)
    t.wait("Bobby (desk) is online").wait("Received authorization request")
    t.type(f"/sub allow {bob.bare}")
    bob.expect("presence", type="subscribed", from_=prof)
    jid = bob.expect(lambda el: el.tag.endswith("presence") and el.get("from", "").startswith(prof + "/") and not el.get("type")).get("from")
    assert state(bob, prof) == ("both", None)
    t.type('/status set away "gone for lunch"')
    bob.expect("presence", from_=jid, show="away", status="gone for lunch")
    bob.presence("<show>dnd</show><status>busy here</status>")
    t.wait('Bobby (desk) is dnd, "busy here"')
    t.quit("/quit")
    bob.expect("presence", from_=jid, type="unavailable")


def test_mcabber_chats(cluster, unique, terminal, tmp_path):
    name, bob = cluster.adduser(unique("mca")), cluster.online(unique("bob"))
    rc = tmp_path / "mcabberrc"
    rc.write_text(f"set jid = {name}@localhost\nset password = secret\nset server = {cluster.host}\nset port = {cluster.port}\n"
                  "set tls = 1\nset ssl_ignore_checks = 1\nset logging = 0\nset disable_random_resource = 1\n")
    rc.chmod(0o600)
    t = terminal("mcabber").run(f"mcabber -f {rc}").wait("Your status has been set")
    t.type(f"/say_to {bob.bare} hello from mcabber")
    got = bob.expect("message", body="hello from mcabber")
    assert got.get("from") == f"{name}@localhost/mcabber"
    bob.message(got.get("from"), "hello to you")
    t.type("").wait("hello to you")  # chat mode shows the buffer
    t.quit("/quit")


def test_profanity_shows_what_the_other_client_of_its_account_hears_and_says(cluster, unique, terminal):
    """XEP-0280."""
    name, bob = cluster.adduser(unique("prof")), cluster.online(unique("bob"))
    desk = cluster.online(name, "desk", -1)
    t = profanity(cluster, terminal, name)
    t.type("/carbons on").wait("carbons preference enabled")
    t.type(f"/msg {bob.bare} hello from profanity")
    bob.expect("message", body="hello from profanity")
    bob.message(desk.jid, "for the desk alone")
    t.wait("for the desk alone")
    desk.message(bob.bare, "from the desk")
    t.wait("from the desk")
    t.quit("/quit")
