"""SASL EXTERNAL with client certificates: XEP-0178 §2, RFC 6120 §6.3.4, §13.7.1, RFC 4422 App. A. c2s-1 stands inside and c2s-2 in the dmz; both ask for
certificates of two authorities, of which the session manager believes one."""
import itertools
import re
import shutil
import socket
import ssl
import subprocess

import pytest
from cryptography import x509

from authority import DAY, SERVER, Authority, b64, now, write
from cluster import Cluster
from test_sasl import condition
from test_settings import mechanisms, until
from xmpp import SASL, local

INSIDE, DMZ = 1, 2
_names = map("u{}".format, itertools.count(1))


class Site:
    """A cluster and its authorities: `ca` is believed by both layers, `half` by c2s alone."""

    def __init__(self, folder):
        self.ca, self.half, self.foreign = Authority(folder), Authority(folder, "Half CA"), Authority(folder, "Foreign CA")
        self.c2s_ca, self.c2s_crl, self.sm_crl = folder / "c2s-ca.pem", folder / "c2s.crl", folder / "sm.crl"
        write(self.c2s_ca, self.ca.pem + self.half.pem)
        write(self.c2s_crl, self.ca.crl())
        write(self.sm_crl, self.ca.crl())
        self.cluster = Cluster("--c2s", "2", "--domain", "localhost", "--domain", "second.example",
                               "--set", f'c2s:client_ca = "{self.c2s_ca}"', "--set", f'c2s:client_crl = "{self.c2s_crl}"')
        self.conf = self.cluster.folder / "conf" / "sm-1.conf"
        text = re.sub(r"(?m)^inside = .*$", 'inside = {"c2s-1.cluster.internal"}', self.conf.read_text())
        self.plain = text
        self.conf.write_text(self.text())
        self.cluster.kill("sm-1")  # what it may read is settled at its start
        self.cluster.start("sm-1")

    def text(self, **keys):
        keys = {"external_ca": f'"{self.ca.file}"', "external_crl": f'{{"{self.sm_crl}"}}', **keys}
        lines = "".join(f"    {k} = {v}\n" for k, v in keys.items() if v)
        return self.plain.replace('host "localhost" {\n', 'host "localhost" {\n' + lines)

    def host(self, **keys):
        """The keys of localhost, as they are from now on."""
        self.conf.write_text(self.text(**keys))
        done = self.cluster.ctl("sm-1", "reload")
        assert done.returncode == 0, done.stdout + done.stderr

    def account(self):
        return f"{self.cluster.adduser(next(_names))}@localhost"

    def client(self, certificate=None, c2s=INSIDE, tls=None):
        """Not connected yet. It has no password."""
        client = self.cluster.client(c2s=c2s)
        context = client.tls_context()
        if certificate:
            context.load_cert_chain(*certificate.files)
        if tls:
            context.maximum_version = context.minimum_version = tls
        client.tls_context = lambda alpn=None: alpn and context.set_alpn_protocols(list(alpn)) or context
        return client

    def offered(self, certificate, **options):
        client = self.client(certificate, **options)
        return client, mechanisms(client.direct())

    def refused_by(self, process, certificate, reason):
        """It is not offered EXTERNAL, may not use it, and this process alone says why."""
        others = {"c2s-1", "sm-1"} - {process}
        at = {p: len(self.cluster.audit(p)) for p in ("c2s-1", "sm-1")}
        client, names = self.offered(certificate)
        assert "EXTERNAL" not in names and "SCRAM-SHA-256" in names
        assert condition(external(client)) == "invalid-mechanism"
        self.cluster.wait_event(process, "client-certificate-refused", since=at[process], reason=reason, host="localhost")
        for other in others:
            assert not self.cluster.events(other, "client-certificate-refused", since=at[other])


def external(client, authzid=""):
    client.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{b64(authzid)}</auth>")
    return client.sasl_answer()


def log_in(client, account, authzid=""):
    answer = external(client, authzid)
    assert local(answer) == "success", condition(answer)
    client.open()
    client.features()
    assert client.bind("desk") == f"{account}/desk"
    client.ping()
    return client


@pytest.fixture(scope="module")
def whole_site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("external")
    made = Site(folder)
    yield made
    made.cluster.down()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def site(whole_site):
    yield whole_site
    whole_site.cluster.close_clients()


@pytest.fixture
def changed(site):
    """What a test does to keys and lists is undone behind it."""
    yield site
    site.ca.revoked.clear()
    write(site.c2s_crl, site.ca.crl())
    write(site.sm_crl, site.ca.crl())
    assert site.cluster.ctl("c2s-1", "reload").returncode == 0
    site.host()


