"""Resource binding: RFC 6120 §7; the old session request: RFC 3921 §3."""
import pytest

from xmpp import BIND, CLIENT, error_of, q


def authenticated(cluster, name):
    client = cluster.client(name)
    client.direct()
    features = client.authenticate()
    assert features.find(q(BIND, "bind")) is not None
    return client


def test_the_server_makes_a_resource(cluster, unique):
    alice = authenticated(cluster, unique("alice"))
    assert alice.bind().startswith(alice.bare + "/")


def test_the_client_chooses_a_resource(cluster, unique):
    alice = authenticated(cluster, unique("alice"))
    assert alice.bind("Büro 4 – Fenster") == alice.bare + "/Büro 4 – Fenster"


def test_made_resources_differ(cluster, unique):
    name = unique("alice")
    assert len({authenticated(cluster, name).bind() for _ in range(5)}) == 5


def test_a_resource_that_is_no_resource_is_a_bad_request(cluster, unique):
    alice = authenticated(cluster, unique("alice"))
    answer = alice.iq("set", f"<bind xmlns='{BIND}'><resource>{'x' * 1100}</resource></bind>")
    assert error_of(answer)[1] == "bad-request"
    assert alice.bind("ok")


def test_the_newer_of_two_equal_resources_replaces_the_older(cluster, unique):
    name = unique("alice")
    old = authenticated(cluster, name)
    old.bind("desk")
    new = authenticated(cluster, name)
    assert new.bind("desk") == old.jid
    old.expect_stream_error("conflict")
    new.ping()


def test_binding_twice_is_refused(cluster, unique):
    alice = authenticated(cluster, unique("alice"))
    alice.bind("one")
    answer = alice.iq("set", f"<bind xmlns='{BIND}'><resource>two</resource></bind>")
    assert error_of(answer) == ("cancel", "not-allowed")


@pytest.mark.parametrize("stanza", ["<presence/>", "<message to='x@localhost'><body>x</body></message>"])
def test_nothing_is_sent_before_binding(cluster, unique, stanza):
    alice = authenticated(cluster, unique("alice"))
    alice.send(stanza)
    alice.expect_stream_error("not-authorized")


def test_the_old_session_request_is_answered(cluster, unique):
    alice = cluster.client(unique("alice")).login()
    assert alice.iq("set", "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>").get("type") == "result"


def test_a_stanza_from_another_address_ends_the_stream(cluster, unique):
    alice = cluster.online(unique("alice"))
    alice.send("<message from='mallory@localhost/x' to='bob@localhost'><body>hi</body></message>")
    alice.expect_stream_error("invalid-from")


@pytest.mark.parametrize("which", ["full", "bare"])
def test_the_own_address_as_from_is_accepted(cluster, unique, which):
    alice = cluster.online(unique("alice"))
    alice.send(f"<message from='{alice.jid if which == 'full' else alice.bare}' to='{alice.jid}' type='chat'><body>me</body></message>")
    assert alice.expect("message", body="me").get("from") == alice.jid
