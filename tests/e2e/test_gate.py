"""The connection manager alone: its streams, its gates, and what it does when those behind it die. Router and session manager are the test's own (hub.py)."""
import signal
import socket
import struct
import time

import pytest
from hub import LINK, NAME, ROUTER, Hub, Session, build_folder
from xmpp import CLIENT, SASL, STREAM, TLS, local, q

OTHER = "router-2.test"


@pytest.fixture
def make_hub():
    made = []

    def make(*args, **kwargs):
        made.append(Hub(build_folder(), *args, **kwargs))
        return made[-1]

    yield make
    for hub in made:
        hub.close()


@pytest.fixture
def hub(make_hub):
    hub = make_hub()
    hub.up()
    return hub


def message(body):
    return f"<message xmlns='{CLIENT}'><body>{body}</body></message>"


def header(to="localhost", extra="version='1.0'", ns="jabber:client"):
    return f"<stream:stream xmlns='{ns}' xmlns:stream='{STREAM}' to='{to}' {extra}>"


# --- streams (RFC 6120 §4, §5, §11) ---

def test_before_tls_nothing_but_starttls_is_offered(hub):
    c = hub.client().connect()
    root = c.open()
    assert root.get("from") == "localhost" and root.get("id") and root.get("version") == "1.0"
    features = c.features()
    assert [f.tag for f in features] == [q(TLS, "starttls")] and features[0].find(q(TLS, "required")) is not None


def test_starttls_then_the_session_manager_says_the_features(hub):
    link = hub.links[ROUTER]
    c = hub.client().connect()
    c.open()
    c.features()
    c.send(f"<starttls xmlns='{TLS}'/>")
    c.expect(q(TLS, "proceed"))
    c.start_tls()
    c.reset_parser()
    c.send(header(extra="version='1.0' from='alice@localhost' xml:lang='de'"))
    frame = hub.features(link)
    assert "tls='TLS1.3'" in frame.payload and "lang='de'" in frame.payload and "from='alice@localhost'" in frame.payload
    assert "type='tls-exporter'" in frame.payload and "addr='127.0.0.1:" in frame.payload
    assert c.features().find(q(SASL, "mechanisms")) is not None
    assert c.header.get("to") == "alice@localhost"


def test_bytes_in_clear_behind_starttls_end_the_connection(hub):
    c = hub.client().connect()
    c.open()
    c.features()
    c.send(f"<starttls xmlns='{TLS}'/><iq/>")
    c.expect_close()
    assert not c.backlog


@pytest.mark.parametrize("bytes, condition", [
    (header("nobody.example"), "host-unknown"),
    (header(""), "host-unknown"),
    (header(ns="jabber:server"), "invalid-namespace"),
    (header(extra=""), "unsupported-version"),
    (header(extra="version='1.0' from='@@'"), "improper-addressing"),
    (f"<stream:stream xmlns='jabber:client' xmlns:stream='wrong' to='localhost' version='1.0'>", "invalid-namespace"),
    ("GET / HTTP/1.1\r\n\r\n", "not-well-formed"),
    ("<?xml version='1.0'?><!DOCTYPE x>", "restricted-xml"),
    ("<?xml version='1.0' encoding='ISO-8859-1'?>" + header(), "unsupported-encoding"),
    ("\ufeff<".encode("utf-16"), "unsupported-encoding"),
    ("<!-- hi -->", "restricted-xml"),
    (header() + "<a" * 3 + "<", "not-well-formed"),
    (header() + "<!-- hi -->", "restricted-xml"),
    (header() + "<?php?>", "restricted-xml"),
    (header() + "text", "not-well-formed"),
    (header() + "<a><b></a></b>", "not-well-formed"),
    (header() + "<a>&lol;</a>", "restricted-xml"),
    (header() + "<x:a/>", "not-well-formed"),
    (header() + "<x:message xmlns:x='jabber:client'/>", "bad-namespace-prefix"),
    (header() + "<a>\x01</a>", "not-well-formed"),
    (header().encode() + b"<a>\xff</a>", "not-well-formed"),
    (header() + "<message><body>early</body></message>", "not-authorized"),
    (header() + "<iq type='get' id='1'/>", "not-authorized"),
    (header() + f"<auth xmlns='{SASL}' mechanism='PLAIN'>AA==</auth>", "policy-violation"),
    (header() + "<a " + " ".join(f"a{i}=''" for i in range(100)) + "/>", "policy-violation"),
    (header() + "<a>" * 100, "policy-violation"),
    (header() + "<a>" + "x" * 20000, "policy-violation"),
    (header() + "<?xml version='1.0'?>", "not-well-formed"),
], ids=lambda v: v if isinstance(v, str) and len(v) < 24 and v.islower() else "")
def test_each_fault_has_its_stream_error(hub, bytes, condition):
    c = hub.client().connect()
    c.reset_parser()
    c.send(bytes)
    c.expect_stream_error(condition)
    assert c.header.get("from") == "localhost" and c.header.get("id")


