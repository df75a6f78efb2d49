"""Hosts whose people are in the store and in a directory: auth = {"internal", "ldap"}, in either order. Whose an account is, decides who is asked."""
import pytest

import backends
from backends import DMZ, INSIDE, Site
from cluster import Cluster
from xmpp import error_of

MIXED, DIRECTORY_FIRST, SCRAM_TOO = "mixed.example", "other.example", "both.example"
HOSTS = {
    MIXED: ('    auth = {"internal", "ldap"}', {}),
    DIRECTORY_FIRST: ('    auth = {"ldap", "internal"}', {}),
    SCRAM_TOO: ('    auth = {"internal", "ldap"}\n    mechanisms = {"SCRAM-SHA-256", "PLAIN"}', {"scram": '{"authPassword"}'}),
}


@pytest.fixture(scope="module")
def slapd():
    server = backends.directory()
    yield server
    server.close()


@pytest.fixture(scope="module")
def site(slapd):
    made = []

    def new(*options):
        made.append(Cluster(*options))
        return made[-1]

    yield Site(new, slapd, HOSTS)
    made[0].down()


def test_an_account_of_each_logs_in_on_one_host(site, slapd, unique):
    ours, theirs = unique("ours"), slapd.add_person(unique("theirs"))
    assert site.adduser(MIXED, ours).returncode == 0
    assert site.auth(MIXED, ours, mechanism="PLAIN") == "success"
    assert site.auth(MIXED, theirs, mechanism="PLAIN") == "success"
    site.cluster.wait_event("sm-1", "account-added", account=f"{theirs}@{MIXED}", by="directory")


def test_a_password_of_the_stores_account_never_goes_to_the_directory(site, slapd, unique):
    name = slapd.add_person(unique("both"), "theirs")
    assert site.adduser(MIXED, name, "ours").returncode == 0
    assert site.asked(lambda: site.auth(MIXED, name, "theirs", "PLAIN")) == (0, 0)
    assert site.auth(MIXED, name, "theirs", "PLAIN") == "not-authorized"
    assert site.auth(MIXED, name, "ours", "PLAIN") == "success"


def test_a_wrong_password_at_the_directory_is_not_tried_at_the_store(site, slapd, unique):
    name = slapd.add_person(unique("theirs"))
    assert site.auth(MIXED, name, mechanism="PLAIN") == "success"
    assert site.asked(lambda: site.auth(MIXED, name, "wrong", "PLAIN")) == (1, 1)
    done = site.adduser(MIXED, name, "mine")
    assert done.returncode != 0 and "exists" in done.stdout + done.stderr
    assert site.auth(MIXED, name, "mine", "PLAIN") == "not-authorized"


def test_with_the_directory_first_its_names_are_not_given_away(site, slapd, unique):
    name = slapd.add_person(unique("taken"))
    done = site.adduser(DIRECTORY_FIRST, name)
    assert done.returncode != 0 and "the directory is first" in done.stdout + done.stderr
    free = unique("free")
    assert site.adduser(DIRECTORY_FIRST, free).returncode == 0
    assert site.auth(DIRECTORY_FIRST, free, mechanism="PLAIN") == "success"
    assert site.auth(DIRECTORY_FIRST, name, mechanism="PLAIN") == "success"


def test_an_entry_that_appears_later_does_not_take_an_account_of_the_store(site, slapd, unique):
    for domain in (MIXED, DIRECTORY_FIRST):
        name = unique("early")
        assert site.adduser(domain, name, "ours").returncode == 0
        slapd.add_person(name, "theirs")
        assert site.auth(domain, name, "theirs", "PLAIN") == "not-authorized"
        assert site.auth(domain, name, "ours", "PLAIN") == "success"


def test_an_administrator_hands_an_account_over(site, slapd, unique):
    name = unique("moving")
    assert site.adduser(MIXED, name, "ours").returncode == 0
    slapd.add_person(name, "theirs")
    assert site.cluster.ctl("sm-1", "ldap", "accept", f"{name}@{MIXED}").returncode == 0
    assert site.auth(MIXED, name, "ours", "PLAIN") == "not-authorized"
    assert site.auth(MIXED, name, "theirs", "PLAIN") == "success"
    assert site.secrets(f"{name}@{MIXED}") == {}


def test_passwords_are_set_where_they_are(site, slapd, unique):
    ours, theirs = unique("ours"), slapd.add_person(unique("theirs"))
    assert site.adduser(MIXED, ours).returncode == 0
    assert site.auth(MIXED, theirs, mechanism="PLAIN") == "success"
    assert site.cluster.ctl("sm-1", "passwd", f"{ours}@{MIXED}", input="newer\n").returncode == 0
    assert site.auth(MIXED, ours, "newer", "PLAIN") == "success"
    done = site.cluster.ctl("sm-1", "passwd", f"{theirs}@{MIXED}", input="newer\n")
    assert done.returncode != 0 and "directory" in done.stdout + done.stderr
    assert site.cluster.ctl("sm-1", "passwd", f"{unique('nobody')}@{MIXED}", input="x\n").returncode == 66


