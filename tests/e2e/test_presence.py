"""Exchanging presence: RFC 6121 §4."""
import pytest

from steps import befriend, interested, presences, subscribe
from xmpp import CLIENT, error_of, q


def friends(cluster, unique):
    romeo, juliet = interested(cluster, unique("romeo"), "orchard"), interested(cluster, unique("juliet"), "balcony")
    befriend(romeo, juliet)
    return romeo, juliet


# --- initial presence (§4.2) ---


def test_initial_presence_reaches_subscribers_and_all_own_resources(cluster, unique):
    romeo, juliet = friends(cluster, unique)
    chamber = interested(cluster, juliet.name, "chamber")
    for client in (romeo, juliet):
        got = client.expect("presence", type=None, from_=chamber.jid)
        assert got.get("to") in (client.bare, client.jid)
    assert [el.get("from") for el in presences(chamber, juliet.jid)] == [juliet.jid]


def test_a_new_resource_learns_who_is_there(cluster, unique):
    romeo, juliet = friends(cluster, unique)
    romeo.presence("<show>dnd</show><status>busy</status>")
    juliet.expect("presence", show="dnd")
    chamber = interested(cluster, juliet.name, "chamber")
    got = chamber.expect("presence", from_=romeo.jid)
    assert got.findtext(q(CLIENT, "status")) == "busy"
    assert presences(romeo, romeo.jid) != []  # his own echo, and nothing twice
    juliet.expect_none("presence", from_=romeo.jid)


def test_strangers_see_nothing(cluster, unique):
    stranger, juliet = interested(cluster, unique("tybalt")), interested(cluster, unique("juliet"))
    juliet.presence("<show>away</show>")
    juliet.expect("presence", show="away")
    assert presences(stranger, juliet.bare) == []


def test_presence_flows_only_in_the_direction_of_the_subscription(cluster, unique):
    romeo, juliet = interested(cluster, unique("romeo")), interested(cluster, unique("juliet"))
    subscribe(romeo, juliet)
    romeo.presence("<show>away</show>")
    romeo.expect("presence", show="away")
    assert presences(juliet, romeo.bare) == []
    juliet.presence("<show>xa</show>")
    romeo.expect("presence", show="xa", from_=juliet.jid)


def test_a_connected_resource_without_presence_gets_none(cluster, unique):
    romeo, juliet = friends(cluster, unique)
    quiet = cluster.client(juliet.name).login("quiet")
    romeo.presence("<show>away</show>")
    juliet.expect("presence", show="away", from_=romeo.jid)
    assert presences(quiet) == []


# --- updates (§4.4) ---


def test_an_update_is_broadcast_whole(cluster, unique):
    romeo, juliet = friends(cluster, unique)
    juliet.send("<presence id='u1' xml:lang='en'><show>chat</show><status>a &amp; b</status><priority>3</priority>"
                "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/></presence>")
    for client in (romeo, juliet):
        got = client.expect("presence", show="chat", from_=juliet.jid)
        assert got.get("id") == "u1" and got.findtext(q(CLIENT, "status")) == "a & b"
        assert got.findtext(q(CLIENT, "priority")) == "3"
        assert got.find("{http://jabber.org/protocol/caps}c").get("ver") == "v"


@pytest.mark.parametrize("priority", ["128", "-129", "high", "", "1.5"])
def test_a_bad_priority_is_a_bad_request_and_not_broadcast(cluster, unique, priority):
    romeo, juliet = friends(cluster, unique)
    juliet.presence(f"<priority>{priority}</priority>")
    assert error_of(juliet.expect("presence", type="error")) == ("modify", "bad-request")
    assert presences(romeo, juliet.jid) == []


@pytest.mark.parametrize("priority", [127, -128, 0])
def test_the_ends_of_the_range_of_priorities_are_fine(cluster, unique, priority):
    cluster.online(unique("juliet"), priority=priority)


def test_an_unknown_type_is_a_bad_request(cluster, unique):
    juliet = interested(cluster, unique("juliet"))
    juliet.presence(type="available", to=juliet.bare)
    assert error_of(juliet.expect("presence", type="error"))[1] == "bad-request"


# --- unavailable (§4.5) ---


def test_unavailable_presence_is_broadcast_whole_and_back(cluster, unique):
    romeo, juliet = friends(cluster, unique)
    chamber = interested(cluster, juliet.name, "chamber")
    juliet.presence("<status>going on vacation</status>", type="unavailable")
    for client in (romeo, juliet, chamber):
        got = client.expect("presence", type="unavailable", from_=juliet.jid)
        assert got.findtext(q(CLIENT, "status")) == "going on vacation"
    romeo.presence("<show>away</show>")
    chamber.expect("presence", show="away")
    assert presences(juliet, romeo.bare) == []


def test_presence_after_unavailable_is_initial_again(cluster, unique):
    romeo, juliet = friends(cluster, unique)
    juliet.presence(type="unavailable")
    romeo.expect("presence", type="unavailable")
    juliet.presence()
    romeo.expect("presence", type=None, from_=juliet.jid)
    juliet.expect("presence", type=None, from_=romeo.jid)


@pytest.mark.parametrize("how", ["logout", "close"])
def test_the_end_of_a_connection_is_broadcast(cluster, unique, how):
    romeo, juliet = friends(cluster, unique)
    jid = juliet.jid
    getattr(juliet, how)()
    romeo.expect("presence", type="unavailable", from_=jid)


def test_unavailable_without_presence_tells_nobody(cluster, unique):
    romeo, juliet = friends(cluster, unique)
    quiet = cluster.client(juliet.name).login("quiet")
    quiet.presence(type="unavailable")
    assert presences(quiet) == [] and presences(romeo, quiet.jid) == []


