"""Single sign-on: GSSAPI (RFC 4752, RFC 4121, XEP-0233) with a real Kerberos realm and real tickets, through a c2s that stands in the DMZ."""
import base64
import contextlib
import os
import sqlite3
import subprocess

import gssapi
import pytest

import gss
from cluster import Cluster
from kdc import REALM, Kdc
from test_sasl import condition
from xmpp import SASL, local, q

NAMED, FOREIGN = "named.example", "foreign.example"  # xmpp/chat.internal; people of a realm that is not this one
HOSTNAME = "{urn:xmpp:domain-based-name:1}hostname"
SERVICES = ("xmpp/localhost", "xmpp/chat.internal", f"xmpp/{FOREIGN}")


@pytest.fixture(scope="module")
def kdc():
    realm = Kdc()
    realm.add("juliet", "secret")
    yield realm
    realm.close()


@pytest.fixture(scope="module")
def keytab(kdc):
    return kdc.keytab("sm", *SERVICES)


@pytest.fixture(scope="module")
def shared(keytab):
    cluster = Cluster("--domain", "localhost", "--domain", NAMED, "--domain", FOREIGN, "--log-level", "debug", "--store", "sqlite")
    configure(cluster, keytab)
    yield cluster
    cluster.down()


def configure(cluster, keytab, **hosts):
    """Puts the keys into sm.conf and starts it anew; without `inside`, what is offered is what the DMZ gets."""
    hosts = hosts or {"localhost": f'gssapi_realms = {{"{REALM}"}}',
                      NAMED: f'gssapi_realms = {{"{REALM}"}}\n    gssapi_hostname = "chat.internal"',
                      FOREIGN: 'gssapi_realms = {"ELSEWHERE.EXAMPLE"}'}
    conf = cluster.folder / "conf/sm-1.conf"
    text = "".join(line for line in conf.read_text().splitlines(True) if not line.startswith("inside"))
    for host, keys in hosts.items():
        assert f'host "{host}" {{' in text
        text = text.replace(f'host "{host}" {{', f'host "{host}" {{\n    {keys}')
    conf.write_text(f'gssapi_keytab = "{keytab}"\n' + text)
    cluster.kill("sm-1")
    cluster.start("sm-1")


@pytest.fixture
def site(shared):
    yield shared
    shared.close_clients()


@pytest.fixture
def ticket(site, kdc):
    """Juliet, who has an account: a new cache with a ticket to get tickets."""
    site.adduser("juliet")
    return kdc.kinit("juliet")


def connect(site, domain=None):
    client = site.client(domain=domain)
    client.seen = client.direct()
    return client


def offered(features):
    found = features.find(q(SASL, "mechanisms"))
    return [m.text for m in found.findall(q(SASL, "mechanism"))] if found is not None else []


def refused(site, answer, expected, detail=None, since=0):
    """The condition, and what the audit log says of it."""
    assert condition(answer) == expected
    event = site.wait_event("sm-1", "login-refused", since=since, condition=expected, mechanism="GSSAPI")
    assert detail is None or detail in event["detail"], event
    return event


# --- logins ----------------------------------------------------------------------------------------------------------

def test_a_ticket_logs_in_through_the_dmz_and_no_password_is_needed(site, kdc, ticket):
    since = len(site.audit("sm-1"))
    client = connect(site)
    assert "GSSAPI" in offered(client.seen) and "PLAIN" not in offered(client.seen)
    assert local(gss.log_in(client, gss.Login(kdc, ticket))) == "success"
    client.open()
    client.features()
    assert client.bind("x") == "juliet@localhost/x"
    assert site.wait_event("sm-1", "login", since=since, account="juliet@localhost")["mechanism"] == "GSSAPI"


def test_the_client_is_told_whose_ticket_it_needs(site, kdc, ticket):
    assert [connect(site, d).seen.find(f"{q(SASL, 'mechanisms')}/{HOSTNAME}").text for d in ("localhost", NAMED)] == ["localhost", "chat.internal"]
    site.run("adduser", f"juliet@{NAMED}", "secret")
    answer = gss.log_in(connect(site, NAMED), gss.Login(kdc, ticket, "xmpp@chat.internal"))
    assert local(answer) == "success"


