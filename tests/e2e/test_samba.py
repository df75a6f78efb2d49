"""Logins by Active Directory, for which a real Samba domain controller stands (samba.py): names, TLS, sub-codes of refusals, keys."""
import concurrent.futures
import json
import time

import pytest

from cluster import Cluster
from samba import DISABLED, NEVER_EXPIRES, NORMAL, PASSWORD, REALM, STAFF, SUFFIX, USERS, Samba
from test_sasl import condition
from xmpp import local

UPN = REALM.lower()
WRONG, EXPIRED, OFF = "not-authorized", "credentials-expired", "account-disabled"


class Site:
    """A cluster with a host, and a section of its own, for each way to ask the same domain controller: name -> keys of the section."""

    def __init__(self, server, hosts):
        self.cluster = Cluster("--log-level", "debug", *[o for h in hosts for o in ("--domain", f"{h}.example")])
        try:
            self.hosts = hosts
            self.conf = self.cluster.folder / "conf/sm-1.conf"
            text = self.conf.read_text()
            for h, keys in hosts.items():
                text = text.replace(f'host "{h}.example" {{', f'host "{h}.example" {{\n    auth = {{"ldap"}}\n    directory = "{h}"')
            patience = {"refuse_after": "50ms", "search_timeout": "5s", "bind_timeout": "5s", "answer_timeout": "10s"}  # for a busy machine
            self.conf.write_text("".join(server.section(h, **{**patience, **keys}) for h, keys in hosts.items()) + text)
            self.cluster.kill("sm-1")
            self.cluster.start("sm-1")
        except BaseException:
            self.cluster.down()
            raise

    def auth(self, name, password=PASSWORD, host="sam"):
        """The answer to one PLAIN login on a connection of its own."""
        c = self.cluster.client(domain=f"{host}.example")
        c.name, c.password = name, password
        c.direct()
        answer = c.auth_plain(name=name, password=password)
        c.close()
        return "success" if local(answer) == "success" else condition(answer)

    def login(self, name, password=PASSWORD, host="sam"):
        c = self.cluster.client(domain=f"{host}.example")
        c.name, c.password = name, password
        return c.login()

    def refused(self, claimed, detail, event="login-refused"):
        return self.cluster.wait_event("sm-1", event, claimed=claimed, detail=detail)

    def row(self, name):
        return next(r for r in json.loads(self.cluster.ctl("--json", "sm-1", "ldap", "status").stdout) if r["directory"] == name)

    def wait_row(self, name, is_there, timeout=30):
        """The server's row of a section, once it is as wanted."""
        deadline = time.monotonic() + timeout
        while not is_there(row := self.row(name)):
            assert time.monotonic() < deadline, row
            time.sleep(0.05)
        return row

    def test(self, jid, host="sam"):
        return self.cluster.ctl("sm-1", "ldap", "test", host, f"{jid}@{host}.example")


@pytest.fixture(scope="module")
def ad(provisioned):
    server = Samba(provisioned)
    yield server
    server.close()


HOSTS = {
    "sam": {},
    "upn": {"filter": f'"(&(objectClass=user)(userPrincipalName=%u@{UPN}))"', "bind_dn": f'"sallyport@{UPN}"'},
    "mail": {"filter": '"(&(objectClass=user)(mail=%a))"', "bind_dn": '"CORP\\\\sallyport"'},
    "office": {"base": f'"OU=Office,{SUFFIX}"', "scope": '"one-level"'},
    "enabled": {"filter": '"(&(sAMAccountName=%u)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))"'},
    "chat": {"filter": f'"(&(sAMAccountName=%u)(memberOf:1.2.840.113556.1.4.1941:=CN=chat,{STAFF}))"'},
    "primary": {"filter": '"(&(sAMAccountName=%u)(primaryGroupID=513))"'},
    "nokey": {"key_attribute": None},
    "nobase": {"base": '"OU=Nowhere,DC=corp,DC=example,DC=com"'},
}


