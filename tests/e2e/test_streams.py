"""Streams: RFC 6120 §4. Headers, features, errors, whitespace, the end."""
import socket
import time

import pytest

from xmpp import CLIENT, SASL, STREAM, TLS, Closed, local, q


def raw(cluster):
    """Connected in clear, with nothing sent."""
    client = cluster.client().connect()
    client.reset_parser()
    return client


def header(to="localhost", ns=CLIENT, stream=STREAM, prefix="stream", version="version='1.0'", extra=""):
    to = f"to='{to}'" if to is not None else ""
    return f"<?xml version='1.0'?><{prefix}:stream xmlns='{ns}' xmlns:{prefix}='{stream}' {to} {version} {extra}>"


def test_the_answering_header_has_id_from_version_and_language(cluster):
    client = cluster.client().connect()
    root = client.open(xml_lang="de")
    assert root.tag == q(STREAM, "stream")
    assert root.get("from") == "localhost" and root.get("version") == "1.0" and len(root.get("id")) >= 16
    assert root.get("{http://www.w3.org/XML/1998/namespace}lang")


def test_the_answering_header_is_addressed_to_the_from_of_the_client(cluster):
    client = cluster.client().connect()
    assert client.open(**{"from": "alice@localhost"}).get("to") == "alice@localhost"


def test_stream_ids_differ(cluster):
    ids = {cluster.client().connect().open().get("id") for _ in range(20)}
    assert len(ids) == 20


def test_before_tls_only_starttls_is_offered_and_it_is_required(cluster):
    client = cluster.client().connect()
    client.open()
    features = client.features()
    assert [c.tag for c in features] == [q(TLS, "starttls")]
    assert [c.tag for c in features[0]] == [q(TLS, "required")]


BAD_HEADERS = [
    ("an unknown host", header(to="nowhere.example"), "host-unknown"),
    ("no host", header(to=None), "host-unknown"),
    ("a malformed host", header(to="bad..@host"), "host-unknown"),
    ("a foreign stream namespace", header(stream="urn:wrong"), "invalid-namespace"),
    ("a foreign default namespace", header(ns="urn:wrong"), "invalid-namespace"),
    ("the server namespace on a client port", header(ns="jabber:server"), "invalid-namespace"),
    ("another prefix", header(prefix="x"), "bad-namespace-prefix"),
    ("an old version", header(version="version='0.9'"), "unsupported-version"),
    ("no version", header(version=""), "unsupported-version"),
    ("another element", f"<?xml version='1.0'?><iq xmlns='{CLIENT}'>", None),
    ("not XML", "GET / HTTP/1.1\r\n\r\n", "not-well-formed"),
    ("a document type", "<!DOCTYPE stream [<!ENTITY a 'b'>]>" + header(), "restricted-xml"),
    ("a processing instruction", "<?php echo 1 ?>" + header(), "restricted-xml"),
    ("a comment", "<!-- hello -->" + header(), "restricted-xml"),
    ("another encoding", header().replace("version='1.0'?>", "version='1.0' encoding='ISO-8859-1'?>", 1), "unsupported-encoding"),
]


@pytest.mark.parametrize("what,text,condition", BAD_HEADERS, ids=[b[0] for b in BAD_HEADERS])
def test_a_bad_header_gets_its_stream_error(cluster, what, text, condition):
    client = raw(cluster).send(text)
    assert client.wait_header().tag == q(STREAM, "stream"), "an own header comes before the error (§4.9.1.2)"
    if condition:
        client.expect_stream_error(condition)
    else:
        client.expect(q(STREAM, "error"))
        client.expect_close()


def test_utf16_is_refused(cluster):
    client = raw(cluster).send(header().encode("utf-16"))
    client.wait_header()
    client.expect(q(STREAM, "error"))
    client.expect_close()


def test_the_end_of_a_stream_is_answered_with_the_end(cluster):
    client = cluster.client().connect()
    client.open()
    client.send("</stream:stream>")
    client.expect_close()
    assert client.is_ended


def test_the_end_of_a_session_is_answered_with_the_end(cluster, unique):
    alice = cluster.online(unique("alice"))
    alice.send("</stream:stream>")
    alice.expect_close()
    assert alice.is_ended


def test_stanzas_before_the_end_are_still_delivered(cluster, unique):
    alice, bob = cluster.online(unique("alice")), cluster.online(unique("bob"))
    alice.message(bob.jid, "last words")
    alice.send("</stream:stream>")
    bob.expect("message", body="last words")


def test_whitespace_between_stanzas_is_ignored(cluster, unique):
    alice = cluster.online(unique("alice"))
    alice.send(" \n\t  ").send(" ")
    alice.ping()


@pytest.mark.parametrize("chunk", [1, 2, 7, 64])
def test_a_stanza_may_come_in_any_pieces(cluster, unique, chunk):
    alice = cluster.online(unique("alice"))
    text = f"<message to='{alice.jid}' type='chat'><body>f&#252;r &lt;dich&gt; – größer</body></message>".encode()
    for i in range(0, len(text), chunk):
        alice.send(text[i:i + chunk])
    alice.expect("message", body="für <dich> – größer")


def test_many_stanzas_in_one_write_arrive_in_order(cluster, unique):
    alice = cluster.online(unique("alice"))
    alice.send("".join(f"<message to='{alice.jid}' type='chat'><body>{i}</body></message>" for i in range(200)))
    assert [alice.expect("message").findtext(q(CLIENT, "body")) for _ in range(200)] == [str(i) for i in range(200)]


def test_the_second_header_must_name_the_same_host(cluster, unique):
    alice = cluster.client(unique("alice"))
    alice.direct()
    alice.auth_plain()
    alice.open(to="second.example")
    alice.expect_stream_error("host-unknown")


def test_ipv6_is_served(cluster, unique):
    alice = cluster.client(unique("alice"))
    alice.host = "::1"
    alice.login().online()


def test_a_stream_error_from_the_client_ends_the_stream(cluster, unique):
    alice = cluster.online(unique("alice"))
    alice.send("<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
    alice.expect_close()


@pytest.mark.parametrize("element", ["<presense/>", "<query xmlns='jabber:iq:roster'/>", "<message xmlns='urn:wrong'/>"])
def test_an_unknown_top_level_element_is_an_unsupported_stanza_type(cluster, unique, element):
    alice = cluster.online(unique("alice"))
    alice.send(element)
    alice.expect_stream_error("unsupported-stanza-type")


LAST_WORDS = {
    "presence": "<presence type='unavailable'/>",
    "an IQ": "<iq type='get' id='last'><query xmlns='jabber:iq:roster'/></iq>",
    "an IQ to the server": "<iq type='get' id='last' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    "a message to itself": "<message to='{jid}'><body>last</body></message>",
    "an IQ to itself": "<iq type='get' id='last' to='{jid}'><query xmlns='jabber:iq:version'/></iq>",
}


def test_a_client_that_leaves_before_its_answers_are_written_is_forgotten(new_cluster):
    """What it would still be told is an answer to its own frames: none of them waits for a client that is gone."""
    cluster = new_cluster()
    for k, text in enumerate(LAST_WORDS.values()):
        for is_polite in (True, False):
            client = cluster.online(f"leaver-{k}")
            client.send(text.format(jid=client.jid) + "</stream:stream>")
            if is_polite:
                client.expect_close()
            client.close()
    deadline = time.monotonic() + 10
    while "\nsessions: 0\n" not in cluster.ctl("c2s-1", "status").stdout:
        assert time.monotonic() < deadline, cluster.ctl("c2s-1", "status").stdout