def test_without_tls_it_is_neither_offered_nor_accepted(new_cluster, keytab, kdc):
    cluster = new_cluster("--set", "c2s:require_tls = no")
    configure(cluster, keytab, localhost=f'gssapi_realms = {{"{REALM}"}}\n    tls_required = no')
    client = cluster.client().connect()
    client.open()
    features = client.features()
    assert "SCRAM-SHA-256" in offered(features) and "GSSAPI" not in offered(features)
    assert features.find(f"{q(SASL, 'mechanisms')}/{HOSTNAME}") is None
    answer = gss.start(client, gss.Login(kdc, kdc.kinit("juliet")).step())
    assert condition(answer) == "encryption-required"


def test_the_client_may_wait_for_an_empty_challenge(site, kdc, ticket):
    client = connect(site)
    client.send(f"<auth xmlns='{SASL}' mechanism='GSSAPI'/>")
    assert gss.data_of(client.sasl_answer()) == b""
    login = gss.Login(kdc, ticket)
    login.step(gss.data_of(gss.respond(client, login.step())))
    login.offered(gss.data_of(gss.respond(client, b"")))
    assert local(gss.respond(client, login.choice())) == "success"


@pytest.mark.parametrize("authzid,expected", [("juliet@localhost", "success"), ("Juliet@LOCALHOST", "success"), ("juliet", "success"),
                                              ("romeo@localhost", "invalid-authzid"), ("romeo", "invalid-authzid"),
                                              ("juliet@localhost/x", "invalid-authzid"), ("juliet@" + NAMED, "invalid-authzid"),
                                              ("\0", "invalid-authzid"), ("j" * 3000, "invalid-authzid")])
def test_an_authzid_can_mean_nobody_else(site, kdc, ticket, authzid, expected):
    answer = gss.log_in(connect(site), gss.Login(kdc, ticket), authzid)
    assert (local(answer) if expected == "success" else condition(answer)) == expected


def test_a_ticket_as_large_as_groups_make_it_logs_in(site, kdc, ticket):
    gss.fatten(kdc, ticket, "xmpp/localhost@", 60000)
    login = gss.Login(kdc, ticket)
    token = login.step()
    assert 60000 < len(token) < 65536
    client = connect(site)
    login.step(gss.data_of(gss.start(client, token)))
    login.offered(gss.data_of(gss.respond(client, b"")))
    assert local(gss.respond(client, login.choice())) == "success"


def test_delegated_tickets_are_taken_and_forgotten(site, kdc, ticket):
    flags = gss.MUTUAL | gssapi.RequirementFlag.delegate_to_peer
    assert local(gss.log_in(connect(site), gss.Login(kdc, ticket, flags=flags))) == "success"


# --- who it is -------------------------------------------------------------------------------------------------------

def test_names_are_prepared_as_addresses_are(site, kdc):
    site.adduser("romeo")
    kdc.add("Romeo", "secret")
    client = connect(site)
    assert local(gss.log_in(client, gss.Login(kdc, kdc.kinit("Romeo")))) == "success"
    client.open()
    client.features()
    assert client.bind("x") == "romeo@localhost/x"


@pytest.mark.parametrize("principal,detail", [
    ("stranger", "no such account"), ("juliet/admin", "an instance"), ("host/juliet", "an instance"), ("juliet$", "a machine"),
    (r"juliet\@localhost", "characters"), ("a b", "no account can have")])
def test_principals_that_are_nobody_here_are_not_authorized(site, kdc, principal, detail):
    site.adduser("juliet")
    kdc.admin(f'addprinc -pw secret "{principal}"')
    since = len(site.audit("sm-1"))
    answer = gss.log_in(connect(site), gss.Login(kdc, kdc.kinit(principal)))
    refused(site, answer, "not-authorized", detail, since)


def test_a_realm_that_is_not_listed_has_nobody_here(site, kdc, ticket):
    site.run("adduser", f"juliet@{FOREIGN}", "secret")
    since = len(site.audit("sm-1"))
    answer = gss.log_in(connect(site, FOREIGN), gss.Login(kdc, ticket, f"xmpp@{FOREIGN}"))
    event = refused(site, answer, "not-authorized", "realm", since)
    assert event["claimed"].startswith("juliet")


