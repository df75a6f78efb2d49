"""Shared rosters by groups of a real OpenLDAP server: RFC 6121 §2 to §4 for contacts that no client has added."""
import json
import re
import time

import pytest

from slapd import SERVICE, SUFFIX, Slapd
from steps import is_push, items, no_push, presences, push, set_item
from test_directory import DOMAIN, Site
from xmpp import CLIENT, ROSTER, STANZA_ERRORS, q

PEOPLE, GROUPS = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"
UNLIMITED = f'limits dn.exact="{SERVICE}" size=unlimited'
NIS = "include /etc/ldap/schema/nis.schema"
LOCKED = "pwdAccountLockedTime"


def dn(uid):
    return f"uid={uid},{PEOPLE}"


def group_dn(name):
    return f"cn={name},{GROUPS}"


def jid(uid):
    return f"{uid}@{DOMAIN}"


def person(uid, more=""):
    return (f"dn: {dn(uid)}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: x\nuserPassword: secret\n{more.strip()}\n"
            .rstrip() + "\n\n")


def group(name, *members):
    return f"dn: {group_dn(name)}\nchangetype: add\nobjectClass: groupOfNames\ncn: {name}\n" + "".join(f"member: {m}\n" for m in members) + "\n"


def member(name, verb, *members):
    return f"dn: {group_dn(name)}\nchangetype: modify\n{verb}: member\n" + "".join(f"member: {m}\n" for m in members) + "\n"


def new_server():
    server = Slapd(conf=NIS, more=UNLIMITED)
    server.modify(f"dn: {GROUPS}\nchangetype: add\nobjectClass: organizationalUnit\nou: groups\n")
    return server


class Office(Site):
    """A site whose host has shared groups; clients are ended behind each test."""

    def __init__(self, make, server, host='shared_groups = {"*"}', **keys):
        self.server = server
        keys = {"group_base": f'"{GROUPS}"', "people_refresh": '"100ms"', **keys}
        super().__init__(make, server.section(**keys))
        self.rules = host
        self.configure('directory = "corp"', f'directory = "corp"\n    {host}')
        self.wait_state(server.ldaps, "up")
        self.fresh()

    def configure(self, old, new, restart=True):
        text = self.conf.read_text()
        assert old in text
        self.conf.write_text(text.replace(old, new, 1))
        if restart:
            self.cluster.kill("sm-1")
            self.cluster.start("sm-1")
        else:
            self.cluster.ctl("sm-1", "reload", check=True)

    def ldap(self, *args):
        done = self.cluster.ctl("--json", "sm-1", "ldap", *args)
        return json.loads(done.stdout), done.returncode

    def refreshes(self):
        return self.metric("sallyport_sm_shared_refreshes_total")

    def metric(self, name):
        text = self.cluster.ctl("sm-1", "metrics", check=True).stdout
        return int(re.search(rf"(?m)^{name} (\d+)$", text).group(1))

    def wait(self, what, timeout=20):
        deadline = time.monotonic() + timeout
        while not what():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def fresh(self):
        """What the directory has now has been read: one whole refresh has begun and ended since."""
        done = self.refreshes()
        self.wait(lambda: self.refreshes() >= done + 2)

    def login(self, name, resource=None):
        return self.client(name, "secret").login(resource)

    def online(self, name, resource=None):
        client = self.login(name, resource)
        client.roster()
        return client.online()


@pytest.fixture(scope="module")
def server():
    s = new_server()
    yield s
    s.close()


@pytest.fixture(scope="module")
def shared(server):
    from cluster import Cluster
    made = []

    def new(*options):
        made.append(Cluster(*options))
        return made[-1]

    yield Office(new, server)
    made[0].down()


@pytest.fixture
def office(shared):
    yield shared
    shared.cluster.close_clients()


@pytest.fixture
def people(office, server, unique):
    """Makes people (and a group of all of them): people(3) -> (group, [uid, …])."""
    def make(n, more=lambda i: "", name="team"):
        team, uids = unique(name), [unique("p") for _ in range(n)]
        server.modify("".join(person(u, more(i)) for i, u in enumerate(uids)) + (group(team, *map(dn, uids)) if n else ""))
        office.fresh()
        return team, uids
    return make


def unavailable(client, of):
    return client.expect("presence", type="unavailable", from_=of)


