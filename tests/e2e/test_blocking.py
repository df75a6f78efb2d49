"""XEP-0191: nothing passes between an account and whom it has blocked, and the blocked see it as offline."""
import pytest

from steps import befriend, interested, items
from xmpp import error_of, local, q

BLOCKING = "urn:xmpp:blocking"
CARBONS = "urn:xmpp:carbons:2"
INFO = "http://jabber.org/protocol/disco#info"


def change(client, name, *jids, to=None):
    inner = "".join(f"<item jid='{jid}'/>" for jid in jids)
    return client.iq("set", f"<{name} xmlns='{BLOCKING}'>{inner}</{name}>", to=to)


def block(client, *jids):
    assert change(client, "block", *jids).get("type") == "result"


def unblock(client, *jids):
    assert change(client, "unblock", *jids).get("type") == "result"


def listed(client):
    answer = client.iq("get", f"<blocklist xmlns='{BLOCKING}'/>")
    return {item.get("jid") for item in answer.find(q(BLOCKING, "blocklist"))}


def pushed(client, name):
    """The JIDs of the next push."""
    el = client.expect(lambda x: local(x) == "iq" and x.get("type") == "set" and x.find(q(BLOCKING, name)) is not None)
    assert el.get("to") == client.jid and el.get("from") == client.bare and el.get("id")
    return [item.get("jid") for item in el.find(q(BLOCKING, name))]


def refused(client):
    """The error of §3.3 for what the client just sent."""
    el = client.expect(lambda x: x.get("type") == "error")
    assert error_of(el) == ("cancel", "not-acceptable")
    assert el.find(f"{q('jabber:client', 'error')}/{q('urn:xmpp:blocking:errors', 'blocked')}") is not None
    return el


def pair(cluster, unique):
    return cluster.online(unique("juliet")), cluster.online(unique("romeo"))


def friends(cluster, unique):
    juliet, romeo = interested(cluster, unique("juliet")), interested(cluster, unique("romeo"))
    befriend(juliet, romeo)
    for client in (juliet, romeo):
        client.ping()
        client.backlog.clear()
    return juliet, romeo


# --- the list ---


def test_the_server_offers_it(cluster, unique):
    answer = cluster.online(unique("alice")).iq("get", f"<query xmlns='{INFO}'/>", to="localhost")
    assert BLOCKING in {f.get("var") for f in answer.iter(q(INFO, "feature"))}


def test_the_list_is_what_was_blocked_and_not_unblocked(cluster, unique):
    juliet = cluster.online(unique("juliet"))
    assert listed(juliet) == set()
    block(juliet, "a@b.example", "Tybalt@Capulet.EXAMPLE/Sword", "spam.example")
    block(juliet, "a@b.example")
    assert listed(juliet) == {"a@b.example", "tybalt@capulet.example/Sword", "spam.example"}
    unblock(juliet, "a@b.example", "nobody@b.example")
    assert listed(juliet) == {"tybalt@capulet.example/Sword", "spam.example"}
    unblock(juliet)
    assert listed(juliet) == set()


@pytest.mark.parametrize("name,inner,condition", [
    ("block", "", "bad-request"), ("block", "<item/>", "bad-request"), ("block", "<item jid='a@b.example'/><item jid='@'/>", "jid-malformed"),
    ("unblock", "<item jid='@'/>", "jid-malformed")])
def test_what_is_malformed_changes_nothing(cluster, unique, name, inner, condition):
    juliet = cluster.online(unique("juliet"))
    answer = juliet.iq("set", f"<{name} xmlns='{BLOCKING}'>{inner}</{name}>")
    assert error_of(answer)[1] == condition
    assert listed(juliet) == set()


def test_resources_that_asked_for_the_list_hear_of_changes(cluster, unique):
    name = unique("juliet")
    one, two, three = (cluster.online(name, r) for r in ("one", "two", "three"))
    listed(one), listed(two)
    block(one, "a@b.example", "c@d.example")
    for client in (one, two):
        assert pushed(client, "block") == ["a@b.example", "c@d.example"]
    unblock(three, "a@b.example")
    for client in (one, two):
        assert pushed(client, "unblock") == ["a@b.example"]
    unblock(three)
    for client in (one, two):
        assert pushed(client, "unblock") == []
    three.expect_none(lambda x: x.get("type") == "set")


