"""The servers of a directory: who the service account is, TLS, fail-over, health; against real slapd. RFC 4513, RFC 4511."""
import concurrent.futures
import json
import os
import time

import pytest

from slapd import SERVICE, SUFFIX, Slapd, certify
from test_directory import DOMAIN, Site
from test_sasl import condition
from xmpp import local

PEER = rf'authz-regexp "gidNumber=[0-9]+\\+uidNumber={os.geteuid()},cn=peercred,cn=external,cn=auth" "{SERVICE}"'
MAPPED = PEER + f'\nTLSVerifyClient try\nauthz-regexp "cn=session-manager" "{SERVICE}"'
KEY = "more entryUUID: 11111111-2222-3333-4444-{:012d}"


class Servers(Site):
    """A site whose section is changed by reload: it started with the ports of all servers, which the kernel then lets it dial."""

    def use(self, section, *up):
        text = self.conf.read_text()
        begin = text.index('directory "corp" {')
        self.conf.write_text(text[:begin] + section + text[text.index("\n}\n", begin) + 3:])
        done = self.cluster.ctl("sm-1", "reload")
        assert done.returncode == 0, done.stdout + done.stderr
        for uri in up:
            self.wait_state(uri, "up")
        return self

    def down(self, uri):
        """Why it is down."""
        return self.wait_state(uri, "down")["last_error"]


@pytest.fixture(scope="module")
def one():
    server = Slapd(conf=MAPPED)
    certify(server.tls, "client", "/CN=session-manager")
    certify(server.tls, "stranger", "/CN=somebody")
    certify(server.tls, "foreign", "/CN=session-manager", ca="other-ca")
    yield server
    server.close()


@pytest.fixture(scope="module")
def two(one):
    server = Slapd(tls=one.tls, conf=PEER)
    yield server
    server.close()


@pytest.fixture(scope="module")
def open_one(one):
    """It gives away too much, three entries at a time; its certificate is good for long."""
    certify(one.tls, "long", "/CN=directory", "IP:127.0.0.1", days=400)
    server = Slapd(tls=one.tls, certificate="long", conf="sizelimit size.soft=3 size.hard=3")
    server.kill()
    server.conf.write_text(server.conf.read_text().replace("by anonymous auth", f'by dn="{SERVICE}" read by anonymous auth'))
    server.start()
    for n in range(5):
        server.add_person(f"open-{n}")
    yield server
    server.close()


@pytest.fixture(scope="module")
def site(one, two, open_one):
    from cluster import Cluster
    made = []

    def new(*options):
        made.append(Cluster(*options))
        return made[-1]

    yield Servers(new, one.section(uris=[one.ldaps, one.ldap, one.ldapi, two.ldaps, two.ldap, two.ldapi, open_one.ldaps]))
    made[0].down()


def external(server, uris, certificate=None, **keys):
    shown = {"cert": f'"{server.tls}/{certificate}.pem"', "key": f'"{server.tls}/{certificate}.key"'} if certificate else {}
    return server.section(uris=uris, bind='"external"', bind_dn=None, bind_password_file=None, **shown, **keys)


def test_over_ldapi_the_service_account_is_the_user_that_we_run_as(site, one, unique):
    name = one.add_person(unique("peer"))
    site.use(external(one, [one.ldapi], ca=None), one.ldapi)
    assert site.auth(name) == "success"


@pytest.mark.parametrize("kind", ["ldaps", "ldap"])
def test_over_tls_the_service_account_is_what_our_certificate_says(site, one, unique, kind):
    uri = getattr(one, kind)
    name = one.add_person(unique("certified"))
    site.use(external(one, [uri], "client"), uri)
    assert site.auth(name) == "success"
    assert site.wait_state(uri, "up")["tls"].startswith("TLS1.")


def test_a_certificate_that_the_server_does_not_know_is_no_service_account(site, one, unique):
    name = one.add_person(unique("unmapped"))
    site.use(external(one, [one.ldaps], "stranger"), one.ldaps)
    assert site.auth(name) == "temporary-auth-failure", "it may bind, and sees nothing"
    site.use(external(one, [one.ldaps], "foreign"))
    assert "EXTERNAL" in site.down(one.ldaps) or "TLS" in site.down(one.ldaps)


def test_keys_that_others_can_read_are_refused(site, one):
    site.use(external(one, [one.ldaps], "client"), one.ldaps)
    key = one.tls / "client.key"
    key.chmod(0o644)
    try:
        done = site.cluster.ctl("sm-1", "reload")
        assert done.returncode != 0 and "others cannot read" in done.stdout + done.stderr
    finally:
        key.chmod(0o600)
    site.wait_state(one.ldaps, "up")


