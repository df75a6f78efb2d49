"""Behind a proxy that speaks the PROXY protocol, version 2: who the client is, in the records of the whole cluster."""
import socket
import struct

import pytest
from hub import free_ports
from xmpp import Closed, local

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def tcp4(address, port):
    return SIGNATURE + b"\x21\x11\0\x0c" + socket.inet_aton(address) + socket.inet_aton("192.0.2.1") + struct.pack("!HH", port, 5222)


def tcp6(address, port, more=b""):
    body = socket.inet_pton(socket.AF_INET6, address) * 2 + struct.pack("!HH", port, 5222) + more
    return SIGNATURE + b"\x21\x21" + struct.pack("!H", len(body)) + body


LOCAL = SIGNATURE + b"\x20\0\0\0"


@pytest.fixture(scope="module")
def proxied():
    from cluster import Cluster

    port, tls_port, other_port = free_ports(3)
    sections = "".join(f'listen "{name}" {{\n    address = "127.0.0.1:{p}"\n    kind = "{kind}"\n    proxies = {{"192.0.2.0/24", "127.0.0.1"}}\n}}\n'
                       for name, p, kind in (("proxied", port, "starttls"), ("proxied-tls", tls_port, "tls")))
    sections += f'listen "others" {{\n    address = "127.0.0.1:{other_port}"\n    proxies = {{"192.0.2.0/24", "127.0.0.2/32"}}\n}}\n'
    made = Cluster("--set", "c2s:connections_per_address = 3", "--set", "c2s:" + sections, "--limits", "default")
    made.proxied, made.proxied_tls, made.others = port, tls_port, other_port
    yield made
    made.down()


def connected(cluster, head, name=None, direct_tls=False):
    client = cluster.client(name)
    client.sock = socket.create_connection(("127.0.0.1", cluster.proxied_tls if direct_tls else cluster.proxied), 15)
    client.reset_parser()
    client.send(head)
    return client


def logged_in(cluster, head, name):
    client = connected(cluster, head, name, direct_tls=True)
    client.start_tls(("xmpp-client",))
    client.open(), client.features()
    client.authenticate(), client.bind()
    return client


@pytest.mark.parametrize("head,address", [
    (tcp4("192.0.2.77", 4321), "192.0.2.77:4321"),
    (tcp6("2001:db8::7", 4322), "[2001:db8::7]:4322"),
    (tcp6("2001:db8::8", 4323, b"\x04\0\x03abc"), "[2001:db8::8]:4323"),
    (LOCAL, "127.0.0.1:"),
])
def test_the_address_behind_the_proxy_is_what_audit_and_sessions_show(proxied, unique, head, address):
    client = logged_in(proxied, head, unique("alice"))
    client.ping()
    assert address in proxied.events("sm-1", "login", account=client.bare)[0]["address"]
    assert address in next(l for l in proxied.ctl("sessions").stdout.splitlines() if client.jid in l)


def test_starttls_behind_the_proxy(proxied, unique):
    client = connected(proxied, tcp4("192.0.2.78", 1), unique("alice"))
    client.open(), client.features()
    client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    client.expect("{urn:ietf:params:xml:ns:xmpp-tls}proceed")
    client.start_tls()
    client.open(), client.features()
    client.authenticate(), client.bind()
    client.ping()


def test_the_header_may_come_in_pieces_with_the_stream_behind_it(proxied):
    client = connected(proxied, b"")
    head = tcp4("192.0.2.79", 1)
    for byte in head[:-1]:
        client.send(bytes([byte]))
    client.send(head[-1:] + b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>")
    client.wait_header()
    assert [local(f) for f in client.features()] == ["starttls"]


@pytest.mark.parametrize("head", [
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    b"<?xml version='1.0'?><stream:stream ",
    SIGNATURE + b"\x31\x11\0\x0c" + b"\0" * 12,
    SIGNATURE + b"\x21\x11\xff\xff",
], ids=["version 1", "none", "version 3", "too long"])
def test_without_a_good_header_nobody_comes_in(proxied, head):
    client = connected(proxied, head)
    with pytest.raises((Closed, OSError)):
        client.wait_header()
    proxied.online("bystander").ping()
    proxied.close_clients()


def test_the_limit_of_connections_counts_who_is_behind_the_proxy(proxied):
    def stream(head):
        client = connected(proxied, head)
        client.open()
        return client

    for _ in range(3):
        stream(tcp4("192.0.2.80", 1)).features()
    client = connected(proxied, tcp4("192.0.2.80", 9))
    client.expect_stream_error("resource-constraint")
    stream(tcp4("192.0.2.81", 1)).features()


def test_nobody_but_the_proxies_listed_may_say_who_the_client_is(proxied):
    """The header is right; who sends it is not in the list."""
    stranger = socket.create_connection(("127.0.0.1", proxied.others), 15)
    try:
        stranger.sendall(tcp4("192.0.2.5", 1))
        assert stranger.recv(1) == b""
    except (BrokenPipeError, ConnectionResetError):
        pass  # closed before it was read
    finally:
        stranger.close()
    proxied.wait_event("c2s-1", "proxy-refused", listen="others")
    with socket.create_connection(("127.0.0.1", proxied.others), 15, source_address=("127.0.0.2", 0)) as listed:
        listed.sendall(tcp4("192.0.2.5", 1) + b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' "
                       b"version='1.0'>")
        assert b"<starttls" in listed.recv(65536)
