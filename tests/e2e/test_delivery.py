"""Delivery: the table of RFC 6121 §8, RFC 6120 §10; offline messages: XEP-0160, XEP-0203."""
import pytest

from xmpp import CLIENT, error_of, local, q

DELAY = "{urn:xmpp:delay}delay"
ALL = ["normal", "chat", "headline", "groupchat"]


def send(client, to, type, body):
    client.message(to, body, type=type, id=body)


# --- §8.5.1: no such user ---


@pytest.mark.parametrize("type", ["normal", "chat", "groupchat", "headline"])
def test_a_message_to_nobody_is_answered_with_service_unavailable(cluster, unique, type):
    alice = cluster.online(unique("alice"))
    send(alice, f"{unique('nobody')}@localhost", type, "m")
    assert error_of(alice.expect("message", type="error"))[1] == "service-unavailable"


def test_an_iq_to_nobody_is_answered_with_service_unavailable(cluster, unique):
    alice = cluster.online(unique("alice"))
    answer = alice.iq("get", "<query xmlns='jabber:iq:version'/>", to=f"{unique('nobody')}@localhost")
    assert error_of(answer)[1] == "service-unavailable"


def test_presence_to_nobody_is_dropped(cluster, unique):
    alice = cluster.online(unique("alice"))
    alice.presence(to=f"{unique('nobody')}@localhost")
    alice.expect_none("presence")


def test_an_error_to_nobody_is_dropped(cluster, unique):
    alice = cluster.online(unique("alice"))
    send(alice, f"{unique('nobody')}@localhost", "error", "m")
    alice.expect_none("message")


# --- §8.5.2: to a bare JID with resources ---


def three(cluster, name):
    """Resources of priority 5, 1 and -1."""
    return [cluster.online(name, f"r{p}", p) for p in (5, 1, -1)]


@pytest.mark.parametrize("type,receivers", [("chat", [0, 1]), ("normal", [0, 1]), ("headline", [0, 1])])
def test_a_message_to_a_bare_jid_reaches_resources_of_non_negative_priority(cluster, unique, type, receivers):
    name = unique("bob")
    bobs, alice = three(cluster, name), cluster.online(unique("alice"))
    send(alice, bobs[0].bare, type, "to-bare")
    got = []
    for i, bob in enumerate(bobs):
        bob.ping()
        bob.ping()
        got += [i for el in bob.backlog if local(el) == "message"]
    if type == "headline":
        assert got == receivers
    else:  # §8.5.2.1.1: to the most available one or to all non-negative ones
        assert got and set(got) <= set(receivers) and 0 in got


def test_groupchat_to_a_bare_jid_is_refused(cluster, unique):
    bob, alice = cluster.online(unique("bob")), cluster.online(unique("alice"))
    send(alice, bob.bare, "groupchat", "m")
    assert error_of(alice.expect("message", type="error"))[1] == "service-unavailable"
    bob.expect_none("message")


def test_an_error_to_a_bare_jid_is_dropped(cluster, unique):
    bob, alice = cluster.online(unique("bob")), cluster.online(unique("alice"))
    send(alice, bob.bare, "error", "m")
    alice.ping()
    bob.expect_none("message")


def test_presence_to_a_bare_jid_reaches_every_resource(cluster, unique):
    name = unique("bob")
    bobs, alice = three(cluster, name), cluster.online(unique("alice"))
    alice.presence(to=bobs[0].bare, inner="<status>psst</status>")
    for bob in bobs:
        bob.expect("presence", from_=alice.jid, status="psst")


def test_an_iq_to_another_accounts_bare_jid_is_answered_by_the_server(cluster, unique):
    bob, alice = cluster.online(unique("bob")), cluster.online(unique("alice"))
    answer = alice.iq("get", "<query xmlns='urn:example:unknown'/>", to=bob.bare)
    assert error_of(answer)[1] == "service-unavailable"
    bob.expect_none("iq")


# --- §8.5.2.2: to a bare JID without available resources; offline ---