def test_a_header_may_come_byte_by_byte(hub):
    c = hub.client().connect()
    c.reset_parser()
    for byte in "<?xml version='1.0'?>\n " + header():
        c.send(byte)
    assert c.features() is not None


def test_without_to_the_only_host_is_meant(hub):
    c = hub.client().connect()
    c.reset_parser()
    c.send(f"<stream:stream xmlns='jabber:client' xmlns:stream='{STREAM}' version='1.0'>")
    c.features()
    assert c.header.get("from") == "localhost"


def test_where_tls_is_optional_it_is_offered_beside_the_rest(make_hub):
    hub = make_hub("require_tls = no", tls="optional")
    link = hub.up()
    c = hub.client().connect()
    c.reset_parser()
    c.send(header())
    assert " tls=" not in hub.features(link).payload
    features = c.features()
    assert [f.tag for f in features] == [q(TLS, "starttls"), q(SASL, "mechanisms")]
    c.send(f"<starttls xmlns='{TLS}'/>")
    c.expect(q(TLS, "proceed"))
    c.start_tls()
    c.reset_parser()
    c.send(header())
    assert "tls='TLS1" in hub.features(link).payload
    assert [f.tag for f in c.features()] == [q(SASL, "mechanisms")]


def test_another_alpn_is_refused_by_direct_tls(hub):
    c = hub.client()
    with pytest.raises(OSError):
        c.connect(direct_tls=True, alpn=("h2",))


def test_who_never_speaks_is_ended(make_hub):
    hub = make_hub("auth_timeout = 1s")
    hub.up()
    c = hub.client().connect()
    c.reset_parser()
    c.expect_stream_error("connection-timeout")


def test_too_many_of_one_address_are_refused(make_hub):
    hub = make_hub("connections_per_address = 2")
    hub.up()
    first, second = hub.client().connect(), hub.client().connect()
    first.open(), second.open()
    third = hub.client().connect()
    third.reset_parser()
    third.expect_stream_error("resource-constraint")
    first.close()
    deadline = time.monotonic() + 10
    while True:
        c = hub.client().connect()
        try:
            c.open()
            c.features()
            return
        except AssertionError:
            assert time.monotonic() < deadline


def test_the_proxy_says_who_the_client_is(make_hub):
    hub = make_hub("require_tls = no", tls="optional")
    link = hub.up()
    c = hub.client(hub.proxy_port).connect()
    c.reset_parser()
    c.send(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 4321, 5222) + header().encode())
    assert "addr='192.0.2.7:4321'" in hub.features(link).payload


def test_clients_wait_in_the_listen_queue_until_there_is_a_session_manager(make_hub):
    hub = make_hub()
    link = hub.up(has_sm=False)
    c = hub.client().connect()
    c.reset_parser()
    c.send(header())
    with pytest.raises(socket.timeout):
        c.read_some(time.monotonic() + 0.3)
    hub.sm_up(link)
    c.features()


# --- sessions ---