def available(client, of):
    return client.expect("presence", type=None, from_=of)


# --- what is in the roster


def test_colleagues_are_in_the_roster_with_names_and_groups(office, people):
    team, (a, b, c) = people(3, lambda i: "displayName: Dr. Who\n" if i == 1 else "")
    assert items(office.login(a)) == {jid(b): ("both", None, "Dr. Who", [team]), jid(c): ("both", None, c, [team])}
    assert set(items(office.login(b))) == {jid(a), jid(c)}


def test_groups_in_groups_are_one_group_for_those_above(office, server, people, unique):
    low, (a, b) = people(2)
    top, (c,) = people(1)
    server.modify(member(top, "add", group_dn(low)) + member(low, "add", group_dn(top)))  # a circle
    office.fresh()
    assert items(office.login(a))[jid(c)] == ("both", None, c, sorted([low, top]))
    server.modify(member(low, "delete", group_dn(top)))
    office.fresh()
    assert items(office.login(a)) == {jid(b): ("both", None, b, sorted([low, top])), jid(c): ("both", None, c, [top])}


def test_names_of_groups_may_be_anything(office, server, unique):
    a, b = unique("p"), unique("p")
    names = [f"Vertrieb Süd {unique('g')}", f"営業部 & <{unique('g')}>"]
    server.modify(person(a) + person(b) + "".join(
        f"dn: cn={n.replace('<', chr(92) + '3c').replace('>', chr(92) + '3e')},{GROUPS}\nchangetype: add\nobjectClass: groupOfNames\ncn: {n}\n"
        f"member: {dn(a)}\nmember: {dn(b)}\n\n" for n in names))
    office.fresh()
    assert items(office.login(a))[jid(b)][3] == sorted(names)


def test_a_group_may_list_login_names(new_cluster, unique):
    server = new_server()
    try:
        server.modify(person("anna") + person("bert") + person("carl") +
                      f"dn: cn=unix,{GROUPS}\nchangetype: add\nobjectClass: posixGroup\ncn: unix\ngidNumber: 7\nmemberUid: ANNA\nmemberUid: bert\n"
                      "memberUid: nobody\n")
        office = Office(new_cluster, server, group_member='"memberUid"', group_filter='"(objectClass=posixGroup)"')
        assert items(office.login("anna")) == {jid("bert"): ("both", None, "bert", ["unix"])}
        assert items(office.login("carl")) == {}
    finally:
        server.close()


def test_who_is_disabled_is_not_in_any_roster(office, server, people):
    team, (a, b, c) = people(3)
    client = office.online(a)
    server.change(b, LOCKED, "000001010000Z", "add")
    assert push(client, jid(b)).get("subscription") == "remove"
    assert set(items(client)) == {jid(c)}
    server.modify(f"dn: {dn(b)}\nchangetype: modify\ndelete: {LOCKED}\n")
    assert push(client, jid(b)).get("subscription") == "both"


def test_who_has_no_address_is_left_out(office, server, people, unique):
    team, (a, b) = people(2)
    odd = unique("o") + "\u2665"  # no local part (RFC 7622 §3.3: a symbol), nor is there an escape for it
    server.modify(f"dn: cn={unique('odd')},{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: x\nsn: x\nuid: {odd}\n\n")
    office.fresh()
    assert set(items(office.login(a))) == {jid(b)}
    assert int(office.ldap("shared")[0][0]["no_address"]) >= 1


# --- presence


def test_presence_goes_both_ways_and_is_told_at_login(office, people):
    _, (a, b) = people(2)
    one, two = office.online(a), office.online(b)
    available(one, two.jid)
    available(two, one.jid)
    one.presence("<show>away</show>")
    assert available(two, one.jid).find(q(CLIENT, "show")).text == "away"
    two.presence(type="unavailable")
    unavailable(one, two.jid)


def test_probes_are_answered_and_messages_pass(office, people):
    _, (a, b) = people(2)
    one, two = office.online(a), office.online(b)
    available(one, two.jid)
    one.backlog.clear()
    one.presence(type="probe", to=jid(b))
    available(one, two.jid)
    one.message(jid(b), "hello")
    assert two.expect("message").find(q(CLIENT, "body")).text == "hello"


