"""A hostile router in the DMZ (layout b): it has the certificate, the key and the secrets of the only router. It is trusted with what crosses it, so it can do
much (deploy/SECURITY.md); here is what it cannot, toward a session manager. What it cannot toward c2s is tests/e2e/test_gate.py."""
import secrets
import select
import socket
import threading
import time

import pytest

from hostile import Place, Watch, name_of, open_text
from link import ACCEPT, LINK, Wire, frame_text

SM, C2S1, ROUTER = name_of("sm-1"), name_of("c2s-1"), name_of("router-1")
CLIENT = "xmlns='jabber:client'"


class Router:
    """In the place of router-1: whoever dials it is let in; the link of the session manager is what tests use."""

    def __init__(self, cluster):
        self.cluster, place = cluster, Place(cluster, "router-1")
        port = place.link_port("router-1")
        cluster.kill("router-1")
        self.listener = socket.create_server(("127.0.0.1", port))
        self.context, self.instance, self.links = place.context(is_server=True), secrets.token_hex(8), {}
        while not {SM, C2S1} <= set(self.links):
            self.let_in()
        self.sm = self.links[SM]
        self.peers(f"<peer name='{C2S1}' role='c2s' instance='{self.links[C2S1].instance}' up='1'/>")
        self.sm.expect("<hosts ")

    def let_in(self):
        self.listener.settimeout(15)
        w = Wire(self.context.wrap_socket(self.listener.accept()[0], server_side=True))
        name = w.until(rb"<stream:stream[^>]* to='([^']*)'[^>]*>")[1].decode()
        w.answer(name, ACCEPT)
        w.until(rb"<handshake>[0-9a-f]+</handshake>")
        w.write("<handshake/>")
        w.hello(ROUTER, "router", self.instance)
        w.instance = w.heard_hello()
        self.links[name] = w

    def send(self, payload, sender=ROUTER, to=SM, **attributes):
        assert self.sm.write(frame_text(to, sender, payload, **attributes))

    def peers(self, inner, all_=False):
        self.send(f"<peers xmlns='{LINK}'{' all=' + chr(39) + '1' + chr(39) if all_ else ''}>{inner}</peers>")

    def connection(self):
        return f"{C2S1}/{self.links[C2S1].instance}-{time.monotonic_ns()}"

    def barrier(self):
        """The session manager serves a connection: it has handled what came before, and is well."""
        conn = self.connection()
        self.send(open_text(self.cluster.domain), conn)
        self.sm.expect(lambda f: f.to == conn and f.payload.startswith("<stream:features"))

    def close(self):
        """For the second time too."""
        for w in (*self.links.values(), self.listener):
            w.close()


@pytest.fixture(scope="module")
def router():
    from cluster import Cluster
    c = Cluster("--links", "tls", "--layout", "b")
    c.adduser("alice")
    r = Router(c)
    yield r
    r.close()
    c.start("router-1")
    c.online("alice").ping()
    c.down()


def adopt(r, expires=20, mac="0" * 64):
    r.peers(f"<peer name='sm-9.evil' role='sm' instance='{'1' * 16}' up='1'/>")
    r.send(f"<adopt xmlns='{LINK}' account='alice@localhost' c2s='{C2S1}' conn='{r.links[C2S1].instance}-1' mechanism='PLAIN' e='1' "
           f"nonce='{secrets.token_hex(16)}' expires='{int(time.time()) + expires}' mac='{mac}'/>", "sm-9.evil")


def of_component(r):
    """The router calls a hosted domain a component's, and speaks for an account."""
    r.peers("<peer name='localhost' role='component' up='1'/>")
    r.send(f"<message {CLIENT} from='bob@localhost' to='alice@localhost'><body>x</body></message>", "bob@localhost", "alice@localhost")


def other_addresses(r):
    r.peers("<peer name='comp.localhost' role='component' up='1'/>")
    r.send(f"<message {CLIENT} from='bob@localhost' to='alice@localhost'/>", "bot@comp.localhost", "alice@localhost")


def names(r):
    """More names than there can be."""
    for i in range(20):
        r.peers("".join(f"<peer name='c{i}-{k}.evil' role='c2s' instance='{'1' * 16}' up='1'/>" for k in range(1000)))
    r.peers(f"<peer name='{C2S1}' role='c2s' instance='{r.links[C2S1].instance}' up='1'/>", all_=True)


