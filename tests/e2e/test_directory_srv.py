"""Servers of a directory from DNS, with a real name server, under confinement: RFC 2782, RFC 4513 §3.1.3."""
import time

import pytest

from dns import Dns
from slapd import Slapd, certify, make_tls
from test_directory_servers import Servers

ZONE = "corp.test"
UUID = "more entryUUID"


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    make_tls(folder)
    certify(folder, "domain", "/CN=directory", f"DNS:{ZONE}")
    certify(folder, "target", "/CN=directory", f"DNS:ldap2.{ZONE}")
    return folder


@pytest.fixture(scope="module")
def one(tls):
    server = Slapd(tls=tls, certificate="domain")
    yield server
    server.close()


@pytest.fixture(scope="module")
def two(tls):
    server = Slapd(tls=tls, certificate="domain")
    yield server
    server.close()


@pytest.fixture(scope="module")
def other(tls):
    """Its certificate has its own name only."""
    server = Slapd(tls=tls, certificate="target")
    yield server
    server.close()


@pytest.fixture(scope="module")
def dns():
    server = Dns(ZONE)
    yield server
    server.close()


class Found(Servers):
    def by_srv(self, server, **keys):
        return self.use(self.srv_section(server, **keys))

    def srv_section(self, server, **keys):
        ports = ", ".join(f'"{p}"' for p in self.known)
        return server.section(uris=[], srv=f'"{ZONE}"', srv_interval="1s", **{"srv_ports": f"{{{ports}}}", "failback": "0s", **keys})

    def wait_used(self, uri):
        deadline = time.monotonic() + 30
        while [r["server"] for r in self.rows()[0] if r["used"] == "yes"] != [uri]:
            assert time.monotonic() < deadline, self.rows()
            time.sleep(0.05)

    def wait_gone(self, uri):
        deadline = time.monotonic() + 30
        while uri in [r["server"] for r in self.rows()[0]]:
            assert time.monotonic() < deadline, self.rows()
            time.sleep(0.05)


def uri(server, host, scheme="ldaps"):
    return f"{scheme}://{host}.{ZONE}:{server.tls_port if scheme == 'ldaps' else server.port}"


def record(server, host, priority=10, weight=0, service="_ldaps"):
    port = server.tls_port if service == "_ldaps" else server.port
    return [f"{service}._tcp SRV {priority} {weight} {port} {host}", f"{host} A 127.0.0.1"]


@pytest.fixture(scope="module")
def site(one, two, other, dns):
    from cluster import Cluster
    made = []

    def new(*options):
        made.append(Cluster(*options, "--wrap", f"sm:{dns.wrap}"))
        conf = made[-1].folder / "conf/sm-1.conf"
        conf.write_text(conf.read_text().replace("confine = no\n", ""))
        return made[-1]

    Found.known = [p for s in (one, two, other) for p in (s.tls_port, s.port)]
    dns.set(*record(one, "ldap1"))
    site = Found(new, Found.srv_section(Found, one))
    site.wait_state(uri(one, "ldap1"), "up")
    yield site
    made[0].down()


def both(one, two, unique):
    name = unique("found")
    for server in (one, two):
        server.add_person(name, more="entryUUID: 11111111-2222-3333-4444-%012d\n" % int(name.rsplit("-", 1)[1]))
    return name


def test_servers_come_from_dns_under_confinement(site, one, dns, unique):
    dns.set(*record(one, "ldap1"))
    site.by_srv(one)
    site.wait_state(uri(one, "ldap1"), "up")
    assert site.auth(one.add_person(unique("found"))) == "success"
    status = site.cluster.ctl("sm-1", "status").stdout
    assert "seccomp: filter" in status and "confine: yes" in status


def test_priorities_decide_and_the_next_takes_over(site, one, two, dns, unique):
    name = both(one, two, unique)
    dns.set(*record(two, "ldap2", priority=20), *record(one, "ldap1", priority=10))
    site.by_srv(one)
    site.wait_state(uri(two, "ldap2"), "up")
    site.wait_used(uri(one, "ldap1"))
    assert [r["server"] for r in site.rows()[0]] == [uri(one, "ldap1"), uri(two, "ldap2")]
    assert site.auth(name) == "success"
    one.kill()
    try:
        assert site.auth(name) == "success"
        site.wait_used(uri(two, "ldap2"))
    finally:
        one.start()
    site.wait_used(uri(one, "ldap1"))