# --- who gets in --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_one_address_and_no_authzid_logs_in(site, tls):
    account = site.account()
    client, names = site.offered(site.ca.issue(account), tls=tls)
    assert names[0] == "EXTERNAL"  # XEP-0178 §2: the client that shows one means to use it
    log_in(client, account)
    event = site.cluster.wait_event("sm-1", "login", account=account)
    assert event["mechanism"] == "EXTERNAL"


def test_it_works_behind_starttls(site):
    account = site.account()
    client = site.client(site.ca.issue(account))
    assert "EXTERNAL" in mechanisms(client.secure())
    log_in(client, account)


def test_without_an_initial_response_the_server_asks_for_it(site):
    account = site.account()
    client, _ = site.offered(site.ca.issue(account))
    client.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'/>")
    challenge = client.sasl_answer()
    assert local(challenge) == "challenge" and not challenge.text
    client.send(f"<response xmlns='{SASL}'/>")
    assert local(client.sasl_answer()) == "success"


def test_an_authzid_that_is_the_certificate_s_own_is_fine(site):
    account = site.account()
    client, _ = site.offered(site.ca.issue(account))
    log_in(client, account, account)


def test_addresses_are_compared_as_addresses(site):
    account = site.account()
    client, _ = site.offered(site.ca.issue(account.upper().replace("LOCALHOST", "LocalHost")))
    log_in(client, account, account.upper())


def test_a_certificate_by_an_intermediate_logs_in(site, tmp_path):
    account = site.account()
    middle = Authority(tmp_path, "Middle CA", parent=site.ca)
    write(site.sm_crl, site.ca.crl() + middle.crl())  # read again by itself
    client, names = site.offered(middle.issue(account))
    assert "EXTERNAL" in names
    log_in(client, account)


def test_without_purposes_it_is_for_any(site):
    account = site.account()
    client, names = site.offered(site.ca.issue(account, purposes=None))
    assert "EXTERNAL" in names
    log_in(client, account)


def test_a_session_of_tls_that_is_resumed_proves_the_same(site):
    account = site.account()
    certificate = site.ca.issue(account)
    first = site.client(certificate, tls=ssl.TLSVersion.TLSv1_2)
    context = first.tls_context()
    first.direct()
    second = site.client(certificate)
    raw = socket.create_connection((second.host, second.tls_port))
    second.sock = context.wrap_socket(raw, server_hostname="localhost", session=first.sock.session)
    assert second.sock.session_reused
    second.open()
    assert mechanisms(second.features())[0] == "EXTERNAL"
    log_in(second, account)


def test_who_has_no_certificate_sees_no_change(site):
    account = site.account()
    client = site.cluster.client(account.split("@")[0])
    names = mechanisms(client.direct())
    assert "EXTERNAL" not in names and "PLAIN" in names and "SCRAM-SHA-256-PLUS" in names
    client.authenticate("SCRAM-SHA-256")
    client.bind()
    client.ping()


def test_who_has_one_may_still_use_a_password(site):
    account = site.account()
    client, names = site.offered(site.ca.issue(account))
    client.name, client.password = account.split("@")[0], "secret"
    assert {"EXTERNAL", "PLAIN", "SCRAM-SHA-256"} <= set(names)
    client.authenticate("SCRAM-SHA-256")
    assert client.bind("desk") == account + "/desk"


# --- several addresses, or none: XEP-0178 §2, steps 10 and 11 -----------------------------------------------------------------------------


def test_of_two_addresses_the_authzid_chooses(site):
    one, two = site.account(), site.account()
    certificate = site.ca.issue(one, two)
    for account in (two, one):
        client, _ = site.offered(certificate)
        log_in(client, account, account)


def test_of_two_addresses_none_is_chosen_without_authzid(site):
    client, names = site.offered(site.ca.issue(site.account(), site.account()))
    assert "EXTERNAL" in names and condition(external(client)) == "not-authorized"
    site.cluster.wait_audit("sm-1", "login-refused", "several accounts")


def test_an_address_without_account_does_not_count(site):
    account = site.account()
    client, _ = site.offered(site.ca.issue("nobody-has-this@localhost", account, "ghost@second.example"))
    log_in(client, account)


def test_somebody_else_s_authzid_is_invalid(site):
    account, other = site.account(), site.account()
    certificate = site.ca.issue(account)
    for authzid in (other, "nobody-has-this@localhost", account + "/desk", "localhost", "a@@b"):
        client, _ = site.offered(certificate)
        assert condition(external(client, authzid)) == "invalid-authzid", authzid
        log_in(client, account)


def test_a_message_that_is_no_text_is_malformed(site):
    client, _ = site.offered(site.ca.issue(site.account()))
    for data in ("AP8=", "bwBr"):  # \0\xff, o\0k
        client.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{data}</auth>")
        assert condition(client.sasl_answer()) == "malformed-request"


