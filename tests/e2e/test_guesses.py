"""Budgets of wrong passwords, against real slapd whose password policy locks after five: nobody can lock the company out through XMPP."""
import base64
import collections
import concurrent.futures
import itertools
import json
import re
import secrets
import subprocess
import time

import pytest

from cluster import Cluster
from link import LINK, Wire, dial_unix, frame_text
from slapd import ADMIN, ADMIN_PASSWORD, SUFFIX, Slapd
from test_sasl import condition
from xmpp import SASL, local

DOMAIN = "directory.example"
HELD = "temporary-auth-failure"
LIMITS = {"guesses_account": 2, "guesses_known": 2, "guesses_address": 0, "guesses_c2s": 0, "guesses_period": "30m"}
HOME = "127.0.0.1"

_strangers = itertools.count(1)


def stranger():
    """An address that no other test uses."""
    n = next(_strangers)
    return f"127.1.{n // 250}.{n % 250 + 1}"


@pytest.fixture(scope="module")
def directory():
    server = Slapd()
    yield server
    server.close()


class Site:
    """A host of the store and a host of the directory; c2s-1 is honest, the place of c2s-2 is the test's."""

    def __init__(self, directory):
        self.directory = directory
        self.cluster = Cluster("--domain", "localhost", "--domain", DOMAIN, "--c2s", "2", "--layout", "b", "--log-level", "debug")
        self.conf = self.cluster.folder / "conf/sm-1.conf"
        found = '"(&(objectClass=inetOrgPerson)(|(uid=%u)(employeeNumber=%u)))"'
        text = re.sub(r"^guesses_.*\n", "", self.conf.read_text(), flags=re.M)
        self.rest = directory.section(filter=found, refuse_after="100ms") + text.replace(f'host "{DOMAIN}" {{', f'host "{DOMAIN}" {{\n auth = {{"ldap"}}\n directory = "corp"')
        self.write(LIMITS)
        self.restart()
        self.cluster.kill("c2s-2")

    def write(self, limits):
        self.conf.write_text("".join(f"{k} = {v}\n" for k, v in limits.items()) + self.rest)

    def limits(self, **changed):
        self.write({**LIMITS, **changed})
        assert self.cluster.ctl("sm-1", "reload").returncode == 0

    def restart(self):
        self.cluster.kill("sm-1")
        self.cluster.start("sm-1")

    def client(self, source=None, domain=DOMAIN):
        client = self.cluster.client(domain=domain)
        client.source = source or stranger()
        return client

    def auth(self, name, password="secret", source=None, domain=DOMAIN, mechanism="PLAIN"):
        """The answer to one login on a connection of its own."""
        client = self.client(source, domain)
        client.direct()
        answer = client.auth_plain(name, password) if mechanism == "PLAIN" else client.auth_scram(mechanism, name, password)
        client.close()
        return "success" if local(answer) == "success" else condition(answer)

    def wrong(self, name, count, **options):
        return [self.auth(name, f"wrong {i}", **options) for i in range(count)]

    def online(self, name, source):
        client = self.client(source)
        client.name, client.password = name, "secret"
        return client.login()

    def at_once(self, jobs):
        """(name, password) of many connections, each from an address of its own, sent at the same time: their answers."""
        clients = [self.client() for _ in jobs]
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            list(pool.map(lambda c: c.direct(), clients))
            for client, (name, password) in zip(clients, jobs):
                client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{base64.b64encode(f'{chr(0)}{name}{chr(0)}{password}'.encode()).decode()}</auth>")
            answers = list(pool.map(lambda c: c.sasl_answer(), clients))
        for client in clients:
            client.close()
        return collections.Counter("success" if local(a) == "success" else condition(a) for a in answers)

    def guesses(self):
        done = self.cluster.ctl("--json", "sm-1", "guesses")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def row(self, what, whose="strangers"):
        return next((r for r in self.guesses() if r["what"] == what and r["whose"] == whose), None)

    def metric(self, name):
        return int(re.search(rf"^sallyport_sm_{name} (\d+)$", self.cluster.ctl("sm-1", "metrics").stdout, re.M)[1])


