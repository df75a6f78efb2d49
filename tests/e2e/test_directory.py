"""Logins by an LDAP directory, against real slapd: RFC 4511, RFC 4513, RFC 4515, draft-behera-ldap-password-policy."""
import concurrent.futures
import statistics
import time

import pytest

from slapd import SUFFIX, Slapd
from test_sasl import condition
from xmpp import SASL, local, q

DOMAIN = "directory.example"


@pytest.fixture(scope="module")
def one():
    server = Slapd()
    yield server
    server.close()


@pytest.fixture(scope="module")
def two(one):
    server = Slapd(tls=one.tls)
    yield server
    server.close()


class Site:
    """A cluster with a host of the store and a host of a directory."""

    def __init__(self, make, section):
        self.cluster = make("--domain", "localhost", "--domain", DOMAIN, "--log-level", "debug")
        self.conf = self.cluster.folder / "conf/sm-1.conf"
        text = self.conf.read_text()
        self.conf.write_text(section + text.replace(f'host "{DOMAIN}" {{', f'host "{DOMAIN}" {{\n    auth = {{"ldap"}}\n    directory = "corp"'))
        self.cluster.kill("sm-1")
        self.cluster.start("sm-1")

    def client(self, name=None, password="secret"):
        c = self.cluster.client(domain=DOMAIN)
        c.name, c.password = name, password
        return c

    def auth(self, name, password="secret"):
        """The answer to one PLAIN login on a connection of its own."""
        c = self.client(name, password)
        c.direct()
        answer = c.auth_plain(name=name, password=password)
        c.close()
        return "success" if local(answer) == "success" else condition(answer)

    def login(self, name, password="secret"):
        return self.client(name, password).login()

    def rows(self):
        import json
        done = self.cluster.ctl("--json", "sm-1", "ldap", "status")
        return json.loads(done.stdout), done.returncode

    def wait_state(self, uri, state, timeout=30):
        deadline = time.monotonic() + timeout
        while True:
            rows, _ = self.rows()
            mine = [r for r in rows if r["server"] == uri]
            if mine and mine[0]["state"] == state:
                return mine[0]
            assert time.monotonic() < deadline, rows
            time.sleep(0.05)


@pytest.fixture
def site(new_cluster):
    def make(section, uris):
        made = Site(new_cluster, section)
        for uri in uris:
            made.wait_state(uri, "up")
        return made
    return make


@pytest.fixture(scope="module")
def shared(one):
    """One cluster for the tests that change nothing of it."""
    from cluster import Cluster
    made = []

    def new(*options):
        made.append(Cluster(*options))
        return made[-1]

    site = Site(new, one.section())
    site.wait_state(one.ldaps, "up")
    yield site
    made[0].down()


def test_a_person_of_the_directory_logs_in_and_has_an_account(shared, one, unique):
    name = one.add_person(unique("juliet"))
    c = shared.login(name)
    c.ping()
    event = shared.cluster.wait_event("sm-1", "account-added", account=f"{name}@{DOMAIN}")
    assert event["by"] == "directory"
    assert f"{name}@{DOMAIN}" in shared.cluster.ctl("sm-1", "users", DOMAIN).stdout
    again = shared.login(name)
    again.ping()
    assert len(shared.cluster.events("sm-1", "account-added", account=f"{name}@{DOMAIN}")) == 1


def test_plain_is_the_only_mechanism_of_a_directory(shared):
    features = shared.client().direct()
    assert [m.text for m in features.find(q(SASL, "mechanisms"))] == ["PLAIN"]
    c = shared.client()
    c.direct()
    assert condition(c.auth_scram("SCRAM-SHA-256", name="juliet", password="x")) == "invalid-mechanism"


def test_what_is_refused_and_how(shared, one, unique):
    name = one.add_person(unique("romeo"))
    assert shared.auth(name, "wrong") == "not-authorized"
    assert shared.auth(unique("nobody")) == "not-authorized"
    assert shared.auth(name, "") in ("not-authorized", "malformed-request")
    event = shared.cluster.wait_event("sm-1", "login-refused", claimed=name, detail="wrong password")
    assert event["condition"] == "not-authorized"
    assert shared.auth(name) == "success"


def test_an_injection_finds_nobody(shared, one, unique):
    name = one.add_person(unique("victim"))
    assert shared.auth(name) == "success"
    for claimed in ("*", f"{name[:-1]}*", f"{name})(uid=*", f"*)(objectClass=*", f"{name}\\2a", f"x)(|(uid={name})"):
        assert shared.auth(claimed) == "not-authorized", claimed