def test_who_shares_no_group_sees_nothing(office, people):
    _, (a, b) = people(2)
    _, (x,) = people(1)
    one, other = office.online(a), office.online(x)
    available(one, office.online(b).jid)
    other.presence(type="probe", to=jid(a))
    assert presences(other, jid(a)) == [] and presences(other, jid(b)) == []


# --- changes


def test_who_joins_is_pushed_and_seen_at_once(office, server, people):
    team, (a, b) = people(2)
    _, (new,) = people(1)
    one, two = office.online(a), office.online(new)
    server.modify(member(team, "add", dn(new)))
    item = push(one, jid(new))
    assert (item.get("subscription"), item.get("name"), [g.text for g in item]) == ("both", new, [team])
    available(one, two.jid)
    assert {push(two).get("jid") for _ in range(2)} == {jid(a), jid(b)}
    available(two, one.jid)
    no_push(one)


def test_who_leaves_is_removed_and_gone(office, server, people):
    team, (a, b, c) = people(3)
    one, two = office.online(a), office.online(b)
    available(one, two.jid)
    server.modify(member(team, "delete", dn(b)))
    assert push(one, jid(b)).get("subscription") == "remove"
    unavailable(one, two.jid)
    gone = {push(two).get("jid"): "remove" for _ in range(2)}
    assert gone == {jid(a): "remove", jid(c): "remove"}
    unavailable(two, one.jid)
    two.presence("<show>away</show>")
    two.ping()
    assert presences(one, two.jid) == []


def test_a_new_name_is_pushed(office, server, people):
    _, (a, b) = people(2)
    client = office.online(a)
    server.change(b, "displayName", "Married Now", "add")
    assert push(client, jid(b)).get("name") == "Married Now"
    server.change(b, "displayName", "Again")
    assert push(client, jid(b)).get("name") == "Again"


def test_a_removed_entry_and_a_new_one(office, server, people):
    team, (a, b) = people(2)
    client = office.online(a)
    server.delete(b)
    assert push(client, jid(b)).get("subscription") == "remove"
    server.add_person(b)
    assert push(client, jid(b)).get("subscription") == "both"  # the group still lists the name


def test_a_group_renamed_in_place_is_pushed(office, server, people, unique):
    team, (a, b) = people(2)
    client, name = office.online(a), unique("renamed")
    server.modify(f"dn: {group_dn(team)}\nchangetype: modrdn\nnewrdn: cn={name}\ndeleteoldrdn: 1\n")
    assert [g.text for g in push(client, jid(b))] == [name]


# --- beside the account's own contacts


def test_own_contacts_stay_beside(office, server, people):
    team, (a, b) = people(2)
    client = office.online(a)
    set_item(client, "friend@elsewhere.example", "<group>Friends</group>", "name='F'")
    assert items(client) == {"friend@elsewhere.example": ("none", None, "F", ["Friends"]), jid(b): ("both", None, b, [team])}
    server.modify(member(team, "delete", dn(b)))
    assert push(client, jid(b)).get("subscription") == "remove"
    assert set(items(client)) == {"friend@elsewhere.example"}


def test_an_edited_shared_contact_has_its_own_name_and_groups_besides(office, server, people):
    team, (a, b) = people(2)
    client = office.online(a)
    assert set_item(client, jid(b), f"<group>Mine</group><group>{team}</group>", "name='Bobby'").get("type") == "result"
    item = push(client, jid(b))
    assert (item.get("name"), item.get("subscription"), sorted(g.text for g in item)) == ("Bobby", "both", sorted(["Mine", team]))
    server.modify(member(team, "delete", dn(b)))
    item = push(client, jid(b))  # what was its own stays; the directory's part goes
    assert (item.get("name"), item.get("subscription"), [g.text for g in item]) == ("Bobby", "none", ["Mine"])


def test_an_item_sent_back_as_it_was_is_no_own_one(office, server, people):
    team, (a, b) = people(2)
    client = office.online(a)
    assert set_item(client, jid(b), f"<group>{team}</group>", f"name='{b}'").get("type") == "result"
    push(client, jid(b))
    server.modify(member(team, "delete", dn(b)))
    assert push(client, jid(b)).get("subscription") == "remove"