# --- ldap check -------------------------------------------------------------------------------------------------------------------------------


def check(site, *name):
    """Rows by step of each server, and the exit code."""
    done = site.cluster.ctl("--json", "ldap", "check", *name)
    found = {}
    for row in json.loads(done.stdout):
        found.setdefault(row["server"], {})[row["step"]] = row
    return found, done.returncode


def test_check_shows_each_step_of_a_server_that_is_well(site, one, unique):
    one.add_person(unique("checked"))
    site.use(one.section(), one.ldaps)
    rows, code = check(site)
    rows = rows[one.ldaps]
    assert code == 1 and rows["certificate"]["result"] == "warning", "29 days are left"
    assert {r for s, r in ((s, row["result"]) for s, row in rows.items()) if s != "certificate"} <= {"ok", "note"}, rows
    assert f"127.0.0.1:{one.tls_port}" in rows["connect"]["detail"] and rows["tls"]["detail"].startswith("TLS1.") and rows["bind"]["detail"] == "simple"
    assert SUFFIX in rows["root"]["detail"] and "paging" in rows["controls"]["detail"].split("not")[0]
    assert "entryUUID can be read" in rows["key"]["detail"] and "cannot be read" in rows["userPassword"]["detail"]
    assert "CN=directory" in rows["certificate"]["detail"] and "CN=ca" in rows["certificate"]["detail"]
    assert list(rows) == ["resolve", "connect", "tls", "bind", "certificate", "root", "controls", "base", "clock", "key", "userPassword", "limits",
                          "in-chain"]


def test_check_says_what_is_wrong_and_goes_on_with_the_next_server(site, one, two, unique):
    one.add_person(unique("checked"))
    two.kill()
    try:
        site.use(one.section(uris=[two.ldaps, one.ldaps, one.ldap], ca=f'"{one.tls}/other-ca.pem"'))
        rows, code = check(site, "corp")
        assert code == 2 and rows[two.ldaps]["connect"]["result"] == "failed" and "refused" in rows[two.ldaps]["connect"]["detail"]
        for uri in (one.ldaps, one.ldap):
            assert rows[uri]["tls"]["result"] == "failed" and "issuer is unknown" in rows[uri]["tls"]["detail"]
            assert "signed by CN=ca" in rows[uri]["certificate"]["detail"] and "bind" not in rows[uri]
    finally:
        two.start()
    done = site.cluster.ctl("ldap", "check", "nowhere")
    assert done.returncode == 66 and "no directory" in done.stderr


def test_check_warns_of_passwords_that_can_be_read_and_of_limits(site, one, open_one):
    site.use(one.section(uris=[open_one.ldaps]), open_one.ldaps)
    rows, code = check(site)
    rows = rows[open_one.ldaps]
    assert code == 1 and rows["userPassword"]["result"] == "warning" and rows["limits"]["detail"].startswith("it gives 3 entries at once, more in pages")
    assert rows["certificate"]["result"] == "ok"
    site.use(one.section(uris=[open_one.ldaps], base='"ou=nowhere,dc=example,dc=org"'), open_one.ldaps)
    rows, code = check(site)
    assert code == 2 and rows[open_one.ldaps]["base"]["result"] == "failed"
    site.use(one.section(uris=[open_one.ldaps], key_attribute='"objectGUID"'), open_one.ldaps)
    rows, code = check(site)
    assert code == 2 and rows[open_one.ldaps]["key"]["result"] == "failed"
    site.use(one.section(uris=[open_one.ldaps], bind_dn='"cn=nobody,dc=example,dc=org"'))
    rows, code = check(site)
    assert code == 2 and rows[open_one.ldaps]["bind"]["result"] == "failed" and "nvalid credentials" in rows[open_one.ldaps]["bind"]["detail"]


def test_check_of_a_server_that_hangs_ends_and_holds_up_nobody(site, one, two, unique):
    name = one.add_person(unique("hung"))
    site.use(one.section(uris=[one.ldaps, two.ldaps], connect_timeout='"500ms"'), one.ldaps, two.ldaps)
    old = site.login(name)
    two.stop()
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            checking = pool.submit(check, site)
            rounds = 0
            while not checking.done() or rounds == 0:
                old.ping()
                rounds += 1
            rows, code = checking.result()
    finally:
        two.go_on()
        old.close()
    assert code == 2 and rows[two.ldaps]["tls"]["result"] == "failed" and rows[one.ldaps]["key"]["result"] == "ok"