def test_names_that_a_filter_must_escape_are_found(shared, one):
    assert one.add_person("o=b(r)i*en", dn=f"cn=OBrien,ou=people,{SUFFIX}")
    assert shared.auth("o=b(r)i*en") == "success"
    dn = f"cn=M\\C3\\BCller\\, J\\C3\\BCrgen,ou=people,{SUFFIX}"
    one.modify(f"dn: {dn}\nchangetype: add\nobjectClass: inetOrgPerson\nuid:: asO8cmdlbg==\nsn: x\nuserPassword: secret\n")
    assert shared.auth("jürgen") == "success"


def test_two_entries_of_one_name_are_refused(shared, one, unique):
    name = one.add_person(unique("twin"))
    one.add_person(name, dn=f"cn=other {name},ou=people,{SUFFIX}")
    assert shared.auth(name) == "not-authorized"
    shared.cluster.wait_event("sm-1", "login-refused", claimed=name, detail="more than one entry")


def test_the_password_policy_is_told(shared, one, unique):
    name = one.add_person(unique("late"))
    one.change(name, "pwdChangedTime", "20200101000000Z")
    assert shared.auth(name) == "credentials-expired"
    assert shared.auth(name, "wrong") == "not-authorized"
    name = one.add_person(unique("reset"))
    one.change(name, "pwdReset", "TRUE")
    assert shared.auth(name) == "credentials-expired"
    shared.cluster.wait_event("sm-1", "login-refused", claimed=name, detail="password must be changed")
    name = one.add_person(unique("locked"))
    one.change(name, "pwdAccountLockedTime", "000001010000Z")
    assert shared.auth(name) == "not-authorized"


def test_a_reused_name_does_not_get_what_the_leaver_had(shared, one, unique):
    name = one.add_person(unique("leaver"))
    first = shared.login(name)
    first.iq("set", "<query xmlns='jabber:iq:private'><x xmlns='urn:mine'>private</x></query>")
    first.close()
    one.delete(name)
    assert shared.auth(name) == "not-authorized"
    one.add_person(name, "other")
    assert shared.auth(name, "other") == "not-authorized"
    shared.cluster.wait_event("sm-1", "login-refused", claimed=name, detail="another entry of the directory has this name now")
    assert shared.cluster.ctl("sm-1", "deluser", f"{name}@{DOMAIN}").returncode == 0
    second = shared.login(name, "other")
    answer = second.iq("get", "<query xmlns='jabber:iq:private'><x xmlns='urn:mine'/></query>")
    assert "private" not in [e.text for e in answer.iter()]


def test_an_administrator_gives_the_account_to_the_new_entry(shared, one, unique):
    name = one.add_person(unique("moved"))
    assert shared.auth(name) == "success"
    one.delete(name)
    one.add_person(name)
    assert shared.auth(name) == "not-authorized"
    assert shared.cluster.ctl("sm-1", "ldap", "accept", f"{name}@{DOMAIN}").returncode == 0
    assert shared.auth(name) == "success"
    assert shared.auth(name) == "success"
    shared.cluster.wait_event("sm-1", "directory-accepted", account=f"{name}@{DOMAIN}")
    assert shared.cluster.ctl("sm-1", "ldap", "accept", f"nobody@{DOMAIN}").returncode == 66


def test_administrators_see_each_step(shared, one, unique):
    name = one.add_person(unique("seen"))
    done = shared.cluster.ctl("sm-1", "ldap", "test", "corp", f"{name}@{DOMAIN}")
    assert done.returncode == 0, done.stdout + done.stderr
    for text in (one.ldaps, f"(&(objectClass=inetOrgPerson)(uid={name}))", f"uid={name},ou=people,{SUFFIX}", "key"):
        assert text in done.stdout
    done = shared.cluster.ctl("sm-1", "ldap", "test", "corp", f"nobody@{DOMAIN}")
    assert done.returncode == 70 and "no entry" in done.stdout + done.stderr
    assert shared.cluster.ctl("sm-1", "ldap", "test", "nowhere", f"{name}@{DOMAIN}").returncode == 66
    rows, code = shared.rows()
    assert code == 0 and rows[0]["tls"].startswith("TLS1.") and rows[0]["used"] == "yes"


def test_passwords_of_a_directory_are_not_set_here(shared):
    for verb in ("adduser", "passwd"):
        done = shared.cluster.ctl("sm-1", verb, f"x@{DOMAIN}", input="secret\n")
        assert done.returncode != 0 and "directory" in done.stdout + done.stderr


