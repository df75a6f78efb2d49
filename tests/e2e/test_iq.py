"""IQs that the server answers: RFC 6120 §8.2.3, §10.3; RFC 6121 §8.5.2.1.3."""
import pytest

from xmpp import error_of

UNKNOWN = "<query xmlns='urn:example:unknown'/>"


@pytest.mark.parametrize("type", ["get", "set"])
@pytest.mark.parametrize("to", [None, "localhost", "localhost/resource", "own"])
def test_an_unknown_request_is_service_unavailable(cluster, unique, type, to):
    alice = cluster.online(unique("alice"))
    answer = alice.iq(type, UNKNOWN, to=alice.bare if to == "own" else to)
    assert error_of(answer) == ("cancel", "service-unavailable")
    assert answer.get("to") == alice.jid


def test_a_known_request_of_the_wrong_kind_is_service_unavailable(cluster, unique):
    alice = cluster.online(unique("alice"))
    assert error_of(alice.iq("set", "<query xmlns='jabber:iq:version'/>", to="localhost"))[1] == "service-unavailable"


@pytest.mark.parametrize("type", ["result", "error"])
@pytest.mark.parametrize("to", [None, "localhost", "own"])
def test_answers_to_the_server_are_dropped(cluster, unique, type, to):
    alice = cluster.online(unique("alice"))
    alice.send(f"<iq type='{type}' id='x'" + (f" to='{alice.bare if to == 'own' else to}'" if to else "") + "/>")
    alice.expect_none("iq")


@pytest.mark.parametrize("iq", [
    "<iq type='get' id='b1'/>",
    "<iq type='set' id='b1'><a xmlns='urn:a'/><b xmlns='urn:b'/></iq>",
    "<iq type='bad' id='b1'><a xmlns='urn:a'/></iq>",
    "<iq id='b1'><a xmlns='urn:a'/></iq>",
])
def test_an_iq_that_is_none_is_a_bad_request(cluster, unique, iq):
    alice = cluster.online(unique("alice"))
    alice.send(iq)
    assert error_of(alice.expect("iq", id="b1")) == ("modify", "bad-request")


def test_a_request_without_to_is_answered_by_the_own_account(cluster, unique):
    alice = cluster.online(unique("alice"))
    assert alice.ping().get("from") in (None, alice.bare)


def test_the_error_holds_the_request(cluster, unique):
    alice = cluster.online(unique("alice"))
    assert alice.iq("get", UNKNOWN, to="localhost").find("{urn:example:unknown}query") is not None
