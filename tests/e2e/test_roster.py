"""Managing the roster: RFC 6121 §2."""
import pytest

from steps import ITEM, befriend, interested, is_push, items, no_push, presences, push, set_item, state
from xmpp import ROSTER, error_of, q

NURSE = "nurse@example.org"


# --- get (§2.1.3, §2.1.4, §2.2) ---


def test_an_empty_roster_is_an_empty_query_with_a_version(cluster, unique):
    query = cluster.client(unique("juliet")).login().roster()
    assert query is not None and len(query) == 0 and query.get("ver") is not None


def test_a_roster_get_with_an_item_is_a_bad_request(cluster, unique):
    juliet = cluster.client(unique("juliet")).login()
    answer = juliet.iq("get", f"<query xmlns='{ROSTER}'><item jid='{NURSE}'/></query>")
    assert error_of(answer) == ("modify", "bad-request")


def test_the_result_shows_each_item_once_with_all_it_has(cluster, unique):
    juliet = interested(cluster, unique("juliet"))
    set_item(juliet, NURSE, "<group>Servants</group><group>Friends &amp; Co</group>", "name='The &lt;Nurse&gt;'")
    set_item(juliet, "romeo@example.net")
    assert items(juliet) == {NURSE: ("none", None, "The <Nurse>", ["Friends & Co", "Servants"]),
                             "romeo@example.net": ("none", None, None, [])}


def test_a_roster_of_another_is_forbidden(cluster, unique):
    juliet, romeo = cluster.online(unique("juliet")), cluster.online(unique("romeo"))
    assert error_of(juliet.iq("get", f"<query xmlns='{ROSTER}'/>", to=romeo.bare))[1] == "forbidden"


# --- set (§2.3, §2.4) ---


def test_an_added_item_is_pushed_to_all_interested_resources_and_to_no_other(cluster, unique):
    name = unique("juliet")
    balcony, chamber = interested(cluster, name, "balcony"), interested(cluster, name, "chamber")
    deaf = cluster.online(name, "deaf")
    answer = set_item(balcony, NURSE, "<group>Servants</group>", "name='Nurse'")
    assert answer.get("type") == "result" and len(answer) == 0
    for client in (balcony, chamber):
        item = push(client)
        assert (item.get("jid"), item.get("name"), item.get("subscription")) == (NURSE, "Nurse", "none")
        assert [g.text for g in item] == ["Servants"]
    no_push(deaf)


def test_a_push_comes_from_the_own_account_and_its_answer_is_dropped(cluster, unique):
    juliet = interested(cluster, unique("juliet"))
    set_item(juliet, NURSE)
    el = juliet.expect(is_push)
    assert el.get("from") in (None, juliet.bare) and el.get("id")
    juliet.send(f"<iq type='result' id='{el.get('id')}'/><iq type='error' id='{el.get('id')}'/>")
    juliet.expect_none("iq")


@pytest.mark.parametrize("attributes,inner,expected", [
    ("name='Romeo'", "<group>Friends</group><group>Lovers</group>", ("none", None, "Romeo", ["Friends", "Lovers"])),
    ("name='Romeo'", "<group>Lovers</group>", ("none", None, "Romeo", ["Lovers"])),
    ("name='MyRomeo'", "", ("none", None, "MyRomeo", [])),
    ("name=''", "", ("none", None, None, [])),
    ("", "", ("none", None, None, [])),
    ("subscription='both' ask='subscribe' approved='true'", "", ("none", None, None, [])),
])
def test_an_item_becomes_exactly_what_was_set(cluster, unique, attributes, inner, expected):
    juliet = interested(cluster, unique("juliet"))
    set_item(juliet, "romeo@example.net", "<group>Friends</group>", "name='First'")
    assert set_item(juliet, "romeo@example.net", inner, attributes).get("type") == "result"
    assert items(juliet) == {"romeo@example.net": expected}


def test_addresses_in_the_roster_are_normalised(cluster, unique):
    juliet = interested(cluster, unique("juliet"))
    set_item(juliet, "Romeo@EXAMPLE.net")
    set_item(juliet, "romeo@example.net", attributes="name='same'")
    assert items(juliet) == {"romeo@example.net": ("none", None, "same", [])}


TWO = f"<item jid='a@example.org'/><item jid='b@example.org'/>"


@pytest.mark.parametrize("children,expected", [
    (TWO, ("modify", "bad-request")),
    ("", ("modify", "bad-request")),
    ("<item name='no jid'/>", ("modify", "bad-request")),
    (f"<item jid='{NURSE}'><group>Servants</group><group>Servants</group></item>", ("modify", "bad-request")),
    (f"<item jid='{NURSE}'><group/></item>", ("modify", "not-acceptable")),
    (f"<item jid='{NURSE}'><group>{'g' * 1024}</group></item>", ("modify", "not-acceptable")),
    (f"<item jid='{NURSE}' name='{'n' * 1024}'/>", ("modify", "not-acceptable")),
    ("<item jid='@example.org'/>", ("modify", "jid-malformed")),
    (f"<item jid='{NURSE}' subscription='remove'/>", ("cancel", "item-not-found")),
])
def test_a_bad_set_gets_its_error_and_changes_nothing(cluster, unique, children, expected):
    juliet = interested(cluster, unique("juliet"))
    answer = juliet.iq("set", f"<query xmlns='{ROSTER}'>{children}</query>")
    assert error_of(answer) == expected
    no_push(juliet)
    assert items(juliet) == {}


def test_the_own_address_is_not_allowed(cluster, unique):
    juliet = interested(cluster, unique("juliet"))
    assert error_of(set_item(juliet, juliet.bare)) == ("cancel", "not-allowed")