def test_an_address_of_another_host_or_of_nobody_is_offered_nothing(site):
    site.refused_by("sm-1", site.ca.issue("alice@second.example"), "the certificate is for no account of this host")
    site.refused_by("sm-1", site.ca.issue(), "the certificate is for no account of this host")
    site.refused_by("sm-1", site.ca.issue("nobody-has-this@localhost"), "no account of the certificate exists")
    site.refused_by("sm-1", site.ca.issue(*(f"u{i}@localhost" for i in range(200))), "the certificate is for too many accounts")


def test_a_host_without_authority_offers_nothing(site):
    site.cluster.run("adduser", "zoe@second.example", "secret")
    client = site.client(site.ca.issue("zoe@second.example"))
    client.domain = "second.example"
    client.connect(direct_tls=True, sni="second.example")
    client.open()
    assert "EXTERNAL" not in mechanisms(client.features())


def test_other_mappings_count_in_their_order(changed):
    account, other = changed.account(), changed.account()
    mail = lambda address: x509.RFC822Name(address)
    local_part = account.split("@")[0]
    changed.host(external_map='{"xmppaddr", "mail", "uid", "cn"}')
    rows = [dict(names=[mail(account)], cn=other.split("@")[0]), dict(uid=[local_part], cn=other.split("@")[0]), dict(cn=local_part)]
    for row in rows:
        client, _ = changed.offered(changed.ca.issue(**row))
        log_in(client, account).logout()
    client, _ = changed.offered(changed.ca.issue(account, names=[mail(other)]))  # the first that gives one
    log_in(client, account)
    changed.refused_by("sm-1", changed.ca.issue(cn=[local_part, "x"]), "the certificate is for no account of this host")
    changed.host()
    changed.refused_by("sm-1", changed.ca.issue(**rows[0]), "the certificate is for no account of this host")


@pytest.mark.parametrize("make", [
    lambda a: b"\x16" + bytes([len(a)]) + a.encode(),                   # IA5String
    lambda a: b"\x0c" + bytes([len(a) + 2]) + a.encode() + b"\0x",      # a NUL, and more behind it
    lambda a: b"\x1e" + bytes([2 * len(a)]) + a.encode("utf-16-be"),    # BMPString
    lambda a: b"\x0c" + bytes([len(a) + 1]) + a.encode() + b"\xff",     # not UTF-8
], ids=["ia5", "nul", "bmp", "utf8"])
def test_an_address_in_another_encoding_is_none(site, make):
    site.refused_by("sm-1", site.ca.issue(make(site.account())), "the certificate is for no account of this host")


# --- who does not: each layer alone -------------------------------------------------------------------------------------------------------


def test_c2s_refuses_what_does_not_verify(site):
    account = site.account()
    weeks = 14 * DAY
    rows = [(site.foreign.issue(account), "the certificate's issuer is not known"),
            (site.ca.issue(account, begin=now() - weeks, end=now() - DAY), "the certificate has expired"),
            (site.ca.issue(account, begin=now() + DAY), "the certificate is not valid yet"),
            (site.ca.issue(account, purposes=[SERVER]), "the certificate is for another purpose")]
    for certificate, reason in rows:
        site.refused_by("c2s-1", certificate, reason)


def test_an_authority_of_c2s_alone_is_refused_by_the_session_manager(site):
    site.refused_by("sm-1", site.half.issue(site.account()), "the certificate's issuer is not known")


def test_the_session_manager_refuses_what_rfc_6120_forbids(site):
    account = site.account()
    site.refused_by("sm-1", site.ca.issue(account, is_ca=True), "the certificate is an authority's")
    site.refused_by("sm-1", site.ca.issue(account, cn=None), "the certificate has no subject")


def test_revoked_in_c2s_alone(changed):
    certificate = changed.ca.issue(changed.account())
    write(changed.c2s_crl, changed.ca.crl(certificate))
    assert changed.cluster.ctl("c2s-1", "reload").returncode == 0
    changed.refused_by("c2s-1", certificate, "the certificate is revoked")


def test_revoked_in_the_session_manager_alone_and_nobody_is_ended(changed):
    account = changed.account()
    certificate = changed.ca.issue(account)
    old = log_in(changed.offered(certificate)[0], account)
    waiting, names = changed.offered(certificate)
    assert "EXTERNAL" in names
    write(changed.sm_crl, changed.ca.crl(certificate))  # no reload: the file is another
    changed.refused_by("sm-1", certificate, "the certificate is revoked")
    assert condition(external(waiting)) == "not-authorized"  # offered before, refused by the list of now
    changed.cluster.wait_audit("sm-1", "login-refused", "the certificate is revoked")
    old.ping()


