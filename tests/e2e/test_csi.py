"""XEP-0352: what a client that nobody looks at hears, and when."""
import pytest

from steps import befriend, interested
from xmpp import local, q

CSI = "urn:xmpp:csi:0"
STATES = "http://jabber.org/protocol/chatstates"


def say(client, name):
    client.send(f"<{name} xmlns='{CSI}'/>")


def state(client, name, to):
    client.send(f"<message to='{to.jid}' type='chat'><{name} xmlns='{STATES}'/></message>")


def friends(cluster, unique, *names):
    """Juliet, and those that she has in her roster; all is quiet."""
    juliet, *others = (interested(cluster, unique(n)) for n in ("juliet", *names))
    for other in others:
        befriend(juliet, other)
    quiet(juliet, *others)
    return juliet, *others


def quiet(*clients):
    for client in clients:
        client.ping()
        client.backlog.clear()


def words(client):
    """What has come, in order."""
    found = [el.findtext(q("jabber:client", "status")) or el.findtext(q("jabber:client", "body")) or local(el[0] if len(el) else el)
             for el in client.backlog if local(el) in ("presence", "message")]
    client.backlog.clear()
    return found


def status(client, text):
    client.presence(f"<status>{text}</status>")
    client.expect("presence", from_=client.jid, status=text)


def test_it_is_offered_after_authentication(cluster, unique):
    client = cluster.client(unique("juliet"))
    assert client.direct().find(q(CSI, "csi")) is None
    assert client.authenticate().find(q(CSI, "csi")) is not None


def test_presence_waits_and_only_the_last_of_each_comes_in_order(cluster, unique):
    juliet, romeo, nurse = friends(cluster, unique, "romeo", "nurse")
    say(juliet, "inactive")
    juliet.send("<message to='%s' type='chat'><body>sync</body></message>" % juliet.jid)
    juliet.expect("message", body="sync")
    for who, text in ((romeo, "r1"), (nurse, "n1"), (romeo, "r2"), (romeo, "r3"), (nurse, "n2")):
        status(who, text)
    say(juliet, "active")
    juliet.ping()
    assert words(juliet) == ["r3", "n2"]
    status(romeo, "r4")
    juliet.expect("presence", status="r4")


def test_who_is_gone_is_gone_when_the_client_looks_again(cluster, unique):
    juliet, romeo = friends(cluster, unique, "romeo")
    say(juliet, "inactive")
    juliet.message(juliet.jid, "sync").expect("message", body="sync")
    status(romeo, "soon gone")
    romeo.presence(type="unavailable").ping()
    say(juliet, "active")
    juliet.ping()
    found = [el for el in juliet.backlog if el.get("from") == romeo.jid]
    assert [el.get("type") for el in found] == ["unavailable"]


def test_a_message_takes_along_what_waits_ahead_of_it(cluster, unique):
    juliet, romeo = friends(cluster, unique, "romeo")
    say(juliet, "inactive")
    juliet.message(juliet.jid, "sync").expect("message", body="sync")
    status(romeo, "here")
    state(romeo, "active", juliet)
    state(romeo, "composing", juliet)
    romeo.message(juliet.jid, "what light")
    juliet.expect("message", body="what light")
    romeo.message(juliet.jid, "through yonder")
    juliet.expect("message", body="through yonder")
    status(romeo, "waits again")
    romeo.ping()
    say(juliet, "active")
    juliet.ping()
    assert words(juliet) == ["here", "composing", "waits again"]


def test_the_order_of_what_waits_and_the_message_behind_it(cluster, unique):
    juliet, romeo = friends(cluster, unique, "romeo")
    say(juliet, "inactive")
    juliet.message(juliet.jid, "sync").expect("message", body="sync")
    status(romeo, "one")
    state(romeo, "composing", juliet)
    romeo.message(juliet.jid, "two")
    romeo.ping()
    juliet.expect(lambda el: False if el.findtext(q("jabber:client", "body")) != "two" else juliet.backlog.append(el) or True)
    assert words(juliet) == ["one", "composing", "two"]


def test_requests_answers_and_subscriptions_do_not_wait(cluster, unique):
    juliet, romeo = friends(cluster, unique, "romeo")
    tybalt = cluster.online(unique("tybalt"))
    say(juliet, "inactive")
    juliet.ping()
    romeo.send(f"<iq type='get' id='q1' to='{juliet.jid}'><query xmlns='urn:example:q'/></iq>")
    juliet.expect("iq", id="q1")
    tybalt.presence(type="subscribe", to=juliet.bare)
    juliet.expect("presence", type="subscribe")
    status(juliet, "my own")  # its echo is an answer


