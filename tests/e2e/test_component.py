"""Third-party components: XEP-0114, by hand and with slixmpp."""
import asyncio
import hashlib
import socket
import threading

import pytest

from xmpp import CLIENT, STREAM, Client, error_of, local, q

ACCEPT = "jabber:component:accept"


class Component(Client):
    """A component that speaks XEP-0114 by hand."""

    def begin(self, name):
        self.connect()
        self.reset_parser()
        self.send(f"<stream:stream xmlns='{ACCEPT}' xmlns:stream='{STREAM}' to='{name}'>")
        return self

    def shake(self, secret):
        self.wait_header()
        digest = hashlib.sha1((self.header.get("id") + secret).encode()).hexdigest()
        self.send(f"<handshake>{digest}</handshake>")
        return self


@pytest.fixture
def attach(cluster):
    made = []

    def make(name=None, secret=None):
        c = Component(cluster.host, cluster.component_port)
        made.append(c)
        c.begin(name or cluster.component)
        c.shake(secret or cluster.component_secret)
        return c

    yield make
    for c in made:
        c.close()


@pytest.fixture
def component(attach):
    c = attach()
    c.expect(q(ACCEPT, "handshake"))
    return c


def test_messages_cross_both_ways(cluster, unique, component):
    alice = cluster.online(unique("alice"))
    alice.message(f"bot@{cluster.component}/x", "hello bot")
    got = component.expect(q(ACCEPT, "message"))
    assert got.get("from") == alice.jid and got.get("to") == f"bot@{cluster.component}/x"
    assert got.findtext(q(ACCEPT, "body")) == "hello bot"
    component.send(f"<message from='bot@{cluster.component}/x' to='{alice.jid}' type='chat'><body>hello human</body></message>")
    assert alice.expect("message", body="hello human").get("from") == f"bot@{cluster.component}/x"


def test_an_iq_is_answered_by_the_component(cluster, unique, component):
    alice = cluster.online(unique("alice"))
    alice.send(f"<iq type='get' id='v1' to='{cluster.component}'><query xmlns='jabber:iq:version'/></iq>")
    asked = component.expect(q(ACCEPT, "iq"))
    component.send(f"<iq type='result' id='v1' from='{cluster.component}' to='{asked.get('from')}'><query xmlns='jabber:iq:version'><name>bot</name></query></iq>")
    assert alice.expect("iq", id="v1").get("type") == "result"


def test_subscriptions_to_a_component_work(cluster, unique, component):
    alice = cluster.online(unique("alice"))
    alice.roster()  # subscriptions are told to resources that asked for it (RFC 6121 §3.1.6)
    bot = f"bot@{cluster.component}"
    alice.presence(to=bot, type="subscribe")
    assert component.expect(q(ACCEPT, "presence"), type="subscribe").get("from") == alice.bare
    component.send(f"<presence from='{bot}' to='{alice.bare}' type='subscribed'/>")
    component.send(f"<presence from='{bot}/x' to='{alice.bare}'><status>here</status></presence>")
    alice.expect("presence", type="subscribed")
    alice.expect("presence", from_=f"{bot}/x", status="here")


def test_a_components_presence_does_not_overtake_its_approval(cluster, unique, component):
    """As gateways send it: the contact is known before it is available."""
    for i in range(10):
        alice = cluster.online(unique("alice"))
        alice.roster()
        bot = f"bot{i}@{cluster.component}"
        alice.presence(to=bot, type="subscribe")
        component.expect(q(ACCEPT, "presence"), type="subscribe", from_=alice.bare)
        component.send(f"<presence from='{bot}' to='{alice.bare}' type='subscribed'/><presence from='{bot}/x' to='{alice.bare}'/>")
        alice.expect("presence", from_=f"{bot}/x")
        assert [el.get("type") for el in alice.backlog if el.tag == q(CLIENT, "presence") and el.get("from") == bot] == ["subscribed"]


def test_a_wrong_secret_is_not_authorized(attach):
    c = attach(secret="wrong")
    c.expect(q(STREAM, "error"))
    c.expect_close()


def test_an_unknown_component_is_refused(attach):
    c = attach(name="unknown.localhost")
    c.expect(q(STREAM, "error"))
    c.expect_close()


@pytest.mark.parametrize("sender", ["alice@localhost", "localhost", "bot@other.localhost", ""])
def test_a_component_may_speak_for_its_own_domain_only(cluster, unique, component, sender):
    alice = cluster.online(unique("alice"))
    component.send(f"<message from='{sender}' to='{alice.jid}'><body>spoof</body></message>")
    component.expect(q(STREAM, "error"))
    component.expect_close()
    alice.expect_none("message")


def test_without_the_component_its_users_are_unreachable(cluster, unique):
    alice = cluster.online(unique("alice"))
    alice.message(f"bot@{cluster.component}", "anyone?")
    assert error_of(alice.expect("message", type="error"))[1] in ("remote-server-not-found", "service-unavailable", "remote-server-timeout")


def test_the_component_is_found_by_discovery(cluster, unique, component):
    alice = cluster.online(unique("alice"))
    items = alice.iq("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", to="localhost")
    assert cluster.component in [i.get("jid") for i in items[0]]


@pytest.mark.parametrize("text", ["<!-- x -->", "<message><body>&boom;</body></message>", "<message", b"<message>\xff</message>"])
def test_hostile_components_are_ended_and_others_go_on(cluster, unique, component, text):
    alice = cluster.online(unique("alice"))
    component.send(text)
    if text == "<message":
        component.send(" x='" + "y" * (4 << 20))
    component.expect_close()
    alice.ping()


def test_slixmpps_component_attaches_and_is_reached(cluster, unique):
    import slixmpp

    ready, answered = threading.Event(), threading.Event()

    class Echo(slixmpp.ComponentXMPP):
        def __init__(self):
            super().__init__(cluster.component, cluster.component_secret, cluster.host, cluster.component_port)
            self.add_event_handler("session_start", lambda _: ready.set())
            self.add_event_handler("message", self.on_message)

        def on_message(self, message):
            message.reply(f"echo {message['body']}").send()
            answered.set()

    def serve():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        echo = Echo()
        echo.loop = loop
        echo.connect()
        stop.append((loop, echo))
        loop.run_forever()

    stop = []
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(15)
    alice = cluster.online(unique("alice"))
    alice.message(f"anyone@{cluster.component}", "ping")
    alice.expect("message", body="echo ping")
    loop, echo = stop[0]
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    echo.abort()
    rest = asyncio.all_tasks(loop)
    for task in rest:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
    loop.close()