def test_a_server_that_dns_has_no_more_is_left_and_a_new_one_used(site, one, two, dns, unique):
    name = both(one, two, unique)
    dns.set(*record(one, "ldap1"))
    site.by_srv(one)
    site.wait_state(uri(one, "ldap1"), "up")
    session = site.login(name)
    dns.set(*record(two, "ldap2"))
    site.wait_gone(uri(one, "ldap1"))
    site.wait_used(uri(two, "ldap2"))
    assert site.auth(name) == "success"
    session.ping()
    session.close()


def test_a_dot_means_no_server_and_the_way_back_needs_no_restart(site, one, dns, unique):
    name = one.add_person(unique("dot"))
    dns.set(*record(one, "ldap1"))
    site.by_srv(one)
    site.wait_state(uri(one, "ldap1"), "up")
    dns.set("_ldaps._tcp SRV 0 0 0 .", "_ldap._tcp SRV 0 0 0 .")
    site.wait_gone(uri(one, "ldap1"))
    assert site.auth(name) == "temporary-auth-failure"
    rows, code = site.rows()
    assert code == 2 and rows[0]["server"] == ZONE and "DNS names no server" in rows[0]["last_error"]
    dns.set(*record(one, "ldap1"))
    site.wait_state(uri(one, "ldap1"), "up")
    assert site.auth(name) == "success"


def test_when_dns_fails_the_last_list_stays(site, one, dns, unique):
    name = one.add_person(unique("deaf"))
    dns.set(*record(one, "ldap1"), f"ldap1 A 127.0.0.1")
    site.by_srv(one)
    site.wait_state(uri(one, "ldap1"), "up")
    since = len(site.cluster.audit("sm-1"))
    dns.kill()
    try:
        event = site.cluster.wait_event("sm-1", "directory-down", since=since, server=f"srv:{ZONE}")
        assert "could not be looked up" in event["reason"]
        assert site.auth(name) == "success"
    finally:
        dns.start()
    site.cluster.wait_event("sm-1", "directory-up", since=since, server=f"srv:{ZONE}")
    assert site.auth(name) == "success"


def test_the_certificate_must_have_the_domains_name(site, one, other, dns, unique):
    name = other.add_person(unique("named"))
    dns.set(*record(other, "ldap2"))
    site.by_srv(one)
    assert "name" in site.down(uri(other, "ldap2")), "DNS may be forged: RFC 4513 §3.1.3"
    assert site.auth(name) == "temporary-auth-failure"
    site.by_srv(one, srv_certificate='"target"')
    site.wait_state(uri(other, "ldap2"), "up")
    assert site.auth(name) == "success"
    dns.set(*record(other, "ldap3"))
    assert "name" in site.down(uri(other, "ldap3"))


def test_without_ldaps_the_servers_of_ldap_do_start_tls(site, one, dns, unique):
    name = one.add_person(unique("start"))
    dns.set(*record(one, "ldap1", service="_ldap"))
    site.by_srv(one)
    assert site.wait_state(uri(one, "ldap1", "ldap"), "up")["tls"].startswith("TLS1.")
    assert site.auth(name) == "success"


def test_a_port_that_was_not_declared_is_not_dialled(site, one, two, dns):
    dns.set(*record(one, "ldap1"), *record(two, "ldap2"))
    since = len(site.cluster.audit("sm-1"))
    site.by_srv(one, srv_ports=f'{{"{one.tls_port}"}}')
    site.wait_state(uri(one, "ldap1"), "up")
    assert [r["server"] for r in site.rows()[0]] == [uri(one, "ldap1")]
    assert "not in srv_ports" in site.cluster.wait_event("sm-1", "directory-down", since=since, server=f"srv:{ZONE}")["reason"]
