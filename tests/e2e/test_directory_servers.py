"""The servers of a directory: who the service account is, TLS, fail-over, health; against real slapd. RFC 4513, RFC 4511."""
import concurrent.futures
import json
import os
import random
import socket
import subprocess
import time

import pytest

import slapd
from slapd import SERVICE, SUFFIX, Slapd, certify
from test_directory import DOMAIN, Site
from test_sasl import condition
from xmpp import local

PEER = rf'authz-regexp "gidNumber=[0-9]+\\+uidNumber={os.geteuid()},cn=peercred,cn=external,cn=auth" "{SERVICE}"'
MAPPED = PEER + f'\nTLSVerifyClient try\nauthz-regexp "cn=session-manager" "{SERVICE}"'
ODD = {  # servers that differ by what stands in slapd.conf: certificate, further lines
    "misnamed": ("misnamed", ""),
    "expired": ("expired", ""),
    "without StartTLS": ("server", ""),
    "TLS 1.1": ("server", "TLSCipherSuite NORMAL:-VERS-ALL:+VERS-TLS1.1"),
    "TLS 1.2": ("server", "TLSCipherSuite NORMAL:-VERS-ALL:+VERS-TLS1.2"),
    "impatient": ("server", "idletimeout 1"),
}


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


class Distant(Slapd):
    """One in a network namespace of its own, on a line that the test makes slow or lossy."""

    def __init__(self, tls):
        number = random.randrange(1, 250)
        self.name, self.address = f"sp-{os.getpid()}", f"10.213.{number}.2"
        self.run("ip", "netns", "add", self.name)
        self.run("ip", "link", "add", f"sp{os.getpid()}", "type", "veth", "peer", "name", "line", "netns", self.name)
        self.run("ip", "address", "add", f"10.213.{number}.1/30", "dev", f"sp{os.getpid()}")
        self.run("ip", "link", "set", f"sp{os.getpid()}", "up")
        self.inside("ip", "address", "add", f"{self.address}/30", "dev", "line")
        self.inside("ip", "link", "set", "line", "up")
        self.inside("ip", "link", "set", "lo", "up")
        certify(tls, "distant", "/CN=directory", f"IP:{self.address}")
        super().__init__(tls=tls, certificate="distant")

    def run(self, *command):
        subprocess.run(command, check=True, capture_output=True)

    def inside(self, *command):
        self.run("ip", "netns", "exec", self.name, *command)

    def start(self):
        self.ldaps = f"ldaps://{self.address}:{self.tls_port}"
        ready = self.folder / "ldapi"
        ready.unlink(missing_ok=True)
        self.process = subprocess.Popen(["ip", "netns", "exec", self.name, slapd.local.program(self.folder), "-d", "none", "-f", str(self.conf),
                                         "-h", f"{self.ldaps} {self.ldapi}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not is_listening(ready):
            assert self.process.poll() is None and time.monotonic() < deadline, "slapd does not start"
            time.sleep(0.02)
        return self

    def slow(self, rate):
        """What the server sends; as tc-tbf(8) has it, None: as fast as it can. (netem, which delays, is not in every kernel.)"""
        self.inside("tc", "qdisc", *(["replace", "dev", "line", "root", "tbf", "rate", rate, "burst", "1600", "latency", "20s"] if rate
                                     else ["del", "dev", "line", "root"]))

    def lose(self, rule):
        """Which packets of the server's do not arrive, as nft has it; None: all arrive."""
        self.inside("nft", *(f"table inet line {{ chain out {{ type filter hook output priority 0; {rule} drop; }}; }}".split() if rule
                             else ["delete", "table", "inet", "line"]))

    def close(self):
        super().close()
        self.run("ip", "netns", "del", self.name)


def is_listening(path):
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(path))
            return True
    except OSError:
        return False


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
def odd(one):
    certify(one.tls, "misnamed", "/CN=directory", "IP:127.0.0.9", "DNS:other.example")
    certify(one.tls, "expired", "/CN=directory", "IP:127.0.0.1", start=10)
    servers = {name: Slapd(tls=one.tls, certificate=certificate, conf=conf) for name, (certificate, conf) in ODD.items()}
    without = servers["without StartTLS"]
    without.kill()
    without.conf.write_text("".join(line for line in without.conf.read_text().splitlines(True) if not line.startswith("TLS")))
    without.process = slapd.local.launch(without.folder, [without.ldap], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield servers
    for server in servers.values():
        server.close()


@pytest.fixture(scope="module")
def distant(one):
    server = Distant(one.tls)
    yield server
    server.close()


@pytest.fixture(scope="module")
def site(one, two, open_one, odd, distant):
    from cluster import Cluster
    made = []

    def new(*options):
        made.append(Cluster(*options))
        return made[-1]

    yield Servers(new, one.section(uris=[one.ldaps, one.ldap, one.ldapi, two.ldaps, two.ldap, two.ldapi, open_one.ldaps, distant.ldaps, odd["without StartTLS"].ldap,
                                         *(s.ldaps for s in odd.values())]))
    made[0].down()


def shared_person(servers, name):
    """The same person of all these servers, which stand for replicas."""
    for server in servers:
        server.add_person(name, more="entryUUID: 11111111-2222-3333-5555-%012d\n" % int(name.rsplit("-", 1)[1]))
    return name


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


# --- TLS --------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, scheme, reason", [("misnamed", "ldaps", "name"), ("expired", "ldaps", "expired"), ("without StartTLS", "ldap", "StartTLS"),
                                                  ("TLS 1.1", "ldaps", "TLS")])