VIOLATIONS, DROPPED = "sallyport_sm_violations_total", "sallyport_sm_frames_dropped_total"
ATTACKS = [
    ("a forged adopt", adopt, "sallyport_sm_adopt_refused_total", ("policy-violation", "adopt")),
    ("an adopt that has expired", lambda r: adopt(r, -100), "sallyport_sm_adopt_refused_total", ("policy-violation", "adopt")),
    ("an account of a domain that it calls a component's", of_component, VIOLATIONS, ("frame-refused", "a peer that cannot be")),
    ("a stanza with other addresses than its frame", other_addresses, VIOLATIONS, ("frame-refused", "other addresses")),
    ("names without number", names, VIOLATIONS, ("frame-refused", "a peer that cannot be")),
    ("synced of nobody", lambda r: r.send(f"<synced xmlns='{LINK}' e='1'/>", "c2s-7.evil"), VIOLATIONS, ("frame-refused", "not this peer's")),
    ("a payload that is no element", lambda r: r.send("]]>"), VIOLATIONS, ("frame-refused", "no element")),
    ("slots of its own", lambda r: r.send(f"<slots xmlns='{LINK}' key='{'0' * 32}' e='99'><own from='0' to='1023'/><host name='localhost'/></slots>"), DROPPED, None),
    ("sync to the sm", lambda r: r.send(f"<sync xmlns='{LINK}' e='99'/>", C2S1), DROPPED, None),
    ("malformed peers", lambda r: r.peers("<peer name='x'/>"), VIOLATIONS, ("frame-refused", "malformed peers")),
    ("sessions that it guesses", lambda r: r.send("<a/>", r.connection(), s=secrets.token_hex(16), e=1, n=1), DROPPED, None),
    ("a login on a connection of a c2s that it does not name", lambda r: r.send(open_text("localhost"), "c2s-7.other/0123456789abcdef-1"), DROPPED, None),
]


@pytest.mark.parametrize("name,act,metric,texts", ATTACKS, ids=[a[0].replace(" ", "-") for a in ATTACKS])
def test_it_cannot(router, name, act, metric, texts):
    watch = Watch(router.cluster, ("sm-1", "c2s-1"))
    act(router)
    if texts:
        watch.audited("sm-1", *texts)
    watch.counted("sm-1", metric)
    router.barrier()
    watch.alive()


# --- what crosses it -----------------------------------------------------------------------------------------------------------


class Pump(threading.Thread):
    """Carries frames between the session manager and c2s-1; what becomes of each, mischief says: how often it arrives."""

    def __init__(self, router):
        super().__init__(daemon=True)
        self.ends = {SM: router.links[SM], C2S1: router.links[C2S1]}
        self.mischief, self.seen, self.is_over = (lambda frame: 1), [], threading.Event()

    def run(self):
        other = {SM: self.ends[C2S1], C2S1: self.ends[SM]}
        while not self.is_over.is_set():
            for name, end in self.ends.items():
                if not end.sock.pending():
                    select.select([e.sock for e in self.ends.values()], [], [], 0.01)
                end.read_what_there_is()
                end.parse()
                for frame in end.frames:
                    self.seen.append(frame)
                    if frame.to != ROUTER:
                        other[name].write(frame.again() * self.mischief(frame))
                end.frames.clear()

    def stop(self):
        self.is_over.set()
        self.join(15)


@pytest.fixture
def carried():
    """A cluster whose only router is hostile and carries what comes, and alice and bob on it."""
    from cluster import Cluster
    c = Cluster("--links", "tls", "--layout", "b")
    c.adduser("alice")
    c.adduser("bob")
    r = Router(c)
    r.links[C2S1].write(frame_text(C2S1, ROUTER, f"<peers xmlns='{LINK}' all='1'><peer name='{SM}' role='sm' instance='{r.sm.instance}' up='1'/></peers>"))
    pump = Pump(r)
    pump.start()
    r.send(f"<peers xmlns='{LINK}' all='1'><peer name='{C2S1}' role='c2s' instance='{r.links[C2S1].instance}' up='1'/></peers>")
    yield c, r, pump, c.online("alice"), c.online("bob")
    pump.stop()
    r.close()
    c.down()


def talk(bob, alice, text, count=20):
    for i in range(count):
        bob.message(alice.jid, f"{text} {i}")


def heard(alice, text, count=20):
    """All of it, once, in order."""
    bodies = [alice.expect("message").findtext("{jabber:client}body") for _ in range(count)]
    assert bodies == [f"{text} {i}" for i in range(count)]


def test_what_it_repeats_or_drops_is_neither_doubled_nor_lost(carried):
    cluster, router, pump, alice, bob = carried
    pump.mischief = lambda frame: 3
    talk(bob, alice, "thrice")
    heard(alice, "thrice")
    old = [f for f in pump.seen if f.s]
    alice.ping()
    bob.ping()
    for f in old:  # all of it once more, much later
        router.links[f.to if f.to in router.links else f.to.split("/")[0]].write(f.again())
    alice.ping()
    bob.ping()
    assert not alice.backlog and not bob.backlog, (alice.backlog, bob.backlog)
    pump.mischief = lambda frame: int("dropped" not in frame.payload)
    talk(bob, alice, "dropped")
    pump.stop()
    router.close()
    cluster.start("router-1")  # an honest one
    heard(alice, "dropped")
    alice.ping()
    bob.ping()
    assert not alice.backlog and not bob.backlog, (alice.backlog, bob.backlog)
