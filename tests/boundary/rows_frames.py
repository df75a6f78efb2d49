"""What a hostile connection manager writes where frames should be, from whom and to whom, and what it says besides stanzas."""
import re
import time

from hostile import Component, metrics_text
from link import LINK, frame_text
from rows import C2S1, CLIENT, DROPPED, NO_ELEMENT, NOT_A_FRAME, POLICY, ROUTER, SM, VIOLATION, frame, link_refused, refused, stanza
from scene import Attack, Counted, Ended, audited

# --- frames ------------------------------------------------------------------------------------------------------------


def raw(data):
    """Bytes where a frame should be."""
    def act(x):
        x.link().write(data(x) if callable(data) else data)
    return act


def header(**claims):
    """A frame whose header claims something."""
    payload = claims.pop("payload", "<a/>")
    return raw(lambda x: frame_text(SM, x.a.name, payload, **claims))


def route(attributes):
    return raw(lambda x: f"<route xmlns='{LINK}' {attributes.format(me=x.a.name, sm=SM)}><a/></route>")


FRAMES = [
    Attack("len too short", header(len_=2), NOT_A_FRAME),
    Attack("len too long", lambda x: (x.link().write(frame_text(SM, x.a.name, "<a/>", len_=40)), x.wire.write(frame_text(SM, x.a.name, "<a/>" * 20)))[0] and None, NOT_A_FRAME),
    Attack("len giant", header(len_=1 << 40), (link_refused("larger than link_max_payload"), Ended(VIOLATION)), "ab"),
    Attack("a payload of two megabytes", header(payload="<a>" + "x" * (2 << 20) + "</a>"), (link_refused("larger than link_max_payload"), Ended(VIOLATION)), "ab"),
    Attack("len beyond 64 bits", header(len_=1 << 64), NOT_A_FRAME),
    Attack("len negative", header(len_=-1), NOT_A_FRAME),
    Attack("len not a number", header(len_="0x4"), NOT_A_FRAME),
    Attack("len missing", route("to='{sm}' from='{me}'"), NOT_A_FRAME),
    Attack("attributes in another order", route("from='{me}' to='{sm}' len='4'"), NOT_A_FRAME),
    Attack("an attribute twice", route("to='{sm}' from='{me}' from='{sm}' len='4'"), NOT_A_FRAME),
    Attack("an attribute of nobody", route("to='{sm}' from='{me}' x='1' len='4'"), NOT_A_FRAME),
    Attack("a session that is no id", route("to='{sm}' from='{me}' s='../../etc/passwd' e='1' n='1' len='4'"), NOT_A_FRAME),
    Attack("a number with leading zeros", route("to='{sm}' from='{me}' n='007' len='4'"), NOT_A_FRAME),
    Attack("an address with markup", route("to='{sm}' from='&lt;{me}' len='4'"), NOT_A_FRAME),
    Attack("a header without end", raw(lambda x: f"<route xmlns='{LINK}' to='" + "a" * 20000), NOT_A_FRAME),
    Attack("an element that is no frame", raw("<message/>"), NOT_A_FRAME),
    Attack("text between frames", raw("hello"), NOT_A_FRAME),
    Attack("a comment between frames", raw("<!-- x -->"), NOT_A_FRAME),
]


# --- the router's policy -------------------------------------------------------------------------------------------------


def again_and_again(x):
    for _ in range(150):
        if not x.link().write(frame_text(SM, C2S1, "<a/>")):
            break


def to_component(x):
    c = Component(x.cluster).attach()
    frame(stanza, to=lambda x: x.cluster.component)(x)
    x.a.barrier()
    x.bob.message(f"bot@{x.cluster.component}", "first of all")
    assert b"first of all" in c.until(rb"<message .*</message>")[0] and b"forged" not in c.buffer
    c.close()


def false_metrics(x):
    """What we say of ourselves is shown as our claim; others' lines and the router's own stand as they were."""
    x.a.send(f"<metrics xmlns='{LINK}'>sallyport_c2s_sessions 4711\n"
             "sallyport_sm_sessions{peer=&quot;sm-1.cluster.internal&quot;} 4712\n"
             "sallyport_router_links 4713\nevil_name 4714\nsallyport_x 1\"} 4715\nsallyport_y 0x4716\n# HELP sallyport_z 4717\n"
             "sallyport_sm_sessions 4718 4719\n</metrics>", to=ROUTER)
    x.a.barrier()
    shown = [line for line in metrics_text(x.cluster, "router-1").splitlines() if re.search(r"\b(0x)?471\d\b", line)]
    ours = f'peer="{x.a.name}"'
    assert all(ours in line and 'claim="1"' in line and "peer=" in line and line.count("peer=") == 1 for line in shown), shown
    assert not any(n in line for line in shown for n in ("4712", "4714", "4715", "4716", "4717", "4719")), shown


