"""People who are renamed in the directory, `sallyportctl ldap rename`, and accounts that follow them by themselves: real slapd."""
import base64
import pathlib
import random
import re
import sqlite3
import threading
import time

import pytest

import backends
from archives import Page
from backends import DMZ
from cluster import Cluster
from slapd import SUFFIX, Slapd
from steps import befriend, items, push
from test_directory import DOMAIN
from test_vcard_directory import ask, at, error, make_site, save
from xmpp import SASL, q


@pytest.fixture(scope="module")
def one():
    server = Slapd()
    yield server
    server.close()


@pytest.fixture(scope="module")
def shared(one):
    made = []

    def new(*options):
        made.append(Cluster(*options))
        return made[-1]

    yield make_site(new, one, vcard=None)
    made[0].down()


def jid(name):
    return f"{name}@{DOMAIN}"


def login(site, name):
    c = site.login(name)
    c.roster()
    return c.online()


def in_directory(server, old, new):
    server.modify(f"dn: uid={old},ou=people,{SUFFIX}\nchangetype: modrdn\nnewrdn: uid={new}\ndeleteoldrdn: 1\n")


def rename(site, old, new):
    return site.cluster.ctl("sm-1", "ldap", "rename", old, new)


def pair(site, server, unique):
    """anna, who will be renamed, her new name, and bert, her contact."""
    anna, bert = server.add_person(unique("anna")), server.add_person(unique("bert"))
    a, b = login(site, anna), login(site, bert)
    befriend(a, b)
    return anna, unique("amelie"), bert, a, b


def test_a_renamed_person_keeps_everything_and_contacts_see_the_new_name(shared, one, unique):
    anna, amelie, bert, a, b = pair(shared, one, unique)
    assert save(a, "<NICKNAME>Ännchen</NICKNAME>").get("type") == "result"
    a.iq("set", f"<block xmlns='urn:xmpp:blocking'><item jid='troll@{DOMAIN}'/></block>")
    a.close()
    b.expect(q("jabber:client", "presence"), type="unavailable")
    b.message(jid(anna), "while you were away", id="away")
    b.ping()
    in_directory(one, anna, amelie)
    done = rename(shared, jid(anna), jid(amelie))
    assert done.returncode == 0, done.stdout
    assert shared.cluster.wait_event("sm-1", "account-renamed", account=jid(anna), to=jid(amelie))
    assert push(b, jid(anna)).get("subscription") == "remove"
    assert push(b, jid(amelie)).get("subscription") == "both"
    assert items(b).keys() == {jid(amelie)}
    c = shared.login(amelie)
    assert items(c)[jid(bert)][0] == "both"
    c.presence()
    assert c.expect(q("jabber:client", "message"), id="away").findtext("{jabber:client}body") == "while you were away"
    assert b.expect(q("jabber:client", "presence"), from_=c.jid, type=None) is not None
    assert at(ask(c)[1], "NICKNAME") == "Ännchen"
    assert f"troll@{DOMAIN}" in str([i.get("jid") for i in c.iq("get", "<blocklist xmlns='urn:xmpp:blocking'/>").iter(q("urn:xmpp:blocking", "item"))])
    assert jid(anna) not in shared.cluster.ctl("sm-1", "users", DOMAIN).stdout
    b.message(jid(amelie), "hello", id="new")
    assert c.expect(q("jabber:client", "message"), id="new")
    assert error(ask(b, jid(anna))[0]) == "service-unavailable"


def test_open_sessions_end_and_nothing_is_lost_in_between(shared, one, unique):
    anna, amelie, bert, a, b = pair(shared, one, unique)
    in_directory(one, anna, amelie)
    assert rename(shared, jid(anna), jid(amelie)).returncode == 0
    assert a.expect("{http://etherx.jabber.org/streams}error") is not None
    c = shared.login(amelie)
    assert items(c).keys() == {jid(bert)}
    assert shared.auth(anna) == "not-authorized"


