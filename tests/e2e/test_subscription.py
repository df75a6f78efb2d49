"""Managing presence subscriptions: RFC 6121 §3 and Appendix A. Every transition of the tables is in tests/unit/test_subscribe.c; here they are
seen from outside."""
import os
import signal
import time

from steps import befriend, interested, items, no_push, presences, push, set_item, state, subscribe
from xmpp import error_of


def pair(cluster, unique):
    return interested(cluster, unique("romeo"), "orchard"), interested(cluster, unique("juliet"), "balcony")


# --- in order (RFC 6120 §10.1): what is stored first does not come behind what is not stored ---


def bodies(client, sender):
    """What of this sender's has come: types of presence and bodies of messages."""
    client.ping()
    return [el.findtext("{jabber:client}body") or el.get("type") or "available" for el in client.backlog
            if el.get("from", "").split("/")[0] == sender and not el.tag.endswith("iq")]


def test_what_follows_a_subscription_stanza_arrives_behind_it(cluster, unique):
    for _ in range(10):
        romeo, juliet = pair(cluster, unique)
        romeo.send(f"<presence type='subscribe' to='{juliet.bare}'/><message to='{juliet.bare}'><body>it is me</body></message>"
                   f"<presence to='{juliet.bare}'/>")
        juliet.expect("presence", type=None, from_=romeo.jid)
        assert bodies(juliet, romeo.bare) == ["subscribe", "it is me"]
        juliet.backlog.clear()
        juliet.send(f"<presence type='subscribed' to='{romeo.bare}'/><message to='{romeo.jid}'><body>welcome</body></message>"
                    f"<presence type='unsubscribed' to='{romeo.bare}'/><message to='{romeo.jid}'><body>farewell</body></message>")
        romeo.expect("message", body="farewell")
        assert [b for b in bodies(romeo, juliet.bare) if b not in ("available", "unavailable")] == ["subscribed", "welcome", "unsubscribed"]
        cluster.close_clients()


# --- a request (§3.1) ---


def test_a_request_is_pushed_as_pending_and_shown_to_the_contact(cluster, unique):
    romeo, juliet = pair(cluster, unique)
    romeo.send(f"<presence id='xk3' type='subscribe' to='{juliet.bare}'><status>Hi</status></presence>")
    got = juliet.expect("presence", type="subscribe")
    assert (got.get("from"), got.get("to"), got.get("id")) == (romeo.bare, juliet.bare, "xk3")
    assert got.findtext("{jabber:client}status") == "Hi"
    item = push(romeo)
    assert (item.get("jid"), item.get("subscription"), item.get("ask")) == (juliet.bare, "none", "subscribe")
    no_push(juliet)
    assert items(juliet) == {}


def test_a_request_to_a_full_jid_is_one_to_the_bare_jid(cluster, unique):
    romeo, juliet = pair(cluster, unique)
    romeo.presence(type="subscribe", to=juliet.jid)
    assert juliet.expect("presence", type="subscribe").get("to") == juliet.bare
    assert push(romeo).get("jid") == juliet.bare


def test_a_request_without_to_is_a_bad_request(cluster, unique):
    romeo = interested(cluster, unique("romeo"))
    romeo.presence(type="subscribe")
    assert error_of(romeo.expect("presence", type="error"))[1] == "bad-request"


def test_a_set_before_or_after_the_request_keeps_both(cluster, unique):
    romeo, juliet = pair(cluster, unique)
    set_item(romeo, juliet.bare, "<group>Lovers</group>", "name='Juliet'")
    romeo.presence(type="subscribe", to=juliet.bare)
    juliet.expect("presence", type="subscribe")
    assert items(romeo)[juliet.bare] == ("none", "subscribe", "Juliet", ["Lovers"])
    set_item(romeo, juliet.bare, attributes="name='J'")
    assert items(romeo)[juliet.bare] == ("none", "subscribe", "J", [])


def test_approval_is_shown_before_the_push_and_presence_follows(cluster, unique):
    romeo, juliet = pair(cluster, unique)
    romeo.presence(type="subscribe", to=juliet.bare)
    juliet.expect("presence", type="subscribe")
    push(romeo)
    juliet.presence(type="subscribed", to=romeo.bare)
    romeo.expect("presence", type=None, from_=juliet.jid)
    order = [el for el in romeo.backlog if el.get("type") in ("subscribed", "set")]
    assert [el.get("type") for el in order] == ["subscribed", "set"]
    assert (order[0].get("from"), order[0].get("to")) == (juliet.bare, romeo.bare)
    item = push(romeo)
    assert (item.get("subscription"), item.get("ask")) == ("to", None)
    item = push(juliet)
    assert (item.get("jid"), item.get("subscription")) == (romeo.bare, "from")