# --- tickets that are not good ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("shift,detail", [(-37000, "expired"), (36000, "not yet valid"), (-3600, "skew")])
def test_a_ticket_of_another_time_is_refused(site, kdc, shift, detail):
    site.adduser("juliet")
    conf = kdc.shifted(shift)
    cache = kdc.kinit("juliet", conf=conf)  # ten hours
    since = len(site.audit("sm-1"))
    answer = gss.log_in(connect(site), gss.Login(kdc, cache, conf=conf))
    refused(site, answer, "not-authorized", detail, since)


def test_a_ticket_for_another_service_is_refused(site, kdc, ticket):
    kdc.add("host/localhost")
    since = len(site.audit("sm-1"))
    refused(site, gss.log_in(connect(site), gss.Login(kdc, ticket, "host@localhost")), "not-authorized", "host/localhost", since)


def test_a_ticket_for_another_host_of_the_same_keytab_is_refused(site, kdc, ticket):
    since = len(site.audit("sm-1"))
    refused(site, gss.log_in(connect(site), gss.Login(kdc, ticket, "xmpp@chat.internal")), "not-authorized", None, since)


def test_new_keys_are_used_without_a_restart(site, kdc, ticket, keytab):
    kdc.rekey("xmpp/localhost")
    since = len(site.audit("sm-1"))
    refused(site, gss.log_in(connect(site), gss.Login(kdc, kdc.kinit("juliet"))), "not-authorized", "kvno", since)
    kdc.keytab("sm", *SERVICES)
    assert local(gss.log_in(connect(site), gss.Login(kdc, kdc.kinit("juliet")))) == "success"


def test_weak_keys_are_refused(site, kdc, ticket):
    """With RC4 the server's answer brings no fresh key, and what was recorded could be played again (RFC 4121 §2)."""
    conf = kdc.variant("-weak", libdefaults="allow_rc4 = true\npermitted_enctypes = rc4-hmac aes")
    kdc.admin("setstr xmpp/localhost session_enctypes rc4-hmac")
    try:
        since = len(site.audit("sm-1"))
        answer = gss.log_in(connect(site), gss.Login(kdc, kdc.kinit("juliet", conf=conf), conf=conf))
        refused(site, answer, "not-authorized", "ncryption type", since)
    finally:
        kdc.admin("delstr xmpp/localhost session_enctypes")


# --- what is no login ------------------------------------------------------------------------------------------------

KRB5_HEADER = bytes.fromhex("06092a864886f71201020201 00".replace(" ", ""))
IAKERB = bytes.fromhex("06062b06010502050501")
GARBAGE = {"nothing": b"", "text": b"hello", "random": os.urandom(300), "a header alone": b"\x60\x0d" + KRB5_HEADER[:11],
           "a length that lies": b"\x60\x7f" + KRB5_HEADER, "endless length": b"\x60\x84\xff\xff\xff\xff" + KRB5_HEADER,
           "IAKERB": b"\x60" + bytes([len(IAKERB)]) + IAKERB, "NTLM": b"NTLMSSP\0\1\0\0\0" + bytes(24), "an answer": b"\x60\x0d" + KRB5_HEADER[:11] + b"\2\0"}


@pytest.mark.parametrize("token", GARBAGE.values(), ids=GARBAGE.keys())
def test_what_is_no_token_of_kerberos_is_malformed(site, token):
    since = len(site.audit("sm-1"))
    refused(site, gss.start(connect(site), token), "malformed-request", "not a token of Kerberos 5", since)


def test_spnego_is_not_this_mechanism(site, kdc, ticket):
    login = gss.Login(kdc, ticket, mech=gssapi.OID.from_int_seq("1.3.6.1.5.5.2"))
    since = len(site.audit("sm-1"))
    refused(site, gss.start(connect(site), login.step()), "malformed-request", "not a token of Kerberos 5", since)