def test_what_is_shared_cannot_be_removed_what_is_own_can(office, people):
    team, (a, b) = people(2)
    client = office.online(a)
    refused = set_item(client, jid(b), "", "subscription='remove'")
    assert refused.get("type") == "error" and refused.find(f"{q(CLIENT, 'error')}/{q(STANZA_ERRORS, 'not-allowed')}") is not None
    set_item(client, jid(b), "<group>Mine</group>", "name='Bobby'")
    push(client, jid(b))
    assert set_item(client, jid(b), "", "subscription='remove'").get("type") == "result"
    item = push(client, jid(b))
    assert (item.get("name"), item.get("subscription"), [g.text for g in item]) == (b, "both", [team])
    gone = set_item(client, "nobody@elsewhere.example", "", "subscription='remove'")
    assert gone.find(f"{q(CLIENT, 'error')}/{q(STANZA_ERRORS, 'item-not-found')}") is not None


def test_subscription_stanzas_do_not_break_what_is_shared(office, people):
    _, (a, b) = people(2)
    one, two = office.online(a), office.online(b)
    available(one, two.jid)
    available(two, one.jid)
    one.presence(type="subscribe", to=jid(b))
    one.expect("presence", type="subscribed", from_=jid(b))
    assert push(one, jid(b)).get("subscription") == "both"
    one.presence(type="unsubscribe", to=jid(b))
    assert push(one, jid(b)).get("subscription") == "both"
    one.presence(type="unsubscribed", to=jid(b))
    assert push(one, jid(b)).get("subscription") == "both"
    one.presence("<show>dnd</show>")
    available(two, one.jid)
    no_push(two)
    assert presences(two, jid(a)) == []


def test_an_own_subscription_outlives_the_group(office, server, people):
    team, (a, b) = people(2)
    server.modify(member(team, "delete", dn(b)))
    office.fresh()
    one, two = office.online(a), office.online(b)
    one.presence(type="subscribe", to=jid(b))
    two.expect("presence", type="subscribe", from_=jid(a))
    two.presence(type="subscribed", to=jid(a))
    available(one, two.jid)
    server.modify(member(team, "add", dn(b)))
    one.expect(lambda el: is_push(el) and el[0][0].get("subscription") == "both")
    available(two, one.jid)
    one.backlog.clear()
    server.modify(member(team, "delete", dn(b)))
    assert push(one, jid(b)).get("subscription") == "to"
    unavailable(two, one.jid)
    assert presences(one, jid(b)) == []  # still subscribed: no change
    two.presence("<show>away</show>")
    available(one, two.jid)


def test_blocking_wins(office, server, people):
    team, (a, b) = people(2)
    one, two = office.online(a), office.online(b)
    available(one, two.jid)
    available(two, one.jid)
    block = "<{0} xmlns='urn:xmpp:blocking'><item jid='" + jid(b) + "'/></{0}>"
    assert one.iq("set", block.format("block")).get("type") == "result"
    unavailable(two, one.jid)
    one.presence("<show>away</show>")
    two.presence("<show>away</show>")
    server.modify(member(team, "delete", dn(b)))
    push(one, jid(b))
    server.modify(member(team, "add", dn(b)))
    push(two, jid(a))
    push(one, jid(b))
    assert presences(two, jid(a)) == [] and presences(one, jid(b)) == []
    assert one.iq("set", block.format("unblock")).get("type") == "result"
    available(two, one.jid)
    available(one, two.jid)


# --- versions (§2.6)


def get(client, version):
    return client.iq("get", f"<query xmlns='{ROSTER}' ver='{version}'/>").find(q(ROSTER, "query"))


def test_a_version_is_current_until_the_directory_changes(office, server, people):
    team, (a, b) = people(2)
    client = office.login(a)
    version = get(client, "").get("ver")
    assert get(client, version) is None  # an empty result: nothing is new
    server.change(b, "displayName", "Other", "add")
    pushed = push(client, jid(b)).get("ver")
    assert get(client, version).get("ver") == pushed != version
    assert get(client, pushed) is None


def test_of_many_pushes_only_the_last_has_the_version(office, server, people):
    team, uids = people(5)
    _, (new,) = people(1)
    client = office.login(new)
    get(client, "")
    server.modify(member(team, "add", dn(new)))
    versions = [push(client).get("ver") for _ in range(5)]
    assert len(set(versions)) == 5
    assert all(get(client, v) is not None for v in versions[:-1])
    assert get(client, versions[-1]) is None


