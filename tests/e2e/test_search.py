"""Search for people of the directory (XEP-0055): real slapd, real clients."""
import asyncio
import time

import pytest

from cluster import Cluster
from slapd import SUFFIX, Slapd
from test_access import GROUPS, group, person
from test_directory import DOMAIN
from test_vcard_directory import error, make_site
from xmpp import q, show

SEARCH, FORM, INFO, ITEMS = "jabber:iq:search", "jabber:x:data", "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items"
WHERE = f"search.{DOMAIN}"
KEYS = {"search": '{"first=givenName", "last=sn", "email=mail", "city=l"}', "search_rate": "6000"}


def add(server, uid, first, last, more=""):
    server.modify(f"dn: {person(uid)}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {first} {last}\ngivenName: {first}\nsn: {last}\n"
                  f"mail: {uid}@corp.example\nuserPassword: secret\n{more}")


@pytest.fixture(scope="module")
def one():
    server = Slapd()
    server.modify(f"dn: {GROUPS}\nchangetype: add\nobjectClass: organizationalUnit\nou: groups\n")
    add(server, "juliet", "Juliet", "Capulet", "l: Verona\ntelephoneNumber: 4711\n")
    add(server, "tybalt", "Tybalt", "Capulet", "l: Mantua\n")
    add(server, "romeo", "Romeo", "Montague", "l: Verona\ndisplayName: Romeo <3\n")
    add(server, "li", "Li", "Wu")
    add(server, "star", "Star", "***x")
    add(server, "gone", "Gone", "Capulet", "pwdAccountLockedTime: 000001010000Z\n")
    server.modify(group("finders", person("juliet")))
    for i in range(60):
        add(server, f"many{i:02}", "Many", f"Multitude{i:02}")
    yield server
    server.close()


@pytest.fixture(scope="module")
def shared(one):
    made = []

    def new(*options):
        made.append(Cluster(*options))
        return made[-1]

    yield make_site(new, one, vcard=None, **KEYS)
    made[0].down()


@pytest.fixture(scope="module")
def juliet(shared):
    return shared.login("juliet")


def legacy(client, to=WHERE, **fields):
    return client.iq("set", f"<query xmlns='{SEARCH}'>" + "".join(f"<{k}>{v}</{k}>" for k, v in fields.items()) + "</query>", to=to)


def by_form(client, to=WHERE, **fields):
    return client.iq("set", f"<query xmlns='{SEARCH}'><x xmlns='{FORM}' type='submit'><field var='FORM_TYPE'><value>{SEARCH}</value></field>" +
                     "".join(f"<field var='{k}'><value>{v}</value></field>" for k, v in fields.items()) + "</x></query>", to=to)


def found(answer):
    assert answer.get("type") == "result", show(answer)
    return sorted(i.get("jid").split("@")[0] for i in answer.iter(q(SEARCH, "item")))


def rows(answer):
    assert answer.get("type") == "result", show(answer)
    return [{f.get("var"): f.findtext(q(FORM, "value")) for f in item} for item in answer.iter(q(FORM, "item"))]


def test_clients_find_the_search_among_the_servers_items(juliet):
    items = juliet.iq("get", f"<query xmlns='{ITEMS}'/>", to=DOMAIN)
    assert WHERE in [i.get("jid") for i in items.iter(q(ITEMS, "item"))]
    info = juliet.iq("get", f"<query xmlns='{INFO}'/>", to=WHERE)
    assert info.get("from") == WHERE
    assert [(i.get("category"), i.get("type")) for i in info.iter(q(INFO, "identity"))] == [("directory", "user")]
    assert SEARCH in [f.get("var") for f in info.iter(q(INFO, "feature"))]


def test_the_fields_are_those_that_are_mapped(juliet):
    query = juliet.iq("get", f"<query xmlns='{SEARCH}'/>", to=WHERE).find(q(SEARCH, "query"))
    assert [c.tag for c in query if c.tag.startswith("{" + SEARCH)] == [q(SEARCH, n) for n in ("instructions", "first", "last", "email")]
    assert [f.get("var") for f in query.iter(q(FORM, "field"))] == ["FORM_TYPE", "first", "last", "email", "city"]


def test_a_term_finds_what_begins_with_it(juliet):
    assert found(legacy(juliet, last="cap")) == ["juliet", "tybalt"]
    assert found(legacy(juliet, last="capulet", first="TYB")) == ["tybalt"]
    assert found(legacy(juliet, last="apulet")) == []
    assert found(legacy(juliet, email="romeo@corp*")) == ["romeo"]


def test_a_form_is_answered_by_a_form_with_what_is_mapped(juliet):
    answer = by_form(juliet, city="Verona", last="")
    assert [f.get("var") for f in answer.find(f".//{q(FORM, 'reported')}")] == ["jid", "name", "first", "last", "email", "city"]
    assert sorted(rows(answer), key=lambda r: r["jid"]) == [
        {"jid": f"juliet@{DOMAIN}", "name": "Juliet Capulet", "first": "Juliet", "last": "Capulet", "email": "juliet@corp.example", "city": "Verona"},
        {"jid": f"romeo@{DOMAIN}", "name": "Romeo <3", "first": "Romeo", "last": "Montague", "email": "romeo@corp.example", "city": "Verona"}]
    assert "4711" not in show(answer)


def test_short_terms_must_be_the_whole(juliet):
    assert found(legacy(juliet, first="Li")) == ["li"]
    assert found(legacy(juliet, last="Ca")) == [] and found(legacy(juliet, first="J*")) == []