@pytest.mark.parametrize("inner", ["<received xmlns='urn:xmpp:receipts' id='1'/>", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>"])
def test_receipts_and_markers_do_not_wait(cluster, unique, inner):
    juliet, romeo = friends(cluster, unique, "romeo")
    say(juliet, "inactive")
    juliet.ping()
    romeo.send(f"<message to='{juliet.jid}' type='chat'>{inner}</message>")
    juliet.expect("message", from_=romeo.jid)


def test_nobody_else_learns_of_the_state(cluster, unique):
    juliet, romeo = friends(cluster, unique, "romeo")
    say(juliet, "inactive")
    say(juliet, "inactive")
    say(juliet, "active")
    juliet.ping()
    romeo.expect_none("presence")
    say(juliet, "active")


def test_what_waits_ends_with_the_client_and_what_counts_does_not(cluster, unique):
    juliet, romeo = friends(cluster, unique, "romeo")
    phone = cluster.online(juliet.name, "phone")
    say(juliet, "inactive")
    juliet.message(juliet.jid, "sync").expect("message", body="sync")
    state(romeo, "composing", juliet)
    romeo.ping()
    quiet(phone)
    juliet.close()
    phone.expect("presence", type="unavailable", from_=juliet.jid)
    romeo.message(juliet.jid, "not lost")
    phone.expect("message", body="not lost")
    phone.expect_none("message")
    romeo.expect_none("message", type="error")


def test_more_than_the_limit_goes_down(new_cluster, unique):
    cluster = new_cluster("--set", "sm:csi_hold = 2")
    juliet, *others = friends(cluster, unique, "a", "b", "c")
    say(juliet, "inactive")
    juliet.message(juliet.jid, "sync").expect("message", body="sync")
    for i, who in enumerate(others):
        status(who, f"s{i}")
    juliet.expect("presence", status="s2")
    assert words(juliet) == ["s0", "s1"]
    status(others[0], "again")
    status(others[0], "and again")
    say(juliet, "active")
    juliet.ping()
    assert words(juliet) == ["and again"]


def test_the_state_survives_a_restart_of_the_session_manager_and_what_waited_is_made_up_for(new_cluster, unique):
    cluster = new_cluster()
    juliet, romeo, nurse, paris = friends(cluster, unique, "romeo", "nurse", "paris")
    say(juliet, "inactive")
    juliet.message(juliet.jid, "sync").expect("message", body="sync")
    status(romeo, "before")
    nurse.presence(type="unavailable").ping()
    cluster.kill("sm-1")
    cluster.start("sm-1")
    status(paris, "after")
    romeo.ping()
    juliet.message(juliet.jid, "takes it along").expect("message", body="takes it along")
    assert words(juliet) == ["after"]
    for text in ("overtaken", "later"):
        status(paris, text)
    say(juliet, "active")
    juliet.ping()
    assert not [el for el in juliet.backlog if el.findtext(q("jabber:client", "status")) == "overtaken"]
    last = {el.get("from"): el.get("type") or el.findtext(q("jabber:client", "status")) for el in juliet.backlog}
    assert last[romeo.jid] == "before" and last[paris.jid] == "later" and last[nurse.bare] == "unavailable"
    assert nurse.jid not in last or last[nurse.jid] == "unavailable"
    juliet.backlog.clear()
    say(juliet, "inactive")
    say(juliet, "active")
    juliet.expect_none("presence")  # once is enough


@pytest.mark.parametrize("element", [f"<sleeping xmlns='{CSI}'/>", "<inactive xmlns='urn:example'/>"])
def test_other_elements_are_unsupported(cluster, unique, element):
    juliet = cluster.online(unique("juliet"))
    juliet.send(element)
    juliet.expect_stream_error("unsupported-stanza-type")


def test_turned_off_it_is_neither_offered_nor_understood(new_cluster):
    cluster = new_cluster("--set", "sm:disabled = csi")
    juliet = cluster.client("juliet")
    juliet.direct()
    assert juliet.authenticate().find(q(CSI, "csi")) is None
    juliet.bind()
    say(juliet, "inactive")
    juliet.expect_stream_error("unsupported-stanza-type")