def test_denial_ends_the_request_and_leaves_no_item(cluster, unique):
    romeo, juliet = pair(cluster, unique)
    romeo.presence(type="subscribe", to=juliet.bare)
    juliet.expect("presence", type="subscribe")
    push(romeo)
    juliet.presence(type="unsubscribed", to=romeo.bare)
    romeo.expect("presence", type="unsubscribed", from_=juliet.bare)
    item = push(romeo)
    assert (item.get("subscription"), item.get("ask")) == ("none", None)
    assert items(juliet) == {}
    assert presences(romeo, juliet.jid) == []  # who was refused does not learn that she is there


def test_a_request_waits_for_the_contact_and_is_shown_at_every_login_until_answered(cluster, unique):
    romeo, name = interested(cluster, unique("romeo")), cluster.adduser(unique("juliet"))
    bare = f"{name}@localhost"
    for _ in range(3):
        romeo.send(f"<presence type='subscribe' to='{bare}'><x xmlns='urn:example:x'>kept</x></presence>")
    push(romeo)
    for _ in range(2):
        juliet = interested(cluster, name)
        shown = presences(juliet, romeo.bare)
        assert [el.get("type") for el in shown] == ["subscribe"]
        assert shown[0].findtext("{urn:example:x}x") == "kept"
        juliet.logout()
    juliet = interested(cluster, name)
    juliet.presence(type="subscribed", to=romeo.bare)
    push(juliet)
    juliet.logout()
    assert presences(interested(cluster, name), romeo.bare) == []


def test_a_waiting_request_survives_a_restart_of_the_session_manager(new_cluster):
    cluster = new_cluster()
    romeo = interested(cluster, "romeo")
    cluster.adduser("juliet")
    romeo.presence(type="subscribe", to="juliet@localhost")
    push(romeo)
    cluster.kill("sm-1")
    cluster.start("sm-1")
    juliet = interested(cluster, "juliet")
    assert juliet.expect("presence", type="subscribe").get("from") == romeo.bare
    assert state(romeo, juliet.bare) == ("none", "subscribe")


def test_a_request_to_nobody_is_pending_and_no_more(cluster, unique):
    romeo = interested(cluster, unique("romeo"))
    romeo.presence(type="subscribe", to=f"{unique('nobody')}@localhost")
    assert push(romeo).get("ask") == "subscribe"
    romeo.expect_none("presence", type="error")


def test_a_request_of_a_subscriber_is_answered_and_not_shown(cluster, unique):
    romeo, juliet = pair(cluster, unique)
    subscribe(romeo, juliet)
    romeo.presence(type="subscribe", to=juliet.bare)
    romeo.ping()
    assert [el for el in presences(juliet, romeo.bare)] == []
    assert state(romeo, juliet.bare) == ("to", None)


def test_a_mutual_subscription_is_both(cluster, unique):
    romeo, juliet = pair(cluster, unique)
    befriend(romeo, juliet)
    assert state(romeo, juliet.bare) == state(juliet, romeo.bare) == ("both", None)


def test_an_approval_that_was_not_asked_for_is_not_routed(cluster, unique):
    romeo, juliet = pair(cluster, unique)
    juliet.presence(type="subscribed", to=romeo.bare)
    push(juliet)
    assert presences(romeo, juliet.bare) == [] and items(romeo) == {}
    no_push(romeo)


def test_a_request_crosses_between_hosts_of_the_cluster(cluster, unique):
    romeo, name = interested(cluster, unique("romeo")), unique("juliet")
    cluster.run("adduser", f"{name}@second.example", "secret")
    juliet = cluster.client(domain="second.example")
    juliet.name, juliet.password = name, "secret"
    juliet.login()
    juliet.roster()
    juliet.online()
    befriend(romeo, juliet)
    assert state(romeo, juliet.bare) == state(juliet, romeo.bare) == ("both", None)


# --- cancelling (§3.2) ---


def test_a_cancelled_subscriber_sees_unavailable_then_unsubscribed_then_the_push(cluster, unique):
    romeo, juliet = pair(cluster, unique)
    befriend(romeo, juliet)
    juliet.presence(type="unsubscribed", to=romeo.bare)
    item = push(romeo)
    assert item.get("subscription") == "from"
    seen = [(el.get("type"), el.get("from")) for el in presences(romeo, juliet.bare)]
    assert seen == [("unavailable", juliet.jid), ("unsubscribed", juliet.bare)]
    assert push(juliet).get("subscription") == "to"


def test_unsubscribed_to_a_stranger_is_not_routed(cluster, unique):
    romeo, juliet = pair(cluster, unique)
    juliet.presence(type="unsubscribed", to=romeo.bare)
    no_push(juliet)
    assert presences(romeo, juliet.bare) == [] and items(juliet) == {}


# --- unsubscribing (§3.3) ---