def test_versions_and_pushes_survive_a_restart(office, server, people):
    team, (a, b) = people(2)
    _, (new,) = people(1)
    client = office.online(a)
    version = get(client, "").get("ver")
    office.cluster.kill("sm-1")
    server.modify(member(team, "add", dn(new)))
    office.cluster.start("sm-1")
    item = push(client)
    assert (item.get("jid"), item.get("subscription")) == (jid(new), "both")  # and nothing that it knew
    no_push(client)
    assert get(client, version) is not None
    assert get(client, item.get("ver")) is None


# --- when it does not go well


def test_a_directory_that_is_away_changes_nothing(new_cluster):
    server = new_server()
    try:
        server.modify(person("anna") + person("bert") + group("team", dn("anna"), dn("bert")))
        office = Office(new_cluster, server, search_timeout='"300ms"', connect_timeout='"500ms"', query_timeout='"500ms"')
        client, other = office.online("anna"), office.online("bert")
        server.kill()
        office.wait(lambda: office.metric("sallyport_sm_shared_failing") == 1)
        rows, code = office.ldap("shared")
        assert code == 1 and "unavailable" in rows[0]["last_error"] and rows[0]["people"] == "2"
        assert set(items(client)) == {jid("bert")}
        office.cluster.kill("sm-1")  # and a restart does not, either
        office.cluster.start("sm-1")
        other.presence("<show>away</show>")
        client.expect(lambda el: el.tag == q(CLIENT, "presence") and el.find(q(CLIENT, "show")) is not None)
        assert set(items(client)) == {jid("bert")}
        no_push(client)
        server.start()
        office.wait(lambda: office.metric("sallyport_sm_shared_failing") == 0, 40)
        assert office.ldap("shared")[1] == 0
        log = office.cluster.log("sm-1")
        assert log.count("shared rosters cannot be refreshed") == 2 and log.count("shared rosters are refreshed again") == 1
        server.modify(member("team", "delete", dn("bert")))
        assert push(client, jid("bert")).get("subscription") == "remove"
    finally:
        server.close()


def test_a_refresh_that_is_cut_short_or_finds_nobody_changes_nothing(new_cluster):
    server = new_server()
    try:
        server.modify("".join(person(f"p{i}") for i in range(4)) + group("team", dn("p0"), dn("p1")))
        office = Office(new_cluster, server, max_people="5")
        client = office.online("p0")
        server.modify(person("p4") + person("p5"))
        server.modify(member("team", "delete", dn("p1")))
        office.wait(lambda: office.metric("sallyport_sm_shared_failing") == 1)
        assert "more people than the limit" in office.ldap("shared")[0][0]["last_error"]
        assert set(items(client)) == {jid("p1")}
        server.delete("p5")
        assert push(client, jid("p1")).get("subscription") == "remove"
        server.modify(f"dn: {group_dn('team')}\nchangetype: delete\n\n")  # as if rights were lost
        office.wait(lambda: office.metric("sallyport_sm_shared_failing") == 1)
        assert "shows no group any more" in office.ldap("shared")[0][0]["last_error"]
        office.cluster.ctl("sm-1", "reload", check=True)
        office.wait(lambda: office.metric("sallyport_sm_shared_failing") == 0)
        assert office.ldap("groups")[0] == []
    finally:
        server.close()


# --- what is configured