def test_the_list_of_another_is_not_to_be_had(cluster, unique):
    juliet, romeo = pair(cluster, unique)
    block(juliet, "a@b.example")
    for to in (juliet.bare, f"{unique('nobody')}@localhost"):
        assert error_of(romeo.iq("get", f"<blocklist xmlns='{BLOCKING}'/>", to=to)) == ("cancel", "service-unavailable")
        assert error_of(change(romeo, "unblock", to=to)) == ("cancel", "service-unavailable")
    assert listed(juliet) == {"a@b.example"}


# --- messages and requests ---


def test_a_blocked_sender_is_answered_as_if_nobody_were_there(cluster, unique):
    juliet, romeo = pair(cluster, unique)
    block(juliet, romeo.bare)
    for to in (juliet.bare, juliet.jid):
        romeo.message(to, "hello")
        assert error_of(romeo.expect("message", type="error")) == ("cancel", "service-unavailable")
        assert error_of(romeo.iq("get", "<query xmlns='urn:example:q'/>", to=to)) == ("cancel", "service-unavailable")
    romeo.presence(to=juliet.jid).presence(type="probe", to=juliet.bare).presence(type="subscribe", to=juliet.bare)
    romeo.send(f"<iq type='result' id='r1' to='{juliet.jid}'/>").ping()
    for client in (juliet, romeo):
        client.expect_none(lambda x: x.get("from", "").startswith((juliet.bare, romeo.bare)) and x.get("from") != client.jid)
    assert items(juliet) == {}


def test_what_is_sent_to_the_blocked_is_refused(cluster, unique):
    juliet, romeo = pair(cluster, unique)
    block(juliet, romeo.bare)
    juliet.message(romeo.bare, "hello", id="m1")
    assert refused(juliet).get("id") == "m1"
    juliet.message(romeo.jid, "hello", id="m2")
    assert refused(juliet).get("from") == romeo.jid
    juliet.send(f"<iq type='get' id='i1' to='{romeo.jid}'><query xmlns='urn:example:q'/></iq>")
    assert refused(juliet).get("id") == "i1"
    juliet.presence(to=romeo.jid)
    assert local(refused(juliet)) == "presence"
    juliet.presence(type="subscribe", to=romeo.bare)
    refused(juliet)
    romeo.expect_none(lambda x: x.get("from", "").startswith(juliet.bare))


def test_what_the_client_says_behind_a_block_is_under_it(cluster, unique):
    juliet, romeo = pair(cluster, unique)
    juliet.send(f"<iq type='set' id='b1'><block xmlns='{BLOCKING}'><item jid='{romeo.bare}'/></block></iq>"
                f"<message to='{romeo.bare}' type='chat' id='m1'><body>late</body></message>")
    assert refused(juliet).get("id") == "m1"
    assert juliet.expect("iq", id="b1").get("type") == "result"
    romeo.expect_none("message")


def test_unblocked_they_talk_again(cluster, unique):
    juliet, romeo = pair(cluster, unique)
    block(juliet, romeo.bare)
    unblock(juliet, romeo.bare)
    romeo.message(juliet.bare, "again")
    juliet.expect("message", body="again")
    juliet.message(romeo.bare, "yes")
    romeo.expect("message", body="yes")


def test_a_domain_a_resource(cluster, unique):
    juliet, name = cluster.online(unique("juliet")), unique("romeo")
    desk, phone = cluster.online(name, "desk"), cluster.online(name, "phone")
    block(juliet, desk.jid)
    desk.message(juliet.bare, "from-desk")
    assert error_of(desk.expect("message", type="error"))[1] == "service-unavailable"
    phone.message(juliet.bare, "from-phone")
    juliet.expect("message", body="from-phone")
    block(juliet, "second.example")
    cluster.run("adduser", f"{name}@second.example", "secret")
    other = cluster.client(domain="second.example")
    other.name, other.password = name, "secret"
    other.login().online()
    other.message(juliet.bare, "from-afar")
    assert error_of(other.expect("message", type="error"))[1] == "service-unavailable"
    juliet.message(other.bare, "m")
    refused(juliet)


def test_neither_the_own_account_nor_its_server_can_be_blocked(cluster, unique):
    name, romeo = unique("juliet"), cluster.online(unique("romeo"))
    desk, phone = cluster.online(name, "desk"), cluster.online(name, "phone")
    block(desk, "localhost", desk.bare, phone.jid)
    desk.message(phone.jid, "own")
    phone.expect("message", body="own")
    phone.presence("<status>still here</status>")
    desk.expect("presence", from_=phone.jid, status="still here")
    assert desk.iq("get", f"<query xmlns='{INFO}'/>", to="localhost").get("type") == "result"
    desk.message(romeo.bare, "m")
    refused(desk)  # he is of the domain