def test_stanzas_go_both_ways_and_are_confirmed(hub):
    c, s = hub.session(hub.links[ROUTER])
    c.send("<message to='bob@localhost'><body>one</body></message> <message xmlns='jabber:client'/><message><stream:x/></message>")
    assert s.up().payload == "<message xmlns='jabber:client' to='bob@localhost'><body>one</body></message>"
    assert s.up().payload == "<message xmlns='jabber:client'/>"
    assert s.up().payload == f"<message xmlns='jabber:client'><x xmlns='{STREAM}'/></message>"
    s.down(message("two"))
    c.expect("message", body="two")
    s.link.acked(s.id, 3)


def test_a_frame_that_comes_twice_is_written_once(hub):
    c, s = hub.session(hub.links[ROUTER])
    s.down(message("one"))
    s.again(message("one"), s.down_last)
    s.again(message("early"), s.down_last + 2)
    s.down(message("two"))
    assert c.expect("message", body="two") is not None
    assert [m.findtext(q(CLIENT, "body")) for m in c.backlog] == ["one"]


@pytest.mark.parametrize("payload", ["<message/>", "<message xmlns='jabber:client'/><x/>", "</stream:stream>", "text", "<message xmlns='jabber:client'>",
                                     "<a xmlns='b'/>", "<stream:error xmlns:stream='http://etherx.jabber.org/streams'/>", ""])
def test_what_is_not_one_element_of_its_own_is_not_written(hub, payload):
    c, s = hub.session(hub.links[ROUTER])
    s.down(payload)
    s.down(message("behind"))
    c.expect("message", body="behind")
    assert not c.backlog
    s.link.acked(s.id, s.down_last)


def test_frames_of_others_are_not_written(hub):
    link = hub.links[ROUTER]
    c, s = hub.session(link)
    link.send(s.conn, message("no session"))
    link.send(s.conn, message("another session"), s="0" * 32, e=1, n=3)
    link.send(s.conn, message("another epoch"), s=s.id, e=2, n=3)
    link.send(s.conn, message("another sender"), sender="sm-2.test", s=s.id, e=1, n=3)
    link.send(s.conn.replace("-", "-1", 2), message("another connection"), s=s.id, e=1, n=3)
    s.down(message("own"))
    c.expect("message", body="own")
    assert not c.backlog


@pytest.mark.parametrize("bytes, condition", [
    ("<a xmlns='b'/>", "unsupported-stanza-type"),
    ("<message xmlns='jabber:server'/>", "unsupported-stanza-type"),
    (f"<auth xmlns='{SASL}'/>", "unsupported-stanza-type"),
    ("<message><body>" + "x" * 70000, "policy-violation"),
    ("<message>&x;</message>", "restricted-xml"),
])
def test_faults_of_a_session_end_it_and_the_owner_hears_why(hub, bytes, condition):
    c, s = hub.session(hub.links[ROUTER])
    c.send(bytes)
    end = s.up()
    assert end.payload.startswith("<end ") and "why='error'" in end.payload and condition in end.payload
    c.expect_stream_error(condition)


def test_a_client_that_says_goodbye_is_answered_and_its_end_confirmed(hub):
    c, s = hub.session(hub.links[ROUTER])
    c.send("<message/></stream:stream>")
    s.up()
    end = s.up()
    assert "why='closed'" in end.payload
    c.expect_close()
    assert c.is_ended


def test_the_owner_ends_a_session(hub):
    c, s = hub.session(hub.links[ROUTER])
    s.down(f"<end xmlns='{LINK}' why='error'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></end>")
    c.expect_stream_error("conflict")
    assert s.up().payload.startswith("<end ")


def test_the_stream_after_success_must_be_to_the_same_host(make_hub):
    hub = make_hub(hosts=("localhost", "second.example"))
    link = hub.up()
    c = hub.client().connect(direct_tls=True)
    c.reset_parser()
    c.send(header())
    conn = hub.features(link).sender
    c.features()
    c.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'/>")
    link.expect("<auth ")
    s = Session(link, conn, 1)
    s.down(f"<success xmlns='{SASL}'/>")
    c.expect("success")
    c.reset_parser()
    c.send(header("second.example"))
    c.expect_stream_error("host-unknown")


