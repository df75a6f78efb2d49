"""What the rows of a hostile connection manager's tables share: names, and what must be written down."""
from hostile import LINK, name_of
from scene import Counted, Ended, audited

C2S1, ROUTER, SM = name_of("c2s-1"), name_of("router-1"), name_of("sm-1")
CLIENT = "xmlns='jabber:client'"
VIOLATION = "policy-violation"
DROPPED = Counted("sm-1", "sallyport_sm_frames_dropped_total")
NUMBERS = Counted("sm-1", "sallyport_sm_numbers_refused_total")
POLICY = audited("router-1", "policy-violation", "not allowed to this role"), Counted("router-1", "sallyport_router_violations_total")


def refused(what):
    """Of the session manager: audited and counted."""
    return audited("sm-1", "frame-refused", what), Counted("sm-1", "sallyport_sm_violations_total")


def link_refused(reason, process="router-1"):
    return audited(process, "link-refused", reason)


NOT_A_FRAME = (link_refused("not a frame"), Ended("bad-format"))
NO_ELEMENT = refused("a payload that is no element")


def frame(payload="<a/>", sender=None, to=None, **numbers):
    """A frame that is one, from and to whomever. Callables get the scene."""
    def act(x):
        value = lambda v: v(x) if callable(v) else v
        x.link()
        x.a.send(value(payload), value(sender), value(to), **{k: value(v) for k, v in numbers.items()})
    return act


def stanza(x, sender="alice@localhost/desk"):
    return f"<message {CLIENT} from='{sender}' to='{x.bob.jid}'><body>forged</body></message>"
