"""Extensions: XEP-0012, 0030, 0049, 0054, 0077, 0092, 0157, 0199, 0202."""
import datetime
import time

import pytest

from steps import befriend, interested
from xmpp import error_of, local, q

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
LAST = "jabber:iq:last"
PRIVATE = "jabber:iq:private"
REGISTER = "jabber:iq:register"
VCARD = "vcard-temp"


def query(ns, inner="", attributes=""):
    return f"<query xmlns='{ns}' {attributes}>{inner}</query>"


def friends(cluster, unique):
    romeo, juliet = interested(cluster, unique("romeo")), interested(cluster, unique("juliet"))
    befriend(romeo, juliet)
    return romeo, juliet


# --- XEP-0030 ---


def features(answer):
    return {f.get("var") for f in answer.find(q(INFO, "query")).findall(q(INFO, "feature"))}


def identities(answer):
    return [(i.get("category"), i.get("type")) for i in answer.find(q(INFO, "query")).findall(q(INFO, "identity"))]


def test_disco_info_of_the_server_names_what_it_does(cluster, unique):
    answer = cluster.online(unique("alice")).iq("get", query(INFO), to="localhost")
    assert identities(answer) == [("server", "im")]
    assert {INFO, ITEMS, "urn:xmpp:ping", "jabber:iq:version", "urn:xmpp:time", LAST, PRIVATE, VCARD, "msgoffline", REGISTER} \
        <= features(answer)


def test_disco_info_of_the_own_account(cluster, unique):
    alice = cluster.online(unique("alice"))
    for to in (None, alice.bare):
        answer = alice.iq("get", query(INFO), to=to)
        assert identities(answer) == [("account", "registered")] and INFO in features(answer)


def test_disco_of_an_account_is_for_those_who_may_see_its_presence(cluster, unique):
    romeo, juliet = friends(cluster, unique)
    tybalt = cluster.online(unique("tybalt"))
    assert identities(romeo.iq("get", query(INFO), to=juliet.bare)) == [("account", "registered")]
    found = romeo.iq("get", query(ITEMS), to=juliet.bare).find(q(ITEMS, "query"))
    assert [i.get("jid") for i in found] == [juliet.jid]
    nobody = f"{unique('nobody')}@localhost"
    for ns in (INFO, ITEMS):
        for to in (juliet.bare, nobody):
            assert error_of(tybalt.iq("get", query(ns), to=to)) == ("cancel", "service-unavailable")


@pytest.mark.parametrize("ns", [INFO, ITEMS])
def test_an_unknown_node_is_not_found(cluster, unique, ns):
    alice = cluster.online(unique("alice"))
    for to in ("localhost", alice.bare):
        assert error_of(alice.iq("get", query(ns, attributes="node='x'"), to=to)) == ("cancel", "item-not-found")


def test_disco_items_of_the_server_are_its_components(cluster, unique):
    answer = cluster.online(unique("alice")).iq("get", query(ITEMS), to="localhost").find(q(ITEMS, "query"))
    assert all(i.get("jid") for i in answer)


def test_contact_addresses_of_administrators(new_cluster):
    cluster = new_cluster()
    conf = cluster.folder / "conf/sm-1.conf"
    cluster.kill("sm-1")
    conf.write_text(conf.read_text().replace('host "localhost" {', 'host "localhost" {\n    admins = {"root@localhost"}'))
    cluster.start("sm-1")
    found = cluster.online("alice").iq("get", query(INFO), to="localhost").find(q(INFO, "query"))
    values = {f.get("var"): [v.text for v in f] for f in found.iter("{jabber:x:data}field")}
    assert values == {"FORM_TYPE": ["http://jabber.org/network/serverinfo"], "admin-addresses": ["xmpp:root@localhost"]}


# --- XEP-0199, XEP-0092, XEP-0202 ---


def test_pings_are_answered(cluster, unique):
    alice = cluster.online(unique("alice"))
    for to in (None, "localhost", alice.bare):
        assert alice.iq("get", "<ping xmlns='urn:xmpp:ping'/>", to=to).get("type") == "result"


def test_a_ping_does_not_tell_whether_an_account_exists(cluster, unique):
    alice, bob = cluster.online(unique("alice")), cluster.online(unique("bob"))
    for to in (bob.bare, f"{unique('nobody')}@localhost"):
        assert error_of(alice.iq("get", "<ping xmlns='urn:xmpp:ping'/>", to=to)) == ("cancel", "service-unavailable")


def test_the_version_names_the_software_and_not_the_system(cluster, unique):
    answer = cluster.online(unique("alice")).iq("get", query("jabber:iq:version"), to="localhost")[0]
    assert {local(c) for c in answer} == {"name", "version"} and answer.findtext("{jabber:iq:version}name") == "Sallyport"


