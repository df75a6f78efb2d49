"""Who may what by the groups of the directory, and `explain`: against real slapd."""
import json
import re

import pytest

from slapd import SUFFIX, Slapd
from test_directory import DOMAIN, Site
from xmpp import local, q

PEOPLE, GROUPS = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"


def group(name, *members, kind="groupOfNames", more=""):
    return (f"dn: cn={name},{GROUPS}\nchangetype: add\nobjectClass: {kind}\ncn: {name}\n" + "".join(f"member: {m}\n" for m in members) + more + "\n")


def person(uid):
    return f"uid={uid},{PEOPLE}"


@pytest.fixture(scope="module")
def server():
    s = Slapd()
    s.modify(f"dn: {GROUPS}\nchangetype: add\nobjectClass: organizationalUnit\nou: groups\n")
    for uid in ("anna", "bert", "carl", "dora", "emil"):
        s.add_person(uid)
    s.modify(group("chat", person("anna"), f"cn=berlin,{GROUPS}"))
    s.modify(group("berlin", person("bert"), f"cn=deep,{GROUPS}"))
    s.modify(group("deep", person("carl"), f"cn=chat,{GROUPS}"))  # a circle
    s.modify(group("travellers", person("anna"), person("dora")))
    s.modify(group("Vertrieb\\2c S\u00fcd", person("dora")).replace("cn: Vertrieb\\2c", "cn: Vertrieb,"))
    yield s
    s.close()


class Place(Site):
    def __init__(self, make, section, rules, inside=True):
        super().__init__(make, section)
        text = self.conf.read_text().replace('directory = "corp"', f'directory = "corp"\n    {rules}')
        if not inside:
            text = re.sub("(?m)^inside = .*$", "", text)
            text = text.replace('directory = "corp"', 'directory = "corp"\n    mechanisms_dmz = {"PLAIN"}')
        self.conf.write_text(text)
        self.cluster.kill("sm-1")
        self.cluster.start("sm-1")

    def explain(self, name):
        done = self.cluster.ctl("--json", "sm-1", "ldap", "explain", f"{name}@{DOMAIN}")
        return json.loads(done.stdout), done.returncode

    def refused(self):
        return [e["detail"] for e in self.cluster.events("sm-1", "login-refused")]


@pytest.fixture
def place(new_cluster, server):
    def make(rules, inside=True, **keys):
        keys = {"group_base": f'"{GROUPS}"', **keys}
        made = Place(new_cluster, server.section(**keys), rules, inside)
        made.wait_state(server.ldaps, "up")
        return made
    return make


def found(rows, step):
    return [r["found"] for r in rows if r["step"] == step]


def test_who_is_in_no_group_that_may_log_in_is_refused(place):
    p = place('allow_groups = {"chat"}')
    assert [p.auth(n) for n in ("anna", "bert", "carl", "dora")] == ["success", "success", "success", "not-authorized"]
    assert p.auth("dora", "wrong") == "not-authorized"
    assert p.refused() == ["not in a group that may log in", "wrong password"]


def test_groups_in_groups_count_only_where_they_are_walked(place):
    p = place('allow_groups = {"chat"}', group_nesting='"none"')
    assert [p.auth(n) for n in ("anna", "bert", "carl")] == ["success", "not-authorized", "not-authorized"]


def test_a_refusal_by_group_is_no_guess(place):
    p = place('allow_groups = {"chat"}')
    c = p.client("dora")
    c.direct()
    for _ in range(6):  # auth_retries is 3
        assert local(c.auth_plain(name="dora", password="secret")) == "failure"
    c.close()


def test_through_the_dmz_only_those_of_a_group_log_in(place):
    p = place('allow_groups_dmz = {"travellers"}', inside=False)
    assert [p.auth(n) for n in ("anna", "dora", "bert")] == ["success", "success", "not-authorized"]
    assert p.refused() == ["not in a group that may log in through the dmz"]


def test_inside_that_group_is_not_asked_for(place):
    p = place('allow_groups_dmz = {"travellers"}')
    assert p.auth("bert") == "success"


def test_a_group_is_named_by_its_dn_as_well(place):
    p = place(f'allow_groups = {{"CN=Vertrieb\\\\, S\u00dcD, OU=Groups,{SUFFIX}"}}')
    assert [p.auth(n) for n in ("dora", "anna")] == ["success", "not-authorized"]


def test_only_those_of_a_group_reach_other_domains(place):
    p = place('outside_groups = {"travellers"}')
    for name, condition in (("anna", "remote-server-not-found"), ("bert", "forbidden")):
        c = p.login(name)
        c.send(f"<message to='x@elsewhere.example' id='m1' type='chat'><body>x</body></message>")
        error = c.expect("message").find(q("jabber:client", "error"))
        assert local(error[0]) == condition
        c.send(f"<message to='{name}@{DOMAIN}' type='chat' id='m2'><body>to myself</body></message>")
        c.close()