def test_who_gets_the_old_name_later_begins_with_nothing(shared, one, unique):
    anna, amelie, bert, a, b = pair(shared, one, unique)
    in_directory(one, anna, amelie)
    assert rename(shared, jid(anna), jid(amelie)).returncode == 0
    one.add_person(anna)
    c = login(shared, anna)
    assert items(c) == {} and items(b).keys() == {jid(amelie)}


def test_what_cannot_be_renamed_stays(shared, one, unique):
    anna, bert = one.add_person(unique("anna")), one.add_person(unique("bert"))
    for name in (anna, bert):
        shared.login(name)
    assert rename(shared, jid(anna), jid(bert)).returncode == 70  # there is one
    assert rename(shared, jid(unique("nobody")), jid(unique("new"))).returncode not in (0, 70)
    for old, new in ((jid(anna), jid(anna)), (jid(anna), "x@localhost"), (jid(anna), "x"), (jid(anna), jid("x") + "/r"), ("", jid("x"))):
        assert rename(shared, old, new).returncode not in (0, 70), (old, new)
    assert shared.auth(anna) == "success" and shared.auth(bert) == "success"


def test_a_crash_leaves_the_old_or_the_new_and_never_half(new_cluster, one, unique):
    site = make_site(new_cluster, one, vcard=None)
    anna, _, bert, a, b = pair(site, one, unique)
    for _ in range(150):
        b.message(jid(anna), "x" * 500)
    b.ping()
    save(a, "<NICKNAME>n</NICKNAME>")
    a.close()
    b.close()
    name = anna
    outcomes = set()
    for i in range(5):
        new = unique("anna")
        in_directory(one, name, new)
        ctl = threading.Thread(target=rename, args=(site, jid(name), jid(new)))
        ctl.start()
        time.sleep(random.uniform(0, 0.15))  # anywhere: that is the point
        site.cluster.kill("sm-1")
        ctl.join()
        site.cluster.start("sm-1")
        site.wait_state(one.ldaps, "up")
        users = site.cluster.ctl("sm-1", "users", DOMAIN).stdout
        there = [n for n in (name, new) if jid(n) in users]
        assert len(there) == 1, users
        outcomes.add(there[0] == new)
        if there[0] == name:
            in_directory(one, new, name)
        name = there[0]
        c = site.login(name)
        assert items(c).keys() == {jid(bert)} and at(ask(c)[1], "NICKNAME") == "n"
        c.close()
        d = site.login(bert)
        assert items(d).keys() == {jid(name)}
        d.close()


# --- renamed = "move": the account follows its entry ---------------------------------------------------------------------------------------

MOVE, KEYS, CHAIN = "move.example", "keys.example", "chain.example"
FOLLOW = '    auth = {"ldap"}\n    renamed = "move"\n    mechanisms = {"SCRAM-SHA-256", "PLAIN"}'
HOSTS = {
    MOVE: (f'{FOLLOW}\n    mechanisms_dmz = {{"SCRAM-SHA-256"}}',
           {"scram": '{"derived"}', "filter": '"(&(objectClass=inetOrgPerson)(|(uid=%u)(mail=%a)))"'}),
    KEYS: (FOLLOW, {"scram": '{"authPassword"}'}),
    CHAIN: ('    auth = {"internal", "ldap"}\n    renamed = "move"', {}),
}
LONG_AGO = "20260101000000Z"


@pytest.fixture(scope="module")
def slapd():
    server = backends.directory()
    server.modify(f"dn: cn=default,{SUFFIX}\nchangetype: modify\nreplace: pwdMaxAge\npwdMaxAge: 999999999\n-\nreplace: pwdMustChange\npwdMustChange: FALSE\n")
    yield server
    server.close()


@pytest.fixture(scope="module")
def moving(slapd):
    made = []

    def new(*options):
        made.append(Cluster(*options))
        return made[-1]

    yield backends.Site(new, slapd, HOSTS)
    made[0].down()