def test_a_server_that_cannot_be_believed_gets_no_password(site, one, odd, unique, kind, scheme, reason):
    uri = getattr(odd[kind], scheme)
    name = odd[kind].add_person(unique("unsafe"))
    site.use(one.section(uris=[uri]))
    assert reason in site.down(uri)
    assert site.auth(name) == "temporary-auth-failure"
    row = site.wait_state(uri, "down")
    assert int(row["search"]) == int(row["bind"]) == int(row["binds"]) == 0


def test_tls_1_2_is_enough(site, one, odd, unique):
    server = odd["TLS 1.2"]
    site.use(one.section(uris=[server.ldaps]), server.ldaps)
    assert site.wait_state(server.ldaps, "up")["tls"].startswith("TLS1.2 ")
    assert site.auth(server.add_person(unique("older"))) == "success"


# --- connections that end, servers that come and go -------------------------------------------------------------------------------------------


def test_a_referral_is_not_followed(site, one, unique):
    """RFC 4511 §4.1.10, §4.5.3: a reference among the entries of a search, and an answer that is nothing else."""
    name = unique("referred")
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))
        elsewhere.listen()
        elsewhere.setblocking(False)
        there = f"ldap://127.0.0.1:{elsewhere.getsockname()[1]}"
        one.modify(f"dn: ou={name},{SUFFIX}\nchangetype: add\nobjectClass: organizationalUnit\nou: {name}\n")
        one.modify(f"dn: ou=away,ou={name},{SUFFIX}\nchangetype: add\nobjectClass: referral\nobjectClass: extensibleObject\nou: away\n"
                   f"ref: {there}/ou=away,ou={name},{SUFFIX}\n")
        one.add_person(name, dn=f"uid={name},ou={name},{SUFFIX}")
        site.use(one.section(base=f'"ou={name},{SUFFIX}"'), one.ldaps)
        assert site.auth(name) == "success"
        site.use(one.section(base=f'"ou=away,ou={name},{SUFFIX}"'), one.ldaps)
        assert site.auth(name) == "temporary-auth-failure"
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_connections_that_the_server_ends_are_made_anew(site, one, odd, unique):
    server = odd["impatient"]
    name = server.add_person(unique("idle"))
    site.use(one.section(uris=[server.ldaps]), server.ldaps)
    since = len(site.cluster.audit("sm-1"))
    assert site.auth(name) == "success"
    deadline = time.monotonic() + 20
    while int(site.rows()[0][0]["lost"]) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert site.auth(name) == "success"
    assert not site.cluster.events("sm-1", "directory-down", since=since), "that is no failure"


def test_no_more_connections_than_configured(site, one, unique):
    names = [one.add_person(unique("few")) for _ in range(4)]
    site.use(one.section(search_connections="1", bind_connections="2", watch='"none"'), one.ldaps)
    clients = [site.client() for _ in range(30)]
    most = 0
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        list(pool.map(lambda c: c.direct(), clients))
        jobs = [pool.submit(c.auth_plain, names[i % 4], "secret") for i, c in enumerate(clients)]
        while not all(j.done() for j in jobs):
            table = subprocess.run(["ss", "-Htn", "state", "established", f"dport = :{one.tls_port}"], capture_output=True, text=True, check=True).stdout
            most = max(most, len(table.splitlines()))
    assert {local(j.result()) for j in jobs} == {"success"}
    assert 1 <= most <= 3
    for c in clients:
        c.close()


def test_a_server_that_is_started_again_needs_no_restart_here(site, one, two, unique):
    name = two.add_person(unique("again"))
    site.use(one.section(uris=[two.ldaps], retry="1s"), two.ldaps)
    session = site.login(name)
    two.kill()
    try:
        assert site.auth(name) == "temporary-auth-failure"
        session.ping()
    finally:
        two.start()
    site.wait_state(two.ldaps, "up")
    assert site.auth(name) == "success"
    session.ping()
    session.close()


