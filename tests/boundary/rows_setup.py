"""How a hostile connection manager comes up: dialling the router (COMING_UP), and where the router calls it (CALLED)."""
import ssl
import time

import hub
from hostile import Door, called, dial_tls, name_of
from link import ACCEPT, CONNECT, LINK, Wire, frame_text
from rows import C2S1, ROUTER, SM, link_refused
from scene import Attack, Counted, Ended, audited


def context(x, is_server=False, has_cert=True, **options):
    c = x.a.place.context(is_server, has_cert)
    for key, value in options.items():
        setattr(c, key, value)
    return c


def foreign_context(x, is_server=False):
    """A certificate with the right name, of the attacker's own CA."""
    ca, cert, key = hub.make_certificate(x.stage.folder, x.a.name)
    c = context(x, is_server, has_cert=False)
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
    w.write(data)
    return w


def in_header(x, text):
    w = x.dial().header(x.a.name)
    w.until(rb"<stream:stream[^>]*>")
    w.write(text)


def fights(x):
    """Two that bear one name replace each other; the newcomer is refused at last."""
    wires = []
    for _ in range(12):
        w = dial_tls(x.a.place).header(x.a.name).shake(x.a.place.secret())
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
    wires = [dial_tls(x.a.place) for _ in range(300)]
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
           (link_refused("", "sm-1"), Ended()), "ab"),
    Attack("posing as the router to c2s-1", lambda x: x.dial(target="c2s-1").header(C2S1, CONNECT),
           (link_refused("", "c2s-1"), Ended()), "ab"),
    Attack("the stream of the other direction", lambda x: x.dial().header(x.a.name, CONNECT), (link_refused("in this direction"), Ended())),
    Attack("the secret of c2s-1", lambda x: x.dial().header(x.a.name).shake(x.a.place.secret("c2s-1")), (link_refused("handshake is wrong"), Ended("not-authorized"))),
    Attack("an empty handshake", lambda x: in_header(x, "<handshake/>"), (link_refused("handshake is wrong"), Ended("not-authorized"))),
    Attack("hello without handshake", lambda x: in_header(x, f"<hello xmlns='{LINK}' version='1'/>"), (link_refused("no handshake"), Ended("not-authorized"))),
    Attack("malformed XML in front of everything", lambda x: dial_raw(x, "<a b=c></d>"), (link_refused(""), Ended())),
    Attack("a document type in front of the stream", lambda x: dial_raw(x, "<!DOCTYPE a [<!ENTITY b 'c'>]><stream:stream>"), (link_refused(""), Ended())),
    Attack("a stream header without end", lambda x: dial_raw(x, "<stream:stream a='" + "x" * 20000), (link_refused(""), Ended())),
    Attack("white space without end", lambda x: dial_raw(x, " " * 200000), (link_refused("too long"), Ended())),
    Attack("zeros", lambda x: dial_raw(x, bytes(1000)), (link_refused(""), Ended())),
    Attack("a frame instead of hello", lambda x: shaken(x).write(frame_text(SM, x.a.name, "<a/>")) and None, (link_refused("no hello"), Ended())),
    Attack("hello of another major version", lambda x: shaken(x).hello(x.a.name, version="2"), (link_refused("another version"), Ended("unsupported-version"))),
    Attack("hello as c2s-1", lambda x: shaken(x).hello(C2S1), (link_refused("another name"), Ended("invalid-from"))),
    Attack("hello as an sm", lambda x: shaken(x).hello(x.a.name, role="sm"), (link_refused("its role"), Ended("not-authorized"))),
    Attack("hello as a router", lambda x: shaken(x).hello(x.a.name, role="router"), (link_refused("its role"), Ended("not-authorized"))),
    Attack("hello with an instance that is none", lambda x: shaken(x).hello(x.a.name, instance="' x='"), (link_refused(""), Ended())),
    Attack("a stream, then silence", lambda x: shaken(x) and None, (link_refused("in time"), Ended("connection-timeout"))),
    Attack("links that replace each other", fights, (audited("router-1", "link-replaced", "c2s-2"), link_refused("replace each other"), Ended("conflict"))),
    Attack("hundreds of links that never come up", half_open, (Counted("router-1", "sallyport_net_accepted_total", 300),)),
]


# --- being called (layout a) -----------------------------------------------------------------------------------------------------


