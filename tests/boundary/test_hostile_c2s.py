"""A hostile connection manager: what it sends, how it is refused, what is written down about it, and that nobody else notices. One table; each row is a test.
The links are TLS and everyone dials the router (layout b): the attacker has the certificate, the key and the secret of c2s-2."""
import os
import secrets
import signal
import ssl
import time

import pytest

from hostile import BIG, CONNECT, LINK, Wire, auth_text, frame_text, name_of, open_text
from scene import Attack, Counted, Ended, Scene, audited

C2S1, ROUTER, SM = name_of("c2s-1"), name_of("router-1"), name_of("sm-1")
CLIENT = "xmlns='jabber:client'"
VIOLATION = "policy-violation"
POLICY = audited("router-1", "policy-violation", "not allowed to this role")
DROPPED = Counted("sm-1", "sallyport_sm_frames_dropped_total")
NUMBERS = Counted("sm-1", "sallyport_sm_numbers_refused_total")


def refused(what):
    """Of the session manager: audited and counted."""
    return audited("sm-1", "frame-refused", what), Counted("sm-1", "sallyport_sm_violations_total")


def link_refused(reason, process="router-1"):
    return audited(process, "link-refused", reason)


NOT_A_FRAME = (link_refused("not a frame"), Ended("bad-format"))


# --- coming up ---------------------------------------------------------------------------------------------------------


def context(x, **options):
    c = x.a.place.context(has_cert=options.get("has_cert", True))
    for key, value in options.items():
        if key != "has_cert":
            setattr(c, key, value)
    return c


def foreign_context(x):
    """A certificate with the right name, of the attacker's own CA."""
    import hub
    ca, cert, key = hub.make_certificate(x.stage.folder, x.a.name)
    c = x.a.place.context(has_cert=False)
    c.load_cert_chain(cert, key)
    return c


def until_refused(x, context_):
    """TLS 1.3: the client hears of it only when it reads."""
    try:
        return x.dial(context=context_).header(x.a.name)
    except (OSError, ssl.SSLError):
        x.wire = Closed()


class Closed:
    def read_to_end(self):
        return ""

    def close(self):
        pass


def shaken(x):
    """Up to the handshake, in order."""
    w = x.dial().header(x.a.name).shake(x.a.place.secret())
    w.until(rb"<handshake/>")
    return w


def dial_raw(x, data):
    w = x.dial()
    w.send(data)
    return w


def in_header(x, text):
    w = x.dial().header(x.a.name)
    w.until(rb"<stream:stream[^>]*>")
    w.send(text)


def fights(x):
    """Two that bear one name replace each other; the newcomer is refused at last."""
    wires = []
    for _ in range(12):
        w = Wire.dial_tls(x.a.place).header(x.a.name).shake(x.a.place.secret())
        w.until(rb"<handshake/>")
        w.hello(x.a.name)
        wires.append(w)
        w.until(rb"<hello [^>]*/>")
        if b"conflict" in w.buffer or not still_open(w):
            break
    x.wire = wires[-1]
    for w in wires[:-1]:
        w.close()


def still_open(w):
    try:
        w.read_some(time.monotonic() + 0.2)
    except OSError:
        return True
    except Exception:
        return False
    return b"conflict" not in w.buffer


def half_open(x):
    """More links that never come up than may be under way; the name of an honest peer must still get in."""
    wires = [Wire.dial_tls(x.a.place) for _ in range(300)]
    x.link()
    x.a.barrier()
    for w in wires:
        w.close()