def there(name, domain=MOVE):
    return f"{name}@{domain}"


def session(site, name, domain=MOVE, **options):
    c = site.client(domain, name).login(**options)
    c.roster()
    return c.online()


def accounts(site, *names, domain=MOVE):
    """Those of the names that have one."""
    users = site.cluster.ctl("sm-1", "users", domain).stdout.split()
    return [n for n in names if there(n, domain) in users]


def friends(site, server, unique):
    anna, bert = server.add_person(unique("anna")), server.add_person(unique("bert"))
    a, b = session(site, anna), session(site, bert)
    befriend(a, b)
    return anna, unique("amelie"), bert, a, b


def test_the_account_follows_at_the_login_by_the_new_name(moving, slapd, unique):
    anna, amelie, bert, a, b = friends(moving, slapd, unique)
    assert save(a, "<NICKNAME>Ännchen</NICKNAME>").get("type") == "result"
    a.message(there(bert), "written as anna", id="first")
    assert b.expect(q("jabber:client", "message"), id="first") is not None
    a.close()
    b.expect(q("jabber:client", "presence"), type="unavailable")
    b.message(there(anna), "while you were away", id="away")
    b.ping()
    in_directory(slapd, anna, amelie)
    c = moving.client(MOVE, amelie).login()
    moved = moving.cluster.wait_event("sm-1", "account-renamed", account=there(anna), to=there(amelie))
    assert moved["by"] == "directory"
    assert not moving.cluster.events("sm-1", "account-added", account=there(amelie))
    assert push(b, there(anna)).get("subscription") == "remove"
    assert push(b, there(amelie)).get("subscription") == "both"
    assert items(b).keys() == {there(amelie)}
    assert items(c)[there(bert)][0] == "both"
    c.presence()
    assert c.expect(q("jabber:client", "message"), id="away").findtext("{jabber:client}body") == "while you were away"
    assert b.expect(q("jabber:client", "presence"), from_=c.jid, type=None) is not None
    assert at(ask(c)[1], "NICKNAME") == "Ännchen"
    assert Page(c).bodies == ["written as anna", "while you were away"]
    assert accounts(moving, anna, amelie) == [amelie]
    assert moving.auth(MOVE, anna, mechanism="PLAIN") == "not-authorized"


def test_the_policy_new_moves_nothing(shared, one, unique):
    anna, amelie, bert, a, b = pair(shared, one, unique)
    in_directory(one, anna, amelie)
    c = login(shared, amelie)
    assert items(c) == {} and items(b).keys() == {jid(anna)}
    assert not shared.cluster.events("sm-1", "account-renamed", account=jid(anna))


def test_sessions_by_the_old_name_end_first(moving, slapd, unique):
    anna, amelie, bert, a, b = friends(moving, slapd, unique)
    in_directory(slapd, anna, amelie)
    c = session(moving, amelie)
    assert a.expect("{http://etherx.jabber.org/streams}error") is not None
    assert items(c).keys() == {there(bert)}


def test_several_logins_at_once_move_once(moving, slapd, unique):
    anna, amelie, bert, a, b = friends(moving, slapd, unique)
    in_directory(slapd, anna, amelie)
    answers = []
    logins = [threading.Thread(target=lambda: answers.append(moving.auth(MOVE, amelie, mechanism="PLAIN"))) for _ in range(6)]
    for t in logins:
        t.start()
    for t in logins:
        t.join()
    assert answers == ["success"] * 6
    assert items(session(moving, amelie)).keys() == {there(bert)}
    assert len(moving.cluster.events("sm-1", "account-renamed", account=there(anna))) == 1


