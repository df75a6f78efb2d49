"""What happens in the split cluster while it is watched: people of every network log in, keep contacts and private data, talk, go away and come
back, and every process is killed once. And what of it nobody in the DMZ may ever have seen."""
import asyncio
import secrets
import ssl
import subprocess
import sys

import netsecrets
from netsecrets import secret
from netsplit import CLIENT_PORT, DOMAIN, HOSTS, PASSPHRASE
from network import ROOT

sys.path.append(str(ROOT / "tests/interop"))
import slix  # noqa: E402
from terminal import Terminal  # noqa: E402

GATES = {"alice": "gate-1", "bob": "gate-2", "carol": "core-2", "dave": "gate-2", "erin": "gate-1", "frank": "core-2"}
MECHANISMS = {"alice": "SCRAM-SHA-256", "bob": "SCRAM-SHA-1", "carol": "SCRAM-SHA-512", "frank": "SCRAM-SHA-256"}
PROCESS_OF = {"gate-1": "c2s-1", "gate-2": "c2s-2", "core-2": "c2s-3"}
ROSTER, PRIVATE, VCARD = "jabber:iq:roster", "jabber:iq:private", "vcard-temp"


class Story:
    """split: with processes that run."""

    def __init__(self, split):
        self.split = split
        self.passwords = {n: f"{n}'s password {secrets.token_hex(8)}" for n in GATES}
        self.own = {n: [f"{what} of {n} {secrets.token_hex(8)}" for what in ("contact", "note", "card")] for n in GATES}
        self.said = {}  # {(sender, recipient): body}
        self.online = {}
        for name, password in self.passwords.items():
            split.adduser(name, password)

    # --- people ---

    def login(self, name):
        c = self.split.client(name, self.passwords[name], GATES[name])
        c.login(name, MECHANISMS[name], direct_tls=name != "bob").online()
        self.online[name] = c
        return c

    def keep(self, name):
        """A contact, private data and a card, which say what nobody else may read."""
        c, (contact, note, card) = self.online[name], self.own[name]
        for words in (f"<query xmlns='{ROSTER}'><item jid='{secrets.token_hex(4)}@elsewhere.example' name='{contact}'/></query>",
                      f"<query xmlns='{PRIVATE}'><x xmlns='urn:example:note'>{note}</x></query>", f"<vCard xmlns='{VCARD}'><NOTE>{card}</NOTE></vCard>"):
            assert c.iq("set", words).get("type") == "result", words
        text = c.iq("get", f"<query xmlns='{ROSTER}'/>")[0][0].get("name")
        assert text == contact

    def say(self, sender, to):
        body = f"{sender} to {to} {secrets.token_hex(8)}"
        self.said[sender, to] = body
        self.online[sender].message(self.online[to].jid, body)
        return body

    def talk(self, *names):
        """Everybody to everybody, until all is heard."""
        for sender in names:
            for to in names:
                body = self.say(sender, to)
                self.online[to].expect("message", timeout=40, body=body)

    def leave_and_return(self, name, friend):
        """A message that waits for who is away."""
        self.online.pop(name).logout()
        body = f"for later {secrets.token_hex(8)}"
        self.said[friend, name] = body
        self.online[friend].message(f"{name}@{DOMAIN}", body).ping()
        self.login(name).expect("message", body=body)

    # --- programs that people use ---

    def profanity(self, name, to):
        """profanity, with STARTTLS: a message out and one back."""
        home = self.split.folder / "profanity"
        home.mkdir()
        friend, out, back = self.online[to], f"from profanity {secrets.token_hex(8)}", f"to profanity {secrets.token_hex(8)}"
        terminal = Terminal(home, "profanity")
        try:
            with self.split.network.internet.inside():  # what is started within is there, too
                terminal.run("profanity")
            terminal.wait("Profanity").type(f"/connect {name}@{DOMAIN} server {self.split.network.address(GATES[name])} port {CLIENT_PORT} tls trust")
            terminal.wait("Enter password").type(self.passwords[name]).wait("logged in successfully")
            terminal.type(f"/msg {friend.bare} {out}")
            friend.message(friend.expect("message", body=out).get("from"), back)
            terminal.wait(back).quit("/quit")
        finally:
            terminal.close()
        self.said.update({(name, to): out, (to, name): back})

    def slixmpp(self, name, to):
        """slixmpp, with STARTTLS, over IPv6: hears and answers. By TLS 1.2: with 1.3 it knows PLAIN alone (tests/interop/test_slixmpp.py)."""
        with self.split.network.internet.inside():  # its sockets are made while this thread is in that network
            slix.run(lambda start: self.chat(start, name, to))

    async def chat(self, start, name, to):
        client = start(slix.slixmpp.ClientXMPP(f"{name}@{DOMAIN}", self.passwords[name]))
        client.ca_certs = self.split.ca
        client.ssl_context.maximum_version = ssl.TLSVersion.TLSv1_2
        loop, friend, news = asyncio.get_running_loop(), self.online[to], asyncio.Event()
        client.add_event_handler("session_start", lambda _: news.set())
        client.add_event_handler("message", lambda m: m.reply(f"re: {m['body']}").send())
        client.connect((self.split.network.address(GATES[name], 6), CLIENT_PORT))
        client.default_domain = DOMAIN  # connect() takes the address for it
        await asyncio.wait_for(news.wait(), 30)
        client.send_presence()
        body = self.said[to, name] = f"{to} to {name} {secrets.token_hex(8)}"
        friend.message(client.boundjid.full, body)
        await loop.run_in_executor(None, lambda: friend.expect("message", body=f"re: {body}"))

    # --- death ---

    def kill(self, process):
        """kill -9, and starts it again, while people talk. Whoever is connected elsewhere goes on; the others come back."""
        host = self.split.host_of(process)
        lost = [n for n in self.online if PROCESS_OF[GATES[n]] == process]
        others = [n for n in self.online if n not in lost]
        host.kill(process)
        for n in lost:
            self.online.pop(n).expect_close()
        if process.startswith("c2s"):
            self.talk(*others)  # before it is back
        said = [(to, self.say(sender, to)) for sender in others for to in others]
        host.start(process)
        for to, body in said:
            self.online[to].expect("message", timeout=40, body=body)
        for n in lost:
            self.login(n)
        self.talk(*self.online)

    def processes(self):
        return [n for h in self.split.hosts.values() for n in h.names()]