def test_what_an_account_may_reach_survives_a_restart(place, server):
    p = place('outside_groups = {"travellers"}')
    c = p.login("bert")
    p.cluster.kill("sm-1")
    p.cluster.start("sm-1")
    c.send("<message to='x@elsewhere.example' id='m1' type='chat'><body>x</body></message>")
    assert local(c.expect("message").find(q("jabber:client", "error"))[0]) == "forbidden"
    c.close()
    p.conf.write_text(p.conf.read_text().replace('outside_groups = {"travellers"}', 'outside_groups = {"chat"}'))
    assert p.cluster.ctl("sm-1", "reload").returncode == 0
    c = p.login("bert")
    c.send("<message to='x@elsewhere.example' id='m1' type='chat'><body>x</body></message>")
    assert local(c.expect("message").find(q("jabber:client", "error"))[0]) == "remote-server-not-found"
    c.close()


def test_rules_without_a_directory_are_refused(place, server):
    p = place("")
    text = p.conf.read_text()
    p.conf.write_text(text.replace('host "localhost" {', 'host "localhost" {\n    allow_groups = {"chat"}'))
    done = p.cluster.ctl("sm-1", "reload")
    assert done.returncode != 0 and "allow_groups: it needs auth" in done.stdout + done.stderr


# --- explain ---


def test_each_step_of_a_login_is_explained(place, server):
    p = place('allow_groups = {"chat"}\n    outside_groups = {"travellers"}')
    rows, code = p.explain("carl")
    assert code == 0
    assert found(rows, "host") == [f"{DOMAIN}: people of the directory corp"]
    assert found(rows, "asked") == [server.ldaps] and "chosen" in found(rows, "server")[0]
    assert found(rows, "filter") == ["(&(objectClass=inetOrgPerson)(uid=carl))"]
    assert found(rows, "entry") == [person("carl")]
    assert found(rows, "account") == ["none yet: made at the first login"]
    assert found(rows, "group") == [f"deep: cn=deep,{GROUPS}", f"berlin: cn=berlin,{GROUPS}, through another group",
                                    f"chat: cn=chat,{GROUPS}, through another group"]
    assert found(rows, "allow_groups") == ["yes, by chat"] and found(rows, "outside_groups") == ["no, by travellers"]
    assert found(rows, "answer") == ["yes, with the right password or proof"]


def test_why_not_is_explained(place, server):
    p = place('allow_groups = {"chat"}')
    rows, code = p.explain("dora")
    assert code != 0 and found(rows, "answer") == ["no: not-authorized, not in a group that may log in"]
    rows, code = p.explain("nobody")
    assert code != 0 and found(rows, "search") == ["no entry"] and found(rows, "condition") == ["not-authorized"]
    rows, code = p.explain("*")
    assert code != 0 and found(rows, "filter") == ["(&(objectClass=inetOrgPerson)(uid=\\2a))"] and found(rows, "entries") == ["0"]


def test_an_entry_that_says_that_it_is_locked_is_explained(place, server):
    p = place("")
    server.change("emil", "pwdAccountLockedTime", "000001010000Z")
    rows, code = p.explain("emil")
    assert code != 0 and found(rows, "state") == ["account disabled or expired"] and found(rows, "answer") == ["no: account-disabled"]


def test_a_name_that_belongs_to_somebody_else_now_is_explained(place, server):
    server.add_person("fritz")
    p = place("")
    assert p.auth("fritz") == "success"
    assert found(p.explain("fritz")[0], "account") == ["belongs to this entry"]
    server.delete("fritz")
    server.add_person("fritz")
    rows, code = p.explain("fritz")
    assert code != 0 and found(rows, "account") == ["another entry of the directory has this name now"]


def test_a_host_without_directory_is_explained(place):
    p = place("")
    p.cluster.adduser("lisa", "password of lisa")
    done = p.cluster.ctl("--json", "sm-1", "ldap", "explain", "lisa@localhost")
    assert done.returncode == 0 and found(json.loads(done.stdout), "answer") == ["yes, with the right password"]
    done = p.cluster.ctl("--json", "sm-1", "ldap", "explain", "lisa@elsewhere.example")
    assert done.returncode != 0 and "not served here" in done.stdout


def test_a_directory_that_is_away_is_explained(place, server):
    p = place("")
    server.kill()
    try:
        p.wait_state(server.ldaps, "down")
        rows, code = p.explain("anna")
        assert code != 0 and found(rows, "condition") == ["temporary-auth-failure"] and "down" in found(rows, "server")[0]
    finally:
        server.start()