def test_groups_shown_to_all_and_others_not_at_all(new_cluster):
    server = new_server()
    try:
        server.modify("".join(person(u) for u in ("help", "anna", "bert", "carl")) + group("helpdesk", dn("help")) + group("team", dn("anna"), dn("bert")) +
                      group("secret", dn("bert"), dn("carl")) + group("chat", dn("help"), dn("anna"), dn("bert"), dn("carl")))
        office = Office(new_cluster, server, 'shared_groups = {"Team"}\n    shared_groups_to_all = {"helpdesk"}')
        anna, carl, helper = office.online("anna"), office.online("carl"), office.online("help")
        assert items(anna) == {jid("help"): ("to", None, "help", ["helpdesk"]), jid("bert"): ("both", None, "bert", ["team"])}
        assert items(carl) == {jid("help"): ("to", None, "help", ["helpdesk"])} and items(helper) == {}
        available(anna, helper.jid)
        available(carl, helper.jid)
        helper.presence("<show>away</show>")
        available(anna, helper.jid)
        available(carl, helper.jid)
        carl.presence("<show>away</show>")
        carl.ping()
        assert presences(helper, jid("carl")) == [] and presences(anna, jid("carl")) == []
        rows = {r["group"]: (r["members"], r["state"]) for r in office.ldap("groups")[0]}
        assert rows == {"helpdesk": ("1", "shown to all"), "team": ("2", "shown to its members")}
        assert [r["member"] for r in office.ldap("groups", "team")[0]] == [jid("anna"), jid("bert")]
        office.configure('"Team"', '"secret"', restart=False)  # other groups: clients hear of it without logging in anew
        assert push(anna, jid("bert")).get("subscription") == "remove"
        assert push(carl, jid("bert")).get("subscription") == "both"
        office.configure('"secret"}', '"secret"}\n    allow_groups = {"team", "helpdesk"}', restart=False)
        assert push(carl, jid("bert")).get("subscription") == "remove"  # who may not log in is no contact, and has none by groups
        text = office.conf.read_text()
        office.conf.write_text(re.sub(r"(?m)^    (shared|allow)_groups.*$", "", text))
        office.cluster.ctl("sm-1", "reload", check=True)
        assert push(anna, jid("help")).get("subscription") == "remove"
        unavailable(anna, helper.jid)
        assert items(anna) == {}
    finally:
        server.close()


def test_a_host_shows_the_people_who_can_log_in_there(new_cluster):
    server = new_server()
    try:
        server.modify(person("anna", f"mail: anna@{DOMAIN}") + person("bert", f"mail: bert@{DOMAIN}\nmail: bert@other.example") +
                      person("carl", "mail: carl@other.example") + group("team", dn("anna"), dn("bert"), dn("carl")))
        office = Office(lambda *options: new_cluster("--domain", "other.example", *options), server, filter='"(mail=%a)"', user_attribute='"mail"')
        office.configure('host "other.example" {', 'host "other.example" {\n    auth = {"ldap"}\n    directory = "corp"\n    shared_groups = {"team"}')
        office.wait(lambda: office.metric("sallyport_sm_shared_refreshes_total") >= 2)
        assert set(items(office.login("anna"))) == {jid("bert")}
        other = office.cluster.client(domain="other.example")
        other.name, other.password = "carl", "secret"
        assert set(items(other.login())) == {"bert@other.example"}
    finally:
        server.close()


def test_a_filter_that_cannot_find_everybody_is_refused(new_cluster, server):
    office = Office(new_cluster, server)
    text = office.conf.read_text()
    office.conf.write_text(text.replace("(uid=%u)", "(uid:caseIgnoreMatch:=%u)"))
    done = office.cluster.ctl("sm-1", "reload")
    assert done.returncode != 0 and "everybody cannot be searched" in done.stdout + done.stderr + office.cluster.log("sm-1")


# --- many


def test_a_group_of_two_thousand(new_cluster):
    server = Slapd(conf=NIS, more=UNLIMITED + "\ndbnosync")
    try:
        n = 2000
        uids = [f"p{i:04}" for i in range(n)]
        ldif = f"dn: {GROUPS}\nobjectClass: organizationalUnit\nou: groups\n\n" + "".join(person(u) for u in uids + ["new"]) + group("all", *map(dn, uids))
        server.kill()
        server.add_offline(ldif.replace("changetype: add\n", ""))
        server.start()
        office = Office(new_cluster, server, people_refresh='"500ms"')
        office.wait(lambda: office.metric("sallyport_sm_shared_people") == n + 1)
        clients = [office.online(u) for u in uids[:3]]
        began = time.monotonic()
        assert len(items(clients[0])) == n - 1
        assert time.monotonic() - began < 5
        new = office.login("new")
        assert items(new) == {}
        new.online()
        server.modify(member("all", "add", dn("new")))
        for client in clients:
            assert push(client, jid("new")).get("subscription") == "both"
            available(client, new.jid)
        pushed = [push(new) for _ in range(n)]  # more than a session holds in memory: most come by the store
        assert len({i.get("jid") for i in pushed}) == n
        assert get(new, pushed[-1].get("ver")) is None and get(new, pushed[0].get("ver")) is not None
        for client in clients:
            available(new, client.jid)
    finally:
        server.close()