@pytest.mark.parametrize("inside", [b"", b"\x6e\x82\xff\xff", os.urandom(500)], ids=["empty", "cut", "random"])
def test_garbage_inside_a_token_is_refused(site, inside):
    body = KRB5_HEADER + inside
    token = b"\x60\x82" + len(body).to_bytes(2, "big") + body
    answer = gss.start(connect(site), token)
    assert condition(answer) == "not-authorized"


def test_a_token_that_was_changed_is_refused(site, kdc, ticket):
    token = bytearray(gss.Login(kdc, ticket).step())
    token[-20] ^= 1
    since = len(site.audit("sm-1"))
    refused(site, gss.start(connect(site), bytes(token)), "not-authorized", "ntegrity check", since)


def test_tokens_beyond_the_largest_tickets_are_refused(site):
    body = KRB5_HEADER + bytes(67000)
    answer = gss.start(connect(site), b"\x60\x83" + len(body).to_bytes(3, "big") + body)
    assert condition(answer) == "malformed-request"
    client = connect(site)
    client.send(f"<auth xmlns='{SASL}' mechanism='GSSAPI'>{base64.b64encode(bytes(80000)).decode()}</auth>")
    client.expect_stream_error("policy-violation")


def test_without_mutual_authentication_it_could_be_played_again_and_is_refused(site, kdc, ticket):
    since = len(site.audit("sm-1"))
    answer = gss.start(connect(site), gss.Login(kdc, ticket, flags=gssapi.RequirementFlag.integrity).step())
    refused(site, answer, "not-authorized", "mutual", since)


def test_a_recorded_login_cannot_be_played_again(site, kdc, ticket):
    login = gss.Login(kdc, ticket)
    token, client = login.step(), connect(site)
    login.step(gss.data_of(gss.start(client, token)))
    login.offered(gss.data_of(gss.respond(client, b"")))
    choice = login.choice()
    assert local(gss.respond(client, choice)) == "success"
    thief = connect(site)
    gss.data_of(gss.start(thief, token))
    gss.data_of(gss.respond(thief, b""))
    since = len(site.audit("sm-1"))
    refused(site, gss.respond(thief, choice), "not-authorized", None, since)


# --- out of order ----------------------------------------------------------------------------------------------------

def test_the_client_may_give_up_and_begin_again(site, kdc, ticket):
    client = connect(site)
    for _ in range(3):
        gss.data_of(gss.start(client, gss.Login(kdc, ticket).step()))
        client.send(f"<abort xmlns='{SASL}'/>")
        assert condition(client.sasl_answer()) == "aborted"
    assert local(gss.log_in(client, gss.Login(kdc, ticket))) == "success"


def test_the_second_message_is_empty(site, kdc, ticket):
    client = connect(site)
    gss.data_of(gss.start(client, gss.Login(kdc, ticket).step()))
    assert condition(gss.respond(client, b"x")) == "malformed-request"


@pytest.mark.parametrize("layer", [b"\2\0\1\0", b"\4\0\1\0", b"\6\0\1\0"])
def test_a_security_layer_that_was_not_offered_is_refused(site, kdc, ticket, layer):
    client, login = connect(site), gss.Login(kdc, ticket)
    gss.data_of(gss.up_to_choice(client, login))
    assert condition(gss.respond(client, login.choice(layer=layer))) == "not-authorized"


@pytest.mark.parametrize("last,expected", [(b"", "malformed-request"), (b"\1\0\0\0", "not-authorized"), (os.urandom(60), "not-authorized"),
                                           (bytes(9000), "malformed-request")], ids=["empty", "unwrapped", "random", "long"])
def test_the_last_message_must_be_the_clients_own(site, kdc, ticket, last, expected):
    client = connect(site)
    gss.data_of(gss.up_to_choice(client, gss.Login(kdc, ticket)))
    assert condition(gss.respond(client, last)) == expected


def test_failures_are_no_guesses_but_are_not_endless(site, kdc, ticket):
    client = connect(site)
    for _ in range(12):
        assert condition(gss.start(client, b"x")) == "malformed-request"
    client.send(f"<auth xmlns='{SASL}' mechanism='GSSAPI'>eA==</auth>")
    client.expect_stream_error("policy-violation")


# --- accounts --------------------------------------------------------------------------------------------------------

