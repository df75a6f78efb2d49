"""What a hostile connection manager does in sessions: of others, of its own, with numbers, with payloads, and while its clients log in."""
import re
import secrets
import time

from hostile import BIG, auth_text, open_text
from link import LINK, frame_text
from rows_frames import synced
from rows import C2S1, CLIENT, DROPPED, NO_ELEMENT, NUMBERS, ROUTER, SM, frame, refused, stanza
from scene import Attack, Counted, audited

# --- sessions of others, and numbers -----------------------------------------------------------------------------------------


def for_alice(payload, **numbers):
    """A frame of alice's session, from a connection of our own."""
    return frame(payload, lambda x: x.a.connection(), s=lambda x: x.stage.alice_id, e=lambda x: x.stage.epoch, **numbers)


def acks_for_alice(x):
    x.a.send(f"<acks xmlns='{LINK}'>{x.stage.alice_id}:{x.stage.epoch}:4000:4000 </acks>")


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


def replayed(x):
    """What was said on one link is said again on the next, in the same life of ours."""
    s, said = x.session(), []
    for i in range(20):
        s.message(x.alice.jid, f"once {i}")
        x.alice.expect("message", body=f"once {i}")
        said.append(frame_text(SM, s.conn, f"<message {CLIENT} to='{x.alice.jid}' type='chat'><body>once {i}</body></message>", s=s.s, e=s.e, n=s.n, h=s.down))
    x.a.link_again(x.a.wire.instance)
    for data in said * 2:
        x.a.wire.write(data)
    s.ping()


def earlier_life(x):
    """Our process is a new one (another instance), and speaks in the sessions of the old one: they are not its own, and end."""
    s = x.session()
    x.a.link_again()
    while not x.watch.grown("sm-1", DROPPED.metric):
        s.raw(f"<message {CLIENT} to='{x.alice.jid}'><body>from the grave</body></message>", s.n + 1, conn=x.a.connection())
        x.a.barrier()
    x.sessions.clear()


def lies(x):
    """The session manager is restarted and asks what became of our sessions: numbers that cannot be, copies that nobody sent, and answers for others.
    Bystanders write to each other meanwhile; what they say comes once."""
    s, t = x.session(), x.session()
    x.cluster.kill("sm-1")
    for i in range(20):
        x.bob.message(x.alice.jid, f"meanwhile {i}")
    x.cluster.start("sm-1")
    x.watch.has_restarted("sm-1")
    asked = x.link().expect(lambda f: f.payload.startswith("<sync ") and asked_epoch(f) != str(x.stage.epoch))
    copies = " ".join(f"{i}:{x.stage.alice_id}.{i}.0" for i in range(1, 200))
    x.a.send(f"<synced xmlns='{LINK}' e='{asked_epoch(asked)}'><s id='{x.stage.alice_id}' h='9' n='9' w='9'/><gone id='{x.stage.alice_id}'/>"
             f"<s id='{s.s}' h='{BIG}' n='1' w='{BIG}'>{copies}</s><s id='{t.s}' h='{t.n}' n='199' w='0'>{copies}</s></synced>")
    for i in range(20):
        x.alice.expect("message", body=f"meanwhile {i}")
    x.stage.look()
    x.sessions.clear()


def asked_epoch(asked):
    return re.search(r" e='(\d+)'", asked.payload)[1]


