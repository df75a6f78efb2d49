"""Clients that people use, from Debian's packages, log in and talk."""
import asyncio
import pathlib
import subprocess

import pytest

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


def test_slixmpp_logs_in_sees_presence_and_talks(cluster, unique):
    import slixmpp

    names = [cluster.adduser(unique(n)) for n in ("sx-alice", "sx-bob")]

    class Chatter(slixmpp.ClientXMPP):
        def __init__(self, name, peer):
            super().__init__(f"{name}@localhost", "secret")
            self.ca_certs = cluster.ca
            self.peer = f"{peer}@localhost"
            self.got = asyncio.get_event_loop().create_future()
            self.is_seen = asyncio.get_event_loop().create_future()
            self.add_event_handler("session_start", self.begin)
            self.add_event_handler("message", lambda m: self.got.done() or self.got.set_result(m["body"]))
            self.add_event_handler("presence_available", self.on_presence)

        def on_presence(self, presence):
            if presence["from"].bare == self.peer and not self.is_seen.done():
                self.is_seen.set_result(True)

        async def begin(self, _):
            await self.get_roster()
            self.send_presence()
            self.send_presence_subscription(self.peer)

    async def talk():
        alice, bob = Chatter(names[0], names[1]), Chatter(names[1], names[0])
        for c in (alice, bob):
            c.connect((cluster.host, cluster.port), disable_starttls=False)
        await asyncio.wait_for(asyncio.gather(alice.is_seen, bob.is_seen), 30)
        alice.send_message(bob.boundjid.full, "hello Bob", mtype="chat")
        bob.send_message(alice.boundjid.bare, "hello Alice", mtype="chat")
        assert await asyncio.wait_for(bob.got, 15) == "hello Bob"
        assert await asyncio.wait_for(alice.got, 15) == "hello Alice"
        for c in (alice, bob):
            await c.disconnect()

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(talk())
    loop.close()


def test_a_libstrophe_program_talks_to_itself(cluster, unique, tmp_path):
    name = cluster.adduser(unique("strophe"))
    program = tmp_path / "strophe_client"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libstrophe"], capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["gcc", "-o", program, HERE / "strophe_client.c", *flags], check=True)
    done = subprocess.run([program, f"{name}@localhost", "secret", cluster.host, str(cluster.port), cluster.ca], capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("direct", [False, True])
def test_go_sendxmpp_sends_a_message(cluster, unique, direct, tmp_path):
    name, bob = cluster.adduser(unique("go")), cluster.online(unique("bob"))
    port = cluster.tls_port if direct else cluster.port
    done = subprocess.run(["go-sendxmpp", "-u", f"{name}@localhost", "-p", "secret", "-j", f"localhost:{port}", "-n", *(["-t"] if direct else []), bob.bare],
                          input="hello from go", capture_output=True, text=True, timeout=40, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    got = bob.expect("message")
    assert "hello from go" in got.findtext("{jabber:client}body")


def test_profanity_chats(cluster, unique, terminal):
    name, bob = cluster.adduser(unique("prof")), cluster.online(unique("bob"))
    t = terminal("profanity").run("profanity")
    t.wait("Profanity")
    t.type(f"/connect {name}@localhost server {cluster.host} port {cluster.port} tls trust")
    t.wait("Enter password").type("secret").wait("logged in successfully")
    t.type(f"/msg {bob.bare} hello from profanity")
    got = bob.expect("message", body="hello from profanity")
    bob.message(got.get("from"), "hello profanity")
    t.wait("hello profanity")
    t.type("/quit")


def test_mcabber_chats(cluster, unique, terminal, tmp_path):
    name, bob = cluster.adduser(unique("mca")), cluster.online(unique("bob"))
    rc = tmp_path / "mcabberrc"
    rc.write_text(f"set jid = {name}@localhost\nset password = secret\nset server = {cluster.host}\nset port = {cluster.port}\n"
                  "set tls = 1\nset ssl_ignore_checks = 1\nset logging = 0\nset disable_random_resource = 1\n")
    rc.chmod(0o600)
    t = terminal("mcabber").run(f"mcabber -f {rc}")
    t.wait("You are now authenticated")
    t.type(f"/say_to {bob.bare} hello from mcabber")
    got = bob.expect("message", body="hello from mcabber")
    bob.message(got.get("from"), "hello mcabber")
    t.type("/roster search bob")
    t.wait("hello mcabber")
    t.type("/quit")


def test_biboumi_attaches_and_is_reached(cluster, unique, tmp_path):
    conf = tmp_path / "biboumi.cfg"
    conf.write_text(f"hostname={cluster.component}\npassword={cluster.component_secret}\nxmpp_server_ip={cluster.host}\nport={cluster.component_port}\n"
                    f"db_name={tmp_path}/biboumi.sqlite\nlog_file={tmp_path}/biboumi.log\nlog_level=0\nidentd_port=0\n")
    alice = cluster.online(unique("alice"))
    with subprocess.Popen(["biboumi", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            cluster.wait_log("router-1", "component up")
            answer = alice.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=cluster.component)
            assert answer.get("type") == "result"
            assert "Biboumi" in [i.get("name") or "" for i in answer[0]][0]
        finally:
            process.terminate()
            process.wait(10)