def test_an_account_that_must_change_its_password_is_told_so(site, kdc):
    """What an administrator demands after an incident (deploy/INCIDENT.md) holds for tickets, too."""
    site.adduser("expired")
    kdc.add("expired", "secret")
    assert local(gss.log_in(connect(site), gss.Login(kdc, kdc.kinit("expired")))) == "success"
    site.kill("sm-1")
    with contextlib.closing(sqlite3.connect(next(site.folder.rglob("*.db")))) as store, store:
        assert store.execute("UPDATE account SET expired_us = 1 WHERE jid = 'expired@localhost'").rowcount == 1
    site.start("sm-1")
    since = len(site.audit("sm-1"))
    refused(site, gss.log_in(connect(site), gss.Login(kdc, kdc.kinit("expired"))), "credentials-expired", "new password", since)


@pytest.fixture(scope="module")
def slapd():
    from slapd import Slapd
    server = Slapd()
    yield server
    server.close()


def test_people_of_a_directory_get_accounts_that_are_their_entries(new_cluster, kdc, keytab, slapd):
    """Created at the first login with the entry's key: who has the name later gets nothing of it (deploy/DIRECTORY.md)."""
    cluster = new_cluster("--domain", "localhost")
    conf = cluster.folder / "conf/sm-1.conf"
    conf.write_text(slapd.section() + conf.read_text())
    configure(cluster, keytab, localhost=f'auth = {{"ldap"}}\n    directory = "corp"\n    gssapi_realms = {{"{REALM}"}}')
    slapd.add_person("juliet")
    cache = kdc.kinit("juliet")

    def log_in():
        answer = gss.log_in(connect(cluster), gss.Login(kdc, cache))
        return "success" if local(answer) == "success" else condition(answer)

    assert offered(connect(cluster).seen) == ["GSSAPI"]
    assert log_in() == "success"
    assert cluster.wait_event("sm-1", "account-added", account="juliet@localhost")["by"] == "directory"
    assert log_in() == "success"
    for attribute, value, expected in (("pwdAccountLockedTime", "000001010000Z", "account-disabled"),
                                       ("pwdReset", "TRUE", "credentials-expired")):
        slapd.change("juliet", attribute, value)
        assert log_in() == expected, "the ticket is good; what its entry says of the account counts"
        slapd.change("juliet", attribute, value, verb="delete")
        assert log_in() == "success"
    slapd.delete("juliet")
    assert log_in() == "not-authorized"
    slapd.add_person("juliet")
    assert log_in() == "not-authorized"
    cluster.wait_event("sm-1", "login-refused", detail="another entry of the directory has this name now")
    slapd.stop()
    try:
        assert log_in() == "temporary-auth-failure"
    finally:
        slapd.go_on()


# --- the keytab ------------------------------------------------------------------------------------------------------

@pytest.fixture
def leaky(monkeypatch, tmp_path):
    """MIT's library (1.20) loses the name of a principal that is not in the keytab: no fault of ours."""
    known = tmp_path / "known"
    known.write_text("leak:krb5_build_principal_alloc_va\n")
    monkeypatch.setenv("LSAN_OPTIONS", f"suppressions={known}:print_suppressions=0")


def test_a_pipe_in_the_keytabs_place_is_not_read_and_holds_up_nobody(leaky, new_cluster, kdc, keytab):
    """Whoever opened it would wait for a writer for ever, with a thread of the pool, and the process could not end in order."""
    cluster = new_cluster("--domain", "localhost")
    path = cluster.folder / "pipe.keytab"
    path.write_bytes(keytab.read_bytes())
    configure(cluster, path, localhost=f'gssapi_realms = {{"{REALM}"}}')
    alice = cluster.client("alice").login(mechanism="SCRAM-SHA-256")
    cluster.adduser("juliet")
    path.unlink()
    os.mkfifo(path)
    for _ in range(6):  # more than the pool has threads
        since = len(cluster.audit("sm-1"))
        answer = gss.start(connect(cluster), gss.Login(kdc, kdc.kinit("juliet")).step())
        refused(cluster, answer, "temporary-auth-failure", "no regular file", since)
    alice.ping()
    assert local(cluster.client("bob").login(mechanism="SCRAM-SHA-256").ping()) == "iq"
    path.unlink()
    path.write_bytes(keytab.read_bytes())
    assert local(gss.log_in(connect(cluster), gss.Login(kdc, kdc.kinit("juliet")))) == "success"