SESSIONS = [
    Attack("a stanza in a session of c2s-1", for_alice(stanza, n=99), refused("from elsewhere"), "ab"),
    Attack("the end of a session of c2s-1", for_alice(f"<end xmlns='{LINK}' why='closed'/>", n=99), refused("from elsewhere")),
    Attack("confirmations in a session of c2s-1", for_alice("<a/>", h=4000, f=4000), refused("from elsewhere")),
    Attack("acks for a session of c2s-1", acks_for_alice, refused("for another's session"), "ab"),
    Attack("gone, for a session of c2s-1", synced("<gone id='{alice}'/>"), refused("another's session")),
    Attack("synced, for a session of c2s-1", synced("<s id='{alice}' h='9' n='9' w='9'/>"), refused("another's session"), "ab"),
    Attack("synced for another epoch", synced("<gone id='{alice}'/>", epoch=77), (NUMBERS,)),
    Attack("a thousand guessed ids", guesses, (Counted("sm-1", "sallyport_sm_frames_dropped_total", 1000),)),
    Attack("our session by another connection of ours", lambda x: own(lambda s: s.raw(to_me(s), s.n + 1, conn=x.a.connection()))(x), refused("from elsewhere"), "ab"),
    Attack("an older epoch", own(lambda s: s.raw(to_me(s), s.n + 1, e=s.e - 1 or None)), (NUMBERS,)),
    Attack("a newer epoch", own(lambda s: s.raw(to_me(s), s.n + 1, e=s.e + 1)), (NUMBERS,)),
    Attack("no epoch", own(lambda s: s.raw(to_me(s), s.n + 1, e=0)), (NUMBERS,)),
    Attack("n with a gap", own(lambda s: s.raw(to_me(s), s.n + 2)), (NUMBERS,)),
    Attack("n as large as can be", own(lambda s: s.raw(to_me(s), BIG)), (NUMBERS,)),
    Attack("n that was before, again and again", own(repeated), (Counted("sm-1", "sallyport_sm_numbers_refused_total", 50),), "ab"),
    Attack("h of what was never sent", own(lambda s: s.say(to_me(s), h=BIG)), (NUMBERS,)),
    Attack("f of what was never taken over", own(lambda s: s.say(to_me(s), f=BIG)), (NUMBERS,)),
    Attack("h that goes backwards", own(lambda s: (s.ping(), s.say(to_me(s), h=1))), (Counted("sm-1", "sallyport_sm_frames_in_total"),)),
    Attack("the frames of the last link, again on the next", replayed, (Counted("sm-1", "sallyport_sm_numbers_refused_total", 40),), "ab"),
    Attack("a session of our earlier life", earlier_life, (DROPPED,), "ab"),
    Attack("lies to a new owner", lies, refused("another's session"), "ab"),
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


def answered(text, error):
    """In a session of our own; the answer is an error, and the session goes on."""
    def act(x):
        s = x.session()
        s.say(text(s, x) if callable(text) else text)
        s.expect(lambda f: "type='error'" in f.payload and error in f.payload)
        s.ping()
    return act


def to_process(name):
    return answered(lambda s, x: f"<message {CLIENT} id='p' to='{name(x) if callable(name) else name}' type='chat'><body>x</body></message>", "remote-server-not-found")


def second_stream(x):
    """The header of the stream names alice; who it is was settled by the login."""
    s = x.session()
    s.say(f"<restart xmlns='{LINK}' host='localhost' from='alice@localhost'/>")
    s.message(x.alice.jid, "said on a second stream")
    x.alice.expect("message", body="said on a second stream", from_=s.jid)


ANSWERED = (Counted("sm-1", "sallyport_sm_frames_out_total"),)
FOREIGN = audited("sm-1", "policy-violation", "from of another"), audited("sm-1", "session-ended", "invalid-from")

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
    Attack("a stanza from somebody else", payload(lambda s, x: stanza(x)), FOREIGN, "ab"),
    Attack("presence from somebody else", payload(f"<presence {CLIENT} from='alice@localhost/desk' type='unavailable'/>"), FOREIGN),
    Attack("a question from somebody else", payload(f"<iq {CLIENT} from='alice@localhost' type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"), FOREIGN),
    Attack("a stanza from a resource that is not ours", payload(lambda s, x: stanza(x, f"{s.jid}x")), FOREIGN),
    Attack("a stanza from a process", payload(lambda s, x: stanza(x, SM)), FOREIGN),
    Attack("a stanza to the sm", to_process(SM), ANSWERED),
    Attack("a stanza to the router", to_process(ROUTER), ANSWERED),
    Attack("a stanza to a connection of c2s-1", to_process(lambda x: x.stage.alice_conn), ANSWERED),
    Attack("an element of the link in a question to the server", answered(f"<iq {CLIENT} type='set' id='q' to='localhost'><adopt xmlns='{LINK}' account='alice@localhost'/></iq>",
                                                                         "service-unavailable"), ANSWERED),
    Attack("a stanza of a server's stream", payload(lambda s, x: f"<message xmlns='jabber:server' from='a@example.org' to='{x.alice.jid}'/>"), (audited("sm-1", "session-ended", "unsupported-stanza-type"),)),
    Attack("success, said by us", payload("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"), (audited("sm-1", "session-ended", "unsupported-stanza-type"),)),
    Attack("adopt in a session", payload(f"<adopt xmlns='{LINK}' account='alice@localhost'/>"), (audited("sm-1", "session-ended", "unsupported-stanza-type"),)),
    Attack("a second stream on a session, as somebody else", second_stream, (Counted("sm-1", "sallyport_sm_messages_in_total"),)),
    Attack("facts said again in a session", payload(open_text("localhost", "198.51.100.9:1")), (audited("sm-1", "session-ended"),)),
    Attack("another host's stream", payload(f"<restart xmlns='{LINK}' host='second.example'/>"), (audited("sm-1", "session-ended", "host-unknown"),)),
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


def external(x):
    """A client certificate of which only we say that it was verified."""
    conn, chain = x.a.connection(), (x.cluster.folder / "link/ca.pem").read_text()
    x.a.open(conn, inner=f"<chain>{chain}</chain>")
    x.a.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>YWxpY2U=</auth>", conn)
    x.link().expect(lambda f: f.to == conn and "<failure" in f.payload)


LOGIN = [
    Attack("the facts of a connection, again after login", logged_in_again, refused("second time")),
    Attack("other facts in the midst of a login", changed_facts, refused("other facts")),
    Attack("SASL on a connection that was never opened", frame(auth_text("alice", "x"), lambda x: x.a.connection()), (DROPPED,)),
    Attack("a stanza before login", before(f"<message {CLIENT} to='alice@localhost'/>"), (Counted("sm-1", "sallyport_sm_frames_out_total", 0),)),
    Attack("open for a host of nobody", lambda x: x.a.open(x.a.connection(), host="bank.example") and None, (Counted("sm-1", "sallyport_sm_frames_in_total"),)),
    Attack("open with a megabyte of facts", frame(lambda x: open_text("localhost", sni="x" * 900000), lambda x: x.a.connection()), refused("too large")),
    Attack("a password of a megabyte", lambda x: (setattr(x, "conn", x.a.connection()), x.a.open(x.conn), x.a.send(auth_text("alice", "x" * 700000), x.conn)) and None, refused("too large")),
    Attack("PLAIN where we say that there is no TLS", before(auth_text("mallory", "mallory's"), tls=None, cipher=None), (audited("sm-1", "login-refused", "encryption-required"),)),
    Attack("EXTERNAL with a chain of our own making", external, (audited("sm-1", "login-refused", "invalid-mechanism"),)),
    Attack("a stream before login", before(f"<restart xmlns='{LINK}' host='localhost' from='alice@localhost'/>"), (Counted("sm-1", "sallyport_sm_frames_in_total"),)),
    Attack("binding before login", before(f"<iq {CLIENT} type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"), (Counted("sm-1", "sallyport_sm_frames_in_total"),)),
    Attack("guessing passwords", guesses_of_passwords, (audited("sm-1", "login-refused", "claimed", "alice"), Counted("sm-1", "sallyport_sm_login_failures_total", 4))),
    Attack("exchanges without waiting", all_at_once, (Counted("sm-1", "sallyport_sm_frames_in_total", 300),)),
    Attack("connections without number", flood_of_opens, (audited("sm-1", "frame-refused", "too many connections"),)),
]