def called_with(context_of):
    """The router calls, and what we are made of is not what it must be. It may give up at once, or when we say something."""
    def act(x):
        x.a.hang_up()
        try:
            x.wire = x.a.door.next_once(context_of(x))
        except (OSError, ssl.SSLError):
            x.wire = Closed()
    return act


def in_place_of_c2s_3(x):
    """Our certificate at an address that the router knows as somebody else's."""
    door = Door(x.a.place, "c2s-3")
    x.cluster.ctl("router-1", "reload", check=True)
    x.wire = door.next_once(x.a.place.context(is_server=True))
    x.wire.read_to_end()
    door.close()


def in_clear(x):
    x.a.hang_up()
    x.wire = Wire(x.a.door.accept()).answer(x.a.name)


def answered(*args, **kwargs):
    return lambda x: x.called().answer(*args or (x.a.name,), **kwargs)


def said(data):
    """Instead of a stream's header."""
    return lambda x: x.called().write(data) and None


def in_handshake(text):
    def act(x):
        w = x.called().answer(x.a.name)
        w.until(rb"<handshake>[0-9a-f]+</handshake>")
        w.write(text)
    return act


def hello(**claims):
    """In order up to the handshake, then this hello."""
    return lambda x: called(x.called(), x.a.name).hello(claims.pop("name", x.a.name), **claims)


def up_and_down(x):
    """The router calls more and more slowly whoever hangs up."""
    x.a.hang_up()
    x.calls, end = 0, time.monotonic() + 2
    while time.monotonic() < end:
        x.a.door.next_up().close()
        x.calls += 1
    assert 1 < x.calls < 12, x.calls


def silent(x):
    x.called()


CALLED = [
    Attack("called: a certificate of another CA", called_with(lambda x: foreign_context(x, True)), (link_refused("not of the link CA"), Ended()), "a"),
    Attack("called: TLS 1.2", called_with(lambda x: context(x, True, maximum_version=ssl.TLSVersion.TLSv1_2)), (link_refused(""), Ended()), "a"),
    Attack("called: no TLS", in_clear, (link_refused(""), Ended()), "a"),
    Attack("called: our certificate in the place of c2s-3", in_place_of_c2s_3, (link_refused("another name"),), "a"),
    Attack("called: the stream of c2s-1", answered(C2S1), (link_refused("of another component"), Ended("host-unknown")), "a"),
    Attack("called: the stream of the other direction", lambda x: x.called().answer(x.a.name, ACCEPT), (link_refused("in this direction"), Ended()), "a"),
    Attack("called: a stream id of a kilobyte", lambda x: x.called().answer(x.a.name, id_="1" * 1000), (link_refused("of another component"), Ended("host-unknown")), "a"),
    Attack("called: a stream header without end", said("<stream:stream a='" + "x" * 20000), (link_refused(""), Ended()), "a"),
    Attack("called: a document type", said("<!DOCTYPE a [<!ENTITY b 'c'>]><stream:stream>"), (link_refused(""), Ended()), "a"),
    Attack("called: zeros", said(bytes(1000)), (link_refused(""), Ended()), "a"),
    Attack("called: silence", silent, (link_refused("in time"), Ended("connection-timeout")), "a"),
    Attack("called: hello without handshake", in_handshake(f"<hello xmlns='{LINK}' version='1'/>"), (link_refused("no handshake"), Ended("not-authorized")), "a"),
    Attack("called: a frame instead of hello", in_handshake(b"<handshake/>" + frame_text(SM, name_of("c2s-2"), "<a/>")), (link_refused("no hello"), Ended()), "a"),
    Attack("called: hello as c2s-1", hello(name=C2S1), (link_refused("another name"), Ended("invalid-from")), "a"),
    Attack("called: hello as an sm", hello(role="sm"), (link_refused("its role"), Ended("not-authorized")), "a"),
    Attack("called: hello as a router", hello(role="router"), (link_refused("its role"), Ended("not-authorized")), "a"),
    Attack("called: hello of another major version", hello(version="2"), (link_refused("another version"), Ended("unsupported-version")), "a"),
    Attack("called: up and down again and again", up_and_down, (audited("router-1", "link-up", "c2s-2"),), "a"),
    Attack("a second link, dialled, beside that of the call", lambda x: (x.link(), x.dial().header(x.a.name))[1], (link_refused("names no peer"), Ended("host-unknown")), "a"),
    Attack("dialling as c2s-3", lambda x: x.dial().header(name_of("c2s-3")), (link_refused("names no peer"), Ended("host-unknown")), "a"),
]
