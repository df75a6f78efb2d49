"""XEP-0280: copies of messages for the account's other resources."""
import pytest

from xmpp import CLIENT, error_of, q

CARBONS = "urn:xmpp:carbons:2"
INFO = "http://jabber.org/protocol/disco#info"
PRIVATE = f"<private xmlns='{CARBONS}'/>"
NO_COPY = "<no-copy xmlns='urn:xmpp:hints'/>"
STATE = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"


def switch(client, name="enable", to=None):
    return client.iq("set", f"<{name} xmlns='{CARBONS}'/>", to=to)


def enabled(cluster, name, resource, priority=0):
    """A client that gets copies; priority None: it is not available."""
    client = cluster.client(name).login(resource)
    assert switch(client).get("type") == "result"
    return client if priority is None else client.online(priority)


def is_copy(el):
    return el.find(q(CARBONS, "sent")) is not None or el.find(q(CARBONS, "received")) is not None


def inner_of(copy, way):
    return copy.find(f"{q(CARBONS, way)}/{{urn:xmpp:forward:0}}forwarded/{q(CLIENT, 'message')}")


def copy(client, way, body):
    """Waits for the copy of a message with this body; checks the wrapper; returns the message."""
    el = client.expect(lambda x: inner_of(x, way) is not None and inner_of(x, way).findtext(q(CLIENT, "body")) == body)
    inner = inner_of(el, way)
    assert el.get("from") == client.bare and el.get("to") == client.jid
    assert el.get("type") == inner.get("type", "normal") and el.find(q(CLIENT, "body")) is None
    return inner


def nothing(*clients):
    for client in clients:
        client.expect_none("message")


def test_the_server_offers_it_and_promises_no_rules(cluster, unique):
    answer = cluster.online(unique("alice")).iq("get", f"<query xmlns='{INFO}'/>", to="localhost")
    features = {f.get("var") for f in answer.iter(q(INFO, "feature"))}
    assert CARBONS in features and "urn:xmpp:carbons:rules:0" not in features


def test_a_message_to_one_resource_is_copied_to_the_others(cluster, unique):
    name, alice = unique("bob"), cluster.online(unique("alice"))
    desk, phone, tv = enabled(cluster, name, "desk"), enabled(cluster, name, "phone"), cluster.online(name, "tv")
    alice.message(desk.jid, "hello", id="m1")
    assert desk.expect("message", body="hello").get("from") == alice.jid
    inner = copy(phone, "received", "hello")
    assert (inner.get("from"), inner.get("to"), inner.get("id")) == (alice.jid, desk.jid, "m1")
    nothing(desk, phone, tv)


@pytest.mark.parametrize("priority", [-5, 0, None], ids=["negative", "lower", "not available"])
def test_whatever_its_priority_a_resource_gets_a_copy_of_what_another_got(cluster, unique, priority):
    name, alice = unique("bob"), cluster.online(unique("alice"))
    desk, phone = enabled(cluster, name, "desk", 5), enabled(cluster, name, "phone", priority)
    alice.message(desk.bare, "to-the-best")
    desk.expect("message", body="to-the-best")
    copy(phone, "received", "to-the-best")
    nothing(desk, phone)


def test_who_gets_the_message_gets_no_copy(cluster, unique):
    name, alice = unique("bob"), cluster.online(unique("alice"))
    bobs = [enabled(cluster, name, r, 1) for r in ("one", "two")]
    alice.message(bobs[0].bare, "to-both")
    for bob in bobs:
        bob.expect("message", body="to-both")
    nothing(*bobs)


def test_what_a_client_sends_its_others_see_whether_it_has_copies_or_not(cluster, unique):
    name, alice = unique("bob"), cluster.online(unique("alice"))
    desk, phone = cluster.online(name, "desk"), enabled(cluster, name, "phone")
    desk.message(alice.bare, "from-the-desk", id="m2")
    alice.expect("message", body="from-the-desk")
    inner = copy(phone, "sent", "from-the-desk")
    assert (inner.get("from"), inner.get("to"), inner.get("id")) == (desk.jid, alice.bare, "m2")
    phone.message(alice.bare, "from-the-phone")
    alice.expect("message", body="from-the-phone")
    nothing(desk, phone)