def test_an_alias_moves_nothing_back_or_forth(moving, slapd, unique):
    anna, alias = unique("anna"), unique("alias")
    slapd.add_person(anna, more=f"mail: {there(alias)}\n")
    for _ in range(2):
        for name in (anna, alias):
            assert moving.auth(MOVE, name, mechanism="PLAIN") == "success"
    assert accounts(moving, anna, alias) == [anna, alias]
    assert not [e for name in (anna, alias) for e in moving.cluster.events("sm-1", "account-renamed", account=there(name))]


def test_of_several_accounts_none_moves_and_the_log_says_so_once(moving, slapd, unique):
    anna, alias, amelie = unique("anna"), unique("alias"), unique("amelie")
    slapd.add_person(anna, more=f"mail: {there(alias)}\n")
    for name in (anna, alias):
        assert moving.auth(MOVE, name, mechanism="PLAIN") == "success"
    in_directory(slapd, anna, amelie)
    slapd.change(amelie, "mail", "elsewhere@example.org")
    for _ in range(2):
        assert moving.auth(MOVE, amelie, mechanism="PLAIN") == "success"
    assert accounts(moving, anna, alias, amelie) == [anna, alias, amelie]
    said = [line for line in moving.cluster.log("sm-1").splitlines() if "several accounts belong" in line and there(amelie) in line]
    assert len(said) == 1, said


def test_who_gets_the_old_name_after_the_move_begins_with_nothing(moving, slapd, unique):
    anna, amelie, bert, a, b = friends(moving, slapd, unique)
    in_directory(slapd, anna, amelie)
    assert moving.auth(MOVE, amelie, mechanism="PLAIN") == "success"
    slapd.add_person(anna, "another")
    c = moving.client(MOVE, anna, "another").login()
    assert items(c) == {} and items(b).keys() == {there(amelie)}
    assert moving.auth(MOVE, amelie, mechanism="PLAIN") == "success"


def test_who_gets_the_old_name_before_the_move_waits_for_it(moving, slapd, unique):
    anna, amelie, bert, a, b = friends(moving, slapd, unique)
    in_directory(slapd, anna, amelie)
    slapd.add_person(anna, "another")
    assert moving.auth(MOVE, anna, "another", "PLAIN") == "not-authorized", "the account is not theirs"
    assert items(session(moving, amelie)).keys() == {there(bert)}
    assert items(moving.client(MOVE, anna, "another").login()) == {}


def test_a_leavers_account_is_nobodys(moving, slapd, unique):
    anna, amelie, bert, a, b = friends(moving, slapd, unique)
    a.close()
    slapd.delete(anna)
    slapd.add_person(amelie)
    assert items(session(moving, amelie)) == {}
    assert accounts(moving, anna, amelie) == [anna, amelie]


def test_derived_keys_go_along(moving, slapd, unique):
    anna, amelie = slapd.add_person(unique("anna")), unique("amelie")
    slapd.change(anna, "pwdChangedTime", LONG_AGO)
    assert moving.auth(MOVE, anna, mechanism="PLAIN") == "success"
    moving.cluster.wait_event("sm-1", "derived-keys-kept", account=there(anna))
    assert moving.auth(MOVE, anna, c2s=DMZ) == "success"
    in_directory(slapd, anna, amelie)
    assert moving.auth(MOVE, amelie, c2s=DMZ) == "not-authorized", "keys are found by the account's name"
    assert moving.auth(MOVE, amelie, mechanism="PLAIN") == "success"
    assert moving.auth(MOVE, amelie, c2s=DMZ) == "success"
    assert moving.secrets(there(amelie)) and not moving.secrets(there(anna))


