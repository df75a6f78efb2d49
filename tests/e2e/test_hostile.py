"""What strangers send: each gets the error that RFC 6120 §4.9.3, §8.3 or §11 names, and a bystander is served meanwhile."""
import socket
import ssl
import time

import pytest

from xmpp import CLIENT, SASL, STREAM, Closed, error_of, local, q


@pytest.fixture
def bystander(cluster, unique):
    """Somebody else, who must be served before and after, and for whom nothing may have arrived."""
    client = cluster.online(unique("bystander"))
    yield client
    client.ping()
    assert not client.backlog


BAD_XML = [
    ("comment", "<message><!-- x --><body/></message>", "restricted-xml"),
    ("comment between stanzas", "<!-- x -->", "restricted-xml"),
    ("processing instruction", "<message><?x y?></message>", "restricted-xml"),
    ("processing instruction between stanzas", "<?x y?>", "restricted-xml"),
    ("document type", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "restricted-xml"),
    ("undefined entity", "<message><body>&boom;</body></message>", "restricted-xml"),
    ("entity of HTML", "<message><body>&nbsp;</body></message>", "restricted-xml"),
    ("unbound prefix", "<message><x:y/></message>", "not-well-formed"),  # §4.9.3.13: by XML-NAMES
    ("unbound prefix of an attribute", "<message x:y='1'/>", "not-well-formed"),
    ("content namespace under a prefix", "<message><m:body xmlns:m='jabber:client'/></message>", "bad-namespace-prefix"),
    ("mismatched tags", "<message><body></message></body>", "not-well-formed"),
    ("duplicate attribute", "<message to='a@localhost' to='b@localhost'/>", "not-well-formed"),
    ("bare ampersand", "<message><body>a & b</body></message>", "not-well-formed"),
    ("attribute without quotes", "<message to=a@localhost/>", "not-well-formed"),
    ("less-than in an attribute", "<message to='<'/>", "not-well-formed"),
    ("text between stanzas", "hello", "not-well-formed"),
    ("end tag of nothing", "</message>", "not-well-formed"),
    ("NUL", b"<message><body>a\0b</body></message>", "not-well-formed"),
    ("control character", b"<message><body>\x01</body></message>", "not-well-formed"),
    ("character reference to NUL", "<message><body>&#0;</body></message>", "not-well-formed"),
    ("invalid UTF-8", b"<message><body>\xff\xfe</body></message>", "not-well-formed"),
    ("overlong UTF-8", b"<message><body>\xc0\xaf</body></message>", "not-well-formed"),
    ("surrogate in UTF-8", b"<message><body>\xed\xa0\x80</body></message>", "not-well-formed"),
    ("truncated UTF-8", b"<message><body>\xe2\x82</body></message>", "not-well-formed"),
]


@pytest.mark.parametrize("what,text,condition", BAD_XML, ids=[b[0] for b in BAD_XML])
def test_bad_xml_in_a_session_ends_it_with_the_named_error(cluster, bystander, unique, what, text, condition):
    mallory = cluster.online(unique("mallory"))
    mallory.send(text)
    mallory.expect_stream_error(condition)


@pytest.mark.parametrize("what,text,condition", BAD_XML, ids=[b[0] for b in BAD_XML])
def test_bad_xml_before_authentication_ends_the_stream(cluster, bystander, what, text, condition):
    mallory = cluster.client()
    mallory.direct()
    mallory.send(text)
    mallory.expect(q(STREAM, "error"))
    mallory.expect_close()


def test_billion_laughs_cost_nothing(cluster, bystander):
    mallory = cluster.client().connect()
    mallory.reset_parser()
    entities = "".join(f"<!ENTITY l{i} '{f'&l{i - 1};' * 10 if i else 'ha'}'>" for i in range(10))
    mallory.send(f"<?xml version='1.0'?><!DOCTYPE x [{entities}]><stream:stream>&l9;")
    mallory.expect_close()


TOO_MUCH = [
    ("a stanza over the limit", lambda: "<message><body>" + "x" * (1 << 20)),
    ("ten thousand attributes", lambda: "<message " + " ".join(f"a{i}='1'" for i in range(10000)) + "/>"),
    ("deep nesting", lambda: "<message>" + "<a>" * 5000),
    ("an endless start tag", lambda: "<message " + "a" * (1 << 20)),
    ("an endless attribute", lambda: "<message to='" + "a" * (1 << 20)),
]


