"""Settings that change what clients meet: binding, limits, TLS, mechanisms, several hosts. Each on a cluster that has them."""
import subprocess
import time

import pytest

from xmpp import BIND, SASL, TLS, CLIENT, error_of, local, q


def authenticated(client):
    client.direct()
    client.authenticate()
    return client


def mechanisms(features):
    return [m.text for m in features.find(q(SASL, "mechanisms"))]


def set_host(cluster, host, lines):
    """Puts lines into the section of a host, and has the session manager read them."""
    path = cluster.folder / "conf" / "sm-1.conf"
    head = f'host "{host}" {{\n'
    path.write_text(path.read_text().replace(head, head + lines + "\n"))
    done = cluster.ctl("sm-1", "reload")
    assert done.returncode == 0, done.stdout + done.stderr


def until(is_true, seconds=15):
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.02)


# --- binding: RFC 6120 §7.7.2.2 -------------------------------------------------------------------------------------------------------


def test_rename_new_gives_the_newer_another_resource(new_cluster):
    cluster = new_cluster("--set", 'sm:bind_conflict = "rename-new"')
    old, new = authenticated(cluster.client("alice")), authenticated(cluster.client("alice"))
    assert old.bind("desk") == "alice@localhost/desk"
    other = new.bind("desk")
    assert other != old.jid and other.startswith("alice@localhost/")
    old.ping(), new.ping()


def test_refuse_new_answers_the_newer_with_conflict(new_cluster):
    cluster = new_cluster("--set", 'sm:bind_conflict = "refuse-new"')
    old, new = authenticated(cluster.client("alice")), authenticated(cluster.client("alice"))
    old.bind("desk")
    answer = new.iq("set", f"<bind xmlns='{BIND}'><resource>desk</resource></bind>")
    assert error_of(answer) == ("modify", "conflict")
    assert new.bind("couch") == "alice@localhost/couch"
    old.ping()


def test_an_account_has_no_more_sessions_than_it_may(new_cluster):
    cluster = new_cluster("--set", "sm:max_resources = 2")
    first, second = authenticated(cluster.client("alice")), authenticated(cluster.client("alice"))
    first.bind("one"), second.bind("two")
    third = authenticated(cluster.client("alice"))
    answer = third.iq("set", f"<bind xmlns='{BIND}'><resource>three</resource></bind>")
    assert error_of(answer) == ("wait", "resource-constraint")
    first.send("</stream:stream>")
    until(lambda: "alice@localhost/one" not in cluster.ctl("sessions").stdout)
    assert third.bind("three") == "alice@localhost/three"
    bob = cluster.online("bob")  # the limit is each account's own
    bob.ping()


def test_at_the_limit_the_same_resource_can_still_be_taken_over(new_cluster):
    cluster = new_cluster("--set", "sm:max_resources = 1")
    old, new = authenticated(cluster.client("alice")), authenticated(cluster.client("alice"))
    old.bind("desk")
    assert new.bind("desk") == old.jid
    old.expect_stream_error("conflict")
    new.ping()


# --- TLS ------------------------------------------------------------------------------------------------------------------------------


def in_clear(cluster, name):
    client = cluster.client(name)
    client.connect()
    client.open()
    return client, client.features()


def test_tls_is_optional_only_where_both_sides_say_so(new_cluster):
    cluster = new_cluster("--set", "c2s:require_tls = no", "--domain", "localhost", "--domain", "strict.example")
    client, features = in_clear(cluster, "alice")
    assert [f.tag for f in features] == [q(TLS, "starttls")]
    set_host(cluster, "localhost", "    tls_required = no")

    def is_offered():
        return any(f.tag == q(SASL, "mechanisms") for f in in_clear(cluster, "alice")[1])

    until(is_offered)
    client, features = in_clear(cluster, "alice")
    offered = mechanisms(features)
    assert "SCRAM-SHA-256" in offered and "PLAIN" not in offered and not [m for m in offered if m.endswith("-PLUS")]
    assert features.find(f"{q(TLS, 'starttls')}/{q(TLS, 'required')}") is None
    client.authenticate("SCRAM-SHA-256")
    client.bind("clear")
    client.ping()
    strict = cluster.client("carol@strict.example", domain="strict.example")
    strict.connect(), strict.open()
    assert [f.tag for f in strict.features()] == [q(TLS, "starttls")]
    secure = cluster.client("alice")
    assert "PLAIN" in mechanisms(secure.secure())


def test_plain_in_clear_is_refused_even_where_tls_is_optional(new_cluster):
    cluster = new_cluster("--set", "c2s:require_tls = no")
    set_host(cluster, "localhost", "    tls_required = no")
    until(lambda: any(f.tag == q(SASL, "mechanisms") for f in in_clear(cluster, "alice")[1]))
    client, _ = in_clear(cluster, "alice")
    answer = client.auth_plain()
    assert local(answer) == "failure" and local(answer[0]) == "encryption-required"