ADDRESSES = [
    Attack("from c2s-1", frame(sender=C2S1), POLICY, "ab"),
    Attack("from a client of c2s-1", frame(stanza, lambda x: x.stage.alice_conn, s=lambda x: x.stage.alice_id, e=lambda x: x.stage.epoch, n=99), POLICY),
    Attack("from an older instance of ourselves", frame(sender=lambda x: x.a.connection(1, "0123456789abcdef")), POLICY),
    Attack("from a connection without instance", frame(sender=lambda x: f"{x.a.name}/7"), POLICY),
    Attack("from our name with more behind it", frame(sender=lambda x: x.a.name + ".example"), POLICY),
    Attack("from our name in capitals", frame(sender=lambda x: x.a.name.upper()), POLICY),
    Attack("from another c2s that is not there", frame(sender="c2s-3.cluster.internal"), POLICY),
    Attack("from the sm", frame(f"<peers xmlns='{LINK}'/>", sender=SM), POLICY),
    Attack("from the router", frame(f"<peers xmlns='{LINK}' all='1'/>", sender=ROUTER), POLICY),
    Attack("from an account", frame(stanza, "alice@localhost/desk", "bob@localhost"), POLICY),
    Attack("from a hosted domain", frame(stanza, "localhost", "bob@localhost"), POLICY),
    Attack("from a component", frame(stanza, "component.localhost", "bob@localhost"), POLICY),
    Attack("from a remote server", frame(stanza, "example.org", "bob@localhost"), POLICY),
    Attack("to c2s-1", frame(f"<hosts xmlns='{LINK}' v='99'/>", to=C2S1), POLICY),
    Attack("to a client of c2s-1", frame(stanza, to=lambda x: x.stage.alice_conn, s=lambda x: x.stage.alice_id, e=lambda x: x.stage.epoch, n=99), POLICY),
    Attack("to ourselves, by way of the router", frame(to=lambda x: x.a.name), POLICY),
    Attack("to an account", frame(stanza, to="bob@localhost"), POLICY),
    Attack("to a hosted domain", frame(stanza, to="localhost"), POLICY),
    Attack("to a component", to_component, POLICY),
    Attack("to a component that is not there", frame(stanza, to="component.localhost"), (Counted("router-1", "sallyport_router_bounces_total"),)),
    Attack("to the sm, by another writing of its name", frame(to=SM.upper()), (Counted("router-1", "sallyport_router_bounces_total"),)),
    Attack("a frame to the router that is no element", frame("<a", to=ROUTER), (audited("router-1", "policy-violation", "may tell a router"),)),
    Attack("peers to the router", frame(f"<peers xmlns='{LINK}' all='1'/>", to=ROUTER), (audited("router-1", "policy-violation", "may tell a router"),)),
    Attack("metrics of somebody else", false_metrics, (Counted("router-1", "sallyport_router_frames_total"),)),
    Attack("slots of our own to the router", frame(f"<slots xmlns='{LINK}' key='{'0' * 32}' e='99'><own from='0' to='1023'/><host name='localhost'/></slots>", to=ROUTER), (audited("router-1", "policy-violation", "may tell a router"),)),
    Attack("to nobody", frame(to="sm-9.cluster.internal"), (Counted("router-1", "sallyport_router_bounces_total"),)),
    Attack("violations again and again", again_and_again, (link_refused("again and again"), Ended(VIOLATION))),
]


# --- control elements ------------------------------------------------------------------------------------------------------


# --- control elements ------------------------------------------------------------------------------------------------------


def synced(entry, epoch=None):
    """The answer to a new owner that asked nothing."""
    return frame(lambda x: f"<synced xmlns='{LINK}' e='{epoch or x.stage.epoch}'>{entry.format(alice=x.stage.alice_id)}</synced>")


def adopt(expires):
    def act(x):
        x.a.send(f"<adopt xmlns='{LINK}' account='alice@localhost' c2s='{x.a.name}' conn='{x.link().instance}-1' mechanism='PLAIN' "
                 f"e='{x.stage.epoch}' nonce='{'0' * 32}' expires='{int(time.time()) + expires}' mac='{'0' * 64}'/>")
    return act


NOT_YOURS = refused("not this peer's to say")


def control(text):
    return frame(lambda x: text.replace("XMLNS", f"xmlns='{LINK}'").replace("ALICE", x.stage.alice_id).replace("NAME", x.a.name))


CONTROL = [
    Attack("adopt, forged", adopt(20), NOT_YOURS),
    Attack("adopt, expired", adopt(-1000), NOT_YOURS),
    Attack("adopt, the same again", lambda x: (adopt(20)(x), adopt(20)(x)) and None, (*NOT_YOURS, Counted("sm-1", "sallyport_sm_violations_total", 2))),
    Attack("adopt by a connection", frame(f"<adopt xmlns='{LINK}'/>", lambda x: x.a.connection()), (DROPPED,)),
    Attack("reset to the sm", control("<reset XMLNS e='99'><s id='ALICE'/></reset>"), (DROPPED,)),
    Attack("metrics to the sm", control("<metrics XMLNS>sallyport_sm_sessions 0</metrics>"), (DROPPED,)),
    Attack("success to the sm", control("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"), refused("of nobody")),
    Attack("sync by a connection", frame(f"<sync xmlns='{LINK}' e='1'/>", lambda x: x.a.connection()), (DROPPED,)),
    Attack("sync to the sm", control("<sync XMLNS e='99'><s id='ALICE' conn='0123456789abcdef-1'/></sync>"), (DROPPED,)),
    Attack("peers to the sm", control(f"<peers XMLNS all='1'><peer name='{C2S1}' role='c2s' instance='0123456789abcdef' up='0'/></peers>"), NOT_YOURS),
    Attack("slots to the sm", control("<slots XMLNS key='0' e='99'/>"), (DROPPED,)),
    Attack("hosts to the sm", control("<hosts XMLNS v='99'/>"), (DROPPED,)),
    Attack("a bounce of our own", control("<bounce XMLNS reason='no-peer'/>"), NOT_YOURS),
    Attack("malformed synced", control("<synced XMLNS e='x'/>"), refused("malformed synced")),
    Attack("malformed acks", control("<acks XMLNS>zzz:1:2:3 </acks>"), refused("malformed acks")),
    Attack("control that is no element", frame("]]>"), NO_ELEMENT),
    Attack("a control element of nobody", frame("<sudo xmlns='urn:example'/>"), refused("of nobody")),
    Attack("thousands of answers about nobody", synced(("<gone id='" + "0" * 32 + "'/>") * 15000), (Counted("sm-1", "sallyport_sm_frames_dropped_total", 15000),)),
]