def test_no_log_has_a_password(shared, one, unique):
    name = one.add_person(unique("secretive"), "Tr0ub4dor-and-3")
    assert shared.auth(name, "Tr0ub4dor-and-3") == "success"
    assert shared.auth(name, "Wr0ng-and-3") == "not-authorized"
    text = shared.cluster.log("sm-1") + shared.cluster.audit("sm-1")
    assert "Tr0ub4dor" not in text and "Wr0ng-and" not in text and "service secret" not in text


def test_who_exists_is_not_told_by_the_time(shared, one, unique):
    """By ranks: in pairs of a wrong password and an unknown name, neither is the slower one much more often than the other."""
    name = one.add_person(unique("timed"))
    one.change(name, "pwdPolicySubentry", f"cn=none,{SUFFIX}", "add")
    times = {"known": [], "unknown": []}

    def measure(kind, claimed):
        c = shared.client(claimed, "wrong")
        c.direct()
        began = time.monotonic()
        assert condition(c.auth_plain(name=claimed, password="wrong")) == "not-authorized"
        times[kind].append(time.monotonic() - began)
        c.close()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(measure, *pair) for _ in range(16) for pair in (("known", name), ("unknown", unique("nobody")))]
        for job in jobs:
            job.result()
    wins = sum((a > b) + (a == b) / 2 for a in times["known"] for b in times["unknown"])
    share = wins / (len(times["known"]) * len(times["unknown"]))
    assert 0.15 < share < 0.85, (share, {k: statistics.median(v) for k, v in times.items()})


def test_two_hundred_logins_at_once_are_all_answered(shared, one, unique):
    names = [one.add_person(unique("crowd")) for _ in range(4)]
    clients = [shared.client() for _ in range(200)]

    def prepare(c):
        c.direct()

    def finish(pair):
        c, name = pair
        answer = c.auth_plain(name=name, password="secret")
        return "success" if local(answer) == "success" else condition(answer)

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        list(pool.map(prepare, clients))
        answers = list(pool.map(finish, [(c, names[i % 4]) for i, c in enumerate(clients)]))
    for c in clients:
        c.close()
    assert len(answers) == 200 and set(answers) <= {"success", "temporary-auth-failure"}, set(answers)
    assert answers.count("success") >= 150, answers.count("success")


def test_start_tls_names_and_ldapi(site, one, unique):
    name = one.add_person(unique("tls"))
    made = site(one.section(uris=[one.ldap]), [one.ldap])
    assert made.auth(name) == "success"
    assert made.wait_state(one.ldap, "up")["tls"].startswith("TLS1.")
    conf = made.conf.read_text().replace(one.ldap, one.ldaps.replace("127.0.0.1", "localhost"))
    made.conf.write_text(conf)
    made.cluster.kill("sm-1")
    made.cluster.start("sm-1")
    made.wait_state(one.ldaps.replace("127.0.0.1", "localhost"), "up")
    assert made.auth(name) == "success"
    conf = conf.replace(one.ldaps.replace("127.0.0.1", "localhost"), one.ldapi)
    made.conf.write_text(conf)
    made.cluster.kill("sm-1")
    made.cluster.start("sm-1")
    made.wait_state(one.ldapi, "up")
    assert made.auth(name) == "success"


def test_a_server_with_a_certificate_of_another_ca_is_not_used(site, one, unique):
    name = one.add_person(unique("other"))
    made = site(one.section(ca=f'"{one.tls}/other-ca.pem"'), [])
    made.wait_state(one.ldaps, "down")
    assert made.auth(name) == "temporary-auth-failure"
    assert made.rows()[1] == 2
    event = made.cluster.wait_event("sm-1", "directory-down", server=one.ldaps)
    assert "TLS" in event["reason"] or "ertificate" in event["reason"] or "contact" in event["reason"]


def test_through_the_dmz_passwords_of_the_directory_are_not_taken(site, one, unique):
    name = one.add_person(unique("outside"))
    made = site(one.section(), [one.ldaps])
    text = made.conf.read_text()
    made.conf.write_text("".join(line for line in text.splitlines(True) if not line.startswith("inside")))
    assert made.cluster.ctl("sm-1", "reload").returncode == 0
    assert made.client().direct().find(q(SASL, "mechanisms")) is None
    assert made.auth(name) == "invalid-mechanism"
    assert int(made.wait_state(one.ldaps, "up")["binds"]) == 0, "the directory was not asked"
    made.conf.write_text(made.conf.read_text().replace(f'"{DOMAIN}" {{', f'"{DOMAIN}" {{\n    mechanisms_dmz = {{"PLAIN"}}'))
    assert made.cluster.ctl("sm-1", "reload").returncode == 0
    assert made.auth(name) == "success"