@pytest.mark.parametrize("what,make", TOO_MUCH, ids=[t[0] for t in TOO_MUCH])
def test_too_much_is_a_policy_violation(cluster, bystander, unique, what, make):
    mallory = cluster.online(unique("mallory"))
    try:
        mallory.send(make())
    except (OSError, ssl.SSLError):
        pass  # the server ended it before it had read all
    mallory.expect_stream_error("policy-violation")


def test_a_stanza_just_under_the_limit_is_delivered(cluster, unique):
    alice = cluster.online(unique("alice"))
    body = "x" * 200000
    alice.message(alice.jid, body)
    alice.expect("message", body=body)


@pytest.mark.parametrize("to", ["a@b@c", "@localhost", "localhost/", "a b@localhost", "a" * 1024 + "@localhost", "x@localhost/" + "r" * 1024, "x@" + "d" * 1024, "ﷺ\u2028@localhost"])
def test_a_malformed_address_is_answered_with_jid_malformed(cluster, bystander, unique, to):
    mallory = cluster.online(unique("mallory"))
    mallory.message(to, "x", id="bad")
    assert error_of(mallory.expect("message", id="bad"))[1] == "jid-malformed"


@pytest.mark.parametrize("stanza", ["<presence/>", "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>", "<message to='bystander@localhost'><body>x</body></message>"])
def test_stanzas_before_authentication_are_not_authorized(cluster, bystander, stanza):
    mallory = cluster.client()
    mallory.direct()
    mallory.send(stanza)
    mallory.expect_stream_error("not-authorized")


@pytest.mark.parametrize("iq", [
    "<iq type='get' id='1'/>",
    "<iq type='get' id='2'><a xmlns='x'/><b xmlns='x'/></iq>",
    "<iq type='bogus' id='3'><a xmlns='x'/></iq>",
    "<iq id='4'><a xmlns='x'/></iq>",
])
def test_a_bad_iq_is_a_bad_request(cluster, unique, iq):
    alice = cluster.online(unique("alice"))
    alice.send(iq)
    assert error_of(alice.expect("iq"))[1] == "bad-request"


def test_many_silent_connections_do_not_keep_others_out(cluster, unique):
    silent = [socket.create_connection((cluster.host, cluster.port)) for _ in range(1000)]
    try:
        cluster.online(unique("alice")).ping()
    finally:
        for s in silent:
            s.close()


def test_silence_before_authentication_ends_in_time(new_cluster):
    cluster = new_cluster("--set", "c2s:auth_timeout = 2s")
    client = cluster.client().connect()
    client.open()
    client.features()
    client.expect_stream_error("connection-timeout")
    secure = cluster.client()
    secure.direct()
    secure.expect_stream_error("connection-timeout")


def test_one_byte_at_a_time_does_not_extend_the_time(new_cluster):
    cluster = new_cluster("--set", "c2s:auth_timeout = 2s")
    client = cluster.client().connect()
    client.reset_parser()
    began = time.monotonic()
    text = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' " + b"a" * 1000
    with pytest.raises((Closed, OSError)):
        for byte in text:
            client.send(bytes([byte]))
            try:
                client.read_some(time.monotonic() + 0.05)
            except socket.timeout:
                pass
    assert time.monotonic() - began < 15


def test_too_many_connections_of_one_address_are_refused(new_cluster):
    cluster = new_cluster("--limits", "default", "--set", "c2s:connections_per_address = 10")
    clients = [cluster.client().connect() for _ in range(10)]
    for c in clients:
        c.open()
    refused = cluster.client().connect()
    refused.reset_parser()
    refused.expect_close()
    clients[0].close()
    deadline = time.monotonic() + 10
    while True:
        again = cluster.client().connect()
        try:
            again.open()
            break
        except (Closed, OSError):
            assert time.monotonic() < deadline


def test_a_fast_sender_is_slowed_and_not_ended(new_cluster):
    cluster = new_cluster("--limits", "default")
    alice = cluster.online("alice")
    began = time.monotonic()
    for i in range(400):
        alice.message(alice.jid, f"{i}")
    for i in range(400):
        alice.expect("message", body=str(i), timeout=60)
    assert time.monotonic() - began < 60


def test_a_reader_that_never_reads_costs_a_bounded_amount_and_nobody_else(cluster, unique):
    slow, fast, writer = cluster.online(unique("slow")), cluster.online(unique("fast")), cluster.online(unique("writer"))
    for i in range(300):
        writer.message(slow.jid, "y" * 20000)
        writer.message(fast.jid, str(i))
        fast.expect("message", body=str(i), timeout=30)
    for i in range(300):
        slow.expect("message", body="y" * 20000, timeout=30)
