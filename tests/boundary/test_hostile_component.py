"""A hostile third-party component: it has the secret of one that is configured. One table; each row is a test."""
import pytest

from hostile import Component, name_of
from link import LINK, frame_text
from scene import Attack, Counted, Ended, Scene, audited, params

VIOLATIONS = Counted("router-1", "sallyport_router_violations_total")


def refused(*texts):
    return audited("router-1", "link-refused", *texts)


def component(x):
    x.wire = Component(x.cluster)
    return x.wire


def attached(text):
    """Attached as it should be, then this. COMP, ALICE and PROCESS are filled in."""
    def act(x):
        c = component(x).attach()
        data = text(x) if callable(text) else text
        if isinstance(data, str):
            data = data.replace("COMP", x.cluster.component).replace("ALICE", x.alice.jid)
        c.write(data)
    return act


def message(sender="bot@COMP", to="ALICE", inner="<body>forged</body>"):
    return f"<message from='{sender}' to='{to}' type='chat'>{inner}</message>"


def answered(text, error):
    """It is told so in an error stanza, and stays attached."""
    def act(x):
        attached(text)(x)
        x.wire.until(error.encode())
        x.wire.close()
    return act


def second(x):
    first = component(x).attach()
    component(x).attach(x.cluster.component_secret)
    x.held = first


def never_read(x):
    """Errors come back for what goes to nobody; they are not read."""
    c = component(x).attach()
    data = message(to="nobody@localhost", inner="<body>" + "x" * 2000 + "</body>").replace("COMP", x.cluster.component).encode() * 100
    for _ in range(200):
        if not c.write(data):
            break


def flood(x):
    c = component(x).attach()
    data = message(to="localhost", inner="").replace("COMP", x.cluster.component).replace("'chat'", "'headline'").encode() * 1000
    for i in range(30):
        c.write(data)
        if i % 10 == 0:
            x.nobody_noticed()