def test_who_unsubscribes_is_shown_to_the_contact_and_sees_him_go(cluster, unique):
    romeo, juliet = pair(cluster, unique)
    befriend(romeo, juliet)
    romeo.presence(type="unsubscribe", to=juliet.bare)
    assert push(romeo).get("subscription") == "from"
    shown = juliet.expect("presence", type="unsubscribe")
    assert (shown.get("from"), shown.get("to")) == (romeo.bare, juliet.bare)
    assert push(juliet).get("subscription") == "to"
    romeo.expect("presence", type="unavailable", from_=juliet.jid)
    assert [el.get("type") for el in presences(romeo, juliet.bare)] == []  # the automatic "unsubscribed" changes nothing


def test_unsubscribing_withdraws_a_request_that_waits(cluster, unique):
    romeo, name = interested(cluster, unique("romeo")), cluster.adduser(unique("juliet"))
    bare = f"{name}@localhost"
    romeo.presence(type="subscribe", to=bare)
    assert push(romeo).get("ask") == "subscribe"
    romeo.presence(type="unsubscribe", to=bare)
    assert push(romeo).get("ask") is None
    assert presences(interested(cluster, name), romeo.bare) == []


def test_unsubscribing_from_a_stranger_changes_nothing(cluster, unique):
    romeo, juliet = pair(cluster, unique)
    romeo.presence(type="unsubscribe", to=juliet.bare)
    no_push(romeo)
    assert presences(juliet, romeo.bare) == [] and items(romeo) == {} and items(juliet) == {}


def test_the_own_account_needs_no_subscription(cluster, unique):
    romeo = interested(cluster, unique("romeo"))
    for type in ("subscribe", "subscribed", "unsubscribe", "unsubscribed"):
        romeo.presence(type=type, to=romeo.bare)
    assert presences(romeo) == [] and items(romeo) == {}


# --- pre-approval (§3.4) ---


def test_the_stream_feature_is_offered(cluster, unique):
    client = cluster.client(unique("romeo"))
    client.direct()
    assert client.authenticate().find("{urn:xmpp:features:pre-approval}sub") is not None


def test_a_pre_approved_request_is_granted_without_asking(cluster, unique):
    romeo, juliet = pair(cluster, unique)
    juliet.presence(type="subscribed", to=romeo.bare)
    item = push(juliet)
    assert (item.get("approved"), item.get("subscription")) == ("true", "none")
    romeo.presence(type="subscribe", to=juliet.bare)
    romeo.expect("presence", type="subscribed", from_=juliet.bare)
    romeo.expect("presence", type=None, from_=juliet.jid)
    assert push(juliet).get("subscription") == "from"
    assert presences(juliet, romeo.bare) == []
    assert state(romeo, juliet.bare) == ("to", None)


def test_a_pre_approval_is_taken_back(cluster, unique):
    romeo, juliet = pair(cluster, unique)
    juliet.presence(type="subscribed", to=romeo.bare)
    push(juliet)
    juliet.presence(type="unsubscribed", to=romeo.bare)
    assert push(juliet).get("approved") is None
    assert presences(romeo, juliet.bare) == []
    romeo.presence(type="subscribe", to=juliet.bare)
    juliet.expect("presence", type="subscribe", from_=romeo.bare)


# --- death of the session manager in the middle ---


DELAYS = [0, 0.001, 0.002, 0.003, 0.005, 0.008]  # from before anything was handled to behind the commit


def strike(cluster, one, stanzas, delay):
    """Sends all at once, kills the session manager while it handles them, starts it again, and waits until all is handled."""
    pid = cluster.pid("sm-1")
    one.send("".join(stanzas))
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    while os.path.exists(f"/proc/{pid}"):
        pass
    cluster.start("sm-1")
    one.ping()


def test_requests_that_a_kill_interrupts_are_whole_on_both_sides(new_cluster):
    cluster = new_cluster()
    romeo, names = interested(cluster, "romeo"), []
    for i, delay in enumerate(DELAYS):
        fresh = [cluster.adduser(f"c{i}-{k}") for k in range(8)]
        names += fresh
        strike(cluster, romeo, [f"<presence type='subscribe' to='{n}@localhost'/>" for n in fresh], delay)
        assert items(romeo) == {f"{n}@localhost": ("none", "subscribe", None, []) for n in names}
    for name in names:
        contact = cluster.online(name)
        assert [el.get("type") for el in presences(contact, romeo.bare)] == ["subscribe"]
        contact.close()


def test_approvals_that_a_kill_interrupts_are_whole_on_both_sides(new_cluster):
    cluster = new_cluster()
    romeo, others = interested(cluster, "romeo"), []
    for i, delay in enumerate(DELAYS):
        fresh = [interested(cluster, f"c{i}-{k}") for k in range(6)]
        others += fresh
        for other in fresh:
            other.presence(type="subscribe", to=romeo.bare)
            romeo.expect("presence", type="subscribe", from_=other.bare)
        strike(cluster, romeo, [f"<presence type='subscribed' to='{o.bare}'/>" for o in fresh], delay)
        assert {jid: item[0] for jid, item in items(romeo).items()} == {o.bare: "from" for o in others}
        assert {state(other, romeo.bare) for other in fresh} == {("to", None)}