def test_the_time_is_now(cluster, unique):
    answer = cluster.online(unique("alice")).iq("get", "<time xmlns='urn:xmpp:time'/>", to="localhost")[0]
    utc = datetime.datetime.strptime(answer.findtext("{urn:xmpp:time}utc"), "%Y-%m-%dT%H:%M:%SZ")
    assert abs((datetime.datetime.utcnow() - utc).total_seconds()) < 60
    assert answer.findtext("{urn:xmpp:time}tzo")


# --- XEP-0012 ---


def test_the_server_tells_its_uptime(cluster, unique):
    answer = cluster.online(unique("alice")).iq("get", query(LAST), to="localhost")[0]
    assert 0 <= int(answer.get("seconds")) < 3600


def test_last_activity_of_a_contact(cluster, unique):
    romeo, juliet = friends(cluster, unique)
    assert romeo.iq("get", query(LAST), to=juliet.bare)[0].get("seconds") == "0"
    juliet.presence("<status>Heading Home</status>", type="unavailable")
    juliet.expect("presence", type="unavailable")
    bare = juliet.bare
    juliet.logout()
    deadline = time.monotonic() + 15
    while (answer := romeo.iq("get", query(LAST), to=bare)[0]).text is None:  # until the end of her session is known
        assert time.monotonic() < deadline
    assert int(answer.get("seconds")) < 60 and answer.text == "Heading Home"


def test_last_activity_is_forbidden_to_strangers(cluster, unique):
    tybalt, juliet = cluster.online(unique("tybalt")), cluster.online(unique("juliet"))
    assert error_of(tybalt.iq("get", query(LAST), to=juliet.bare)) == ("auth", "forbidden")


# --- XEP-0049 ---


def test_private_xml_is_kept_by_name_and_namespace(cluster, unique):
    alice = cluster.online(unique("alice"))
    two = "<a xmlns='urn:example:1'><b x='&lt;'>t</b></a><c xmlns='urn:example:1'/>"
    assert alice.iq("set", query(PRIVATE, two)).get("type") == "result"
    got = alice.iq("get", query(PRIVATE, "<a xmlns='urn:example:1'/>"))[0][0]
    assert got.tag == "{urn:example:1}a" and got[0].get("x") == "<" and got[0].text == "t"
    assert len(alice.iq("get", query(PRIVATE, "<a xmlns='urn:example:2'/>"))[0][0]) == 0
    alice.iq("set", query(PRIVATE, "<a xmlns='urn:example:1'/>"))
    assert len(alice.iq("get", query(PRIVATE, "<a xmlns='urn:example:1'/>"))[0][0]) == 0


@pytest.mark.parametrize("type,inner,condition", [
    ("get", "", "bad-request"),
    ("get", "<a xmlns='urn:1'/><a xmlns='urn:2'/>", "bad-request"),
    ("set", "", "not-acceptable"),
    ("set", "<a/>", "not-acceptable"),
    ("set", "<a xmlns='urn:1'/><a xmlns='urn:1'/>", "bad-request"),
])
def test_a_bad_request_for_private_xml_gets_its_error(cluster, unique, type, inner, condition):
    alice = cluster.online(unique("alice"))
    assert error_of(alice.iq(type, query(PRIVATE, inner))) == ("modify", condition)


def test_private_xml_of_another_is_forbidden(cluster, unique):
    alice, bob = cluster.online(unique("alice")), cluster.online(unique("bob"))
    for type in ("get", "set"):
        assert error_of(alice.iq(type, query(PRIVATE, "<a xmlns='urn:1'/>"), to=bob.bare)) == ("auth", "forbidden")


def test_an_account_keeps_no_more_than_its_share(new_cluster):
    cluster = new_cluster("--set", 'sm:max_data = "64k"')
    alice = cluster.online("alice")
    answers = [alice.iq("set", query(PRIVATE, f"<a{i} xmlns='urn:1'>{'x' * 20000}</a{i}>")) for i in range(5)]
    assert answers[0].get("type") == "result" and error_of(answers[-1]) == ("wait", "resource-constraint")
    assert alice.iq("get", query(PRIVATE, "<a0 xmlns='urn:1'/>"))[0][0].text == "x" * 20000


# --- XEP-0054 ---


def test_a_vcard_is_set_by_its_owner_and_read_by_all(cluster, unique):
    alice, bob = cluster.online(unique("alice")), cluster.online(unique("bob"))
    assert error_of(alice.iq("get", f"<vCard xmlns='{VCARD}'/>")) == ("cancel", "item-not-found")
    assert alice.iq("set", f"<vCard xmlns='{VCARD}'><FN>Alice &amp; Co</FN></vCard>").get("type") == "result"
    for client, to in ((alice, None), (alice, alice.bare), (bob, alice.bare)):
        answer = client.iq("get", f"<vCard xmlns='{VCARD}'/>", to=to)
        assert answer.find(f"{q(VCARD, 'vCard')}/{q(VCARD, 'FN')}").text == "Alice & Co"