@pytest.mark.parametrize("type", ["normal", "chat"])
def test_a_message_waits_until_the_recipient_comes(cluster, unique, type):
    alice, name = cluster.online(unique("alice")), cluster.adduser(unique("bob"))
    send(alice, f"{name}@localhost", type, "waiting")
    alice.ping()
    bob = cluster.online(name)
    got = bob.expect("message", body="waiting")
    delay = got.find(DELAY)
    assert delay is not None and delay.get("from") == "localhost" and delay.get("stamp").endswith("Z")
    bob.logout()
    again = cluster.online(name)
    again.expect_none("message")


def test_offline_messages_keep_their_order(cluster, unique):
    alice, name = cluster.online(unique("alice")), cluster.adduser(unique("bob"))
    for i in range(30):
        send(alice, f"{name}@localhost", "chat", f"b{i}")
    alice.ping()
    bob = cluster.online(name)
    assert [bob.expect("message").findtext(q(CLIENT, "body")) for _ in range(30)] == [f"b{i}" for i in range(30)]


@pytest.mark.parametrize("type", ["headline", "error"])
def test_headlines_and_errors_are_not_kept(cluster, unique, type):
    alice, name = cluster.online(unique("alice")), cluster.adduser(unique("bob"))
    send(alice, f"{name}@localhost", type, "gone")
    alice.ping()
    cluster.online(name).expect_none("message")


def test_groupchat_is_not_kept_but_refused(cluster, unique):
    alice, name = cluster.online(unique("alice")), cluster.adduser(unique("bob"))
    send(alice, f"{name}@localhost", "groupchat", "gone")
    assert error_of(alice.expect("message", type="error"))[1] == "service-unavailable"


def test_a_negative_priority_gets_no_offline_messages(cluster, unique):
    alice, name = cluster.online(unique("alice")), cluster.adduser(unique("bob"))
    shy = cluster.online(name, "shy", -1)
    send(alice, f"{name}@localhost", "chat", "not-yet")
    alice.ping()
    shy.expect_none("message")
    cluster.online(name, "desk", 0).expect("message", body="not-yet")


def test_offline_messages_survive_a_restart_of_the_session_manager(new_cluster):
    cluster = new_cluster()
    alice = cluster.online("alice")
    cluster.adduser("bob")
    alice.message("bob@localhost", "kept")
    alice.ping()
    cluster.kill("sm-1")
    cluster.start("sm-1")
    cluster.online("bob").expect("message", body="kept")
    alice.ping()


# --- §8.5.3: to a full JID ---


@pytest.mark.parametrize("type", ALL)
def test_a_message_to_a_full_jid_reaches_that_resource_alone(cluster, unique, type):
    name = unique("bob")
    bobs, alice = three(cluster, name), cluster.online(unique("alice"))
    send(alice, bobs[2].jid, type, "direct")
    bobs[2].expect("message", body="direct")
    for bob in bobs[:2]:
        bob.expect_none("message")


def test_a_message_to_a_resource_that_is_gone_reaches_another(cluster, unique):
    bob, alice = cluster.online(unique("bob"), "desk"), cluster.online(unique("alice"))
    send(alice, bob.bare + "/gone", "chat", "reroute")
    bob.expect("message", body="reroute")


@pytest.mark.parametrize("type", ["groupchat"])
def test_groupchat_to_a_resource_that_is_gone_is_refused(cluster, unique, type):
    bob, alice = cluster.online(unique("bob"), "desk"), cluster.online(unique("alice"))
    send(alice, bob.bare + "/gone", type, "m")
    assert error_of(alice.expect("message", type="error"))[1] == "service-unavailable"


@pytest.mark.parametrize("type", ["headline", "error"])
def test_headlines_and_errors_to_a_resource_that_is_gone_are_dropped(cluster, unique, type):
    bob, alice = cluster.online(unique("bob"), "desk"), cluster.online(unique("alice"))
    send(alice, bob.bare + "/gone", type, "m")
    alice.expect_none("message")
    bob.expect_none("message")


def test_an_iq_crosses_between_full_jids_and_back(cluster, unique):
    bob, alice = cluster.online(unique("bob")), cluster.online(unique("alice"))
    bob.presence(to=alice.jid)  # §8.5.3.1: only who may see Bob's presence may ask his resource
    alice.expect("presence", from_=bob.jid)
    alice.send(f"<iq type='get' id='q7' to='{bob.jid}'><query xmlns='urn:example:q'/></iq>")
    asked = bob.expect("iq", type="get", id="q7")
    assert asked.get("from") == alice.jid
    bob.send(f"<iq type='result' id='q7' to='{alice.jid}'><query xmlns='urn:example:q'>42</query></iq>")
    assert alice.expect("iq", id="q7").find("{urn:example:q}query").text == "42"