def test_scram_with_the_directorys_keys_moves_it_too(moving, slapd, unique):
    anna, amelie = unique("anna"), unique("amelie")
    slapd.add_person(anna, "for a bind", more=f"objectClass: authPasswordObject\nauthPassword: {backends.rfc5803('SCRAM-SHA-256', 'secret')}\n")
    assert save(moving.client(KEYS, anna).login(mechanism="SCRAM-SHA-256"), "<NICKNAME>n</NICKNAME>").get("type") == "result"
    in_directory(slapd, anna, amelie)
    assert moving.auth(KEYS, amelie, "wrong") == "not-authorized"
    assert accounts(moving, anna, amelie, domain=KEYS) == [anna], "not before the proof"
    assert at(ask(moving.client(KEYS, amelie).login(mechanism="SCRAM-SHA-256"))[1], "NICKNAME") == "n"
    assert accounts(moving, anna, amelie, domain=KEYS) == [amelie]


def database(site):
    return sqlite3.connect(re.search(r'(?m)^store_path = "(.*)"', site.conf.read_text())[1])


def test_an_account_of_the_store_never_moves(moving, slapd, unique):
    """Whatever stands in its row: it was a directory's before its host had both."""
    anna, amelie, ours = slapd.add_person(unique("anna")), unique("amelie"), unique("ours")
    assert moving.adduser(CHAIN, ours, "mine").returncode == 0
    assert moving.auth(CHAIN, anna, mechanism="PLAIN") == "success"
    moving.cluster.kill("sm-1")
    db = database(moving)
    with db:
        key, = db.execute("SELECT directory_key FROM account WHERE jid = ?", (there(anna, CHAIN),)).fetchone()
        db.execute("DELETE FROM account WHERE jid = ?", (there(anna, CHAIN),))
        assert db.execute("UPDATE account SET directory_key = ? WHERE jid = ?", (key, there(ours, CHAIN))).rowcount == 1
    db.close()
    moving.cluster.start("sm-1")
    moving.until(lambda: " new " not in moving.cluster.ctl("sm-1", "ldap", "status").stdout)
    in_directory(slapd, anna, amelie)
    assert moving.auth(CHAIN, amelie, mechanism="PLAIN") == "success"
    assert accounts(moving, ours, amelie, domain=CHAIN) == [ours, amelie]
    assert moving.auth(CHAIN, ours, "mine", "PLAIN") == "success"


def test_the_question_whose_account_it_is_goes_by_an_index(moving):
    header = (pathlib.Path(__file__).parents[2] / "sm/store/statements.h").read_text()
    text = re.search(r'X\(ACCOUNT_OF_KEY, "(.*)"\)', header)[1]
    path = moving.copy()
    db = sqlite3.connect(path)
    plan = [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + text, ("k", MOVE))]
    db.close()
    path.unlink()
    assert any("account USING" in p and "account_key" in p for p in plan), plan


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_killed_while_it_moves_it_is_the_old_or_the_new_and_never_half(new_cluster, slapd, unique, store):
    site = backends.Site(lambda *options: new_cluster(*options, "--store", store), slapd, {MOVE: HOSTS[MOVE]})
    name, _, bert, a, b = friends(site, slapd, unique)
    for _ in range(150):
        b.message(there(name), "x" * 500)
    b.ping()
    save(a, "<NICKNAME>n</NICKNAME>")
    a.close()
    b.close()
    for _ in range(3):
        new = unique("anna")
        in_directory(slapd, name, new)
        c = site.client(MOVE, new)
        c.direct()
        c.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{base64.b64encode(f'{chr(0)}{new}{chr(0)}secret'.encode()).decode()}</auth>")
        time.sleep(random.uniform(0, 0.15))  # anywhere: that is the point
        site.cluster.kill("sm-1")
        c.close()
        site.cluster.start("sm-1")
        site.until(lambda: " up " in site.cluster.ctl("sm-1", "ldap", "status").stdout)
        assert len(accounts(site, name, new)) == 1
        c = site.client(MOVE, new).login()
        assert items(c).keys() == {there(bert)} and at(ask(c)[1], "NICKNAME") == "n"
        c.close()
        d = site.client(MOVE, bert).login()
        assert items(d).keys() == {there(new)}
        d.close()
        assert accounts(site, name, new) == [new]
        name = new