def test_neither_copies_nor_offline_storage_know_the_blocked(cluster, unique):
    name, romeo = unique("juliet"), cluster.online(unique("romeo"))
    desk, phone = cluster.online(name, "desk"), cluster.online(name, "phone", -1)
    phone.iq("set", f"<enable xmlns='{CARBONS}'/>")
    romeo.message(desk.bare, "before")
    desk.expect("message", body="before")
    phone.expect("message")
    block(desk, romeo.bare)
    romeo.message(desk.jid, "copied?")
    romeo.expect("message", type="error")
    desk.message(romeo.bare, "sent?")
    refused(desk)
    phone.expect_none("message")
    desk.logout()
    romeo.message(desk.bare, "kept?")
    assert error_of(romeo.expect("message", type="error"))[1] == "service-unavailable"
    unblock(phone)
    cluster.online(name, "late").expect_none("message")


def test_what_was_kept_before_the_block_is_not_delivered(cluster, unique):
    name, romeo, nurse = cluster.adduser(unique("juliet")), cluster.online(unique("romeo")), cluster.online(unique("nurse"))
    for who in (romeo, nurse):
        who.message(f"{name}@localhost", f"from {who.bare}")
        who.ping()
    juliet = cluster.client(name).login()
    block(juliet, romeo.bare)
    juliet.online().expect("message", body=f"from {nurse.bare}")
    juliet.expect_none("message")
    unblock(juliet)
    juliet.logout()
    cluster.online(name).expect_none("message")


# --- presence ---


def test_a_contact_sees_the_blocker_go_and_come_back(cluster, unique):
    juliet, romeo = friends(cluster, unique)
    block(juliet, romeo.bare)
    romeo.expect("presence", type="unavailable", from_=juliet.jid)
    juliet.presence("<status>hidden</status>")
    romeo.presence("<status>unheard</status>")
    juliet.ping()
    romeo.expect_none("presence", from_=juliet.jid)
    juliet.expect_none("presence", from_=romeo.jid)
    assert items(juliet)[romeo.bare][0] == "both" and items(romeo)[juliet.bare][0] == "both"  # polite blocking (§4)
    unblock(juliet, romeo.bare)
    romeo.expect("presence", type=None, from_=juliet.jid, status="hidden")
    juliet.expect("presence", type=None, from_=romeo.jid, status="unheard")


def test_to_a_blocked_contact_who_comes_the_blocker_is_offline_and_the_other_way_round(cluster, unique):
    juliet, romeo = friends(cluster, unique)
    block(juliet, "localhost")  # the whole domain
    romeo.expect("presence", type="unavailable", from_=juliet.jid)
    for client, other in ((juliet, romeo), (romeo, juliet)):
        late = interested(cluster, client.name, "late")
        late.expect_none("presence", from_=other.jid)
        late.logout()
    unblock(juliet)
    romeo.expect("presence", type=None, from_=juliet.jid)


def test_directed_presence_ends_with_a_block(cluster, unique):
    juliet, romeo = pair(cluster, unique)
    juliet.presence(to=romeo.jid)
    romeo.expect("presence", type=None, from_=juliet.jid)
    block(juliet, romeo.bare)
    romeo.expect("presence", type="unavailable", from_=juliet.jid)
    juliet.logout()
    romeo.expect_none("presence", from_=juliet.jid)


def test_who_is_blocked_and_no_contact_sees_nothing(cluster, unique):
    juliet, romeo = pair(cluster, unique)
    block(juliet, romeo.bare)
    unblock(juliet)
    romeo.expect_none("presence", from_=juliet.jid)


# --- the store ---


def test_lists_and_wishes_survive_a_restart_and_end_with_the_account(new_cluster):
    cluster = new_cluster("--set", "sm:max_blocked = 2")
    juliet, romeo = cluster.online("juliet"), cluster.online("romeo")
    listed(juliet)
    block(juliet, romeo.bare)
    assert error_of(change(juliet, "block", "a@b.example", "c@d.example")) == ("wait", "resource-constraint")
    assert pushed(juliet, "block") == [romeo.bare]
    cluster.kill("sm-1")
    cluster.start("sm-1")
    romeo.message(juliet.bare, "hello")
    assert error_of(romeo.expect("message", type="error"))[1] == "service-unavailable"
    block(juliet, romeo.bare, "a@b.example")
    assert pushed(juliet, "block") == [romeo.bare, "a@b.example"]
    cluster.ctl("deluser", juliet.bare, check=True)
    juliet.expect_stream_error("not-authorized")
    cluster.users.pop("juliet")
    assert listed(cluster.online("juliet")) == set()