# --- probes (§4.3) ---


def test_a_subscriber_that_probes_gets_the_whole_presence(cluster, unique):
    romeo, juliet = friends(cluster, unique)
    juliet.send("<presence id='p1'><show>away</show></presence>")
    romeo.expect("presence", show="away")
    romeo.presence(type="probe", to=juliet.bare)
    got = romeo.expect("presence", from_=juliet.jid, type=None)
    assert got.get("id") == "p1" and got.findtext(q(CLIENT, "show")) == "away"


def test_a_probe_of_an_absent_contact_is_answered_with_unavailable(cluster, unique):
    romeo, juliet = friends(cluster, unique)
    bare = juliet.bare
    juliet.logout()
    romeo.expect("presence", type="unavailable")
    romeo.send(f"<presence id='q1' type='probe' to='{bare}'/>")
    got = romeo.expect("presence", type="unavailable", from_=bare)
    assert got.get("id") == "q1"


def test_a_probe_of_a_full_jid_tells_only_that_resource_and_no_detail(cluster, unique):
    romeo, juliet = friends(cluster, unique)
    juliet.presence("<show>away</show>")
    romeo.expect("presence", show="away")
    romeo.presence(type="probe", to=juliet.jid)
    assert len(romeo.expect("presence", from_=juliet.jid, type=None)) == 0
    romeo.presence(type="probe", to=juliet.bare + "/gone")
    romeo.expect("presence", from_=juliet.bare + "/gone", type="unavailable")


@pytest.mark.parametrize("exists", [True, False])
def test_a_stranger_that_probes_learns_nothing(cluster, unique, exists):
    tybalt = interested(cluster, unique("tybalt"))
    to = interested(cluster, unique("juliet")).bare if exists else f"{unique('nobody')}@localhost"
    tybalt.presence(type="probe", to=to)
    assert presences(tybalt) == []  # "unsubscribed" changes nothing for who has no subscription (A.3.4)


# --- directed presence (§4.6) ---


def test_directed_presence_reaches_one_and_broadcasts_do_not(cluster, unique):
    romeo, juliet = interested(cluster, unique("romeo")), interested(cluster, unique("juliet"))
    juliet.presence("<status>only you</status>", to=romeo.jid)
    romeo.expect("presence", status="only you", from_=juliet.jid)
    juliet.presence("<show>away</show>")
    juliet.expect("presence", show="away")
    assert presences(romeo, juliet.jid) == []


@pytest.mark.parametrize("how", ["unavailable", "logout", "close"])
def test_who_got_directed_presence_hears_of_the_end(cluster, unique, how):
    romeo, juliet = interested(cluster, unique("romeo")), interested(cluster, unique("juliet"))
    jid = juliet.jid
    juliet.presence(to=romeo.bare)
    romeo.expect("presence", type=None, from_=jid)
    juliet.presence(type="unavailable") if how == "unavailable" else getattr(juliet, how)()
    romeo.expect("presence", type="unavailable", from_=jid)


def test_directed_unavailable_ends_it_once(cluster, unique):
    romeo, juliet = interested(cluster, unique("romeo")), interested(cluster, unique("juliet"))
    juliet.presence(to=romeo.bare)
    juliet.presence(type="unavailable", to=romeo.bare)
    juliet.presence(type="unavailable")
    juliet.expect("presence", type="unavailable", from_=juliet.jid)
    assert [el.get("type") for el in presences(romeo, juliet.jid)] == [None, "unavailable"]


def test_directed_presence_without_initial_presence_is_remembered_too(cluster, unique):
    romeo, juliet = interested(cluster, unique("romeo")), cluster.client(unique("juliet")).login()
    juliet.presence(to=romeo.bare)
    jid = juliet.jid
    romeo.expect("presence", type=None, from_=jid)
    juliet.logout()
    romeo.expect("presence", type="unavailable", from_=jid)


def test_a_subscriber_hears_of_the_end_once(cluster, unique):
    romeo, juliet = friends(cluster, unique)
    juliet.presence("<status>directed</status>", to=romeo.bare)
    juliet.presence(type="unavailable")
    juliet.expect("presence", type="unavailable", from_=juliet.jid)
    assert [el.get("type") for el in presences(romeo, juliet.jid)] == [None, "unavailable"]


def test_who_got_directed_presence_may_probe_that_resource(cluster, unique):
    romeo, juliet = interested(cluster, unique("romeo")), interested(cluster, unique("juliet"))
    juliet.presence("<show>away</show>", to=romeo.bare)
    romeo.expect("presence", from_=juliet.jid)
    romeo.presence(type="probe", to=juliet.jid)
    got = romeo.expect("presence", from_=juliet.jid)
    assert got.get("type") is None and len(got) == 0


def test_the_list_of_directed_presence_has_a_limit(cluster, unique):
    juliet, prefix = interested(cluster, unique("juliet")), unique("nobody")
    for i in range(501):
        juliet.presence(to=f"{prefix}{i}@localhost")
    answer = juliet.expect("presence", type="error")
    assert error_of(answer) == ("wait", "resource-constraint") and answer.get("from") == f"{prefix}500@localhost"


def test_directed_presence_survives_a_restart_of_the_session_manager(new_cluster):
    cluster = new_cluster()
    romeo, juliet = interested(cluster, "romeo"), interested(cluster, "juliet")
    juliet.presence(to=romeo.bare)
    romeo.expect("presence", type=None, from_=juliet.jid)
    juliet.ping()
    cluster.kill("sm-1")
    cluster.start("sm-1")
    assert presences(romeo) == [] and presences(juliet) == []
    juliet.presence(type="unavailable")
    romeo.expect("presence", type="unavailable", from_=juliet.jid)