ATTACKS = [
    Attack("a wrong secret", lambda x: component(x).attach("wrong") and None, (refused("handshake is wrong"), Ended("not-authorized"))),
    Attack("a domain of nobody", lambda x: component(x).header("evil.example") and None, (refused("no such component"), Ended("host-unknown"))),
    Attack("a hosted domain", lambda x: component(x).header("localhost") and None, (refused("no such component"), Ended("host-unknown"))),
    Attack("the name of a c2s", lambda x: component(x).header(name_of("c2s-1")) and None, (refused("no such component"), Ended("host-unknown"))),
    Attack("a stanza before the handshake", lambda x: component(x).header(x.cluster.component).write(message()) and None, (refused("handshake"), Ended("not-authorized"))),
    Attack("silence before the handshake", lambda x: component(x).header(x.cluster.component) and None, (refused("in time"), Ended("connection-timeout"))),
    Attack("a second one of the same domain", second, (refused("attached already"), Ended("conflict"))),
    Attack("from an account", attached(message("bob@localhost/desk")), (refused("may not send"), Ended("invalid-from"))),
    Attack("from a hosted domain", attached(message("localhost")), (refused("may not send"), Ended("invalid-from"))),
    Attack("from a subdomain of its own", attached(message("x.COMP")), (refused("may not send"), Ended("invalid-from"))),
    Attack("from a process", attached(message(name_of("sm-1"))), (refused("may not send"), Ended("invalid-from"))),
    Attack("from nobody", attached("<message to='ALICE'/>"), (refused("may not send"), Ended("improper-addressing"))),
    Attack("to nobody", attached("<message from='COMP'/>"), (refused("may not send"), Ended("improper-addressing"))),
    Attack("to the sm", answered(message(to=name_of("sm-1")), "forbidden"), (audited("router-1", "policy-violation", "not allowed to components"), VIOLATIONS)),
    Attack("to a c2s", answered(message(to=name_of("c2s-1") + "/0123456789abcdef-1"), "forbidden"), (audited("router-1", "policy-violation"), VIOLATIONS)),
    Attack("to the sm, by another writing of its name", answered(message(to=name_of("sm-1").upper()), "forbidden"), (audited("router-1", "policy-violation"), VIOLATIONS)),
    Attack("to an account of a c2s's name", answered(message(to="alice@" + name_of("c2s-1")), "forbidden"), (audited("router-1", "policy-violation"), VIOLATIONS)),
    Attack("to a remote server", answered(message(to="bob@example.org"), "type='error'"), (Counted("router-1", "sallyport_router_component_stanzas_total"),)),
    Attack("to the router", answered(message(to=name_of("router-1")), "forbidden"), (audited("router-1", "policy-violation"), VIOLATIONS)),
    Attack("a frame", attached(lambda x: frame_text(name_of("sm-1"), name_of("c2s-1"), "<a/>")), (refused("may not send"), Ended("unsupported-stanza-type"))),
    Attack("hello", attached(f"<hello xmlns='{LINK}' version='1' name='{name_of('c2s-1')}' role='sm' instance='0123456789abcdef' features=''/>"), (refused("may not send"), Ended("unsupported-stanza-type"))),
    Attack("the end of frame and stream", attached("</route></stream:stream>"), (Ended("</stream:stream>"),)),
    Attack("a second handshake", attached("<handshake>0</handshake>"), (refused("may not send"), Ended("unsupported-stanza-type"))),
    Attack("a stream in the stream", attached("<stream:stream to='COMP'/>"), (refused("may not send"), Ended())),
    Attack("control of the link in a question to the server", answered(f"<iq from='COMP' to='localhost' type='set' id='q'><adopt xmlns='{LINK}' account='alice@localhost'/></iq>",
                                                                      "service-unavailable"), (Counted("sm-1", "sallyport_sm_component_in_total"),)),
    Attack("a subscription in somebody else's name", attached("<presence type='subscribed' from='bob@localhost' to='ALICE'/>"), (refused("may not send"), Ended("invalid-from"))),
    Attack("ten thousand attributes", attached("<message from='COMP' to='ALICE' " + " ".join(f"a{i}='1'" for i in range(10000)) + "/>"), (refused(""), Ended())),
    Attack("a comment", attached("<!-- x -->"), (refused("restricted"), Ended("restricted-xml"))),
    Attack("a document type", attached("<!DOCTYPE a [<!ENTITY b 'c'>]>"), (refused("restricted"), Ended("restricted-xml"))),
    Attack("an entity", attached(message(inner="<body>&boom;</body>")), (refused("broken XML"), Ended())),
    Attack("bytes that are not UTF-8", attached(lambda x: f"<message from='{x.cluster.component}' to='{x.alice.jid}'><body>".encode() + b"\xff</body></message>"), (refused("broken XML"), Ended())),
    Attack("a stanza without end", attached("<message x='" + "y" * (1 << 20)), (refused("too large"), Ended("policy-violation"))),
    Attack("five thousand levels", attached("<message>" + "<a>" * 5000), (refused("too large"), Ended("policy-violation"))),
    Attack("a stanza that grows when it is written", answered(message(inner="<body>" + '"' * 200000 + "</body>"), "policy-violation"), (Counted("router-1", "sallyport_router_component_stanzas_total"),)),
    Attack("thirty thousand stanzas", flood, (Counted("sm-1", "sallyport_sm_component_in_total", 30000),)),
    Attack("a connection that is never read", never_read, (Counted("router-1", "sallyport_net_queue_overflows_total"),)),
]


@pytest.mark.parametrize("layout, attack", params(ATTACKS))
def test_it_is_refused_written_down_and_nobody_notices(stages, layout, attack):
    scene = Scene(stages.of(layout))
    try:
        scene.run(attack)
    finally:
        scene.close()
        if getattr(scene, "held", None):
            scene.held.close()
