"""The thinnest whole path: log in through c2s, and a message crosses c2s, router, sm and back."""
from xmpp import local


def test_a_message_to_oneself_crosses_the_cluster(cluster, unique):
    alice = cluster.client(unique("alice")).login("desk")
    alice.online()
    alice.message(alice.jid, "hello, myself")
    got = alice.expect("message", body="hello, myself")
    assert got.get("from") == alice.jid and got.get("to") == alice.jid


def test_a_message_crosses_between_two_users_by_starttls_and_scram(cluster, unique):
    alice = cluster.client(unique("alice")).login("desk", mechanism="SCRAM-SHA-256", direct_tls=False).online()
    bob = cluster.client(unique("bob")).login("phone", mechanism="SCRAM-SHA-1", direct_tls=False).online()
    alice.message(bob.bare, "hello, Bob", id="m1")
    got = bob.expect("message", body="hello, Bob")
    assert (got.get("from"), got.get("id"), got.get("type")) == (alice.jid, "m1", "chat")


def test_a_wrong_password_is_not_authorized(cluster, unique):
    alice = cluster.client(unique("alice"))
    alice.secure()
    answer = alice.auth_plain(password="wrong")
    assert local(answer) == "failure" and [local(c) for c in answer] == ["not-authorized"]