@pytest.fixture(scope="module")
def site(ad):
    ad.modify(f"dn: OU=Office,{SUFFIX}\nchangetype: add\nobjectClass: organizationalUnit\n")
    uris = {
        "starttls": {"uris": [ad.ldap]},
        "catalogue": {"uris": [f"{ad.ldaps}:3269"]},
        "clear": {"uris": [ad.ldap], "start_tls": "no", "plain": "yes", "ca": None},
        "wrongca": {"ca": f'"{ad.tls}/other-ca.pem"'},
    }
    made = Site(ad, {**HOSTS, **uris})
    for name in [*HOSTS, "starttls", "catalogue"]:
        made.wait_row(name, lambda r: r["state"] == "up")
    yield made
    made.cluster.down()


# --- names --------------------------------------------------------------------------------------------------------------------------------


def test_samaccountname_is_the_name(site, ad, unique):
    name = ad.add_user(unique("juliet"), cn=unique("Juliet Capulet"))
    c = site.login(name)
    c.ping()
    assert site.cluster.wait_event("sm-1", "account-added", account=f"{name}@sam.example")["by"] == "directory"


def test_userprincipalname_is_the_name(site, ad, unique):
    """It need not be the sAMAccountName, and is compared without regard to case."""
    upn = unique("juliet.capulet")
    sam = ad.add_user(unique("jc"), userPrincipalName=f"{upn.title()}@{UPN}")
    assert site.auth(upn, host="upn") == "success"
    assert site.auth(sam, host="upn") == WRONG
    assert site.auth(upn) == WRONG


def test_mail_is_the_name(site, ad, unique):
    name = unique("j.capulet")
    ad.add_user(unique("jc"), mail=f"{name}@mail.example")
    assert site.auth(name, host="mail") == "success"
    assert site.auth("nobody", host="mail") == WRONG


def test_two_entries_with_one_mail_are_refused(site, ad, unique):
    name = unique("shared")
    for _ in range(2):
        ad.add_user(unique("twin"), mail=f"{name}@mail.example")
    assert site.auth(name, host="mail") == WRONG
    site.refused(name, "more than one entry")


@pytest.mark.parametrize("cn", ["Capulet, Juliet", "Jürgen Müller", "O=B(r)i*e\\n + \"Q\"", "#1; <Prinz> Łukasz", "朝日 太郎"])
def test_the_dn_may_hold_anything(site, ad, unique, cn):
    name = ad.add_user(unique("dn"), cn=f"{cn} {unique('x')}")
    assert site.auth(name) == "success"
    assert site.auth(name, "wrong") == WRONG


@pytest.mark.parametrize("name", ["jürgen", "zoë-łuk", "山田"])
def test_letters_beyond_ascii(site, ad, name):
    ad.add_user(name, "Pässwörd-€", userPrincipalName=f"x{ord(name[0])}@{UPN}")
    assert site.auth(name, "Pässwörd-€") == "success"
    assert site.auth(name.upper(), "Pässwörd-€") == "success"  # one account: the local part is mapped (RFC 8265)
    assert site.auth(name, "Passwort") == WRONG


def test_an_injection_finds_nobody(site, ad, unique):
    name = ad.add_user(unique("victim"))
    assert site.auth(name) == "success"
    for claimed in ("*", f"{name[:-1]}*", f"{name})(objectClass=*", f"*)(sAMAccountName={name}", f"x)(|(sAMAccountName={name})", f"{name}\\2a",
                    f"{name}))(|(cn=*", "\\2a"):
        assert site.auth(claimed) == WRONG, claimed


def test_computers_are_nobody(site, ad, unique):
    """The filter of the documentation: a computer is a user to Active Directory."""
    name = unique("pc")
    ad.modify(f"dn: CN={name},{STAFF}\nchangetype: add\nobjectClass: computer\nsAMAccountName: {name}$\nuserAccountControl: 4096\n")
    assert site.auth(f"{name}$") == WRONG
    site.refused(f"{name}$", "no entry")


# --- TLS ------------------------------------------------------------------------------------------------------------------------------------


def test_starttls_and_the_global_catalogue(site, ad, unique):
    name = ad.add_user(unique("romeo"))
    assert site.auth(name, host="starttls") == "success"
    assert site.auth(name, host="catalogue") == "success"
    assert site.row("starttls")["tls"].startswith("TLS1.") and site.row("catalogue")["tls"].startswith("TLS1.")


