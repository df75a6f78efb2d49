"""SCRAM for people of a directory: by RFC 5803 values, by passwords in clear text, by keys derived from a password that the directory accepted."""
import base64
import hashlib
import json
import re
import subprocess
import time

import pytest

import backends
from backends import DMZ, INSIDE, Site, rfc5803
from cluster import Cluster
from slapd import SUFFIX
from test_sasl import condition, end_point
from xmpp import SASL, local, q

AUTH, CLEAR, DERIVED, LAZY, EITHER = "auth.example", "clear.example", "derived.example", "lazy.example", "either.example"
ALL = '    mechanisms = {"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"}'
LDAP = '    auth = {"ldap"}'
HOSTS = {
    AUTH: (LDAP, {"scram": '{"authPassword"}'}),
    CLEAR: (LDAP, {"scram": '{"userPassword"}'}),
    DERIVED: (f"{LDAP}\n{ALL}\n    mechanisms_dmz = {{\"SCRAM-SHA-256\", \"PLAIN\"}}", {"scram": '{"derived"}'}),
    LAZY: (LDAP, {"scram": '{"derived"}'}),
    EITHER: (LDAP, {"scram": '{"authPassword", "userPassword"}'}),
}
OLD = "20260101000000Z"


@pytest.fixture(scope="module")
def slapd():
    server = backends.directory()
    server.modify(f"dn: cn=default,{SUFFIX}\nchangetype: modify\nreplace: pwdMaxAge\npwdMaxAge: 999999999\n-\nreplace: pwdMustChange\npwdMustChange: FALSE\n")
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


def keyed(slapd, name, *values):
    return slapd.add_person(name, "for a bind", more="objectClass: authPasswordObject\n" + "".join(f"authPassword: {v}\n" for v in values))


def marked(slapd, name, password="secret"):
    """Whose password was not changed this very second."""
    slapd.add_person(name, password)
    slapd.change(name, "pwdChangedTime", OLD)
    return name


def known(site, slapd, name, password="secret"):
    """Who has derived keys."""
    marked(slapd, name, password)
    assert site.auth(DERIVED, name, password, "PLAIN") == "success"
    site.cluster.wait_event("sm-1", "derived-keys-kept", account=f"{name}@{DERIVED}")
    return name


# --- authPassword: RFC 5803 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_values_of_rfc_5803_log_in(site, slapd, unique, mechanism):
    name = keyed(slapd, unique("keyed"), rfc5803("SCRAM-SHA-1", "a"), rfc5803("SCRAM-SHA-256", "b", 5000), rfc5803("SCRAM-SHA-512", "c"))
    right = {"SCRAM-SHA-1": "a", "SCRAM-SHA-256": "b", "SCRAM-SHA-512": "c"}[mechanism]
    assert site.asked(lambda: site.auth(AUTH, name, right, mechanism)) == (1, 0), "one search and no bind"
    assert site.auth(AUTH, name, right, mechanism, DMZ) == "success"
    assert site.auth(AUTH, name, "wrong", mechanism) == "not-authorized"


def test_the_session_works_and_has_an_account(site, slapd, unique):
    name = keyed(slapd, unique("keyed"), rfc5803("SCRAM-SHA-256", "secret"))
    site.client(AUTH, name).login(mechanism="SCRAM-SHA-256").ping()
    site.cluster.wait_event("sm-1", "account-added", account=f"{name}@{AUTH}", by="directory")
    assert site.secrets(f"{name}@{AUTH}") == {}, "the directory's keys stay there"


def test_plus_binds_the_channel(site, slapd, unique):
    name = keyed(slapd, unique("bound"), rfc5803("SCRAM-SHA-256", "secret"))
    c = site.client(AUTH, name)
    c.direct()
    assert local(c.auth_scram("SCRAM-SHA-256-PLUS", cb_type="tls-server-end-point", cb_data=end_point(c))) == "success"
    assert site.auth(AUTH, name, mechanism="SCRAM-SHA-256-PLUS", cb_type="tls-server-end-point", cb_data=b"x" * 32) == "not-authorized"


