"""People who are renamed in the directory, and `sallyportctl ldap rename`: real slapd."""
import random
import threading
import time

import pytest

from cluster import Cluster
from slapd import SUFFIX, Slapd
from steps import befriend, items, push
from test_directory import DOMAIN
from test_vcard_directory import ask, at, error, make_site, save
from xmpp import q


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
