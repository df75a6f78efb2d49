"""TLS: RFC 6120 §5, XEP-0368, RFC 7590. STARTTLS, direct TLS, names, versions, reload of certificates."""
import os
import shutil
import signal
import ssl
import subprocess

import pytest

from xmpp import SASL, TLS, Closed, local, q


def test_starttls_leads_to_a_secure_stream_with_mechanisms(cluster, unique):
    features = cluster.client(unique("alice")).secure()
    assert features.find(q(SASL, "mechanisms")) is not None
    assert features.find(q(TLS, "starttls")) is None


def test_direct_tls_negotiates_the_protocol_name(cluster):
    client = cluster.client().connect(direct_tls=True)
    assert client.sock.selected_alpn_protocol() == "xmpp-client"


def test_direct_tls_refuses_a_client_of_another_protocol(cluster):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        cluster.client().connect(direct_tls=True, alpn=["http/1.1"]).open()


def test_direct_tls_serves_a_client_without_alpn(cluster):
    client = cluster.client().connect(direct_tls=True, alpn=None)
    client.open()
    assert client.features().find(q(SASL, "mechanisms")) is not None


@pytest.mark.parametrize("domain", ["localhost", "second.example"])
def test_each_host_has_its_own_certificate_by_sni(cluster, domain):
    client = cluster.client(domain=domain).connect(direct_tls=True)  # the context checks the name
    names = [v for k, v in client.sock.getpeercert()["subjectAltName"] if k == "DNS"]
    assert names == [domain]


def test_tls_1_2_is_accepted_and_1_1_is_not(cluster):
    for version, is_accepted in ((ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_1, False)):
        client = cluster.client().connect()
        client.open()
        client.send(f"<starttls xmlns='{TLS}'/>")
        client.expect(q(TLS, "proceed"))
        context = client.tls_context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = version
        if is_accepted:
            client.start_tls(context=context)
            assert client.sock.version() == "TLSv1.2"
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                client.start_tls(context=context)


def test_what_is_pipelined_behind_starttls_ends_the_connection(cluster):
    client = cluster.client().connect()
    client.open()
    client.features()
    client.send(f"<starttls xmlns='{TLS}'/><auth xmlns='{SASL}' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>")
    client.expect_close()


def test_white_space_behind_starttls_is_thrown_away(cluster):
    """RFC 6120 §5.3.3 forbids it; go-xmpp sends a line feed there."""
    client = cluster.client().connect()
    client.open()
    client.features()
    client.send(f"<starttls xmlns='{TLS}'/> \r\n")
    client.expect(q(TLS, "proceed"))
    client.start_tls()
    client.open()
    assert client.features().find(q(SASL, "mechanisms")) is not None


def test_starttls_twice_is_refused(cluster, unique):
    client = cluster.client(unique("alice"))
    client.secure()
    client.send(f"<starttls xmlns='{TLS}'/>")
    client.expect_close()


@pytest.mark.parametrize("text", [
    f"<auth xmlns='{SASL}' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>",
    "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<presence/>",
])
def test_nothing_but_starttls_is_accepted_in_clear(cluster, text):
    client = cluster.client().connect()
    client.open()
    client.features()
    client.send(text)
    client.expect("error")
    client.expect_close()


def test_a_broken_handshake_ends_the_connection_and_nobody_else(cluster, unique):
    bystander = cluster.online(unique("bystander"))
    client = cluster.client().connect()
    client.open()
    client.send(f"<starttls xmlns='{TLS}'/>")
    client.expect(q(TLS, "proceed"))
    client.send(os.urandom(300))
    client.reset_parser()
    client.sock.settimeout(15)
    try:
        while client.sock.recv(4096):
            pass
    except OSError:
        pass
    bystander.ping()


def test_reload_serves_a_new_certificate_and_keeps_connections(new_cluster):
    cluster = new_cluster()
    alice = cluster.online("alice")
    serial = lambda: cluster.client().connect(direct_tls=True).sock.getpeercert()["serialNumber"]
    before = serial()
    tls = cluster.folder / "tls"
    subprocess.run(["certtool", "--generate-certificate", "--load-privkey", tls / "localhost.key", "--load-ca-certificate", tls / "ca.pem",
                    "--load-ca-privkey", tls / "ca.key", "--template", tls / "localhost.tmpl", "--outfile", tls / "localhost.pem"],
                   check=True, capture_output=True)
    os.kill(cluster.pid("c2s-1"), signal.SIGHUP)
    cluster.wait_log("c2s-1", "configuration reloaded")
    assert serial() != before
    alice.ping()


def test_reload_with_a_broken_certificate_keeps_the_old_one(new_cluster):
    cluster = new_cluster()
    (cluster.folder / "tls" / "localhost.pem").write_text("nonsense")
    os.kill(cluster.pid("c2s-1"), signal.SIGHUP)
    cluster.wait_log("c2s-1", "localhost.pem")
    cluster.online("alice").ping()