@pytest.mark.parametrize("value", [
    lambda: rfc5803("SCRAM-SHA-512", "secret"), lambda: rfc5803("SCRAM-SHA-256", "secret", 1000), lambda: "SCRAM-SHA-256$4096:x$y:z",
    lambda: "MD5$c2FsdA==$ZGlnZXN0", lambda: rfc5803("SCRAM-SHA-256", "secret").replace("$", "$$", 1)])
def test_values_that_are_no_keys_for_it_open_nothing(site, slapd, unique, value):
    name = keyed(slapd, unique("odd"), value())
    assert site.auth(AUTH, name) == "not-authorized"


def test_spaces_around_the_signs_are_allowed(site, slapd, unique):
    """RFC 3112 §2.2."""
    name = keyed(slapd, unique("spaced"), rfc5803("SCRAM-SHA-256", "secret").replace("$", " $ "))
    assert site.auth(AUTH, name) == "success"


def test_gsasl_agrees(site, slapd, unique):
    """Another implementation of the client."""
    name = keyed(slapd, unique("gnu"), rfc5803("SCRAM-SHA-256", "secret"))
    c = site.client(AUTH, name)
    c.direct()
    gsasl = subprocess.Popen(["gsasl", "--client", "--mechanism=SCRAM-SHA-256", f"--authentication-id={name}", "--password=secret", "--no-cb", "--quiet"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        tokens = iter(lambda: gsasl.stdout.readline().strip(), None)
        assert next(tokens) == "SCRAM-SHA-256"
        first = next(t for t in tokens if t)
        c.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>")
        gsasl.stdin.write(c.sasl_answer().text + "\n")
        gsasl.stdin.flush()
        c.send(f"<response xmlns='{SASL}'>{next(t for t in tokens if t)}</response>")
        assert local(c.sasl_answer()) == "success"
    finally:
        gsasl.kill()
        gsasl.communicate()


# --- userPassword -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_passwords_in_clear_text_log_in(site, slapd, unique, mechanism):
    name = slapd.add_person(unique("clear"), "pencil")
    assert site.asked(lambda: site.auth(CLEAR, name, "pencil", mechanism)) == (1, 0)
    assert site.auth(CLEAR, name, "pencil", mechanism) == "success"
    assert site.auth(CLEAR, name, "wrong", mechanism) == "not-authorized"


def test_a_scheme_says_what_is_no_password(site, slapd, unique):
    clear = slapd.add_person(unique("clear"), "{CLEARTEXT}pencil")
    assert site.auth(CLEAR, clear, "pencil") == "success"
    digest = "{SHA}" + base64.b64encode(hashlib.sha1(b"pencil").digest()).decode()
    hashed = slapd.add_person(unique("hashed"), digest)
    assert site.auth(CLEAR, hashed, "pencil") == "not-authorized"
    assert site.auth(CLEAR, hashed, digest) == "not-authorized", "nor is the digest the password"
    assert site.auth(CLEAR, hashed, "pencil", "PLAIN") == "success"


def test_the_salt_is_stable_and_that_of_a_name_that_nobody_has(site, slapd, unique):
    def challenge(name):
        c = site.client(CLEAR)
        c.direct()
        c.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{base64.b64encode(f'n,,n={name},r=abc'.encode()).decode()}</auth>")
        text = base64.b64decode(c.sasl_answer().text).decode()
        return text.split(",", 1)[1]

    name = unique("later")
    nobody = challenge(name)
    slapd.add_person(name)
    assert challenge(name) == nobody == challenge(name)
    assert challenge(unique("other")) != nobody


def test_a_changed_password_counts_at_once(site, slapd, unique):
    name = slapd.add_person(unique("changing"), "old")
    assert site.auth(CLEAR, name, "old") == "success"
    slapd.change(name, "userPassword", "new")
    assert site.auth(CLEAR, name, "old") == "not-authorized"
    assert site.auth(CLEAR, name, "new") == "success"


def test_of_several_sources_the_first_that_has_something_is_used(site, slapd, unique):
    both = keyed(slapd, unique("both"), rfc5803("SCRAM-SHA-256", "from authPassword"))
    assert site.auth(EITHER, both, "from authPassword") == "success"
    assert site.auth(EITHER, both, "for a bind") == "not-authorized"
    assert site.auth(EITHER, both, "for a bind", "SCRAM-SHA-512") == "success", "where the first has nothing for this mechanism"


# --- what the entry says ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attribute,value,expected", [
    ("pwdEndTime", OLD, "account-disabled"), ("pwdAccountLockedTime", "000001010000Z", "account-disabled"),
    ("pwdReset", "TRUE", "credentials-expired")])