def client_certificate(folder, ca_folder, name):
    key, cert, template = folder / f"{name}.key", folder / f"{name}.pem", folder / f"{name}.tmpl"
    template.write_text(f'cn = "{name}"\ntls_www_client\nsigning_key\nexpiration_days = 2\n')
    subprocess.run(["certtool", "--generate-privkey", "--key-type", "ecdsa", "--outfile", key], check=True, capture_output=True)
    subprocess.run(["certtool", "--generate-certificate", "--load-privkey", key, "--load-ca-certificate", ca_folder / "ca.pem",
                    "--load-ca-privkey", ca_folder / "ca.key", "--template", template, "--outfile", cert], check=True, capture_output=True)
    return cert, key


def test_a_client_certificate_is_asked_for_and_none_is_no_harm(new_cluster, tmp_path):
    cluster = new_cluster()
    conf = cluster.folder / "conf" / "c2s-1.conf"
    conf.write_text(conf.read_text() + f'client_ca = "{cluster.folder}/tls/ca.pem"\n')
    assert cluster.ctl("c2s-1", "reload").returncode == 0
    cluster.online("alice").ping()  # shows none
    cert, key = client_certificate(tmp_path, cluster.folder / "tls", "alice")
    client = cluster.client("alice")
    context = client.tls_context(("xmpp-client",))
    context.load_cert_chain(cert, key)
    asked = []
    client.connect()
    client.open(), client.features()
    client.send(f"<starttls xmlns='{TLS}'/>")
    client.expect(q(TLS, "proceed"))
    client.start_tls(context=context)
    client.open()
    asked = mechanisms(client.features())
    assert "EXTERNAL" not in asked  # not part of this version: what c2s says of a certificate opens nothing
    client.authenticate("SCRAM-SHA-256")
    client.bind()
    client.ping()


# --- time -----------------------------------------------------------------------------------------------------------------------------


def test_a_silent_client_is_ended_and_white_space_keeps_it(new_cluster):
    cluster = new_cluster("--set", "c2s:idle_timeout = 2s")
    silent, lively = cluster.online("silent"), cluster.online("lively")
    began = time.monotonic()
    while True:
        try:
            silent.sock.settimeout(0.3)
            silent.read_some(time.monotonic() + 0.3)
        except TimeoutError:
            lively.send(" ")
            assert time.monotonic() - began < 15
            continue
        except Exception:
            break
        if silent.backlog:
            break
    silent.expect_stream_error("connection-timeout")
    assert time.monotonic() - began > 1.5
    lively.ping()


# --- hosts ----------------------------------------------------------------------------------------------------------------------------


def test_mechanisms_are_each_host_s_own(new_cluster):
    cluster = new_cluster("--domain", "localhost", "--domain", "second.example")
    set_host(cluster, "second.example", '    mechanisms = {"SCRAM-SHA-256"}')
    assert "PLAIN" in mechanisms(cluster.client("alice").direct())
    other = cluster.client("bob@second.example", "secret", domain="second.example")
    other.name = "bob"
    other.connect(direct_tls=True, sni="second.example")
    other.open()
    assert mechanisms(other.features()) == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]
    answer = other.auth_plain()
    assert local(answer) == "failure" and local(answer[0]) == "invalid-mechanism"
    other.authenticate("SCRAM-SHA-256")
    other.bind()


def test_users_of_two_hosts_talk_and_equal_names_are_two_accounts(new_cluster):
    cluster = new_cluster("--domain", "localhost", "--domain", "second.example")
    here = cluster.online("alice")
    cluster.run("adduser", "alice@second.example", "other")
    there = cluster.client(domain="second.example")
    there.name, there.password = "alice", "other"
    there.connect(direct_tls=True, sni="second.example")
    there.open(), there.features()
    there.authenticate(), there.bind(), there.online()
    here.message("alice@second.example", "over there")
    got = there.expect(q(CLIENT, "message"))
    assert got.find(q(CLIENT, "body")).text == "over there" and got.get("from") == here.jid
    there.message("alice@localhost", "back")
    assert here.expect(q(CLIENT, "message")).get("from") == there.jid
    wrong = cluster.client(domain="second.example")
    wrong.connect(direct_tls=True, sni="second.example")
    wrong.open(), wrong.features()
    assert local(wrong.auth_plain("alice", "secret")) == "failure"


def test_a_host_that_is_taken_out_of_the_file_is_served_no_more(new_cluster):
    cluster = new_cluster("--domain", "localhost", "--domain", "second.example")
    path = cluster.folder / "conf" / "sm-1.conf"
    text = path.read_text()
    start = text.index('host "second.example"')
    path.write_text(text[:start] + text[text.index("}\n", start) + 2:])
    assert cluster.ctl("sm-1", "reload").returncode == 0

    def is_refused():
        client = cluster.client(domain="second.example").connect()
        client.open("second.example")
        try:
            client.expect_stream_error("host-unknown")
            return True
        except AssertionError:
            return False

    until(is_refused)
    cluster.online("alice").ping()