def test_an_iq_to_a_resource_that_does_not_share_its_presence_is_refused(cluster, unique):
    bob, alice = cluster.online(unique("bob")), cluster.online(unique("alice"))
    assert error_of(alice.iq("get", "<query xmlns='urn:example:q'/>", to=bob.jid))[1] == "service-unavailable"
    bob.expect_none("iq")


def test_an_iq_to_a_resource_that_is_gone_is_service_unavailable(cluster, unique):
    bob, alice = cluster.online(unique("bob"), "desk"), cluster.online(unique("alice"))
    assert error_of(alice.iq("get", "<query xmlns='urn:example:q'/>", to=bob.bare + "/gone"))[1] == "service-unavailable"


# --- RFC 6120 §10: elsewhere ---


@pytest.mark.parametrize("what", ["message", "iq"])
def test_a_domain_that_is_not_ours_is_remote_server_not_found(cluster, unique, what):
    alice = cluster.online(unique("alice"))
    if what == "message":
        send(alice, "x@elsewhere.example", "chat", "m")
        answer = alice.expect("message", type="error")
    else:
        answer = alice.iq("get", "<query xmlns='urn:example:q'/>", to="elsewhere.example")
    assert error_of(answer) == ("cancel", "remote-server-not-found")


def test_hosts_of_one_cluster_talk_to_each_other(cluster, unique):
    alice, name = cluster.online(unique("alice")), unique("bob")
    cluster.run("adduser", f"{name}@second.example", "secret")
    bob = cluster.client(domain="second.example")
    bob.name, bob.password = name, "secret"
    bob.login().online()
    alice.message(bob.jid, "across hosts")
    assert bob.expect("message", body="across hosts").get("from") == alice.jid


def test_a_message_without_to_goes_to_the_own_account(cluster, unique):
    """RFC 6120 §10.3.1: as if addressed to the bare JID of the sender."""
    alice = cluster.online(unique("alice"))
    alice.send("<message type='chat'><body>note to self</body></message>")
    alice.expect("message", body="note to self")


def test_addresses_are_normalised_on_the_way(cluster, unique):
    bob, alice = cluster.online(unique("bob"), "Desk"), cluster.online(unique("alice"))
    alice.message(bob.bare.upper().replace("LOCALHOST", "LocalHost") + "/Desk", "loud")
    assert bob.expect("message", body="loud").get("to") == bob.jid


def test_extensions_and_languages_pass_through_unchanged(cluster, unique):
    alice = cluster.online(unique("alice"))
    alice.send(f"<message to='{alice.jid}' type='chat' xml:lang='de'><body>a</body><body xml:lang='en'>b</body>"
               "<x xmlns='urn:example:x' xmlns:p='urn:example:p' p:a='1'><p:y/><![CDATA[<&>]]></x></message>")
    got = alice.expect("message")
    x = got.find("{urn:example:x}x")
    assert x.get("{urn:example:p}a") == "1" and x[0].tag == "{urn:example:p}y" and x[0].tail == "<&>"
    assert got.get("{http://www.w3.org/XML/1998/namespace}lang") == "de" and len(got.findall(q(CLIENT, "body"))) == 2


# --- connections that break ---


def test_what_a_lost_client_did_not_get_is_kept(cluster, unique):
    """The socket is gone without a word; what comes afterwards is stored and delivered at the next login."""
    bob, alice = cluster.online(unique("bob")), cluster.online(unique("alice"))
    bob.close()
    name = bob.name
    for i in range(20):
        alice.message(f"{name}@localhost", f"k{i}")
    alice.ping()
    again = cluster.online(name)
    got = [el.findtext(q(CLIENT, "body")) for el in drain(again)]
    assert got == sorted(got, key=lambda b: int(b[1:])) and got[-1:] == ["k19"]


def drain(client):
    client.ping()
    found = [el for el in client.backlog if local(el) == "message"]
    client.backlog.clear()
    return found