def test_users_change_their_password_where_it_is(site, slapd, unique):
    ours, theirs = unique("ours"), slapd.add_person(unique("theirs"))
    assert site.adduser(MIXED, ours).returncode == 0

    def change(name):
        c = site.client(MIXED, name).login()
        return c.iq("set", f"<query xmlns='jabber:iq:register'><username>{name}</username><password>newer</password></query>", to=MIXED)

    assert change(ours).get("type") == "result"
    assert site.auth(MIXED, ours, "newer", "PLAIN") == "success"
    assert error_of(change(theirs))[1] == "not-allowed"
    assert site.auth(MIXED, theirs, "newer", "PLAIN") == "not-authorized"
    assert site.auth(MIXED, theirs, mechanism="PLAIN") == "success"


def test_who_knows_a_name_is_not_told_by_who_is_asked(site, slapd, unique):
    """One search for SCRAM, whoever has the name, and none has it in vain."""
    ours, theirs = unique("ours"), unique("theirs")
    slapd.add_person(theirs, more=f"objectClass: authPasswordObject\nauthPassword: {backends.rfc5803('SCRAM-SHA-256', 'secret')}\n")
    assert site.adduser(SCRAM_TOO, ours).returncode == 0
    for name in (ours, theirs, unique("nobody")):
        assert site.asked(lambda: site.auth(SCRAM_TOO, name, "wrong")) == (1, 0), name
    assert site.auth(SCRAM_TOO, ours) == "success"
    assert site.auth(SCRAM_TOO, theirs) == "success"


def test_a_wrong_password_is_refused_no_sooner_than_the_directory_would(site, slapd, unique):
    import time
    ours = unique("ours")
    assert site.adduser(MIXED, ours).returncode == 0
    for name in (ours, unique("nobody")):
        c = site.client(MIXED, name)
        c.direct()
        began = time.monotonic()
        c.auth_plain(password="wrong")
        assert time.monotonic() - began >= 0.1, "refuse_after"


def test_what_is_offered_by_zone(site):
    scram = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"]
    assert site.offered(MIXED, INSIDE) == ["PLAIN"]
    assert site.offered(MIXED, DMZ) == scram, "for accounts of the store"
    assert site.offered(SCRAM_TOO, INSIDE) == ["SCRAM-SHA-256", "PLAIN"]
    assert site.offered(SCRAM_TOO, DMZ) == ["SCRAM-SHA-256"]


def test_the_store_logs_in_while_the_directory_is_away(site, slapd, unique):
    ours, theirs = unique("ours"), slapd.add_person(unique("theirs"))
    for domain in (MIXED, SCRAM_TOO):
        assert site.adduser(domain, ours).returncode == 0
    slapd.kill()
    try:
        assert site.auth(MIXED, ours, mechanism="PLAIN") == "success"
        assert site.auth(SCRAM_TOO, ours) == "success"
        assert site.auth(MIXED, theirs, mechanism="PLAIN") == "temporary-auth-failure"
        assert site.auth(SCRAM_TOO, theirs) == "temporary-auth-failure"
    finally:
        slapd.start()
    site.until(lambda: site.auth(MIXED, theirs, mechanism="PLAIN") == "success", 40)


def test_the_directory_verb_says_whose_an_account_is(site, slapd, unique):
    ours, theirs = unique("ours"), slapd.add_person(unique("theirs"))
    assert site.adduser(MIXED, ours).returncode == 0
    assert site.auth(MIXED, theirs, mechanism="PLAIN") == "success"
    test = lambda name: site.cluster.ctl("sm-1", "ldap", "test", "mixed", f"{name}@{MIXED}")
    assert "account: of the store" in test(ours).stdout + test(ours).stderr
    assert "account: of the directory" in test(theirs).stdout and "derived_keys: no" in test(theirs).stdout


@pytest.mark.parametrize("lines,word", [
    ('auth = {"internal", "internal"}', "each once"),
    ('auth = {"ldap", "gssapi"}', "each once"),
    ('auth = {"internal", "ldap"}', "needs one"),
])
def test_chains_that_are_refused(site, lines, word):
    good = site.conf.read_text()
    site.conf.write_text(good.replace('host "mixed.example" {', 'host "new.example" {\n    ' + lines + '\n}\nhost "mixed.example" {'))
    try:
        done = site.cluster.ctl("sm-1", "reload")
        assert done.returncode != 0 and word in done.stdout + done.stderr
    finally:
        site.conf.write_text(good)