@pytest.fixture(scope="module")
def site_of_module(directory):
    site = Site(directory)
    yield site
    site.cluster.down()


@pytest.fixture
def site(site_of_module):
    yield site_of_module
    site_of_module.limits()
    site_of_module.cluster.close_clients()


@pytest.fixture
def person(directory, unique):
    return lambda name, **options: directory.add_person(unique(name), **options)


def failures(directory, name):
    """How many wrong passwords slapd has counted of it; "locked" when it is."""
    done = subprocess.run(["ldapsearch", "-x", "-LLL", "-H", directory.ldapi, "-D", ADMIN, "-w", ADMIN_PASSWORD, "-b", f"uid={name},ou=people,{SUFFIX}",
                           "-s", "base", "pwdFailureTime", "pwdAccountLockedTime"], capture_output=True, text=True, check=True)
    return "locked" if "pwdAccountLockedTime:" in done.stdout else done.stdout.count("pwdFailureTime:")


def test_two_hundred_wrong_guesses_at_once_from_everywhere_do_not_lock_the_account(site, directory, person):
    name = person("victim")
    answers = site.at_once([(name, f"wrong {i}") for i in range(200)])
    assert answers == {"not-authorized": 2, HELD: 198}
    assert failures(directory, name) == 2
    assert site.row(f"{name}@{DOMAIN}")["used_up"] == "yes"


def test_without_budgets_the_directory_would_have_locked_it(site, directory, person):
    """That the test before can fail."""
    site.limits(guesses_account=0)
    name = person("locked")
    assert set(site.at_once([(name, f"wrong {i}") for i in range(12)])) == {"not-authorized"}
    assert failures(directory, name) == "locked"


def test_the_owner_logs_in_where_they_are_known_while_others_guess(site, directory, person):
    name, home = person("owner"), stranger()
    session = site.online(name, home)
    assert site.wrong(name, 5) == ["not-authorized"] * 2 + [HELD] * 3
    assert site.auth(name) == HELD, "from elsewhere it is anybody"
    assert site.auth(name, source=home) == "success"
    assert site.wrong(name, 5, source=home) == ["not-authorized"] * 2 + [HELD] * 3
    assert failures(directory, name) != "locked" and failures(directory, name) <= 4
    session.ping()
    assert {r["whose"] for r in site.guesses() if r["what"] == f"{name}@{DOMAIN}"} == {"strangers", "known"}


def test_both_budgets_together_stay_below_the_threshold(site, directory, person):
    name, home = person("sum"), stranger()
    assert site.auth(name, source=home) == "success"
    site.wrong(name, 4)
    site.wrong(name, 4, source=home)
    assert failures(directory, name) == 4, "and slapd locks at 5"


def test_a_name_that_nobody_has_is_answered_the_same_and_nobody_is_asked(site, person, unique):
    name, nobody = person("real"), unique("nobody")
    answers = {n: site.wrong(n, 4) + [site.auth(n)] for n in (name, nobody)}
    assert answers[name] == answers[nobody] == ["not-authorized"] * 2 + [HELD] * 3
    before = site.metric("directory_searches_total"), site.metric("directory_binds_total")
    began = time.monotonic()
    assert site.auth(name) == site.auth(nobody) == HELD
    assert time.monotonic() - began < 5
    assert (site.metric("directory_searches_total"), site.metric("directory_binds_total")) == before


def test_who_hangs_up_before_the_answer_has_guessed_all_the_same(site, directory, person):
    name = person("hasty")
    for i in range(12):
        client = site.client()
        client.direct()
        client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{base64.b64encode(f'{chr(0)}{name}{chr(0)}no {i}'.encode()).decode()}</auth>")
        client.close()
    deadline = time.monotonic() + 20
    while not (row := site.row(f"{name}@{DOMAIN}")) or row["used_up"] != "yes":
        assert time.monotonic() < deadline, site.guesses()
        time.sleep(0.02)
    assert site.auth(name) == HELD
    assert failures(directory, name) == 2


