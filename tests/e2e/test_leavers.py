"""People who leave the directory lose their sessions; nobody else does. Against real slapd."""
import time

import pytest

from slapd import SUFFIX, Slapd
from test_access import GROUPS, PEOPLE, Place, group, person
from test_directory import DOMAIN
from xmpp import local, q


@pytest.fixture(scope="module")
def server():
    s = Slapd()
    s.modify(f"dn: {GROUPS}\nchangetype: add\nobjectClass: organizationalUnit\nou: groups\n")
    for uid in ("anna", "bert", "carl", "dora", "emil", "fritz", "greta", *(f"p{n}" for n in range(12))):
        s.add_person(uid)
    s.modify(group("chat", *(person(n) for n in ("anna", "bert"))))
    s.modify(group("travellers", *(person(n) for n in ("anna", "bert"))))
    yield s
    s.close()


@pytest.fixture
def place(new_cluster, server):
    def make(rules="", inside=True, **keys):
        keys = {"group_base": f'"{GROUPS}"', "leavers_interval": '"300ms"', **keys}
        made = Place(new_cluster, server.section(**keys), rules, inside)
        made.wait_state(server.ldaps, "up")
        return made
    return make


def left(p, name, reason, sessions=1):
    event = p.cluster.wait_event("sm-1", "account-left", account=f"{name}@{DOMAIN}")
    assert event["reason"] == reason and int(event["sessions"]) == sessions and event["directory"] == "corp"


def is_there(c):
    c.send("<iq type='get' id='alive'><ping xmlns='urn:xmpp:ping'/></iq>")
    return c.expect("iq", id="alive").get("type") == "result"


def test_somebody_who_is_removed_loses_all_sessions(place, server):
    p = place()
    server.add_person("leaver")
    one, two, other = p.login("leaver"), p.login("leaver"), p.login("anna")
    server.delete("leaver")
    one.expect_stream_error("not-authorized")
    two.expect_stream_error("not-authorized")
    left(p, "leaver", "no entry of this name and key", 2)
    assert is_there(other)
    other.close()


def test_somebody_who_is_disabled_or_locked_loses_them(place, server):
    p = place()
    for name, attribute, value, reason in (("carl", "pwdEndTime", "20200101000000Z", "account disabled or expired"),
                                           ("dora", "pwdAccountLockedTime", "000001010000Z", "account disabled or expired")):
        c = p.login(name)
        server.change(name, attribute, value)
        c.expect_stream_error("not-authorized")
        left(p, name, reason)


def test_somebody_whose_password_expires_keeps_them(place, server):
    p = place()
    c, leaver = p.login("emil"), p.login("greta")
    server.change("emil", "pwdReset", "TRUE")
    server.change("greta", "pwdEndTime", "20200101000000Z")
    leaver.expect_stream_error("not-authorized")  # a round has passed behind both changes
    assert is_there(c)
    c.close()


def test_a_name_that_is_given_to_somebody_else_ends_the_sessions_of_the_first(place, server):
    p = place()
    server.add_person("reused")
    c = p.login("reused")
    server.delete("reused")
    server.add_person("reused")
    c.expect_stream_error("not-authorized")
    left(p, "reused", "no entry of this name and key")


def test_somebody_who_is_taken_out_of_the_group_loses_them(place, server):
    p = place('allow_groups = {"chat"}')
    anna, bert = p.login("anna"), p.login("bert")
    server.modify(f"dn: cn=chat,{GROUPS}\nchangetype: modify\ndelete: member\nmember: {person('bert')}\n")
    try:
        bert.expect_stream_error("not-authorized")
        left(p, "bert", "not in a group that may log in")
        assert is_there(anna) and p.auth("bert") == "not-authorized"
    finally:
        server.modify(f"dn: cn=chat,{GROUPS}\nchangetype: modify\nadd: member\nmember: {person('bert')}\n")
    anna.close()


def test_what_an_account_may_reach_follows_its_groups(place, server):
    p = place('outside_groups = {"travellers"}')
    c = p.login("bert")
    server.modify(f"dn: cn=travellers,{GROUPS}\nchangetype: modify\ndelete: member\nmember: {person('bert')}\n")
    try:
        for n in range(1000):
            c.send(f"<message to='x@elsewhere.example' id='m{n}' type='chat'><body>x</body></message>")
            condition = local(c.expect("message", id=f"m{n}").find(q("jabber:client", "error"))[0])
            if condition == "forbidden":
                break
            assert condition == "remote-server-not-found"
            p.cluster.ctl("sm-1", "status")
        assert condition == "forbidden"
    finally:
        server.modify(f"dn: cn=travellers,{GROUPS}\nchangetype: modify\nadd: member\nmember: {person('bert')}\n")
    c.close()


def test_while_the_directory_is_away_nobody_loses_anything(place, server):
    p = place()
    c = p.login("anna")
    server.kill()
    try:
        p.cluster.wait_log("sm-1", "cannot be looked for in the directory")
        assert is_there(c)
    finally:
        server.start()
    p.cluster.wait_log("sm-1", "are looked for in the directory again")
    assert p.cluster.log("sm-1").count("cannot be looked for in the directory") == 1
    assert is_there(c) and not p.cluster.events("sm-1", "account-left")
    c.close()


def test_a_directory_that_lost_most_of_its_people_is_not_believed(place, server):
    p = place(filter='"(&(objectClass=inetOrgPerson)(uid=%u)(!(title=gone)))"')
    people = [p.login(f"p{n}") for n in range(12)]
    server.modify("\n".join(f"dn: {person(f'p{n}')}\nchangetype: modify\nadd: title\ntitle: gone\n" for n in range(1)))
    people[0].expect_stream_error("not-authorized")  # one who leaves is believed
    server.modify(f"dn: ou=people,{SUFFIX}\nchangetype: modrdn\nnewrdn: ou=elsewhere\ndeleteoldrdn: 1\n")
    try:
        p.cluster.wait_log("sm-1", "taken for its fault, nobody is ended")
        assert all(is_there(c) for c in people[1:])
    finally:
        server.modify(f"dn: ou=elsewhere,{SUFFIX}\nchangetype: modrdn\nnewrdn: ou=people\ndeleteoldrdn: 1\n")
    for c in people[1:]:
        c.close()


def test_an_account_that_was_accepted_anew_keeps_its_session(place, server):
    p = place()
    server.add_person("anew")
    assert p.auth("anew") == "success"
    server.delete("anew")
    server.add_person("anew")
    assert p.cluster.ctl("sm-1", "ldap", "accept", f"anew@{DOMAIN}").returncode == 0
    c, leaver = p.login("anew"), p.login("fritz")
    server.delete("fritz")
    leaver.expect_stream_error("not-authorized")
    assert is_there(c)
    server.delete("anew")
    c.expect_stream_error("not-authorized")


def test_keys_derived_from_the_password_go_with_the_sessions(place, server):
    p = place(scram='{"derived"}')
    server.add_person("keyed")
    deadline = time.monotonic() + 20
    while not p.cluster.events("sm-1", "derived-keys-kept"):  # not in the second in which the password was set
        assert p.auth("keyed") == "success" and time.monotonic() < deadline
    c = p.login("keyed")
    server.change("keyed", "pwdEndTime", "20200101000000Z")
    c.expect_stream_error("not-authorized")
    p.cluster.wait_event("sm-1", "derived-keys-dropped", account=f"keyed@{DOMAIN}")