def test_a_reload_asks_otherwise_but_dials_no_other_port(site, one, two, unique):
    """The kernel lets the process dial the ports of its configuration alone: landlock(7)."""
    name = one.add_person(unique("reload"), more="mail: somebody@example.org\n")
    made = site(one.section(), [one.ldaps])
    status = made.cluster.ctl("sm-1", "status").stdout
    assert "seccomp: filter" in status and "landlock" in status
    assert made.auth(name) == "success"
    good = made.conf.read_text()
    made.conf.write_text(good.replace("(uid=%u)", "(mail=%u@example.org)"))
    assert made.cluster.ctl("sm-1", "reload").returncode == 0
    made.wait_state(one.ldaps, "up")
    assert made.auth("somebody") == "success"
    assert made.auth(name) == "not-authorized"
    made.conf.write_text(good.replace(one.ldaps, two.ldaps))
    done = made.cluster.ctl("sm-1", "reload")
    assert done.returncode != 0 and f"dial port {two.tls_port}" in done.stdout + done.stderr
    assert made.auth("somebody") == "success", "the old one stays"


def test_a_dead_server_fails_over_and_comes_back(site, one, two, unique):
    name = unique("over")
    for server in (one, two):
        server.add_person(name, more="entryUUID: 11111111-2222-3333-4444-555555555555\n")
    made = site(one.section(uris=[one.ldaps, two.ldaps], failback="1s"), [one.ldaps, two.ldaps])
    assert made.auth(name) == "success"
    one.kill()
    try:
        assert made.auth(name) == "success"
        made.wait_state(one.ldaps, "down")
        assert made.auth(name) == "success"
        assert made.rows()[1] == 1
    finally:
        one.start()
    made.wait_state(one.ldaps, "up", timeout=40)
    made.cluster.wait_event("sm-1", "directory-up", server=one.ldaps)
    deadline = time.monotonic() + 20
    while [r["used"] for r in made.rows()[0]] != ["yes", "no"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert made.auth(name) == "success"
    assert len(made.cluster.events("sm-1", "directory-down", server=one.ldaps)) == 1, "told once"


def test_a_server_that_hangs_fails_over_within_its_timeout(site, one, two, unique):
    name = unique("hang")
    for server in (one, two):
        server.add_person(name, more="entryUUID: 11111111-2222-3333-4444-666666666666\n")
    made = site(one.section(uris=[one.ldaps, two.ldaps], search_timeout="500ms"), [one.ldaps, two.ldaps])
    assert made.auth(name) == "success"
    one.stop()
    try:
        assert made.auth(name) == "success"
        made.wait_state(one.ldaps, "down")
        assert made.auth(name) == "success"
    finally:
        one.go_on()


def test_a_directory_that_hangs_holds_up_nobody_else(site, one, unique):
    name = one.add_person(unique("slow"))
    made = site(one.section(), [one.ldaps])
    old = made.login(name)
    alice, bob = made.cluster.online("alice"), made.cluster.online("bob")
    one.stop()
    try:
        waiting = [made.client(name) for _ in range(10)]
        for c in waiting:
            c.direct()
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            jobs = [pool.submit(c.auth_plain, name, "secret") for c in waiting]
            rounds = 0
            while not all(j.done() for j in jobs) or rounds < 20:
                began = time.monotonic()
                alice.message(bob.bare, "still there?")
                bob.expect("message")
                assert time.monotonic() - began < 1, "the loop waits"
                rounds += 1
            assert {condition(j.result()) for j in jobs} == {"temporary-auth-failure"}
        old.ping()
        made.cluster.online("carol").ping()
        made.wait_state(one.ldaps, "down")
        began = time.monotonic()
        assert made.auth(name) == "temporary-auth-failure"
        assert time.monotonic() - began < 2
        assert made.cluster.ctl("sm-1", "health").returncode == 2
    finally:
        one.go_on()
    made.wait_state(one.ldaps, "up", timeout=40)
    assert made.auth(name) == "success"
    assert "sallyport_sm_directory_failed_total" in made.cluster.ctl("sm-1", "metrics").stdout


def test_a_name_with_a_space_logs_in_by_its_escaped_address(site, one):
    """XEP-0106."""
    one.add_person("anna maria")
    made = site(one.section(), [one.ldaps])
    assert made.auth("anna\\20maria") == "success"
    assert made.auth("anna maria") == "not-authorized"
    assert made.cluster.events("sm-1", "login", account=f"anna\\20maria@{DOMAIN}") or made.login("anna\\20maria")