def test_the_names_of_one_person_share_the_budget_of_their_entry(site, directory, person, unique):
    number = unique("n")
    name = person("aliased", more=f"employeeNumber: {number}\n")
    assert site.wrong(name, 2) == ["not-authorized"] * 2
    assert site.wrong(number, 2) == ["not-authorized"] * 2, "as a name that nobody has"
    site.cluster.wait_event("sm-1", "login-refused", claimed=number, detail="too many wrong passwords of this entry")
    assert failures(directory, name) == 2
    assert site.cluster.ctl("sm-1", "guesses", "forgive", f"{name}@{DOMAIN}").returncode == 0
    assert site.wrong(name, 3) == ["not-authorized"] * 2 + [HELD], "the entry's, too"
    assert failures(directory, name) == 4


def test_many_devices_of_one_person_log_in_at_once(site, person):
    """More than the budget: right passwords wait for each other and are not refused."""
    name = person("busy")
    assert site.at_once([(name, "secret")] * 12) == {"success": 12}


def test_accounts_of_the_store_have_budgets_for_plain_and_scram_alike(site, unique):
    name = site.cluster.adduser(unique("inner"))
    assert site.auth(name, "no", domain="localhost", mechanism="SCRAM-SHA-256") == "not-authorized"
    assert site.auth(name, "no", domain="localhost") == "not-authorized"
    for mechanism in ("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-512"):
        assert site.auth(name, domain="localhost", mechanism=mechanism) == HELD
    nobody = unique("nobody")
    assert site.wrong(nobody, 3, domain="localhost", mechanism="SCRAM-SHA-256") == ["not-authorized"] * 2 + [HELD]


def test_one_address_cannot_try_a_password_on_everybody(site, unique):
    site.limits(guesses_address=5)
    bad, good = stranger(), stranger()
    answers = [site.auth(unique("sprayed"), "Summer2026", source=bad) for _ in range(8)]
    assert answers == ["not-authorized"] * 5 + [HELD] * 3
    assert site.auth(unique("sprayed"), "Summer2026", source=good) == "not-authorized"
    row = site.row(bad)
    assert (row["budget"], row["wrong"], row["used_up"], row["c2s"]) == ("address", "5", "yes", "c2s-1.cluster.internal")
    assert 0 < int(row["seconds"]) <= 360, "one comes back in a fifth of the period"
    assert site.cluster.ctl("sm-1", "guesses", "forgive", bad).returncode == 0
    assert site.auth(unique("sprayed"), source=bad) == "not-authorized"