def test_a_keytab_without_the_hosts_keys_is_told_at_start_and_at_logins(leaky, new_cluster, kdc):
    cluster = new_cluster("--domain", "localhost")
    keytab = kdc.keytab("other", "xmpp/elsewhere.example", "xmpp/localhost")
    only = kdc.folder / "only.keytab"
    kdc.admin(f"ktadd -k {only} -norandkey xmpp/elsewhere.example")
    configure(cluster, only, localhost=f'gssapi_realms = {{"{REALM}"}}')
    cluster.wait_log("sm-1", "nobody can log in by GSSAPI")
    since = len(cluster.audit("sm-1"))
    answer = gss.start(connect(cluster), gss.Login(kdc, kdc.kinit("juliet")).step())
    refused(cluster, answer, "temporary-auth-failure", "xmpp/localhost", since)
    only.write_bytes(keytab.read_bytes())
    cluster.adduser("juliet")
    assert local(gss.log_in(connect(cluster), gss.Login(kdc, kdc.kinit("juliet")))) == "success"


@pytest.mark.parametrize("top,host,expected", [
    ("", f'gssapi_realms = {{"{REALM}"}}', "gssapi_realms: it needs gssapi_keytab"),
    ('gssapi_keytab = "/nonexistent/keytab"\n', "", "gssapi_keytab: the file /nonexistent/keytab does not exist"),
    ("", 'gssapi_hostname = "chat"', "gssapi_hostname: it needs gssapi_realms"),
    ("", 'gssapi_realms = {"A REALM"}', "gssapi_realms: expected names as EXAMPLE.COM")])
def test_what_does_not_fit_is_an_error_of_the_configuration(site, tmp_path, top, host, expected):
    text = "".join(line for line in (site.folder / "conf/sm-1.conf").read_text().splitlines(True) if "gssapi" not in line)
    path = tmp_path / "sm.conf"
    path.write_text(top + text.replace('host "localhost" {', f'host "localhost" {{\n    {host}'))
    done = subprocess.run([str(site.binary("sallyport-sm")), "-c", str(path), "--check"], capture_output=True, text=True)
    assert done.returncode == 78 and expected in done.stderr, done.stderr


# --- a real client, and what is left behind --------------------------------------------------------------------------

SLIXMPP = """
import asyncio, slixmpp, sys
class Client(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__("juliet@localhost/slix", "", plugin_config={"feature_mechanisms": {"use_mech": "GSSAPI"}})
        self.ca_certs = sys.argv[2]
        self.credentials["service-name"] = b"localhost"  # bytes() of a str fails
        self.add_event_handler("session_start", lambda _: self.end(0))
        self.add_event_handler("failed_all_auth", lambda _: self.end(1))
    def end(self, code):
        self.code = code
        self.disconnect()
client = Client()
client.connect(("127.0.0.1", int(sys.argv[1])))
client.loop.run_until_complete(asyncio.wait_for(client.disconnected, 20))
sys.exit(client.code)
"""


def test_slixmpp_signs_on(site, kdc, ticket):
    since = len(site.audit("sm-1"))
    done = subprocess.run(["/usr/bin/python3", "-c", SLIXMPP, str(site.port), site.ca], env=kdc.environment(ticket), capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-3000:]
    assert site.wait_event("sm-1", "login", since=since, account="juliet@localhost")["mechanism"] == "GSSAPI"


def test_nothing_of_a_ticket_is_written_down(site, kdc, ticket):
    login, client = gss.Login(kdc, ticket), connect(site)
    token = login.step()
    answer = gss.data_of(gss.start(client, token))
    login.step(answer)
    login.offered(gss.data_of(gss.respond(client, b"")))
    assert local(gss.respond(client, login.choice())) == "success"
    written = "".join(site.log(n) + site.audit(n) for n in ("sm-1", "c2s-1", "router-1"))
    for secret in (token, answer):
        assert base64.b64encode(secret).decode()[40:80] not in written and secret[60:80].hex() not in written
