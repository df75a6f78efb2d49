"""What tests of archives share: a query and its page."""
from xmpp import CLIENT, q

MAM, SID, RSM = "urn:xmpp:mam:2", "urn:xmpp:sid:0", "http://jabber.org/protocol/rsm"
FORWARD, DELAY, DATA = "urn:xmpp:forward:0", "urn:xmpp:delay", "jabber:x:data"
HINT = "urn:xmpp:hints"
BODY = q(CLIENT, "body")


def stanza_id(message, by):
    """The id that the account gave the message, or None; never two."""
    found = [x for x in message.findall(q(SID, "stanza-id")) if x.get("by") == by]
    assert len(found) <= 1, "two ids by the same"
    return found[0].get("id") if found else None


def form(**fields):
    """A submitted form; a list is a field of several values, '_' in a name is '-'."""
    inner = "".join(f"<field var='{name.replace('_', '-')}'>" + "".join(f"<value>{v}</value>" for v in (value if isinstance(value, list) else [value]))
                    + "</field>" for name, value in fields.items())
    return f"<x xmlns='{DATA}' type='submit'><field var='FORM_TYPE' type='hidden'><value>{MAM}</value></field>{inner}</x>"


def rsm(**elements):
    inner = "".join(f"<{name}>{value}</{name}>" if value != "" else f"<{name}/>" for name, value in elements.items())
    return f"<set xmlns='{RSM}'>{inner}</set>"


class Page:
    """The answer to a query: its messages in the order of their coming, and what <fin/> says."""

    def __init__(self, client, inner="", queryid="q1", to=None):
        self.iq = client.iq("set", f"<query xmlns='{MAM}' queryid='{queryid}'>{inner}</query>", to=to)
        assert self.iq.get("type") == "result", self.iq.find(q(CLIENT, "error"))[0].tag
        fin = self.iq.find(q(MAM, "fin"))
        results = [el for el in client.backlog if el.find(q(MAM, "result")) is not None]
        for el in results:
            client.backlog.remove(el)
            assert el.get("from") == client.bare and el.get("to") == client.jid
        found = [el.find(q(MAM, "result")) for el in results]
        assert all(r.get("queryid") == queryid for r in found)
        self.ids = [r.get("id") for r in found]
        self.stamps = [r.find(f"{q(FORWARD, 'forwarded')}/{q(DELAY, 'delay')}").get("stamp") for r in found]
        self.messages = [r.find(f"{q(FORWARD, 'forwarded')}/{q(CLIENT, 'message')}") for r in found]
        assert [stanza_id(m, client.bare) for m in self.messages] == self.ids
        self.bodies = [m.findtext(BODY) for m in self.messages]
        self.is_complete = fin.get("complete") == "true"
        answer = fin.find(q(RSM, "set"))
        self.first, self.last = answer.findtext(q(RSM, "first")), answer.findtext(q(RSM, "last"))
        self.index = answer.find(q(RSM, "first")).get("index") if self.first else None
        self.count = answer.findtext(q(RSM, "count"))


def refused(client, inner, to=None):
    """(type, condition) of the error that a query is answered with; nothing is sent before."""
    iq = client.iq("set", f"<query xmlns='{MAM}'>{inner}</query>", to=to)
    assert iq.get("type") == "error" and not [el for el in client.backlog if el.find(q(MAM, "result")) is not None]
    error = iq.find(q(CLIENT, "error"))
    return error.get("type"), error[0].tag.split("}")[1]