def test_a_server_that_flaps_takes_nobody_with_it(site, one, two, unique):
    name = shared_person([one, two], unique("flap"))
    site.use(one.section(uris=[two.ldaps, one.ldaps], retry="1s"), one.ldaps, two.ldaps)
    assert site.auth(name) == "success"
    since = len(site.cluster.audit("sm-1"))
    for _ in range(3):
        two.kill()
        try:
            assert site.auth(name) == "success"
            site.wait_state(two.ldaps, "down")
        finally:
            two.start()
        site.wait_state(two.ldaps, "up")
        assert site.auth(name) == "success"
        assert [r["server"] for r in site.rows()[0] if r["used"] == "yes"] == [one.ldaps], "not back before failback"
    assert len(site.cluster.events("sm-1", "directory-down", since=since)) == 3
    assert len(site.cluster.events("sm-1", "directory-up", since=since)) == 3


def test_500_logins_while_one_of_two_servers_hangs(site, one, two, unique):
    """Whoever has a session notices nothing; every login succeeds or is answered."""
    names = [shared_person([one, two], unique("many")) for _ in range(8)]
    site.use(one.section(uris=[two.ldaps, one.ldaps]), one.ldaps, two.ldaps)
    old, alice, bob = site.login(names[0]), site.cluster.online("alice"), site.cluster.online("bob")
    answers, rounds, during = [], 0, 0

    def login(number):
        c = site.client()
        c.direct()
        answer = c.auth_plain(name=names[number % 8], password="secret")
        c.close()
        return "success" if local(answer) == "success" else condition(answer)

    first = [site.client() for _ in range(20)]
    for c in first:
        c.direct()
    two.stop()
    try:
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            jobs = [pool.submit(c.auth_plain, names[i % 8], "secret") for i, c in enumerate(first)]
            old.ping()
            assert not any(j.done() for j in jobs), "a session's ping is answered while all logins wait for the server that hangs"
            jobs += [pool.submit(login, n) for n in range(480)]
            while not all(j.done() for j in jobs):
                pending = sum(not j.done() for j in jobs)
                old.ping()
                alice.message(bob.bare, f"round {rounds}")
                bob.expect("message", body=f"round {rounds}")
                rounds, during = rounds + 1, during + (pending > 0)
            for j in jobs:
                answer = j.result()
                answers.append(answer if isinstance(answer, str) else "success" if local(answer) == "success" else condition(answer))
    finally:
        two.go_on()
    assert len(answers) == 500 and set(answers) <= {"success", "temporary-auth-failure"}, set(answers)
    assert answers.count("success") >= 480, answers.count("success")
    assert during >= 5, "sessions were served all the while"
    assert len(site.cluster.events("sm-1", "directory-down", server=two.ldaps)) >= 1
    for c in [old, alice, bob, *first]:
        c.close()
    site.wait_state(two.ldaps, "up")


# --- a bad line -------------------------------------------------------------------------------------------------------------------------------


def test_a_narrow_line_is_slow_and_nothing_else(site, one, distant, unique):
    name = distant.add_person(unique("far"))
    distant.slow("64kbit")
    try:
        site.use(one.section(uris=[distant.ldaps]), distant.ldaps)
        assert site.auth(name) == "success"
        rows, _ = check(site)
        assert int(rows[distant.ldaps]["tls"]["ms"]) > 20 and rows[distant.ldaps]["key"]["result"] == "ok", "each step has its time"
    finally:
        distant.slow(None)


def test_a_line_that_falls_silent_fails_over(site, one, distant, unique):
    name = shared_person([one, distant], unique("further"))
    site.use(one.section(uris=[distant.ldaps, one.ldaps]), one.ldaps, distant.ldaps)
    old = site.login(name)
    distant.lose("tcp sport != 0")
    try:
        assert site.auth(name) == "success"
        assert "in time" in site.down(distant.ldaps)
        old.ping()
    finally:
        distant.lose(None)
    site.wait_state(distant.ldaps, "up")
    old.close()


def test_a_line_that_loses_a_tenth_still_lets_people_in(site, one, distant, unique):
    name = shared_person([one, distant], unique("lossy"))
    site.use(one.section(uris=[distant.ldaps, one.ldaps]), one.ldaps, distant.ldaps)
    distant.lose("numgen random mod 100 < 10")
    try:
        assert [site.auth(name) for _ in range(4)].count("success") >= 2
    finally:
        distant.lose(None)


def test_the_kernel_watches_over_connections(site, one, distant):
    """TCP keepalive (RFC 9293 §3.8.4): a peer that vanishes without a word is noticed although nobody asks it."""
    site.use(one.section(uris=[distant.ldaps], keepalive='"2s"', unacknowledged='"1s"', probe_interval='"1h"'), distant.ldaps)
    sockets = subprocess.run(["ss", "-Htno", "state", "established", f"dport = :{distant.tls_port}"], capture_output=True, text=True, check=True).stdout
    assert "timer:(keepalive," in sockets, sockets
    distant.lose("tcp sport != 0")
    try:
        deadline = time.monotonic() + 30
        while int(site.rows()[0][0]["lost"]) == 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        distant.lose(None)
    site.wait_state(distant.ldaps, "up", timeout=40)


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