def test_the_window_slows_a_client_and_acknowledgement_lets_it_go_on(make_hub):
    hub = make_hub("session_window = 4")
    c, s = hub.session(hub.up())
    for i in range(20):
        c.send(f"<message id='{i}'/>")
    frames = [s.up() for _ in range(3)]  # <restart/> is the fourth
    with pytest.raises(AssertionError):
        s.up(timeout=0.3)
    s.ack(s.up_last)
    frames += [s.up() for _ in range(4)]
    with pytest.raises(AssertionError):
        s.up(timeout=0.3)
    while len(frames) < 20:
        s.ack(s.up_last)
        frames.append(s.up())
    assert [f"id='{i}'" in f.payload for i, f in enumerate(frames)] == [True] * 20


def test_a_client_over_its_rate_is_read_slowly_and_not_ended(make_hub):
    hub = make_hub(rate=2000)
    c, s = hub.session(hub.up())
    began = time.monotonic()
    for i in range(8):
        c.send(f"<message id='{i}'><body>{'x' * 1000}</body></message>")
    for i in range(8):
        assert f"id='{i}'" in s.up().payload
    c.send("<message/>")
    s.up()
    assert time.monotonic() - began > 1.5  # 8 KB at 2 KB/s, less a burst of two seconds


# --- loss (ARCHITECTURE §4) ---

def test_what_is_not_confirmed_is_sent_again_by_another_router(make_hub):
    hub = make_hub(routers=(ROUTER, OTHER))
    first = hub.up()
    second = hub.up(OTHER)
    c, s = hub.session(first)
    c.send("<message id='1'/><message id='2'/><message id='3'/>")
    for _ in range(3):
        s.up()
    s.ack(2)  # <restart/> and the first message
    s.down(message("taken"))
    c.expect("message", body="taken")
    first.acked(s.id, 3)
    first.close()
    s.link, s.up_last = second, 2
    again = s.up()
    assert "id='2'" in again.payload and again.h == 3
    assert "id='3'" in s.up().payload
    c.send("<message id='4'/>")
    assert "id='4'" in s.up().payload
    s.down(message("by the other"))
    c.expect("message", body="by the other")


def test_clients_are_kept_while_the_router_is_away(make_hub):
    hub = make_hub()
    first = hub.up()
    c, s = hub.session(first)
    first.close()
    c.send("<message id='1'/>")
    s.link = hub.up()
    s.up_last = 0
    assert s.up().payload.startswith("<restart ")
    assert "id='1'" in s.up().payload
    s.down(message("back"))
    c.expect("message", body="back")


def test_a_new_owner_is_answered_with_numbers_and_gets_the_rest_again(hub):
    link = hub.links[ROUTER]
    c, s = hub.session(link)
    c.send("<message id='1'/>")
    s.up()
    s.down(message("copied"), id=f"{'ab' * 16}.5.1")
    c.expect("message", body="copied")
    link.acked(s.id, 3)
    hub.peers(link, False)
    hub.sm_instance = "f" * 16
    hub.peers(link, True)
    c.send("<message id='2'/>")
    conn = s.conn.split("/")[1]
    link.send(NAME, f"<sync xmlns='{LINK}' e='7'><s id='{s.id}' conn='{conn}'/><s id='{'0' * 32}' conn='{conn}'/></sync>")
    answer = link.expect("<synced ")
    assert "e='7'" in answer.payload and f"<gone id='{'0' * 32}'/>" in answer.payload
    assert f"id='{s.id}'" in answer.payload and "n='3'" in answer.payload and "w='3'" in answer.payload
    assert f"3:{'ab' * 16}.5.1" in answer.payload
    link.frames = [f for f in link.frames if f.e == 7]
    s.epoch, s.up_last = 7, 0
    assert s.up().payload.startswith("<restart ")
    assert "id='1'" in s.up().payload and "id='2'" in s.up().payload
    s.down(message("new owner"))
    c.expect("message", body="new owner")
    link.send(s.conn, message("late"), s=s.id, e=1, n=5)
    s.down(message("behind"))
    c.expect("message", body="behind")
    assert not c.backlog