def test_the_state_of_the_entry_is_told_to_who_has_proved_the_password(site, slapd, unique, attribute, value, expected):
    name = slapd.add_person(unique("state"))
    slapd.change(name, attribute, value, "add")
    assert site.auth(CLEAR, name) == expected
    assert site.auth(CLEAR, name, "wrong") == "not-authorized"


def test_a_lock_is_a_refusal(site, slapd, unique):
    name = slapd.add_person(unique("locked"))
    slapd.change(name, "pwdAccountLockedTime", time.strftime("%Y%m%d%H%M%SZ", time.gmtime()))
    assert site.auth(CLEAR, name) == "not-authorized"
    site.cluster.wait_event("sm-1", "login-refused", claimed=name, detail="locked")


def test_a_reused_name_does_not_get_what_the_leaver_had(site, slapd, unique):
    name = slapd.add_person(unique("leaver"))
    assert site.auth(CLEAR, name) == "success"
    slapd.delete(name)
    assert site.auth(CLEAR, name) == "not-authorized"
    slapd.add_person(name)
    assert site.auth(CLEAR, name) == "not-authorized"
    site.cluster.wait_event("sm-1", "login-refused", claimed=name, detail="another entry of the directory has this name now")


def test_unknown_names_are_one_search_as_well(site, unique):
    for domain in (AUTH, CLEAR, EITHER, DERIVED):
        assert site.asked(lambda: site.auth(domain, unique("nobody"), "x")) == (1, 0), domain


def test_a_directory_that_is_away_is_a_temporary_failure(site, slapd, unique):
    name = slapd.add_person(unique("away"))
    slapd.kill()
    try:
        assert site.auth(CLEAR, name) == "temporary-auth-failure"
        assert site.auth(CLEAR, unique("nobody")) == "temporary-auth-failure"
    finally:
        slapd.start()
    site.until(lambda: site.auth(CLEAR, name) == "success" and site.auth(AUTH, name, "x") == "not-authorized" and
               site.auth(DERIVED, name, "x") == "not-authorized" and site.auth(EITHER, name) == "success", 40)


# --- derived keys -------------------------------------------------------------------------------------------------------------------------


def test_keys_are_derived_inside_and_used_outside(site, slapd, unique):
    name = marked(slapd, unique("derived"))
    account = f"{name}@{DERIVED}"
    assert site.auth(DERIVED, name, c2s=DMZ) == "not-authorized", "there are none yet"
    assert site.auth(DERIVED, name, mechanism="PLAIN") == "success"
    site.cluster.wait_event("sm-1", "derived-keys-kept", account=account)
    kept = site.secrets(account)
    assert sorted(kept) == ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    assert {mark for _, mark in kept.values()} == {f"pwdChangedTime={OLD}"}
    assert site.asked(lambda: site.auth(DERIVED, name, c2s=DMZ)) == (1, 0)
    for mechanism in kept:
        assert site.auth(DERIVED, name, mechanism=mechanism) == "success"
    assert site.auth(DERIVED, name, c2s=DMZ) == "success"
    assert site.auth(DERIVED, name, "wrong", c2s=DMZ) == "not-authorized"
    assert len(site.cluster.events("sm-1", "derived-keys-kept", account=account)) == 1


def test_plain_through_the_dmz_derives_nothing(site, slapd, unique):
    name = marked(slapd, unique("outside"))
    assert site.auth(DERIVED, name, mechanism="PLAIN", c2s=DMZ) == "success"
    known(site, slapd, unique("witness"))  # what came before it was done before it
    assert site.secrets(f"{name}@{DERIVED}") == {}
    assert site.auth(DERIVED, name, c2s=DMZ) == "not-authorized"