def test_a_message_to_the_own_account_comes_once(cluster, unique):
    name = unique("bob")
    desk, phone, tv = (enabled(cluster, name, r, p) for r, p in (("desk", 0), ("phone", 3), ("tv", 1)))
    desk.message(desk.bare, "note")
    assert phone.expect("message", body="note").get("from") == desk.jid
    assert copy(tv, "received", "note").get("from") == desk.jid
    desk.message(tv.jid, "direct")
    assert tv.expect("message", body="direct").get("from") == desk.jid
    assert copy(phone, "received", "direct").get("to") == tv.jid
    desk.message(desk.jid, "echo")
    desk.expect("message", body="echo")
    copy(phone, "received", "echo")
    copy(tv, "received", "echo")
    nothing(desk, phone, tv)


@pytest.mark.parametrize("inner", [PRIVATE, NO_COPY, PRIVATE + NO_COPY], ids=["private", "no-copy", "both"])
def test_a_private_message_is_copied_on_neither_side(cluster, unique, inner):
    alice, bob = unique("alice"), unique("bob")
    alices = [enabled(cluster, alice, r) for r in ("one", "two")]
    bobs = [enabled(cluster, bob, r) for r in ("one", "two")]
    alices[0].message(bobs[0].jid, "psst", inner=inner)
    got = bobs[0].expect("message", body="psst")
    assert len([x for x in got if not x.tag.startswith("{urn:xmpp:sid:0}")]) == 1 + inner.count("/>")  # nothing is taken out
    nothing(alices[1], bobs[1])


@pytest.mark.parametrize("type,body,is_copied", [("normal", "b", True), ("headline", "b", False), ("groupchat", "b", False)])
def test_types(cluster, unique, type, body, is_copied):
    name, alice = unique("bob"), cluster.online(unique("alice"))
    desk, phone = enabled(cluster, name, "desk"), enabled(cluster, name, "phone")
    alice.message(desk.jid, body, type=type)
    desk.expect("message", type=type)
    if is_copied:
        copy(phone, "received", body)
    nothing(phone)


def test_chat_states_are_copied(cluster, unique):
    name, alice = unique("bob"), cluster.online(unique("alice"))
    desk, phone = enabled(cluster, name, "desk"), enabled(cluster, name, "phone")
    alice.send(f"<message to='{desk.jid}' type='chat'>{STATE}</message>")
    desk.expect("message")
    assert inner_of(phone.expect("message"), "received")[0].tag == "{http://jabber.org/protocol/chatstates}composing"


def test_what_is_refused_is_not_received(cluster, unique):
    name, alice = unique("bob"), cluster.online(unique("alice"))
    phone = enabled(cluster, name, "phone")
    alice.message(phone.bare + "/gone", "m", type="normal")
    assert error_of(alice.expect("message", type="error"))[1] == "service-unavailable"
    nothing(phone)


def test_copies_are_turned_off_and_on_again_and_each_twice(cluster, unique):
    name, alice = unique("bob"), cluster.online(unique("alice"))
    desk, phone = cluster.online(name, "desk"), enabled(cluster, name, "phone")
    for _ in range(2):
        assert switch(phone, "disable").get("type") == "result"
    alice.message(desk.jid, "off")
    desk.expect("message", body="off")
    nothing(phone)
    for _ in range(2):
        assert switch(phone, to=phone.bare).get("type") == "result"
    alice.message(desk.jid, "on")
    copy(phone, "received", "on")


def test_another_account_cannot_be_switched(cluster, unique):
    alice, bob = cluster.online(unique("alice")), cluster.online(unique("bob"))
    for to in (bob.bare, f"{unique('nobody')}@localhost"):
        assert error_of(switch(alice, to=to)) == ("cancel", "service-unavailable")


def test_a_forged_copy_is_an_ordinary_message_of_its_sender(cluster, unique):
    tybalt, romeo = cluster.online(unique("tybalt")), enabled(cluster, unique("romeo"), "home")
    forged = (f"<received xmlns='{CARBONS}'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' "
              "from='juliet@localhost/balcony' to='romeo@localhost'><body>thou</body></message></forwarded></received>")
    tybalt.send(f"<message to='{romeo.jid}' type='chat'>{forged}</message>")
    assert romeo.expect("message").get("from") == tybalt.jid
    tybalt.send(f"<message from='{romeo.bare}' to='{romeo.jid}' type='chat'>{forged}</message>")
    tybalt.expect_stream_error("invalid-from")
    nothing(romeo)


