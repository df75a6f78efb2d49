"""What sm/directory finds in a real Samba domain controller beyond a login: groups, many members, many entries, the state of an account."""
import pytest

from samba import DISABLED, NORMAL, PASSWORD, STAFF, SUFFIX, USERS, Samba

MANY = 2000
DOMAIN_USERS = f"CN=Domain Users,{USERS}"


@pytest.fixture(scope="module")
def ad(provisioned):
    server = Samba(provisioned)
    yield server
    server.close()


@pytest.fixture(scope="module")
def many(ad):
    """A group with more members than Active Directory gives at once, and their names. Contacts: those take no time to make."""
    names = [f"CN=contact {i},{STAFF}" for i in range(MANY)]
    ad.modify("".join(f"dn: {n}\nchangetype: add\nobjectClass: contact\n\n" for n in names))
    return ad.add_group("many", names), names


def ends(lines):
    return dict(lines)["end"]


def groups(lines):
    """{name: depth}"""
    assert ends(lines).startswith("ok "), lines
    return {v.split("|")[0].split(" ", 1)[1]: int(v.split(" ", 1)[0]) for k, v in lines if k == "group"}


@pytest.fixture(scope="module")
def family(ad):
    """juliet in "chat, nested" in "chat" in "all", which is in "chat, nested" again; her primary group's own group is "everybody"."""
    ad.add_user("juliet", cn="Capulet, Juliet (née Ünal)")
    dn = ad.dn("Capulet, Juliet (née Ünal)")
    nested = ad.add_group("chat, nested", [dn])
    chat = ad.add_group("chat", [nested])
    everything = ad.add_group("all", [chat])
    ad.modify(f"dn: {nested}\nchangetype: modify\nadd: member\nmember: {everything}\n")
    ad.add_group("everybody", [DOMAIN_USERS])
    ad.add_group("others")
    return dn


def test_groups_by_walking(ad, family):
    """A circle of groups ends the walk."""
    assert groups(ad.ask("groups", family, "juliet")) == {"chat, nested": 0, "chat": 1, "all": 2}


def test_groups_by_the_matching_rule_in_chain(ad, family):
    lines = ad.ask("groups", family, "juliet", group_nesting="chain")
    assert set(groups(lines)) == {"chat, nested", "chat", "all"}
    assert "searches=1 " in ends(lines)


def test_direct_groups_only(ad, family):
    assert groups(ad.ask("groups", family, "juliet", group_nesting="none")) == {"chat, nested": 0}


@pytest.mark.parametrize("nesting", ["walk", "chain"])
def test_the_primary_group_and_its_own_groups(ad, family, nesting):
    """513, Domain Users: no list of members shows it, and it may be a member itself. Domain Users is in the builtin group Users."""
    found = groups(ad.ask("groups", family, "juliet", group_nesting=nesting, primary_group="yes"))
    assert set(found) == {"chat, nested", "chat", "all", "Domain Users", "everybody", "Users"}


def test_another_primary_group(ad, family):
    group = ad.add_group("the primary one", [family])
    number = ad.read(group, "primaryGroupToken")["primaryGroupToken"][0]
    ad.change(family, "primaryGroupID", number)
    try:
        assert "the primary one" not in groups(ad.ask("groups", family, "juliet"))  # Active Directory takes it out of the members
        found = groups(ad.ask("groups", family, "juliet", primary_group="yes"))
        assert found["the primary one"] == 0 and found["Domain Users"] == 0  # of which it made her a member
    finally:
        ad.change(family, "primaryGroupID", 513)
        ad.delete(group)


def test_a_member_of_nothing(ad):
    ad.add_user("lonely")
    assert groups(ad.ask("groups", ad.dn("lonely"), "lonely")) == {}
    assert groups(ad.ask("groups", ad.dn("lonely"), "lonely", group_nesting="chain")) == {}


def test_all_members_of_a_big_group_come(ad, many):
    dn, names = many
    lines = ad.ask("search", "(cn=many)", 0, "one", "member")
    assert sorted(v for k, v in lines if k == "member") == sorted(names)
    assert ends(lines) == "ok entries=1 cut=0"


@pytest.mark.parametrize("first", [0, 1500])
def test_values_that_come_in_ranges_are_fetched_to_the_end(ad, many, first):
    """Samba cuts only when it is asked for a range, Active Directory at 1,500 by itself: asking for a range gives its answer."""
    _, names = many
    lines = ad.ask("search", "(cn=many)", 0, "one", f"member;range={first}-{first + 1499}")
    found = [v for k, v in lines if k.startswith("member")]
    assert len(found) == len(set(found)) == MANY - first and set(found) <= set(names)


def test_more_entries_than_a_page(ad, many):
    """Samba's limit without pages is 1,000 (MaxPageSize)."""
    _, names = many
    lines = ad.ask("search", "(objectClass=contact)", 0, "page", "cn")
    assert sorted(v for k, v in lines if k == "dn") == sorted(names)
    assert ends(lines) == f"ok entries={MANY} cut=0"


def test_a_limit_is_told(ad, many):
    lines = ad.ask("search", "(objectClass=contact)", 30, "page", "cn")
    assert ends(lines) == "ok entries=30 cut=1"


def test_referrals_are_no_entries(ad, family):
    lines = ad.ask("search", "(sAMAccountName=juliet)", 0, "one", "sAMAccountName", "objectGUID")
    assert sorted(k for k, _ in lines) == ["dn", "end", "objectGUID", "sAMAccountName"]


def expired(ad, name):
    ad.age_password(name)


def locked(ad, name):
    for _ in range(6):
        ad.tool("ldapsearch", "-b", "", "-s", "base", dn=ad.dn(name), password="a guess")


def unlocked(ad, name):
    locked(ad, name)
    ad.change(ad.dn(name), "lockoutTime", 0)


STATES = {
    "fine": ({}, None, "ok"),
    "new": ({"control": NORMAL}, None, "ok"),
    "off": ({"control": NORMAL | DISABLED}, None, "account disabled or expired"),
    "gone": ({"accountExpires": 130000000000000000}, None, "account disabled or expired"),
    "later": ({"accountExpires": 150000000000000000}, None, "ok"),
    "reset": ({"control": NORMAL, "pwdLastSet": 0}, None, "password must be changed"),
    "old": ({"control": NORMAL}, expired, "password expired"),
    "old-but-kept": ({}, expired, "ok"),  # DONT_EXPIRE_PASSWORD
    "locked": ({}, locked, "locked"),
    "unlocked": ({}, unlocked, "ok"),
}


@pytest.mark.parametrize("name", STATES)
def test_what_an_entry_says_of_its_account(ad, name):
    """Without a bind: for those who prove themselves by a ticket or a certificate, and for sessions that are open."""
    options, then, expected = STATES[name]
    ad.add_user(f"state-{name}", PASSWORD, **options)
    if then:
        then(ad, f"state-{name}")
    assert dict(ad.ask("state", f"state-{name}")) == {"found": "ok", "state": expected}


def test_a_wrong_service_password_is_told(ad):
    lines = ad.ask("state", "juliet", bind_password="wrong")
    down = dict(lines)["down"]
    assert "bind of the service account" in down and "52e" in down
    assert dict(lines)["found"] == "directory unavailable"
    ad.change(f"CN=sallyport,{USERS}", "lockoutTime", 0)


def test_nobody_is_found_below_another_base(ad, family):
    assert dict(ad.ask("state", "juliet", base=f"CN=Computers,{SUFFIX}"))["found"] == "no entry"