def test_no_vcard_and_no_account_look_the_same(cluster, unique):
    alice, bob = cluster.online(unique("alice")), cluster.online(unique("bob"))
    for to in (bob.bare, f"{unique('nobody')}@localhost"):
        assert error_of(alice.iq("get", f"<vCard xmlns='{VCARD}'/>", to=to)) == ("cancel", "service-unavailable")


def test_another_vcard_cannot_be_set(cluster, unique):
    alice, bob = cluster.online(unique("alice")), cluster.online(unique("bob"))
    assert error_of(alice.iq("set", f"<vCard xmlns='{VCARD}'/>", to=bob.bare)) == ("auth", "forbidden")


# --- XEP-0077 ---


def register(username, password):
    return query(REGISTER, f"<username>{username}</username><password>{password}</password>")


def raw_iq(client, type, inner):
    client.send(f"<iq type='{type}' id='reg'>{inner}</iq>")
    return client.expect("iq", id="reg")


def test_registration_is_off_by_default(cluster, unique):
    client = cluster.client()
    assert client.direct().find("{http://jabber.org/features/iq-register}register") is None


def test_a_password_is_changed_and_counts_from_then_on(cluster, unique):
    name = unique("alice")
    alice = cluster.online(name)
    form = alice.iq("get", query(REGISTER), to="localhost")[0]
    assert form.find(q(REGISTER, "registered")) is not None and form.findtext(q(REGISTER, "username")) == name
    assert alice.iq("set", register(name, "new &amp; better"), to="localhost").get("type") == "result"
    cluster.client(name, "new & better").login()
    other = cluster.client(name, "secret")
    other.direct()
    assert local(other.auth_plain()) == "failure"


@pytest.mark.parametrize("username,password,condition", [("own", "", "bad-request"), ("", "new", "bad-request"), ("other", "new", "forbidden")])
def test_a_bad_change_of_password_gets_its_error_without_the_password(cluster, unique, username, password, condition):
    alice = cluster.online(unique("alice"))
    answer = alice.iq("set", register({"own": alice.name}.get(username, username), password), to="localhost")
    assert error_of(answer)[1] == condition and answer.find(q(REGISTER, "query")) is None
    cluster.client(alice.name).login()


def test_an_account_cannot_be_cancelled_where_registration_is_off(cluster, unique):
    alice = cluster.online(unique("alice"))
    assert error_of(alice.iq("set", query(REGISTER, "<remove/>"))) == ("cancel", "not-allowed")
    assert error_of(alice.iq("set", query(REGISTER, "<remove/><username/>"))) == ("modify", "bad-request")


@pytest.fixture(scope="module")
def open_cluster():
    from cluster import Cluster

    made = Cluster("--register")
    yield made
    made.down()


def test_registration_before_login(open_cluster):
    client = open_cluster.client()
    assert client.direct().find("{http://jabber.org/features/iq-register}register") is not None
    fields = {local(c) for c in raw_iq(client, "get", query(REGISTER))[0]}
    assert fields == {"instructions", "username", "password"}
    assert raw_iq(client, "set", register("newcomer", "pw")).get("type") == "result"
    assert local(client.auth_plain("newcomer", "pw")) == "success"


@pytest.mark.parametrize("username,password,expected", [
    ("", "pw", ("modify", "not-acceptable")),
    ("name", "", ("modify", "not-acceptable")),
    ("not a name", "pw", ("modify", "not-acceptable")),
    ("taken", "pw", ("cancel", "conflict")),
])
def test_a_bad_registration_gets_its_error_without_the_password(open_cluster, username, password, expected):
    open_cluster.adduser("taken")
    client = open_cluster.client()
    client.direct()
    answer = raw_iq(client, "set", register(username, password))
    assert error_of(answer) == expected and answer.find(q(REGISTER, "query")) is None


def test_a_cancelled_account_is_gone_and_its_contacts_are_told(open_cluster):
    romeo, juliet = interested(open_cluster, "romeo"), interested(open_cluster, "juliet")
    befriend(romeo, juliet)
    assert juliet.iq("set", query(REGISTER, "<remove/>")).get("type") == "result"
    juliet.expect_stream_error("not-authorized")
    romeo.expect("presence", type="unavailable", from_=juliet.jid)
    romeo.expect("presence", type="unsubscribed", from_=juliet.bare)
    again = open_cluster.client()
    again.direct()
    assert local(again.auth_plain("juliet", "secret")) == "failure"