def test_a_set_for_another_account_is_forbidden(cluster, unique):
    juliet, romeo = interested(cluster, unique("juliet")), interested(cluster, unique("romeo"))
    answer = juliet.iq("set", f"<query xmlns='{ROSTER}'><item jid='{NURSE}'/></query>", to=romeo.bare)
    assert error_of(answer) == ("auth", "forbidden")
    no_push(romeo)
    assert items(romeo) == {}


# --- remove (§2.5) ---


def test_a_removed_item_is_pushed_as_removed_and_gone(cluster, unique):
    name = unique("juliet")
    balcony, chamber = interested(cluster, name, "balcony"), interested(cluster, name, "chamber")
    set_item(balcony, NURSE)
    for client in (balcony, chamber):
        push(client)
    assert set_item(balcony, NURSE, attributes="subscription='remove'").get("type") == "result"
    for client in (balcony, chamber):
        item = push(client)
        assert (item.get("jid"), item.get("subscription")) == (NURSE, "remove")
    assert items(balcony) == {}


def test_removing_a_contact_cancels_both_subscriptions(cluster, unique):
    juliet, romeo = interested(cluster, unique("juliet")), interested(cluster, unique("romeo"))
    befriend(juliet, romeo)
    set_item(juliet, romeo.bare, attributes="subscription='remove'")
    assert push(juliet).get("subscription") == "remove"
    romeo.expect("presence", type="unsubscribe", from_=juliet.bare)
    romeo.expect("presence", type="unsubscribed", from_=juliet.bare)
    romeo.expect("presence", type="unavailable", from_=juliet.jid)
    juliet.expect("presence", type="unavailable", from_=romeo.jid)
    assert state(romeo, juliet.bare) == ("none", None)
    presences(romeo), presences(juliet)
    juliet.presence("<show>away</show>")
    juliet.expect("presence", show="away")
    assert presences(romeo, juliet.bare) == []


def test_removing_a_contact_that_was_asked_withdraws_the_request(cluster, unique):
    juliet, name = interested(cluster, unique("juliet")), cluster.adduser(unique("romeo"))
    bare = f"{name}@localhost"
    juliet.presence(type="subscribe", to=bare)
    push(juliet)
    set_item(juliet, bare, attributes="subscription='remove'")
    push(juliet)
    assert presences(interested(cluster, name), juliet.bare) == []


# --- versions (§2.6) ---


def test_the_stream_feature_is_offered(cluster, unique):
    client = cluster.client(unique("juliet"))
    client.direct()
    features = client.authenticate()
    assert features.find("{urn:xmpp:features:rosterver}ver") is not None


def get_version(client, version):
    return client.iq("get", f"<query xmlns='{ROSTER}' ver='{version}'/>")


def test_a_current_version_is_answered_with_an_empty_result(cluster, unique):
    juliet = interested(cluster, unique("juliet"))
    set_item(juliet, NURSE)
    pushed = push(juliet).get("ver")
    assert get_version(juliet, "").find(q(ROSTER, "query")).get("ver") == pushed
    answer = get_version(juliet, pushed)
    assert answer.get("type") == "result" and len(answer) == 0


@pytest.mark.parametrize("version", ["", "0", "unknown", "99999999999999999999999"])
def test_another_version_is_answered_with_the_whole_roster(cluster, unique, version):
    juliet = interested(cluster, unique("juliet"))
    set_item(juliet, NURSE)
    assert get_version(juliet, version).find(q(ROSTER, "query")).find(ITEM).get("jid") == NURSE


def test_each_push_has_a_version_of_its_own_and_they_come_in_order(cluster, unique):
    juliet = interested(cluster, unique("juliet"))
    for i in range(5):
        set_item(juliet, f"c{i}@example.org")
    set_item(juliet, "c0@example.org", attributes="subscription='remove'")
    versions = [int(push(juliet).get("ver")) for _ in range(6)]
    assert versions == sorted(set(versions))
    assert juliet.roster().get("ver") == str(versions[-1])


def test_a_pending_request_does_not_change_the_version(cluster, unique):
    juliet, romeo = interested(cluster, unique("juliet")), interested(cluster, unique("romeo"))
    before = juliet.roster().get("ver")
    romeo.presence(type="subscribe", to=juliet.bare)
    juliet.expect("presence", type="subscribe")
    no_push(juliet)
    assert juliet.roster().get("ver") == before


# --- what is acknowledged is kept ---


def test_rosters_survive_a_restart_of_the_session_manager(new_cluster):
    cluster = new_cluster()
    juliet, romeo = interested(cluster, "juliet"), interested(cluster, "romeo")
    befriend(juliet, romeo)
    set_item(juliet, NURSE, "<group>One</group><group>Two, with comma</group>", "name='Nurse'")
    push(juliet, NURSE)
    before, version = items(juliet), juliet.roster().get("ver")
    cluster.kill("sm-1")
    cluster.start("sm-1")
    assert items(juliet) == before and juliet.roster().get("ver") == version
    assert state(romeo, juliet.bare) == ("both", None)
    set_item(juliet, "later@example.org")
    assert int(push(juliet).get("ver")) > int(version)


def test_a_full_roster_takes_no_more_items(new_cluster):
    cluster = new_cluster("--set", "sm:max_roster_items = 10")
    juliet = interested(cluster, "juliet")
    for i in range(10):
        assert set_item(juliet, f"c{i}@example.org").get("type") == "result"
    assert error_of(set_item(juliet, "c10@example.org")) == ("wait", "resource-constraint")
    assert set_item(juliet, "c3@example.org", attributes="name='still'").get("type") == "result"
    assert len(items(juliet)) == 10