# --- what is secret ----------------------------------------------------------------------------------------------------------


def of_story(story):
    """Passwords and all that is made of them nowhere; what is a user's own, and what was said, where its c2s is (in layout b in the router, too)."""
    split, found = story.split, []
    store = split.hosts["core-1"].file("/var/lib/sallyport/sm-1")
    rows = netsecrets.store_rows(store, split.folder, "SELECT jid, mechanism, secret FROM secret")
    assert len(rows) == 3 * len(GATES)
    for jid, mechanism, text in rows:
        found += netsecrets.scram_secrets(jid, story.passwords[jid.split("@")[0]], mechanism, text)
    found += [secret(f"password of {n}", p) for n, p in story.passwords.items()]
    for name, values in story.own.items():
        found += [secret(v.rsplit(" ", 1)[0], v, *seen_by(split, name)) for v in values]
    found += [secret(f"what {a} said to {b}", body, *seen_by(split, a), *seen_by(split, b)) for (a, b), body in story.said.items()]
    return found


def seen_by(split, name):
    host = GATES[name]
    places = [f"wire:{host}", f"memory:{PROCESS_OF[host]}"]
    return places if split.layout == "a" else [*places, "wire:gate-1", "memory:router-1"]


def of_plan(split):
    """Link secrets, link keys and the certificate's key where they belong; the CA's passphrase and key, and the store's keys, nowhere."""
    found = [secret("passphrase of the CA", PASSPHRASE)]
    for file in (split.out / "secrets").iterdir():
        ends = file.name.split("+")
        found.append(secret(f"link secret {file.name}", file.read_text().strip(), *places_of(split, *ends)))
    for file in (split.out / "keys").glob("*.key"):
        found += key_parts(f"link key of {file.stem}", file, *places_of(split, file.stem))
    found += key_parts("key of the CA", split.out / "ca/ca-1.key", password=PASSPHRASE)
    gates = [p for h in HOSTS for p in (f"file:{h}", *(f"memory:{n}" for n in split.hosts[h].names() if n.startswith("c2s")))]
    found += key_parts(f"key of {DOMAIN}", split.folder / "tls" / f"{DOMAIN}.key", *gates)
    rows = dict(netsecrets.store_rows(split.hosts["core-1"].file("/var/lib/sallyport/sm-1"), split.folder, "SELECT name, value FROM meta"))
    found += [secret(f"the store's {n}", bytes(rows[n])) for n in ("auth-server-secret", "adopt_key")]
    # By it the names of accounts are spread over session managers; routers need it, nobody else.
    return [*found, secret("the store's slot_key", bytes(rows["slot_key"]), *(["wire:gate-1", "memory:router-1"] if split.layout == "b" else []))]


def places_of(split, *processes):
    hosts = [split.host_of(p).name for p in processes]
    return [*(f"file:{h}" for h in hosts), *(f"memory:{p}" for p in processes)]


def key_parts(name, file, *may, password=None):
    """A private key as the lines of its file, and as the number that it is."""
    options = ["--pkcs8", "--password", password] if password else []
    told = subprocess.run(["certtool", "--key-info", *options, "--infile", str(file)], capture_output=True, text=True, check=True).stdout
    number = bytes.fromhex("".join(told.split("private key:")[1].split("\n\n")[0].split()).replace(":", ""))
    lines = [] if password else [l for l in file.read_text().splitlines() if len(l) >= 40 and not l.startswith("-")][1:-1]
    return [secret(f"{name}, the number", number.lstrip(b"\0"), *may), *(secret(f"{name}, line {i}", l, *may) for i, l in enumerate(lines))]


def marks(story):
    """What must be found where, or the search is blind: what was said there; the process's own name."""
    split = story.split
    found = {}
    for host in ("gate-1", "gate-2"):
        name = next(n for n in ("alice", "bob") if GATES[n] == host)
        found[f"wire:{host}"] = [secret(f"what {name} said to carol", story.said[name, "carol"], *seen_by(split, name), *seen_by(split, "carol"))]
        own = PROCESS_OF[host]
        found[f"file:{host}"] = [secret(f"the name of {own} in quotes", f'"{own}.example.internal"', "*")]
        found[f"memory:{own}"] = [secret(f"the name of {own}", f"{own}.example.internal", "*")]
    if split.layout == "b":
        found["memory:router-1"] = [secret("the name of router-1", "router-1.example.internal", "*")]
    return found