def test_a_stale_list_refuses_loudly_until_it_is_renewed_or_accepted(changed):
    account = changed.account()
    certificate = changed.ca.issue(account)
    log_in(changed.offered(certificate)[0], account).logout()
    write(changed.sm_crl, changed.ca.crl(begin=now() - 9 * DAY, end=now() - DAY))
    changed.refused_by("sm-1", certificate, "a revocation list is past its next update")
    changed.cluster.wait_log("sm-1", f"a revocation list of client certificates is past its next update host=localhost file={changed.sm_crl}")
    changed.host(external_stale_crl='"accept"')
    log_in(changed.offered(certificate)[0], account).logout()
    changed.host()
    changed.refused_by("sm-1", certificate, "a revocation list is past its next update")
    write(changed.sm_crl, changed.ca.crl())
    log_in(changed.offered(certificate)[0], account)


def test_a_list_of_somebody_else_is_none(changed):
    certificate = changed.ca.issue(changed.account())
    impostor = Authority(changed.ca.folder, "Test CA 2")
    impostor.subject = changed.ca.subject  # the name, and not the key
    for text in (impostor.crl(), changed.foreign.crl()):
        write(changed.sm_crl, text)
        changed.refused_by("sm-1", certificate, "there is no revocation list of the certificate's issuer")


def test_a_list_that_cannot_be_read_leaves_the_old_one(changed):
    account = changed.account()
    revoked, good = changed.ca.issue(account), changed.ca.issue(account)
    write(changed.sm_crl, changed.ca.crl(revoked))
    changed.refused_by("sm-1", revoked, "the certificate is revoked")
    write(changed.sm_crl, b"nonsense\n")
    log_in(changed.offered(good)[0], account)
    changed.refused_by("sm-1", revoked, "the certificate is revoked")
    changed.cluster.wait_log("sm-1", "have changed and cannot be used: the old ones stay")
    assert changed.cluster.ctl("sm-1", "reload").returncode != 0


def test_a_chain_that_is_too_long_is_not_passed_on(site, tmp_path):
    account = site.account()
    issuer = site.ca
    for i in range(9):
        issuer = Authority(tmp_path, f"CA {i}", parent=issuer)
    certificate = issuer.issue(account)
    chain, above = certificate.pem, issuer.parent
    while above:
        chain, above = chain + above.pem, above.parent
    certificate.cert_file.write_bytes(chain)
    site.refused_by("c2s-1", certificate, "the chain is too long")


# --- accounts -----------------------------------------------------------------------------------------------------------------------------


def test_an_account_that_was_deleted_meanwhile_is_refused(site):
    account = site.account()
    client, _ = site.offered(site.ca.issue(account))
    site.cluster.ctl("sm-1", "deluser", account, check=True)
    assert condition(external(client)) == "not-authorized"


# --- zones and configuration --------------------------------------------------------------------------------------------------------------


def test_through_the_dmz_it_is_neither_offered_nor_accepted(changed):
    account = changed.account()
    certificate = changed.ca.issue(account)
    client, names = changed.offered(certificate, c2s=DMZ)
    assert "EXTERNAL" not in names and condition(external(client)) == "invalid-mechanism"
    changed.cluster.wait_event("sm-1", "login-refused", mechanism="EXTERNAL", detail="not offered by this host to connection managers in the dmz")
    changed.host(mechanisms_dmz='{"EXTERNAL", "SCRAM-SHA-256"}')
    client, names = changed.offered(certificate, c2s=DMZ)
    assert names[0] == "EXTERNAL"
    log_in(client, account)
    changed.cluster.wait_log("sm-1", "PLAIN, EXTERNAL or DIGEST-MD5 is offered through connection managers in the dmz")


def test_mechanisms_of_the_host_may_leave_it_out(changed):
    changed.host(mechanisms='{"SCRAM-SHA-256"}')
    client, names = changed.offered(changed.ca.issue(changed.account()))
    assert names == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"] and condition(external(client)) == "invalid-mechanism"


@pytest.mark.parametrize("keys, sentence", [
    ({"external_ca": '"/nonexistent.pem"'}, "/nonexistent.pem"),
    ({"external_crl": '{"relative.crl"}'}, "absolute paths are expected"),
    ({"external_map": '{"dns"}'}, "expected xmppaddr, mail, cn or uid"),
    ({"external_ca": None}, "external_crl and external_map need it"),
], ids=["ca", "crl", "map", "alone"])
def test_what_cannot_be_used_is_said_before_anything_starts(site, tmp_path, keys, sentence):
    path = site.conf.with_name(f"{tmp_path.name}.conf")
    path.write_text(site.text(**keys))
    done = subprocess.run([site.cluster.binary("sallyport-sm"), "-c", path, "--check"], capture_output=True, text=True)
    path.unlink()
    assert done.returncode != 0 and sentence in done.stdout + done.stderr
