"""The service account of a directory says who it is by a Kerberos ticket (SASL GSSAPI, RFC 4752): a real slapd, a real KDC, a session manager that is confined."""
import os
import subprocess
import time

import pytest

from kdc import Kdc
from slapd import SERVICE, Slapd, local as launcher
from test_directory_servers import Servers

MAPPED = f'sasl-host localhost\nauthz-regexp "uid=sallyport(-[a-z]+)?(,cn=[^,]+)?,cn=gssapi,cn=auth" "{SERVICE}"'


class KerberosSlapd(Slapd):
    """One that is ldap/localhost."""

    def __init__(self, kdc):
        self.environment = kdc.environment(KRB5_KTNAME=f"FILE:{kdc.keytab('ldap', 'ldap/localhost')}")
        super().__init__(conf=MAPPED)
        self.uri = f"ldaps://localhost:{self.tls_port}"

    def start(self):
        self.process = launcher.launch(self.folder, [self.ldap, self.ldaps], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment)
        return self


class KerberosSite(Servers):
    def __init__(self, make, kdc, server, keytab):
        self.kdc, self.server, self.keytab = kdc, server, keytab
        super().__init__(make, self.section(uris=[server.uri, f"ldap://localhost:{server.port}"]))

    def section(self, uris=None, principal="sallyport", **keys):
        keys = {"keytab": f'"{self.keytab}"', "principal": f'"{principal}@{self.kdc.realm}"', "kdc_ports": f'{{"{self.kdc.port}"}}', "retry": "1s",
                "bind": '"gssapi"', "bind_dn": None, "bind_password_file": None, **keys}
        return self.server.section(uris=uris or [self.server.uri], **keys)

    def refused(self, section):
        """What a reload says that does not take it; sm.conf is as it was."""
        before = self.conf.read_text()
        begin = before.index('directory "corp" {')
        self.conf.write_text(before[:begin] + section + before[before.index("\n}\n", begin) + 3:])
        done = self.cluster.ctl("sm-1", "reload")
        self.conf.write_text(before)
        assert done.returncode != 0
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def kdc():
    realm = Kdc()
    yield realm
    realm.close()


@pytest.fixture(scope="module")
def server(kdc):
    made = KerberosSlapd(kdc)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(kdc, server):
    from cluster import Cluster
    made = []

    def new(*options):
        made.append(Cluster(*options))
        return made[-1]

    kdc.add("sallyport-brief", options='-maxlife "4 seconds"')
    before = os.environ.get("KRB5_CONFIG")
    os.environ["KRB5_CONFIG"] = str(kdc.conf)  # the site's krb5.conf, which says where the KDC is
    yield KerberosSite(new, kdc, server, kdc.keytab("service", "sallyport", "sallyport-brief"))
    made[0].down()
    os.environ.pop("KRB5_CONFIG") if before is None else os.environ.update(KRB5_CONFIG=before)


@pytest.fixture
def site(shared):
    yield shared
    shared.cluster.close_clients()


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
def test_the_service_account_binds_with_a_ticket_and_people_log_in(site, kdc, server, unique, scheme):
    uri = server.uri if scheme == "ldaps" else f"ldap://localhost:{server.port}"
    name = server.add_person(unique("ticketed"))
    site.use(site.section([uri]), uri)
    assert site.auth(name) == "success"
    assert site.auth(name, "wrong") == "not-authorized"
    assert f"sallyport@{kdc.realm} for ldap/localhost@{kdc.realm}" in kdc.log()
    status = site.cluster.ctl("sm-1", "status").stdout
    assert "seccomp: filter" in status and "confine: yes" in status
    checked = site.cluster.ctl("sm-1", "ldap", "check")
    assert "gssapi" in checked.stdout, checked.stdout + checked.stderr


def test_an_account_without_keys_is_refused_and_said_so(site):
    site.use(site.section(principal="nobody"))
    reason = site.down(site.server.uri)
    assert "GSSAPI" in reason and f"nobody@{site.kdc.realm}" in reason
    assert site.auth("anybody") == "temporary-auth-failure"


def test_old_keys_are_refused_and_new_ones_are_used_at_once(site, kdc, server, unique):
    name = server.add_person(unique("rekeyed"))
    path = kdc.keytab("aging", "sallyport-aging")
    kdc.rekey("sallyport-aging")
    site.use(site.section(principal="sallyport-aging", keytab=f'"{path}"'))
    assert "Invalid credentials" in site.down(server.uri)
    kdc.keytab("fresh", "sallyport-aging").rename(path)
    site.wait_state(server.uri, "up")
    assert site.auth(name) == "success"


def test_a_ticket_that_is_over_hinders_no_new_connection(site, kdc, server, unique):
    name = server.add_person(unique("brief"))
    site.use(site.section(principal="sallyport-brief"), server.uri)
    assert site.auth(name) == "success"
    later = kdc.kinit("sallyport-brief", keytab=site.keytab)  # younger than those that were given to the session manager
    deadline = time.monotonic() + 30
    while subprocess.run(["klist", "-s", "-c", later], env=kdc.environment(later)).returncode == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.kill()
    site.down(server.uri)
    server.start()
    site.wait_state(server.uri, "up")
    assert site.auth(name) == "success"


def test_without_a_kdc_a_server_is_down_until_there_is_one(site, kdc, server, unique):
    name = server.add_person(unique("patient"))
    site.use(site.section(), server.uri)
    kdc.kill()
    try:
        server.kill()
        site.down(server.uri)
        server.start()
        deadline = time.monotonic() + 30
        while "KDC" not in site.down(server.uri):
            assert time.monotonic() < deadline, site.down(server.uri)
            time.sleep(0.05)
    finally:
        kdc.start()
    site.wait_state(server.uri, "up")
    assert site.auth(name) == "success"


def test_a_server_that_the_kdc_does_not_know_is_not_bound_to(site, server):
    site.use(site.section([server.ldaps]))
    assert "ldap/127.0.0.1" in site.down(server.ldaps)


def test_what_cannot_work_is_refused_before(site, kdc, server):
    assert "ldapi" in site.refused(site.section([server.ldapi]))
    assert "StartTLS" in site.refused(site.section([server.ldap], start_tls="no", plain="yes"))
    assert "name@REALM" in site.refused(site.section(principal="").replace(f'"@{kdc.realm}"', '"sallyport"'))
    assert "kdc_ports" in site.refused(site.section(kdc_ports='{"kerberos"}'))
    open_keytab = kdc.keytab("open", "sallyport")
    open_keytab.chmod(0o644)
    assert "others cannot read" in site.refused(site.section(keytab=f'"{open_keytab}"'))
    assert "bind = gssapi" in site.refused(server.section(uris=[server.uri], keytab=f'"{site.keytab}"'))