COMING_UP = [
    Attack("no certificate", lambda x: until_refused(x, context(x, has_cert=False)), (link_refused(""), Ended())),
    Attack("a certificate of another CA", lambda x: until_refused(x, foreign_context(x)), (link_refused(""), Ended())),
    Attack("TLS 1.2", lambda x: until_refused(x, context(x, maximum_version=ssl.TLSVersion.TLSv1_2)), (link_refused(""), Ended())),
    Attack("our certificate, the name of c2s-1", lambda x: x.dial().header(C2S1), (link_refused("names no peer"), Ended("host-unknown"))),
    Attack("our certificate, the name of the sm", lambda x: x.dial().header(SM), (link_refused("names no peer"), Ended("host-unknown"))),
    Attack("our certificate, the name of the router", lambda x: x.dial().header(ROUTER), (link_refused("names no peer"), Ended("host-unknown"))),
    Attack("posing as the router to the sm", lambda x: x.dial(target="sm-1").header(SM, CONNECT),
           (link_refused("", "sm-1"), Ended())),
    Attack("posing as the router to c2s-1", lambda x: x.dial(target="c2s-1").header(C2S1, CONNECT),
           (link_refused("", "c2s-1"), Ended())),
    Attack("the stream of the other direction", lambda x: x.dial().header(x.a.name, CONNECT), (link_refused("in this direction"), Ended())),
    Attack("the secret of c2s-1", lambda x: x.dial().header(x.a.name).shake(x.a.place.secret("c2s-1")), (link_refused("handshake is wrong"), Ended("not-authorized"))),
    Attack("an empty handshake", lambda x: in_header(x, "<handshake/>"), (link_refused("handshake is wrong"), Ended("not-authorized"))),
    Attack("hello without handshake", lambda x: in_header(x, f"<hello xmlns='{LINK}' version='1'/>"), (link_refused("no handshake"), Ended("not-authorized"))),
    Attack("malformed XML in front of everything", lambda x: dial_raw(x, "<a b=c></d>"), (link_refused(""), Ended())),
    Attack("a document type in front of the stream", lambda x: dial_raw(x, "<!DOCTYPE a [<!ENTITY b 'c'>]><stream:stream>"), (link_refused(""), Ended())),
    Attack("a stream header without end", lambda x: dial_raw(x, "<stream:stream a='" + "x" * 20000), (link_refused(""), Ended())),
    Attack("white space without end", lambda x: dial_raw(x, " " * 200000), (link_refused("too long"), Ended())),
    Attack("zeros", lambda x: dial_raw(x, bytes(1000)), (link_refused(""), Ended())),
    Attack("a frame instead of hello", lambda x: shaken(x).send(frame_text(SM, x.a.name, "<a/>")) and None, (link_refused("no hello"), Ended())),
    Attack("hello of another major version", lambda x: shaken(x).hello(x.a.name, version="2"), (link_refused("another version"), Ended("unsupported-version"))),
    Attack("hello as c2s-1", lambda x: shaken(x).hello(C2S1), (link_refused("another name"), Ended("invalid-from"))),
    Attack("hello as an sm", lambda x: shaken(x).hello(x.a.name, role="sm"), (link_refused("its role"), Ended("not-authorized"))),
    Attack("hello as a router", lambda x: shaken(x).hello(x.a.name, role="router"), (link_refused("its role"), Ended("not-authorized"))),
    Attack("hello with an instance that is none", lambda x: shaken(x).hello(x.a.name, instance="' x='"), (link_refused(""), Ended())),
    Attack("a stream, then silence", lambda x: shaken(x) and None, (link_refused("in time"), Ended("connection-timeout")), is_slow=True),
    Attack("links that replace each other", fights, (audited("router-1", "link-replaced", "c2s-2"), link_refused("replace each other"), Ended("conflict"))),
    Attack("hundreds of links that never come up", half_open, (Counted("router-1", "sallyport_net_accepted_total", 300),)),
]


# --- frames ------------------------------------------------------------------------------------------------------------


def raw(data):
    """Bytes where a frame should be."""
    def act(x):
        x.link().send(data(x) if callable(data) else data)
    return act


def header(**claims):
    """A frame whose header claims something."""
    def act(x):
        x.link().send(frame_text(SM, x.a.name, claims.pop("payload", "<a/>"), **claims))
    return act


def route(attributes):
    return raw(lambda x: f"<route xmlns='{LINK}' {attributes.format(me=x.a.name, sm=SM)}><a/></route>")