def test_a_changed_password_drops_them(site, slapd, unique):
    name = known(site, slapd, unique("changing"))
    account = f"{name}@{DERIVED}"
    slapd.change(name, "userPassword", "new")
    slapd.change(name, "pwdChangedTime", "20260102000000Z")
    assert site.auth(DERIVED, name, c2s=DMZ) == "not-authorized"
    site.cluster.wait_event("sm-1", "derived-keys-dropped", account=account, reason="another password")
    assert site.secrets(account) == {}
    slapd.change(name, "pwdChangedTime", OLD)
    assert site.auth(DERIVED, name, c2s=DMZ) == "not-authorized", "the old ones do not come back"
    assert site.auth(DERIVED, name, "new", "PLAIN") == "success"
    site.until(lambda: site.auth(DERIVED, name, "new", c2s=DMZ) == "success")


def test_a_removed_entry_and_a_new_one_of_its_name_drop_them(site, slapd, unique):
    for reason in ("no entry", "another entry"):
        name = known(site, slapd, unique("gone"))
        slapd.delete(name)
        if reason == "another entry":
            marked(slapd, name)
        assert site.auth(DERIVED, name, c2s=DMZ) == "not-authorized"
        site.cluster.wait_event("sm-1", "derived-keys-dropped", account=f"{name}@{DERIVED}", reason=reason)
        assert site.secrets(f"{name}@{DERIVED}") == {}


def test_a_password_that_a_taken_over_c2s_read_drops_them(site, slapd, unique):
    read, other = known(site, slapd, unique("read")), known(site, slapd, unique("elsewhere"))
    assert site.auth(DERIVED, read, mechanism="PLAIN", c2s=DMZ) == "success"
    assert site.auth(DERIVED, other, c2s=DMZ) == "success"
    done = site.cluster.ctl("--json", "sm-1", "incident", "c2s", "c2s-2.cluster.internal", "--since", "1h")
    assert done.returncode == 0, done.stdout + done.stderr
    by_account = {r["account"]: r for r in json.loads(done.stdout)["rows"]}
    assert by_account[f"{read}@{DERIVED}"]["derived_keys"] == "dropped" and by_account[f"{other}@{DERIVED}"]["derived_keys"] is None
    site.cluster.wait_event("sm-1", "derived-keys-dropped", account=f"{read}@{DERIVED}", reason="incident")
    assert site.secrets(f"{read}@{DERIVED}") == {} and len(site.secrets(f"{other}@{DERIVED}")) == 3


def test_a_disabled_account_is_told_so_with_derived_keys(site, slapd, unique):
    name = known(site, slapd, unique("disabled"))
    slapd.change(name, "pwdEndTime", OLD, "add")
    assert site.auth(DERIVED, name, c2s=DMZ) == "account-disabled"
    assert site.auth(DERIVED, name, "wrong", c2s=DMZ) == "not-authorized"


def test_a_challenge_does_not_tell_who_has_keys(site, slapd, unique):
    def challenge(name):
        c = site.client(DERIVED, c2s=DMZ)
        c.direct()
        c.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{base64.b64encode(f'n,,n={name},r=abc'.encode()).decode()}</auth>")
        return base64.b64decode(c.sasl_answer().text).decode().split(",", 1)[1]

    name = unique("quiet")
    before = challenge(name)
    known(site, slapd, name)
    assert challenge(name) == before


def test_without_a_mark_nothing_is_kept_and_it_is_said_once(site, slapd, unique):
    names = []
    for _ in range(2):
        name = slapd.add_person(unique("unmarked"), more=f"pwdPolicySubentry: cn=none,{SUFFIX}\n")
        slapd.modify(f"dn: uid={name},ou=people,{SUFFIX}\nchangetype: modify\ndelete: pwdChangedTime\n") if "pwdChangedTime" in shown(slapd, name) else None
        assert site.auth(DERIVED, name, mechanism="PLAIN") == "success"
        names.append(name)
    known(site, slapd, unique("witness"))
    assert all(site.secrets(f"{name}@{DERIVED}") == {} for name in names)
    assert len(re.findall("no keys are derived.*directory=\"?derived", site.cluster.log("sm-1"))) == 1