@pytest.mark.parametrize("term", ["*)(uid=*", "Cap*)(objectClass=*", "*apulet", "C*t", "\\2a", "x)(|(uid=juliet)", "C\\61pulet", "(", "&#0042;&#0042;x"])
def test_an_injection_finds_nothing_more(juliet, term):
    answer = legacy(juliet, last=term)
    assert found(answer) == []


def test_stars_are_signs_like_others_in_front(juliet):
    assert found(legacy(juliet, last="***x")) == ["star"]


def test_a_search_for_nothing_is_refused(juliet):
    for fields in ({}, {"last": ""}, {"last": "  "}, {"last": "*"}, {"nick": "Jul"}, {"uid": "juliet"}, {"last": "x" * 200}):
        assert error(legacy(juliet, **fields)) == "not-acceptable", fields
    assert error(by_form(juliet, uid="juliet")) == "not-acceptable"


def test_disabled_people_are_not_found(juliet):
    assert "gone" not in found(legacy(juliet, last="Capulet"))
    assert found(legacy(juliet, first="Gone")) == []


def test_no_more_than_the_most_are_shown_and_it_says_so(juliet):
    answer = by_form(juliet, last="Multitude")
    assert len(rows(answer)) == 50 and "There are more" in show(answer)
    answer = by_form(juliet, last="Multitude1")
    assert len(rows(answer)) == 10 and "There are more" not in show(answer)


def test_the_address_has_nobody_and_other_hosts_do_not_search(shared, juliet):
    shared.cluster.adduser("outsider")
    other = shared.cluster.client(name="outsider", password="secret", domain="localhost").login(mechanism="SCRAM-SHA-256")
    assert error(legacy(other, last="Cap")) == "forbidden"
    assert error(legacy(other, to="search.localhost", last="Cap")) == "remote-server-not-found"
    assert WHERE not in show(other.iq("get", f"<query xmlns='{ITEMS}'/>", to="localhost"))
    assert error(juliet.iq("get", "<vCard xmlns='vcard-temp'/>", to=f"juliet@{WHERE}")) == "service-unavailable"
    juliet.message(WHERE, "hello", id="m")
    assert juliet.expect(q("jabber:client", "message"), id="m").get("type") == "error"


def test_who_is_in_no_group_that_may_and_who_asks_too_often_is_refused(new_cluster, one):
    made = make_site(new_cluster, one, vcard=None, group_base=f'"{GROUPS}"', **{**KEYS, "search_rate": "4"})
    made.conf.write_text(made.conf.read_text().replace('directory = "corp"', 'directory = "corp"\n    search_groups = {"finders"}'))
    assert made.cluster.ctl("sm-1", "reload").returncode == 0
    assert error(legacy(made.login("romeo"), last="Cap")) == "forbidden"
    c = made.login("juliet")
    answers = [legacy(c, last="Montague") for _ in range(8)]
    assert [a.get("type") for a in answers[:4]] == ["result"] * 4 and error(answers[-1]) == "resource-constraint"


def test_while_the_directory_is_away_a_search_is_answered(new_cluster):
    server = Slapd()
    try:
        add(server, "anna", "Anna", "Amsel")
        made = make_site(new_cluster, server, vcard=None, query_timeout='"1s"', **KEYS)
        c = made.login("anna")
        server.stop()
        began = time.monotonic()
        assert error(legacy(c, last="Amsel")) == "remote-server-timeout" and time.monotonic() - began < 10
        c.ping()
        server.go_on()
        made.wait_state(server.ldaps, "up")
        assert found(legacy(c, last="Amsel")) == ["anna"]
    finally:
        server.close()


def test_a_mapping_that_means_nothing_is_refused(shared, tmp_path):
    import subprocess
    text = shared.conf.read_text()
    for change in (('search = {"first=givenName"', 'search = {"first"'), ('search = {"first=givenName"', 'search = {"first=a*"'),
                   ('search = {"first=givenName"', 'search = {"jid=uid"'), ("(uid=%u)", "(uid>=%u)")):
        conf = tmp_path / "sm.conf"
        assert change[0] in text
        conf.write_text(text.replace(*change))
        done = subprocess.run([str(shared.cluster.binary("sallyport-sm")), "-c", str(conf), "--check"], capture_output=True, text=True)
        assert done.returncode != 0 and "search: " in done.stdout + done.stderr, change


def test_a_real_client_searches(shared):
    import slixmpp

    async def talk():
        c = slixmpp.ClientXMPP(f"juliet@{DOMAIN}", "secret")
        for name in ("xep_0004", "xep_0030", "xep_0055"):
            c.register_plugin(name)
        c.ca_certs = shared.cluster.ca
        started = asyncio.get_running_loop().create_future()
        c.add_event_handler("session_start", lambda _: started.done() or started.set_result(True))
        c.add_event_handler("failed_all_auth", lambda _: started.done() or started.set_result(False))
        c.connect((shared.cluster.host, shared.cluster.port))
        assert await asyncio.wait_for(started, 15)
        iq = c.make_iq_set(ito=WHERE)
        form = iq["search"]["form"]
        form.set_type("submit")
        form.add_field(var="FORM_TYPE", ftype="hidden", value=SEARCH)
        form.add_field(var="last", ftype="text-single", value="Montague")
        answer = await iq.send(timeout=15)
        result = answer["search"]["form"]
        items = result.get_items()
        c.disconnect()
        await asyncio.wait_for(c.disconnected, 15)
        return items

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        items = loop.run_until_complete(talk())
    finally:
        rest = asyncio.all_tasks(loop)
        for task in rest:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        loop.close()
        asyncio.set_event_loop(None)
    assert [i["jid"] for i in items] == [f"romeo@{DOMAIN}"]