FRAMES = [
    Attack("len too short", header(len_=2), NOT_A_FRAME),
    Attack("len too long", lambda x: (x.link().send(frame_text(SM, x.a.name, "<a/>", len_=40)), x.wire.send(frame_text(SM, x.a.name, "<a/>" * 20)))[0] and None, NOT_A_FRAME),
    Attack("len giant", header(len_=1 << 40), (link_refused("larger than link_max_payload"), Ended(VIOLATION))),
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


def frame(payload="<a/>", sender=None, to=None, **numbers):
    """A frame that is one, from and to whomever. Callables get the scene."""
    def act(x):
        value = lambda v: v(x) if callable(v) else v
        x.link()
        x.a.send(value(payload), value(sender), value(to), **{k: value(v) for k, v in numbers.items()})
    return act


def stanza(x, sender="alice@localhost/desk"):
    return f"<message {CLIENT} from='{sender}' to='{x.bob.jid}'><body>forged</body></message>"


def again_and_again(x):
    for _ in range(150):
        if not x.link().send(frame_text(SM, C2S1, "<a/>")):
            break


ADDRESSES = [
    Attack("from c2s-1", frame(sender=C2S1), (POLICY, Counted("router-1", "sallyport_router_violations_total"))),
    Attack("from a client of c2s-1", frame(stanza, lambda x: x.stage.alice_conn, s=lambda x: x.stage.alice_id, e=lambda x: x.stage.epoch, n=99), (POLICY,)),
    Attack("from an older instance of ourselves", frame(sender=lambda x: x.a.connection(1, "0123456789abcdef")), (POLICY,)),
    Attack("from a connection without instance", frame(sender=lambda x: f"{x.a.name}/7"), (POLICY,)),
    Attack("from the sm", frame(f"<peers xmlns='{LINK}'/>", sender=SM), (POLICY,)),
    Attack("from the router", frame(f"<peers xmlns='{LINK}' all='1'/>", sender=ROUTER), (POLICY,)),
    Attack("from an account", frame(stanza, "alice@localhost/desk", "bob@localhost"), (POLICY,)),
    Attack("from a hosted domain", frame(stanza, "localhost", "bob@localhost"), (POLICY,)),
    Attack("from a component", frame(stanza, "component.localhost", "bob@localhost"), (POLICY,)),
    Attack("from a remote server", frame(stanza, "example.org", "bob@localhost"), (POLICY,)),
    Attack("to c2s-1", frame(f"<hosts xmlns='{LINK}' v='99'/>", to=C2S1), (POLICY,)),
    Attack("to a client of c2s-1", frame(stanza, to=lambda x: x.stage.alice_conn, s=lambda x: x.stage.alice_id, e=lambda x: x.stage.epoch, n=99), (POLICY,)),
    Attack("to ourselves, by way of the router", frame(to=lambda x: x.a.name), (POLICY,)),
    Attack("to an account", frame(stanza, to="bob@localhost"), (POLICY,)),
    Attack("to a hosted domain", frame(stanza, to="localhost"), (POLICY,)),
    Attack("slots of our own to the router", frame(f"<slots xmlns='{LINK}' key='{'0' * 32}' e='99'><own from='0' to='1023'/><host name='localhost'/></slots>", to=ROUTER), (audited("router-1", "policy-violation", "may tell a router"),)),
    Attack("to nobody", frame(to="sm-9.cluster.internal"), (Counted("router-1", "sallyport_router_bounces_total"),)),
    Attack("violations again and again", again_and_again, (link_refused("again and again"), Ended(VIOLATION))),
]


# --- sessions of others, and numbers -----------------------------------------------------------------------------------------


def for_alice(payload, **numbers):
    """A frame of alice's session, from a connection of our own."""
    return frame(payload, lambda x: x.a.connection(), s=lambda x: x.stage.alice_id, e=lambda x: x.stage.epoch, **numbers)


def acks_for_alice(x):
    x.a.send(f"<acks xmlns='{LINK}'>{x.stage.alice_id}:{x.stage.epoch}:4000:4000 </acks>")


def synced(entry, epoch=None):
    return frame(lambda x: f"<synced xmlns='{LINK}' e='{epoch or x.stage.epoch}'>{entry.format(alice=x.stage.alice_id)}</synced>")


def guesses(x):
    for _ in range(1000):
        x.a.send(stanza(x), x.a.connection(1), s=secrets.token_hex(16), e=x.stage.epoch, n=1)


def own(act):
    """With a session of our own, which must go on after it."""
    def run(x):
        s = x.session()
        act(s)
        s.ping()
    return run


def to_me(s):
    return f"<message {CLIENT} to='{s.jid}'><body>again</body></message>"


def repeated(s):
    for _ in range(50):
        s.raw(to_me(s), 1)


def cut_off(x):
    """Messages whose fate we never settle: h and f are kept back. The recipient must go on receiving from everybody."""
    s = x.session()
    s.is_confirming = False
    for i in range(2500):
        s.message(x.alice.jid, f"flood {i}")
    for i in range(2500):
        x.alice.expect("message", body=f"flood {i}")
    for i in range(300):
        x.bob.message(x.alice.jid, f"honest {i}")
        x.alice.expect("message", body=f"honest {i}")
    s.is_confirming = True


def unread(x):
    """What is written to our session is never confirmed as written; its sender is not held up."""
    s = x.session()
    s.is_confirming = False
    for i in range(600):
        x.bob.message(s.jid, f"unread {i}")
    x.bob.ping()
    x.bob.message(x.alice.jid, "meanwhile")
    x.alice.expect("message", body="meanwhile", timeout=5)
    s.is_confirming = True


SESSIONS = [
    Attack("a stanza in a session of c2s-1", for_alice(stanza, n=99), refused("from elsewhere")),
    Attack("the end of a session of c2s-1", for_alice(f"<end xmlns='{LINK}' why='closed'/>", n=99), refused("from elsewhere")),
    Attack("confirmations in a session of c2s-1", for_alice("<a/>", h=4000, f=4000), refused("from elsewhere")),
    Attack("acks for a session of c2s-1", acks_for_alice, refused("for another's session")),
    Attack("gone, for a session of c2s-1", synced("<gone id='{alice}'/>"), refused("another's session")),
    Attack("synced, for a session of c2s-1", synced("<s id='{alice}' h='9' n='9' w='9'/>"), refused("another's session")),
    Attack("synced for another epoch", synced("<gone id='{alice}'/>", epoch=77), (NUMBERS,)),
    Attack("a thousand guessed ids", guesses, (Counted("sm-1", "sallyport_sm_frames_dropped_total", 1000),)),
    Attack("our session by another connection of ours", lambda x: own(lambda s: s.raw(to_me(s), s.n + 1, conn=x.a.connection()))(x), refused("from elsewhere")),
    Attack("an older epoch", own(lambda s: s.raw(to_me(s), s.n + 1, e=s.e - 1 or None)), (NUMBERS,)),
    Attack("a newer epoch", own(lambda s: s.raw(to_me(s), s.n + 1, e=s.e + 1)), (NUMBERS,)),
    Attack("no epoch", own(lambda s: s.raw(to_me(s), s.n + 1, e=0)), (NUMBERS,)),
    Attack("n with a gap", own(lambda s: s.raw(to_me(s), s.n + 2)), (NUMBERS,)),
    Attack("n as large as can be", own(lambda s: s.raw(to_me(s), BIG)), (NUMBERS,)),
    Attack("n that was before, again and again", own(repeated), (Counted("sm-1", "sallyport_sm_numbers_refused_total", 50),)),
    Attack("h of what was never sent", own(lambda s: s.say(to_me(s), h=BIG)), (NUMBERS,)),
    Attack("f of what was never taken over", own(lambda s: s.say(to_me(s), f=BIG)), (NUMBERS,)),
    Attack("h that goes backwards", own(lambda s: (s.ping(), s.say(to_me(s), h=1))), (Counted("sm-1", "sallyport_sm_frames_in_total"),)),
    Attack("f that never comes", cut_off, (Counted("sm-1", "sallyport_sm_messages_in_total", 2500),)),
    Attack("h that never comes", unread, (Counted("sm-1", "sallyport_sm_queue_stored_total"),)),
]


# --- payloads ------------------------------------------------------------------------------------------------------------


def payload(text):
    """In a session of our own; it costs that session."""
    def act(x):
        s = x.session()
        s.say(text(s, x) if callable(text) else text)
        s.expect("<end ")
    return act


def closes_stream(s, x):
    return f"<message {CLIENT} to='{x.alice.jid}'/></route></stream:stream>"


NO_ELEMENT = refused("a payload that is no element")

PAYLOADS = [
    Attack("two elements", payload(lambda s, x: to_me(s) * 2), NO_ELEMENT),
    Attack("what closes frame and stream", payload(closes_stream), NO_ELEMENT),
    Attack("nothing", payload(""), NO_ELEMENT),
    Attack("text alone", payload("hello"), NO_ELEMENT),
    Attack("half an element", payload(f"<message {CLIENT}"), NO_ELEMENT),
    Attack("a document type", payload(f"<!DOCTYPE a [<!ENTITY b 'c'>]><message {CLIENT}/>"), NO_ELEMENT),
    Attack("an entity", payload(f"<message {CLIENT}><body>&boom;</body></message>"), NO_ELEMENT),
    Attack("a prefix that nobody bound", payload(f"<message {CLIENT}><x:y/></message>"), NO_ELEMENT),
    Attack("bytes that are not UTF-8", payload(lambda s, x: f"<message {CLIENT}><body>".encode() + b"\xff\xfe</body></message>"), NO_ELEMENT),
    Attack("five thousand levels", payload(lambda s, x: f"<message {CLIENT}>" + "<a>" * 5000 + "</a>" * 5000 + "</message>"), NO_ELEMENT),
    Attack("ten thousand attributes", payload(lambda s, x: f"<message {CLIENT} " + " ".join(f"a{i}='1'" for i in range(10000)) + "/>"), NO_ELEMENT),
    Attack("a stanza over the limit of its host", payload(lambda s, x: f"<message {CLIENT} to='{x.alice.jid}'><body>{'x' * 600000}</body></message>"), refused("too large")),
    Attack("a stanza that grows when it is written", payload(lambda s, x: f"<message {CLIENT} to='{x.alice.jid}' id='{chr(34) * 200000}'/>"),
           (Counted("sm-1", "sallyport_sm_too_large_total"), audited("sm-1", "session-ended", "policy-violation"))),
    Attack("a stanza from somebody else", payload(lambda s, x: stanza(x)), (audited("sm-1", "policy-violation", "from of another"), audited("sm-1", "session-ended", "invalid-from"))),
    Attack("a stanza of a server's stream", payload(lambda s, x: f"<message xmlns='jabber:server' from='a@example.org' to='{x.alice.jid}'/>"), (audited("sm-1", "session-ended", "unsupported-stanza-type"),)),
    Attack("success, said by us", payload("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"), (audited("sm-1", "session-ended", "unsupported-stanza-type"),)),
    Attack("adopt in a session", payload(f"<adopt xmlns='{LINK}' account='alice@localhost'/>"), (audited("sm-1", "session-ended", "unsupported-stanza-type"),)),
    Attack("another host's stream", payload(f"<restart xmlns='{LINK}' host='second.example'/>"), (audited("sm-1", "session-ended", "host-unknown"),)),
]


# --- control elements ------------------------------------------------------------------------------------------------------


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


# --- logging in --------------------------------------------------------------------------------------------------------------


def logged_in_again(x):
    """The facts of a connection are said once; nobody logs in twice on one."""
    s = x.session()
    x.a.send(open_text("localhost", "198.51.100.9:1"), s.conn)
    x.watch.audited("sm-1", "frame-refused", "second time")
    s.ping()


def changed_facts(x):
    conn = x.a.connection()
    x.a.open(conn)
    x.a.send(open_text("localhost", "198.51.100.9:1"), conn)


def flood_of_opens(x):
    """More connections than one c2s may have under way; others still log in."""
    for _ in range(30000):
        x.a.send(open_text("localhost"), x.a.connection())
    x.cluster.client("carol").login().close()
    x.link().close()


def guesses_of_passwords(x):
    conn = x.a.connection()
    x.a.open(conn)
    for i in range(5):
        x.a.send(auth_text("alice", f"guess {i}"), conn)
        if x.link().expect(lambda f: f.to == conn).payload.startswith("<end"):
            return
    x.link().expect(lambda f: f.to == conn and f.payload.startswith("<end"))


def before(text, **facts):
    """On a connection that is not logged in: ends it."""
    def act(x):
        conn = x.a.connection()
        x.a.open(conn, **facts)
        x.a.send(text, conn)
        x.link().expect(lambda f: f.to == conn)
    return act


def all_at_once(x):
    """Exchanges begun, aborted, ended and begun again without waiting for an answer."""
    for _ in range(50):
        conn = x.a.connection()
        for text in (open_text("localhost"), auth_text("alice", "x"), auth_text("mallory", "mallory's"), auth_text("bob", "y"),
                     "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", f"<end xmlns='{LINK}' why='lost'/>", open_text("localhost")):
            x.a.send(text, conn)
    x.a.barrier()


LOGIN = [
    Attack("the facts of a connection, again after login", logged_in_again, refused("second time")),
    Attack("other facts in the midst of a login", changed_facts, refused("other facts")),
    Attack("SASL on a connection that was never opened", frame(auth_text("alice", "x"), lambda x: x.a.connection()), (DROPPED,)),
    Attack("a stanza before login", before(f"<message {CLIENT} to='alice@localhost'/>"), (Counted("sm-1", "sallyport_sm_frames_out_total", 0),)),
    Attack("open for a host of nobody", lambda x: x.a.open(x.a.connection(), host="bank.example") and None, (Counted("sm-1", "sallyport_sm_frames_in_total"),)),
    Attack("open with a megabyte of facts", frame(lambda x: open_text("localhost", sni="x" * 900000), lambda x: x.a.connection()), refused("too large")),
    Attack("a password of a megabyte", lambda x: (setattr(x, "conn", x.a.connection()), x.a.open(x.conn), x.a.send(auth_text("alice", "x" * 700000), x.conn)) and None, refused("too large")),
    Attack("PLAIN where we say that there is no TLS", before(auth_text("mallory", "mallory's"), tls=None, cipher=None), (audited("sm-1", "login-refused", "encryption-required"),)),
    Attack("guessing passwords", guesses_of_passwords, (audited("sm-1", "login-refused", "claimed=alice"), Counted("sm-1", "sallyport_sm_login_failures_total", 4))),
    Attack("exchanges without waiting", all_at_once, (Counted("sm-1", "sallyport_sm_frames_in_total", 300),)),
    Attack("connections without number", flood_of_opens, (audited("sm-1", "frame-refused", "too many connections"),), is_slow=True),
]


# --- floods --------------------------------------------------------------------------------------------------------------------


def flood(x):
    """As fast as the link takes it, while bystanders are served."""
    chunk = b"".join(frame_text(SM, x.a.connection(), f"<message {CLIENT}/>", s=secrets.token_hex(16), e=1, n=1) for _ in range(500))
    for _ in range(100):
        x.link().send(chunk)
        if _ % 20 == 0:
            x.nobody_noticed()


def large_payloads(x):
    """While the session manager is busy for a moment: our link ends before its does."""
    x.link()
    data = frame_text(SM, x.a.connection(), "<a>" + "x" * 1000000 + "</a>")
    os.kill(x.cluster.pid("sm-1"), signal.SIGSTOP)
    try:
        for _ in range(20):
            if not x.wire.send(data) or x.wire.has_ended():
                break
    finally:
        os.kill(x.cluster.pid("sm-1"), signal.SIGCONT)


def never_read(x):
    """A hundred thousand answers that we never read: our link ends, and nobody else's."""
    data = frame_text("nobody.cluster.internal", x.a.name, "<a/>") * 1000
    x.link()
    for _ in range(100):
        if not x.wire.send(data):
            break


FLOODS = [
    Attack("fifty thousand frames", flood, (Counted("sm-1", "sallyport_sm_frames_dropped_total", 50000),), is_slow=True),
    Attack("payloads as large as can be", large_payloads, (link_refused("floods a session manager"), Ended()), is_slow=True),
    Attack("a link that is never read", never_read, (link_refused("too much waits"),), is_slow=True),
]

ATTACKS = COMING_UP + FRAMES + ADDRESSES + SESSIONS + PAYLOADS + CONTROL + LOGIN + FLOODS


@pytest.mark.parametrize("attack", ATTACKS, ids=[a.name.replace(" ", "-") for a in ATTACKS])
def test_it_is_refused_written_down_and_nobody_notices(stage, attack):
    scene = Scene(stage)
    try:
        scene.run(attack)
    finally:
        scene.close()