def test_without_tls_the_domain_controller_refuses_and_the_log_says_why(site, ad, unique):
    row = site.wait_row("clear", lambda r: r["state"] == "down")
    assert "trong" in row["last_error"] and "Transport encryption required" in row["last_error"]
    name = ad.add_user(unique("clear"))
    assert site.auth(name, host="clear") == "temporary-auth-failure"
    down = site.cluster.wait_event("sm-1", "directory-down", directory="clear")
    assert "Transport encryption required" in json.dumps(down)


def test_a_domain_controller_of_another_ca_gets_no_password(site, ad, unique):
    site.wait_row("wrongca", lambda r: r["state"] == "down")
    assert site.auth(ad.add_user(unique("tybalt")), host="wrongca") == "temporary-auth-failure"
    assert "certificate issuer is unknown" in site.row("wrongca")["last_error"]


# --- refusals and their sub-codes -------------------------------------------------------------------------------------------------------------


def expire_password(ad, dn):
    """Older than the 42 days that a domain allows by default."""
    ad.age_password(dn.split(",")[0][3:])


def guess_until_locked(ad, dn):
    for _ in range(6):
        ad.tool("ldapsearch", "-b", "", "-s", "base", dn=dn, password="a guess")
    assert int(ad.read(dn, "lockoutTime")["lockoutTime"][0]) > 0


