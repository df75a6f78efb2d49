"""Steps that several tests of rosters, subscriptions and presence take."""
from xmpp import CLIENT, ROSTER, local, q

ITEM = q(ROSTER, "item")
GROUP = q(ROSTER, "group")


def is_push(el):
    return local(el) == "iq" and el.get("type") == "set" and el.find(q(ROSTER, "query")) is not None


def push(client, jid=None):
    """The next roster push (of this contact): its item, with the version as `ver`."""
    el = client.expect(lambda x: is_push(x) and jid in (None, x.find(q(ROSTER, "query"))[0].get("jid")))
    query = el.find(q(ROSTER, "query"))
    assert len(query) == 1 and el.get("from") in (None, client.bare) and el.get("to") == client.jid
    item = query[0]
    item.attrib["ver"] = query.get("ver")
    return item


def no_push(client):
    client.expect_none(is_push)


def items(client):
    """The roster: {jid: (subscription, ask, name, groups)}."""
    return {i.get("jid"): (i.get("subscription"), i.get("ask"), i.get("name"), sorted(g.text for g in i.findall(GROUP)))
            for i in client.roster().findall(ITEM)}


def state(client, jid):
    """(subscription, ask) of one contact, or None."""
    item = items(client).get(jid)
    return item and item[:2]


def interested(cluster, name, resource=None, priority=None):
    """A client that has asked for its roster and is available."""
    client = cluster.client(name).login(resource)
    client.roster()
    return client.online(priority)


def set_item(client, jid, inner="", attributes=""):
    return client.iq("set", f"<query xmlns='{ROSTER}'><item jid='{jid}' {attributes}>{inner}</item></query>")


def subscribe(one, other):
    """one asks and other approves; both sides are known to be stored when this returns."""
    one.presence(type="subscribe", to=other.bare)
    other.expect("presence", type="subscribe", from_=one.bare)
    other.presence(type="subscribed", to=one.bare)
    one.expect("presence", type="subscribed", from_=other.bare)
    while push(one, other.bare).get("subscription") not in ("to", "both"):
        pass
    while push(other, one.bare).get("subscription") not in ("from", "both"):
        pass
    one.expect("presence", type=None, from_=other.jid)


def befriend(one, other):
    subscribe(one, other)
    subscribe(other, one)
    for client in (one, other):
        client.ping()
        client.backlog.clear()


def presences(client, of=None):
    """All presence that has come until now (from this full or bare JID), taken out of the backlog."""
    client.ping()
    found = [el for el in client.backlog if el.tag == q(CLIENT, "presence")
             and (of is None or el.get("from") == of or el.get("from", "").split("/")[0] == of)]
    for el in found:
        client.backlog.remove(el)
    return found