def shown(slapd, name):
    done = subprocess.run(["ldapsearch", "-x", "-LLL", "-H", slapd.ldapi, "-D", f"cn=admin,{SUFFIX}", "-w", "rootpw", "-b", f"uid={name},ou=people,{SUFFIX}", "+"],
                          capture_output=True, text=True, check=True)
    return done.stdout


def test_a_password_of_this_very_second_is_derived_from_later(site, slapd, unique):
    """Its mark could be the next one's as well."""
    name = slapd.add_person(unique("fresh"))
    slapd.change(name, "pwdChangedTime", "20990101000000Z")
    assert site.auth(DERIVED, name, mechanism="PLAIN") == "success"
    known(site, slapd, unique("witness"))
    assert site.secrets(f"{name}@{DERIVED}") == {}


def test_administrators_see_who_has_them_and_cannot_set_a_password(site, slapd, unique):
    name = known(site, slapd, unique("seen"))
    account = f"{name}@{DERIVED}"
    assert "derived_keys: yes" in site.cluster.ctl("sm-1", "ldap", "test", "derived", account).stdout
    rows = site.cluster.ctl("sm-1", "ldap", "explain", account).stdout
    assert re.search(r"derived keys +yes", rows), rows
    assert site.cluster.ctl("sm-1", "passwd", account, input="mine\n").returncode != 0
    assert site.cluster.ctl("sm-1", "ldap", "accept", account).returncode == 0
    assert site.secrets(account) == {}
    assert site.auth(DERIVED, name, c2s=DMZ) == "not-authorized"


def test_what_is_offered_by_zone(site):
    scram = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"]
    assert site.offered(LAZY, INSIDE) == ["PLAIN"] and site.offered(LAZY, DMZ) == scram
    assert site.offered(AUTH, INSIDE) == [*scram, "PLAIN"] and site.offered(AUTH, DMZ) == scram
    assert site.offered(DERIVED, INSIDE) == [*scram, "PLAIN"] and site.offered(DERIVED, DMZ) == ["SCRAM-SHA-256", "PLAIN"]


def test_no_password_and_no_key_is_written_anywhere(site, slapd, unique):
    derived = known(site, slapd, unique("secretive"), "Tr0ub4dor-derived")
    clear = slapd.add_person(unique("secretive"), "Tr0ub4dor-clear")
    value = rfc5803("SCRAM-SHA-256", "Tr0ub4dor-keyed")
    name = keyed(slapd, unique("secretive"), value)
    assert site.auth(DERIVED, derived, "Tr0ub4dor-derived", c2s=DMZ) == "success"
    assert site.auth(CLEAR, clear, "Tr0ub4dor-clear") == "success"
    assert site.auth(AUTH, name, "Tr0ub4dor-keyed") == "success"
    site.copy()
    written = site.files()
    assert b"Tr0ub4dor" not in written
    stored, server = value.split("$")[2].split(":")
    assert stored.encode() not in written and server.encode() not in written
    kept = site.secrets(f"{derived}@{DERIVED}")["SCRAM-SHA-256"][0].split("$")[2].split(":")[1]
    logs = "".join(site.cluster.log(p) + site.cluster.audit(p) for p in ("sm-1", "router-1", "c2s-1", "c2s-2"))
    assert kept not in logs


@pytest.mark.parametrize("lines,scram,word", [
    ('auth = {"ldap"}', '{"userpassword"}', "expected authPassword"),
    ('auth = {"ldap"}\n    mechanisms = {"SCRAM-SHA-256"}', '{"derived"}', "login by PLAIN"),
])
def test_configuration_that_could_not_work_is_refused(site, slapd, lines, scram, word):
    good = site.conf.read_text()
    section = slapd.section("new", scram=scram)
    site.conf.write_text(section + good.replace(f'host "{AUTH}" {{', f'host "new.example" {{\n    {lines}\n    directory = "new"\n}}\nhost "{AUTH}" {{'))
    try:
        done = site.cluster.ctl("sm-1", "reload")
        assert done.returncode != 0 and word in done.stdout + done.stderr
    finally:
        site.conf.write_text(good)