REFUSALS = {
    # what the entry is made with, what is done to it, condition with the right password, audit detail
    "disabled": ({"control": NORMAL | DISABLED}, None, OFF, "account disabled or expired"),  # data 533
    "account-expired": ({"accountExpires": 130000000000000000}, None, OFF, "account disabled or expired"),  # data 701
    "must-change": ({"pwdLastSet": 0, "control": NORMAL}, None, EXPIRED, "password must be changed"),  # data 773
    "password-expired": ({"control": NORMAL}, expire_password, EXPIRED, "password expired"),  # data 532
    "locked": ({}, guess_until_locked, WRONG, "locked"),  # data 775
    "never": ({"logonHours": "\0" * 21}, None, WRONG, "not at this time or place"),  # data 530
    "elsewhere": ({"userWorkstations": "NOSUCHHOST"}, None, WRONG, "not at this time or place"),  # data 531
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_with_the_right_password(site, ad, unique, kind):
    options, then, expected, detail = REFUSALS[kind]
    name = ad.add_user(unique(kind), **options)
    if then:
        then(ad, ad.dn(name))
    assert site.auth(name) == expected
    assert site.refused(name, detail)["condition"] == expected


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_stranger_learns_nothing_of_the_account(site, ad, unique, kind):
    """With a wrong password every refusal is the same."""
    options, then, _, _ = REFUSALS[kind]
    name = ad.add_user(unique(kind), **options)
    if then:
        then(ad, ad.dn(name))
    assert site.auth(name, "wrong") == WRONG


def test_wrong_passwords_and_unknown_names(site, ad, unique):
    name = ad.add_user(unique("mercutio"))
    nobody = unique("nobody")
    assert site.auth(name, "wrong") == site.auth(nobody) == WRONG
    site.refused(name, "wrong password")  # data 52e
    site.refused(nobody, "no entry")  # not asked: Active Directory would say 525, Samba 52e
    assert site.auth(name, "") in (WRONG, "malformed-request")


def test_accounts_come_back(site, ad, unique):
    """Enabled, unlocked, given a new password: the next login counts, nothing is remembered here."""
    name = ad.add_user(unique("back"), control=NORMAL | DISABLED)
    dn = ad.dn(name)
    assert site.auth(name) == OFF
    ad.change(dn, "userAccountControl", NORMAL | NEVER_EXPIRES)
    assert site.auth(name) == "success"
    guess_until_locked(ad, dn)
    assert site.auth(name) == WRONG
    ad.change(dn, "lockoutTime", 0)
    assert site.auth(name) == "success"


def test_an_empty_password_is_no_guess(site, ad, unique):
    """RFC 4513 §5.1.2: it would be an anonymous bind; it is not even asked."""
    name = ad.add_user(unique("empty"))
    for _ in range(6):
        assert site.auth(name, "") in (WRONG, "malformed-request")
    assert ad.read(ad.dn(name), "badPwdCount")["badPwdCount"] == ["0"]
    assert site.auth(name) == "success"


# --- filters of Active Directory --------------------------------------------------------------------------------------------------------------


def test_a_filter_of_bits_leaves_the_disabled_out(site, ad, unique):
    on, off = ad.add_user(unique("on")), ad.add_user(unique("off"), control=NORMAL | DISABLED)
    assert site.auth(on, host="enabled") == "success"
    assert site.auth(off, host="enabled") == WRONG
    site.refused(off, "no entry")


def test_the_matching_rule_in_chain_finds_members_of_members(site, ad, unique):
    names = {n: ad.add_user(unique(n)) for n in ("direct", "nested", "deep", "outside")}
    dn = {n: ad.dn(name) for n, name in names.items()}
    deep = ad.add_group("chat deep", [dn["deep"]])
    nested = ad.add_group("chat, nested", [dn["nested"], deep])
    ad.add_group("chat", [dn["direct"], nested])
    answers = {n: site.auth(name, host="chat") for n, name in names.items()}
    assert answers == {"direct": "success", "nested": "success", "deep": "success", "outside": WRONG}
    ad.modify(f"dn: {nested}\nchangetype: modify\ndelete: member\nmember: {deep}\n".replace("CN=chat\\", "CN=chat\\"))
    assert site.auth(names["deep"], host="chat") == WRONG


def test_the_primary_group_is_no_member_but_can_be_asked_for(site, ad, unique):
    name = ad.add_user(unique("primary"))
    assert "memberOf" not in ad.read(ad.dn(name), "memberOf")
    assert site.auth(name, host="primary") == "success"


def test_a_scope_and_a_base(site, ad, unique):
    inside, outside = ad.add_user(unique("in"), ou=f"OU=Office,{SUFFIX}"), ad.add_user(unique("out"))
    assert site.auth(inside, host="office") == "success"
    assert site.auth(outside, host="office") == WRONG


# --- keys -------------------------------------------------------------------------------------------------------------------------------------


def keep_something(c):
    c.iq("set", "<query xmlns='jabber:iq:private'><x xmlns='urn:mine'>private</x></query>")
    c.close()


def has_it(c):
    answer = c.iq("get", "<query xmlns='jabber:iq:private'><x xmlns='urn:mine'/></query>")
    return "private" in [e.text for e in answer.iter()]


def test_another_cn_changes_nothing(site, ad, unique):
    """A marriage, a move to another department: the entry's DN changes, objectGUID stays."""
    name = ad.add_user(unique("bride"), cn=unique("Juliet, Capulet"))
    keep_something(site.login(name))
    before = site.test(name).stdout
    dn = next(e for e in ad.tool("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", STAFF, f"(sAMAccountName={name})", "dn").stdout.splitlines())
    new = ad.rename(dn.removeprefix("dn: "), unique("Juliet, Montague"))
    ad.modify(f"dn: {new}\nchangetype: modrdn\nnewrdn: {new.split(',OU')[0]}\ndeleteoldrdn: 1\nnewsuperior: {USERS}\n")
    assert has_it(site.login(name))
    after = site.test(name).stdout
    assert "Montague" in after and "Montague" not in before
    assert [line for line in before.splitlines() if line.startswith("key")] == [line for line in after.splitlines() if line.startswith("key")]


def test_another_samaccountname_is_another_account(site, ad, unique):
    """The old name finds nobody; its data stay with it until an administrator deletes them."""
    old, new = unique("maiden"), unique("married")
    ad.add_user(old)
    keep_something(site.login(old))
    ad.change(ad.dn(old), "sAMAccountName", new)
    assert site.auth(old) == WRONG
    assert site.auth(new) == "success"


def test_a_reused_name_does_not_get_what_the_leaver_had(site, ad, unique):
    name = ad.add_user(unique("leaver"))
    keep_something(site.login(name))
    ad.delete(ad.dn(name))
    assert site.auth(name) == WRONG
    ad.add_user(name, "Other-passw0rd")
    assert site.auth(name, "Other-passw0rd") == WRONG
    site.refused(name, "another entry of the directory has this name now")
    assert site.cluster.ctl("sm-1", "deluser", f"{name}@sam.example").returncode == 0
    assert not has_it(site.login(name, "Other-passw0rd"))


def test_objectguid_is_the_key(site, ad, unique):
    name = ad.add_user(unique("keyed"))
    guid = ad.read(ad.dn(name), "objectGUID")["objectGUID"][0]
    guid = guid if isinstance(guid, bytes) else guid.encode()
    done = site.test(name)
    assert done.returncode == 0 and guid.hex() in done.stdout.lower(), (guid.hex(), done.stdout)


def test_openldaps_key_is_missing_and_that_is_said(site, ad, unique):
    name = ad.add_user(unique("nokey"))
    assert site.auth(name, host="nokey") == "temporary-auth-failure"
    site.refused(name, "entry without key attribute")
    done = site.test(name, "nokey")
    assert done.returncode == 70 and "entry without key attribute" in done.stdout + done.stderr


# --- the server -------------------------------------------------------------------------------------------------------------------------------


def test_referrals_of_the_root_are_not_followed_and_cost_no_time(site, ad, unique):
    """A search from the domain's root is answered with referrals to names that nobody can reach."""
    name = ad.add_user(unique("root"))
    found = ad.tool("ldapsearch", "-LLL", "-b", SUFFIX, f"(sAMAccountName={name})", "cn").stdout
    assert "# refldap" in found
    began = time.monotonic()
    done = site.test(name)
    assert done.returncode == 0 and time.monotonic() - began < 2
    assert site.auth(name) == "success"


def test_administrators_see_each_step(site, ad, unique):
    name = ad.add_user(unique("seen"), cn=f"Seen, {unique('x')}")
    done = site.test(name)
    for text in (ad.ldaps, f"(sAMAccountName={name})", "CN=Seen\\, x", "key"):
        assert text in done.stdout, done.stdout
    done = site.test("nobody")
    assert done.returncode == 70 and "no entry" in done.stdout + done.stderr
    done = site.test(name, "nobase")
    assert done.returncode == 70 and "directory refuses to search" in done.stdout + done.stderr
    assert "server_said" in done.stdout + done.stderr


def test_many_logins_at_once_are_all_answered(site, ad, unique):
    names = [ad.add_user(unique("crowd")) for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda i: site.auth(names[i % 4], PASSWORD if i % 4 else "wrong"), range(40)))
    busy = "temporary-auth-failure"  # fair, too: one Samba process checks passwords here
    assert set(answers[::4]) <= {WRONG, busy} and set(answers) <= {"success", WRONG, busy}, answers
    assert "success" in answers


def test_a_domain_controller_that_comes_back(site, ad, unique):
    """The last test of the file: it ends the server and starts it again."""
    name = ad.add_user(unique("survivor"))
    c = site.login(name)
    ad.kill()
    began = time.monotonic()
    assert site.auth(name) == "temporary-auth-failure"
    assert time.monotonic() - began < 4
    c.ping()
    ad.start()
    site.wait_row("sam", lambda r: r["state"] == "up")
    assert site.auth(name) == "success"


def test_the_domain_controller_tells_who_is_disabled(ad):
    """Notification of changes (MS-ADTS 3.1.1.3.4.1.9): nobody waits for leavers_interval."""
    name = ad.add_user("told")
    site = Site(ad, {"sam": {"leavers_interval": '"24h"'}})
    try:
        site.wait_row("sam", lambda row: row["watch"] == "notification")
        c = site.login(name)
        ad.change(ad.dn(name), "userAccountControl", NORMAL | DISABLED)
        c.expect_stream_error("not-authorized")
        assert site.cluster.wait_event("sm-1", "account-left", account=f"{name}@sam.example")["reason"] == "account disabled or expired"
    finally:
        site.cluster.down()