class Hostile:
    """The connection manager c2s-2, taken over."""

    name, sm = "c2s-2.cluster.internal", "sm-1.cluster.internal"

    def __init__(self, cluster):
        secret = (cluster.folder / "secret/c2s-2+router-1").read_text().strip()
        self.wire = Wire(dial_unix(cluster.folder / "s/c2s-2+router-1"))
        self.wire.header(self.name).shake(secret)
        self.wire.until(rb"<handshake/>")
        self.wire.hello(self.name)
        self.wire.heard_hello()
        self.wire.expect("<peers ")
        self.count = 0

    def guess(self, name, password, domain=DOMAIN):
        """As a client at an address that nobody else has."""
        self.count += 1
        conn = f"{self.name}/{self.wire.instance}-{self.count}"
        say = lambda payload: self.wire.write(frame_text(self.sm, conn, payload))
        say(f"<open xmlns='{LINK}' host='{domain}' addr='203.0.{self.count // 200}.{self.count % 200}:99' tls='1.3' cipher='x'/>")
        self.wire.expect(lambda f: f.to == conn and "features" in f.payload)
        text = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        say(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{text}</auth>")
        answer = self.wire.expect(lambda f: f.to == conn)
        say(f"<end xmlns='{LINK}' why='lost'/>")
        return re.search("<(not-authorized|temporary-auth-failure)/>", answer.payload)[1]


@pytest.fixture
def hostile(site):
    made = Hostile(site.cluster)
    yield made
    made.wire.close()


def test_a_c2s_that_was_taken_over_is_stopped_by_account_and_by_its_own_budget(site, hostile, directory, person, unique):
    site.limits(guesses_address=50, guesses_c2s=8)
    name = person("target")
    assert [hostile.guess(name, f"wrong {i}") for i in range(5)] == ["not-authorized"] * 2 + [HELD] * 3
    assert failures(directory, name) == 2
    answers = [hostile.guess(unique("somebody"), "wrong") for _ in range(10)]
    assert answers == ["not-authorized"] * 6 + [HELD] * 4
    assert site.auth(person("elsewhere")) == "success", "through another c2s"
    event = site.cluster.wait_event("sm-1", "guesses-used-up", budget="c2s", what=hostile.name)
    assert event["limit"] == "8" or event["limit"] == 8
    assert site.cluster.ctl("sm-1", "guesses", "forgive", hostile.name).returncode == 0
    assert hostile.guess(unique("somebody"), "wrong") == "not-authorized"


def test_a_c2s_that_claims_the_owners_address_does_not_get_the_owners_budget(site, hostile, directory, person):
    """Known is who logged in through this very c2s; and what it claims is counted as its own."""
    site.limits(guesses_address=3)
    name, home = person("claimed"), "203.0.0.1"
    assert site.auth(name, source=stranger()) == "success"
    assert [hostile.guess(name, f"wrong {i}") for i in range(3)] == ["not-authorized"] * 2 + [HELD]
    assert hostile.count == 3 and site.row(home)["c2s"] == hostile.name
    assert failures(directory, name) == 2


def test_an_administrator_forgives_and_it_is_audited(site, person):
    name = person("forgiven")
    account = f"{name}@{DOMAIN}"
    assert site.wrong(name, 3) == ["not-authorized"] * 2 + [HELD]
    assert site.cluster.ctl("sm-1", "guesses", "forgive", account).returncode == 0
    assert site.auth(name) == "success"
    event = site.cluster.wait_event("sm-1", "guesses-forgiven", what=account)
    assert event["by"] == "administrator"
    assert site.cluster.ctl("sm-1", "guesses", "forgive", account).returncode == 66
    assert site.cluster.ctl("sm-1", "guesses", "pardon", account).returncode == 64


def test_a_reload_changes_the_limits(site, unique):
    nobody = unique("nobody")
    assert site.wrong(nobody, 3)[-1] == HELD
    site.limits(guesses_account=3)
    assert site.wrong(nobody, 2) == ["not-authorized", HELD]
    site.limits(guesses_account=0)
    assert site.wrong(nobody, 3) == ["not-authorized"] * 3


def test_a_budget_is_whole_again_when_its_period_is_over_without_a_guess(site, unique):
    site.limits(guesses_period="2s")
    nobody = unique("nobody")
    assert site.wrong(nobody, 2) == ["not-authorized"] * 2
    deadline = time.monotonic() + 20
    refused = 0
    while site.auth(nobody) == HELD:
        refused += 1
        assert time.monotonic() < deadline
    assert refused > 0, "which those that were refused did not put off"


def test_used_up_is_audited_once_and_counted(site, person):
    name = person("told")
    before = {m: site.metric(m) for m in ("guesses_total", "guesses_refused_total", "guesses_used_up_total")}
    site.wrong(name, 6)
    assert site.metric("guesses_total") == before["guesses_total"] + 2
    assert site.metric("guesses_refused_total") == before["guesses_refused_total"] + 4
    assert site.metric("guesses_used_up_total") == before["guesses_used_up_total"] + 2, "the account's and the entry's"
    assert site.metric("guesses_counted") >= 2
    events = site.cluster.events("sm-1", "guesses-used-up", claimed=f"{name}@{DOMAIN}")
    assert sorted(e["budget"] for e in events) == ["account", "entry"]
    assert all(e["whose"] == "strangers" and e["c2s"] == "c2s-1.cluster.internal" and e["address"].startswith("127.1.") for e in events)


def test_after_a_restart_those_with_a_session_are_still_known(site, directory, person):
    name, home = person("stays"), stranger()
    session = site.online(name, home)
    site.restart()
    session.ping()
    assert site.wrong(name, 3)[-1] == HELD
    assert site.auth(name, source=home) == "success"
    assert failures(directory, name) == 0, "a right password ends the directory's count"
