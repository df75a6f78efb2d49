"""The servers of a directory: who the service account is, TLS, fail-over, health; against real slapd. RFC 4513, RFC 4511."""
import concurrent.futures
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
def site(one, two):
    from cluster import Cluster
    made = []

    def new(*options):
        made.append(Cluster(*options))
        return made[-1]

    yield Servers(new, one.section(uris=[one.ldaps, one.ldap, one.ldapi, two.ldaps, two.ldap, two.ldapi]))
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