def test_not_even_the_own_account_sends_from_its_bare_address(cluster, unique):
    name = unique("romeo")
    desk, home = cluster.online(name, "desk"), enabled(cluster, name, "home")
    desk.send(f"<message from='{desk.bare}' to='{home.jid}' type='chat'><sent xmlns='{CARBONS}'/></message>")
    assert home.expect("message").get("from") == desk.jid


def test_a_copy_that_bounces_is_dropped(cluster, unique):
    """§10.3."""
    name, alice = unique("bob"), cluster.online(unique("alice"))
    desk, phone = enabled(cluster, name, "desk"), enabled(cluster, name, "phone")
    alice.message(desk.jid, "m", id="b1")
    copy(phone, "received", "m")
    phone.send(f"<message to='{phone.bare}' type='error' id='b1'><body>m</body><error type='cancel'>"
               "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
    phone.ping()
    desk.expect("message", body="m")
    nothing(alice, desk)


def test_the_largest_message_is_copied_whole(cluster, unique):
    name, alice = unique("bob"), cluster.online(unique("alice"))
    desk, phone = enabled(cluster, name, "desk"), enabled(cluster, name, "phone")
    body = "x" * (256 * 1024 - 300)
    alice.message(desk.jid, body)
    desk.expect("message", body=body)
    copy(phone, "received", body)


def test_a_copy_of_the_deepest_message_does_not_trouble_anyone(cluster, unique):
    """It is deeper than what the server reads from clients; it only ever writes it."""
    name, alice = unique("bob"), cluster.online(unique("alice"))
    desk, phone = enabled(cluster, name, "desk"), enabled(cluster, name, "phone")
    alice.message(desk.jid, "deep", inner="<x xmlns='urn:example'>" + "<x>" * 60 + "</x>" * 60 + "</x>")
    desk.expect("message", body="deep")
    assert len(list(copy(phone, "received", "deep").iter("{urn:example}x"))) == 61


def test_what_waits_for_a_client_that_is_gone(new_cluster):
    """Its connection manager dies. Copies end with it and go to nobody, not even to offline storage; messages themselves are delivered
    again, and not copied again."""
    cluster = new_cluster("--c2s", "2")
    alice, bob = cluster.online("alice"), cluster.online("bob", "desk", 1)
    gone_phone = cluster.client("bob", c2s=2).login("phone")
    switch(gone_phone)
    gone_phone.online(0)
    gone_desk = cluster.online("carol", "desk", 1, c2s=2)
    carol, tv = cluster.online("carol", "phone", 1), enabled(cluster, "carol", "tv", -1)
    cluster.kill("c2s-2")
    alice.message(bob.jid, "for bob")
    bob.expect("message", body="for bob")
    alice.message(gone_desk.jid, "for carol")
    copy(tv, "received", "for carol")
    cluster.start("c2s-2")  # another instance: the sessions of the dead one end
    bob.expect("presence", type="unavailable", from_=gone_phone.jid)
    carol.expect("message", body="for carol")
    nothing(alice, bob, carol, tv)
    for client in (bob, carol, tv):
        client.logout()
    nothing(cluster.online("bob"), cluster.online("carol"))


def test_the_wish_for_copies_survives_a_restart_of_the_session_manager(new_cluster):
    cluster = new_cluster()
    alice = cluster.online("alice")
    desk, phone, tv = cluster.online("bob", "desk"), enabled(cluster, "bob", "phone"), enabled(cluster, "bob", "tv")
    switch(tv, "disable")
    cluster.kill("sm-1")
    alice.message(desk.jid, "meanwhile")
    cluster.start("sm-1")
    desk.expect("message", body="meanwhile")
    copy(phone, "received", "meanwhile")
    nothing(phone, tv)


def test_copies_can_be_turned_off_by_the_administrator(new_cluster):
    cluster = new_cluster()
    conf = cluster.folder / "conf/sm-1.conf"
    cluster.kill("sm-1")
    conf.write_text("disabled = carbons\n" + conf.read_text())
    cluster.start("sm-1")
    assert error_of(switch(cluster.online("alice"))) == ("cancel", "service-unavailable")