def test_sessions_that_a_new_owner_does_not_name_are_reset(hub):
    link = hub.links[ROUTER]
    c, s = hub.session(link)
    link.send(NAME, f"<sync xmlns='{LINK}' e='2' more='1'/>")
    link.expect("<synced ")
    s.down(message("still there"))
    c.expect("message", body="still there")
    link.send(NAME, f"<sync xmlns='{LINK}' e='2'/>")
    c.expect_stream_error("reset")


def test_a_session_manager_lost_during_authentication_is_replaced(hub):
    link = hub.links[ROUTER]
    c = hub.client().connect(direct_tls=True)
    c.reset_parser()
    c.send(header())
    hub.features(link)
    c.features()
    c.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>AGEAYg==</auth>")
    link.expect("<auth ")
    hub.peers(link, False)
    hub.peers(link, True)
    again = link.expect("<open ")
    assert "lost='1'" in again.payload
    link.expect("<abort ")
    link.send(again.sender, f"<failure xmlns='{SASL}'><temporary-auth-failure/></failure>")
    assert local(c.expect("failure")[0]) == "temporary-auth-failure"
    c.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>AGEAYg==</auth>")
    link.expect("<auth ")


def test_a_session_opened_for_a_client_that_is_gone_is_ended(hub):
    link = hub.links[ROUTER]
    c = hub.client().connect(direct_tls=True)
    c.reset_parser()
    c.send(header())
    conn = hub.features(link).sender
    c.features()
    c.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>AGEAYg==</auth>")
    link.expect("<auth ")
    c.close()
    link.send(conn, f"<challenge xmlns='{SASL}'/>")  # it is not read while an answer is waited for
    assert "why='lost'" in link.expect("<end ").payload
    s = Session(link, conn, 1)
    s.down(f"<success xmlns='{SASL}'/>")
    end = s.up()
    assert "why='lost'" in end.payload and end.h == 0
    s.ack(1)


def test_the_gate_of_a_lost_client_is_kept_until_its_end_is_confirmed(hub):
    link = hub.links[ROUTER]
    c, s = hub.session(link)
    c.send("<message id='1'/>")
    s.up()
    c.close()
    assert "why='lost'" in s.up().payload
    conn = s.conn.split("/")[1]
    link.send(NAME, f"<sync xmlns='{LINK}' e='2'><s id='{s.id}' conn='{conn}'/></sync>")
    assert f"<s id='{s.id}'" in link.expect("<synced ").payload
    s.epoch, s.up_last = 2, 1
    assert "id='1'" in s.up().payload and "<end " in s.up().payload
    s.ack(s.up_last)
    link.send(NAME, f"<sync xmlns='{LINK}' e='2'><s id='{s.id}' conn='{conn}'/></sync>")
    assert f"<gone id='{s.id}'/>" in link.expect("<synced ").payload


def test_after_park_timeout_clients_hear_of_the_shutdown(make_hub):
    hub = make_hub("park_timeout = 1s")
    link = hub.up()
    c, _ = hub.session(link)
    link.close()
    c.expect_stream_error("system-shutdown")


def test_drain_tells_clients_and_waits_for_the_owner(make_hub):
    hub = make_hub("drain = 60s")
    c, s = hub.session(hub.up())
    hub.process.send_signal(signal.SIGTERM)
    hub.is_ending = True
    c.expect_stream_error("system-shutdown")
    assert "system-shutdown" in s.up().payload
    assert hub.process.poll() is None
    s.ack(s.up_last)
    assert hub.process.wait(10) == 0


def test_a_host_that_leaves_the_table_is_gone(make_hub):
    hub = make_hub(hosts=("localhost", "second.example"))
    link = hub.up()
    c, _ = hub.session(link)
    link.send(NAME, f"<hosts xmlns='{LINK}' v='2'>{hub.hosts[hub.hosts.index('/>') + 2:]}</hosts>")
    c.expect_stream_error("host-gone")


def test_certificates_are_reloaded_and_nobody_is_dropped(hub):
    link = hub.links[ROUTER]
    c, s = hub.session(link)
    hub.process.send_signal(signal.SIGHUP)
    other, other_session = hub.session(link)
    s.down(message("old"))
    other_session.down(message("new"))
    c.expect("message", body="old")
    other.expect("message", body="new")
