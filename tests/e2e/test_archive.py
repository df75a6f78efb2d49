"""XEP-0313, 0359, 0334, 0441: what is archived, under which id, and how it is asked for."""
import pytest

from archives import BODY, DATA, DELAY, HINT, MAM, SID, Page, form, refused, rsm, stanza_id
from test_carbons import enabled, inner_of
from test_settings import set_host, until
from xmpp import CLIENT, error_of, q

INFO = "http://jabber.org/protocol/disco#info"
STATE = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"


@pytest.fixture
def pair(cluster, unique):
    return cluster.online(unique("alice"), "a"), cluster.online(unique("bob"), "b")


def say(one, other, *bodies):
    """Messages that the other has got, in order."""
    return [tell(one, other, body) for body in bodies]


def tell(one, other, body, **options):
    one.message(other.jid, body, **options)
    return other.expect("message", body=body)


def bodies(client, inner=""):
    return Page(client, inner).bodies


# --- what is kept, and its id -------------------------------------------------------------------------------------------------


def test_both_sides_have_it_under_the_id_of_its_delivery(pair):
    alice, bob = pair
    got = tell(alice, bob, "hello", id="m1", inner="<x xmlns='urn:example'>&lt;&amp;</x>")
    id = stanza_id(got, bob.bare)
    assert id and stanza_id(got, alice.bare) is None
    for client in pair:
        page = Page(client)
        assert (page.ids, page.bodies, page.is_complete) == ([id], ["hello"], True)
        assert (page.first, page.last, page.index, page.count) == (id, id, "0", "1")
        kept = page.messages[0]
        assert (kept.get("from"), kept.get("to"), kept.get("type"), kept.get("id")) == (alice.jid, bob.jid, "chat", "m1")
        assert kept.findtext("{urn:example}x") == "<&"


def test_what_is_sent_to_oneself_is_there_once(cluster, unique):
    name = unique("alice")
    desk, phone = enabled(cluster, name, "desk"), enabled(cluster, name, "phone")
    got = tell(desk, phone, "note")
    desk.expect_none(lambda el: el.findtext(BODY) == "note")
    page = Page(desk)
    assert page.ids == [stanza_id(got, desk.bare)]
    assert Page(desk, form(**{"with": desk.bare})).ids == page.ids == Page(desk, form(**{"with": phone.jid})).ids
    assert Page(desk, form(**{"with": "other@localhost"})).ids == []


def test_carbons_have_the_id_that_the_archive_has(cluster, unique):
    alice, bob = unique("alice"), unique("bob")
    desk, phone = cluster.online(alice, "desk"), enabled(cluster, alice, "phone")
    home, away = cluster.online(bob, "home"), enabled(cluster, bob, "away")
    id = stanza_id(tell(desk, home, "m"), home.bare)
    sent = inner_of(phone.expect(lambda el: inner_of(el, "sent") is not None), "sent")
    received = inner_of(away.expect(lambda el: inner_of(el, "received") is not None), "received")
    assert (stanza_id(sent, desk.bare), stanza_id(sent, home.bare)) == (id, None)
    assert (stanza_id(received, home.bare), stanza_id(received, desk.bare)) == (id, None)
    assert Page(phone).ids == Page(away).ids == [id]


def test_nobody_forges_an_id(pair):
    alice, bob = pair
    forged = "".join(f"<stanza-id xmlns='{SID}' id='x' by='{by}'/>" for by in (bob.bare, bob.bare.upper(), alice.bare, "elsewhere.example"))
    got = tell(alice, bob, "m", inner=forged)
    found = {x.get("by"): x.get("id") for x in got.findall(q(SID, "stanza-id"))}
    assert set(found) == {bob.bare, "elsewhere.example"} and found[bob.bare] != "x" and found["elsewhere.example"] == "x"
    assert Page(alice).ids == Page(bob).ids == [found[bob.bare]]
    alice.send(f"<message to='{bob.jid}' type='headline'><body>h</body>{forged}</message>")
    assert {x.get("by") for x in bob.expect("message", body="h").findall(q(SID, "stanza-id"))} == {"elsewhere.example"}


@pytest.mark.parametrize("type,inner,is_kept", [
    ("chat", "<body>b</body>", True), ("normal", "<body>b</body>", True), ("headline", "<body>b</body>", False),
    ("groupchat", "<body>b</body>", False), ("error", "<body>b</body><error type='cancel'/>", False), ("chat", STATE, False),
    ("chat", f"{STATE}<store xmlns='{HINT}'/>", True), ("chat", f"<body>b</body><no-store xmlns='{HINT}'/>", False),
    ("chat", f"<body>b</body><no-permanent-store xmlns='{HINT}'/>", False),
    ("chat", f"<body>b</body><store xmlns='{HINT}'/><no-store xmlns='{HINT}'/>", False),
    ("headline", f"<body>b</body><store xmlns='{HINT}'/>", False)])
def test_what_is_worth_keeping(pair, type, inner, is_kept):
    alice, bob = pair
    alice.send(f"<message to='{bob.jid}' type='{type}' id='w1'>{inner}</message>")
    assert (stanza_id(bob.expect("message", id="w1"), bob.bare) is not None) == is_kept
    assert len(Page(alice).ids) == len(Page(bob).ids) == is_kept


def test_a_blocked_sender_is_in_his_own_archive_only(pair):
    alice, bob = pair
    bob.iq("set", f"<block xmlns='urn:xmpp:blocking'><item jid='{alice.bare}'/></block>")
    alice.message(bob.jid, "m")
    error = alice.expect("message", type="error")
    assert error.find(q(SID, "stanza-id")) is None
    assert (bodies(alice), bodies(bob)) == (["m"], [])


def test_what_waits_is_the_row_of_the_archive(cluster, unique):
    alice, name = cluster.online(unique("alice")), unique("bob")
    cluster.adduser(name)
    for body in ("one", "two"):
        alice.message(f"{name}@localhost", body)
    bob, ids = cluster.online(name), []
    for body in ("one", "two"):
        got = bob.expect("message", body=body)
        assert got.find(q(DELAY, "delay")).get("from") == "localhost"
        ids.append(stanza_id(got, bob.bare))
    assert Page(alice).ids == ids
    page = Page(bob)
    assert (page.ids, page.bodies) == (ids, ["one", "two"]) and page.messages[0].find(q(DELAY, "delay")) is None


def test_what_must_not_be_stored_does_not_wait(cluster, unique):
    alice, name = cluster.online(unique("alice")), unique("bob")
    cluster.adduser(name)
    alice.message(f"{name}@localhost", "gone", inner=f"<no-store xmlns='{HINT}'/>")
    assert error_of(alice.expect("message", type="error")) == ("cancel", "service-unavailable")
    alice.message(f"{name}@localhost", "waits", inner=f"<no-permanent-store xmlns='{HINT}'/>")
    bob = cluster.online(name)
    assert stanza_id(bob.expect("message", body="waits"), bob.bare) is None
    assert bodies(bob) == bodies(alice) == []


def test_a_message_to_nobody_is_in_the_archive_of_who_wrote_it(cluster, unique):
    alice = cluster.online(unique("alice"))
    for to in ("nobody@localhost", "someone@elsewhere.example", "localhost"):
        alice.message(to, "m")
        alice.expect("message", type="error")
        assert Page(alice, form(**{"with": to})).bodies == ["m"]


# --- queries ------------------------------------------------------------------------------------------------------------------


def test_pages_forwards_and_backwards(pair):
    alice, bob = pair
    all = [f"n{i}" for i in range(10)]
    say(alice, bob, *all)
    ids = Page(bob).ids
    assert len(set(ids)) == 10
    page, seen = Page(bob, rsm(max=4)), []
    assert (page.index, page.count, page.is_complete) == ("0", None, False)
    while True:
        assert page.ids == ids[len(seen):len(seen) + 4] and (page.first, page.last) == (page.ids[0], page.ids[-1])
        seen += page.bodies
        if page.is_complete:
            break
        page = Page(bob, rsm(max=4, after=page.last))
    assert seen == all
    page, seen = Page(bob, rsm(max=4, before="")), []
    while True:
        seen = page.bodies + seen
        if page.is_complete:
            break
        page = Page(bob, rsm(max=4, before=page.first))
    assert seen == all
    assert Page(bob, rsm(max=5, after=ids[4])).is_complete and not Page(bob, rsm(max=4, after=ids[4])).is_complete
    assert Page(bob, rsm(max=5, before=ids[5])).is_complete and not Page(bob, rsm(max=4, before=ids[5])).is_complete


def test_an_empty_page_and_the_count_alone(pair):
    alice, bob = pair
    page = Page(alice)
    assert (page.ids, page.first, page.last, page.count, page.is_complete) == ([], None, None, "0", True)
    say(alice, bob, "a", "b", "c")
    page = Page(bob, rsm(max=0))
    assert (page.ids, page.first, page.count) == ([], None, "3")
    assert Page(bob, rsm(max=0) + form(**{"with": alice.bare})).count == "3"
    assert Page(bob, rsm(max=0) + form(**{"with": "x@y.example"})).count == "0"
    page = Page(bob, rsm(after=Page(bob).last))
    assert (page.ids, page.is_complete, page.count) == ([], True, None)


def test_a_flipped_page_has_the_same_messages(pair):
    alice, bob = pair
    say(alice, bob, "a", "b", "c", "d")
    ids = Page(bob).ids
    for inner, expected in ((rsm(max=2), "ba"), (rsm(max=2, before=""), "dc"), (rsm(max=2, after=ids[0]), "cb")):
        page = Page(bob, inner + "<flip-page/>")
        assert page.bodies == list(expected) and page.ids.index(page.first) > page.ids.index(page.last)


def test_with_a_contact(cluster, pair, unique):
    alice, bob = pair
    carol, tv = cluster.online(unique("carol")), cluster.online(bob.name, "tv")
    say(alice, bob, "a1")
    say(carol, bob, "c1")
    say(bob, alice, "a2")
    say(alice, tv, "a3")
    say(bob, carol, "c2")
    assert bodies(bob) == ["a1", "c1", "a2", "a3", "c2"]
    assert bodies(bob, form(**{"with": alice.bare})) == ["a1", "a2", "a3"]
    assert bodies(bob, form(**{"with": alice.jid})) == ["a1", "a2", "a3"]
    assert bodies(bob, form(**{"with": alice.bare + "/other"})) == []
    assert bodies(bob, form(**{"with": carol.bare.upper()})) == ["c1", "c2"]
    assert bodies(alice, form(**{"with": bob.bare})) == ["a1", "a2", "a3"]
    assert bodies(alice, form(**{"with": bob.jid})) == ["a1", "a2"] and bodies(alice, form(**{"with": tv.jid})) == ["a3"]
    assert bodies(bob, form(**{"with": alice.bare}) + rsm(max=2, before="")) == ["a2", "a3"]


def test_by_time_and_by_id(pair):
    alice, bob = pair
    say(alice, bob, *"abcde")
    page = Page(bob)
    t, ids = page.stamps, page.ids
    assert t == sorted(t)
    assert bodies(bob, form(start=t[2])) == list("cde") and bodies(bob, form(end=t[2])) == list("abc")
    assert bodies(bob, form(start=t[1], end=t[3])) == list("bcd") and bodies(bob, form(start=t[3], end=t[1])) == []
    assert bodies(bob, form(start="2010-08-07T00:00:00Z")) == list("abcde") and bodies(bob, form(end="2010-08-07T00:00:00+01:00")) == []
    assert bodies(bob, form(after_id=ids[1])) == list("cde") and bodies(bob, form(before_id=ids[3])) == list("abc")
    assert bodies(bob, form(after_id=ids[0], before_id=ids[4]) + rsm(max=2, before="")) == list("cd")
    assert bodies(bob, form(after_id=ids[1], start=t[3])) == list("de")
    page = Page(bob, form(ids=[ids[4], ids[0], ids[2], ids[0]]))
    assert (page.bodies, page.is_complete, page.count) == (list("ace"), True, "3")
    assert bodies(bob, form(ids=ids) + rsm(max=2)) == list("ab") and bodies(bob, form(ids=ids) + rsm(max=2, before="")) == list("de")
    assert bodies(bob, form(ids=ids[1:3], **{"with": alice.bare})) == list("bc")
    assert bodies(bob, form(ids=ids[1:3], **{"with": "x@y.example"})) == []


def test_ids_that_are_not_there(cluster, pair, unique):
    alice, bob = pair
    carol = cluster.online(unique("carol"))
    say(alice, bob, "m")
    say(carol, alice, "other")
    mine, others = Page(bob).ids[0], Page(carol).ids[0]
    for id in ("0" * 32, "nonsense", mine.upper() if mine.upper() != mine else "A", others):
        for inner in (rsm(after=id), rsm(before=id), form(after_id=id), form(before_id=id), form(ids=[mine, id])):
            assert refused(bob, inner) == ("cancel", "item-not-found"), inner


@pytest.mark.parametrize("inner,condition", [
    (form(start="yesterday"), "bad-request"), (form(end=["2010-08-07T00:00:00Z"] * 2), "bad-request"), (form(**{"with": "@"}), "bad-request"),
    (form(ids=[]), "bad-request"), (form(colour="red"), "feature-not-implemented"), (form(include_groupchat="maybe"), "bad-request"),
    (f"<x xmlns='{DATA}' type='submit'/>", "bad-request"), (form().replace(MAM, "urn:other"), "bad-request"),
    (form().replace("submit", "form"), "bad-request"), (form() * 2, "bad-request"), (form(start="2010-08-07T00:00:00Z") .replace(
        "</x>", "<field var='start'><value>2010-08-07T00:00:00Z</value></field></x>"), "bad-request"),
    (rsm(max="many"), "bad-request"), (rsm(max="-1"), "bad-request"), (rsm(after=""), "bad-request"), (rsm(max=1) * 2, "bad-request"),
    (rsm(index=3), "feature-not-implemented"), (form(ids=["0" * 32] * 101), "policy-violation")])
def test_malformed(cluster, unique, inner, condition):
    assert refused(cluster.online(unique("alice")), inner)[1] == condition


def test_the_form_says_what_can_be_asked_for(cluster, unique):
    alice = cluster.online(unique("alice"))
    x = alice.iq("get", f"<query xmlns='{MAM}'/>").find(f"{q(MAM, 'query')}/{q(DATA, 'x')}")
    fields = {f.get("var"): f for f in x}
    assert x.get("type") == "form" and fields.pop("FORM_TYPE")[0].text == MAM
    assert {v: f.get("type") for v, f in fields.items()} == {
        "with": "jid-single", "start": "text-single", "end": "text-single", "after-id": "text-single", "before-id": "text-single",
        "ids": "list-multi", "include-groupchat": "boolean"}
    assert fields["ids"].find("{http://jabber.org/protocol/xdata-validate}validate")[0].tag.endswith("open")
    assert bodies(alice, form(include_groupchat="true")) == []


def test_metadata(pair):
    alice, bob = pair
    ask = f"<metadata xmlns='{MAM}'/>"
    assert len(bob.iq("get", ask).find(q(MAM, "metadata"))) == 0
    say(alice, bob, "a")
    say(bob, alice, "b", "c")
    page = Page(bob)
    ends = [(x.tag.split("}")[1], x.get("id"), x.get("timestamp")) for x in bob.iq("get", ask).find(q(MAM, "metadata"))]
    assert ends == [("start", page.ids[0], page.stamps[0]), ("end", page.ids[2], page.stamps[2])]


def test_it_is_announced_on_the_account(pair):
    alice, bob = pair

    def features(to):
        return {f.get("var") for f in alice.iq("get", f"<query xmlns='{INFO}'/>", to=to).iter(q(INFO, "feature"))}

    offered = {MAM, MAM + "#extended", MAM + "#groupchat-field", SID}
    assert offered <= features(alice.bare) and not offered & features("localhost")


def test_another_account_is_forbidden(pair):
    alice, bob = pair
    say(alice, bob, "m")
    assert refused(alice, "", to=bob.bare) == ("auth", "forbidden")
    for inner in ("metadata", "prefs", "query"):
        assert error_of(alice.iq("get", f"<{inner} xmlns='{MAM}'/>", to=bob.bare))[1] == "forbidden"
    assert Page(bob, to=bob.bare).bodies == ["m"]


def test_a_page_is_bounded(pair):
    alice, bob = pair
    for i in range(60):
        alice.message(bob.jid, f"{i}")
    bob.expect("message", body="59")
    alice.ping()
    assert len(Page(bob).ids) == 50 and len(Page(bob, rsm(max=100000)).ids) == 60
    for i in range(4):
        alice.message(bob.jid, f"{i}" * 200000)
    alice.ping()
    page = Page(bob, rsm(max=4, before=""))
    assert not page.is_complete and len(page.ids) == 2 and page.bodies[-1][0] == "3"


# --- preferences --------------------------------------------------------------------------------------------------------------


def prefs(client, default=None, always=(), never=()):
    if default is None:
        iq = client.iq("get", f"<prefs xmlns='{MAM}'/>")
    else:
        lists = "".join(f"<{name}>" + "".join(f"<jid>{j}</jid>" for j in jids) + f"</{name}>" for name, jids in (("always", always), ("never", never)))
        iq = client.iq("set", f"<prefs xmlns='{MAM}' default='{default}'>{lists}</prefs>")
    if iq.get("type") == "error":
        return error_of(iq)[1]
    el = iq.find(q(MAM, "prefs"))
    return el.get("default"), *({j.text for j in el.find(q(MAM, name))} for name in ("always", "never"))


def test_preferences_are_kept_and_hold(cluster, pair, unique):
    alice, bob = pair
    assert prefs(bob) == ("always", set(), set())
    assert prefs(bob, "never", [alice.bare.upper()]) == ("never", {alice.bare}, set()) == prefs(bob)
    carol = cluster.online(unique("carol"))
    assert stanza_id(tell(carol, bob, "c"), bob.bare) is None and stanza_id(tell(alice, bob, "a"), bob.bare)
    say(bob, carol, "c2")
    assert bodies(bob) == ["a"] and bodies(carol) == ["c", "c2"]
    assert prefs(bob, "always", [], [alice.jid]) == ("always", set(), {alice.jid})
    say(alice, bob, "not this")
    say(cluster.online(alice.name, "other"), bob, "but this")
    assert bodies(bob) == ["a", "but this"]
    assert prefs(bob, "always", [alice.bare], [alice.bare]) == ("always", set(), {alice.bare})


def test_archiving_contacts_only(pair):
    alice, bob = pair
    assert prefs(bob, "roster")[0] == "roster"
    say(alice, bob, "a")
    bob.iq("set", f"<query xmlns='jabber:iq:roster'><item jid='{alice.bare}'/></query>")
    say(alice, bob, "b")
    assert bodies(bob) == ["b"]


@pytest.mark.parametrize("default,jids,condition", [("sometimes", [], "bad-request"), ("always", ["@"], "jid-malformed"),
                                                    ("always", [f"u{i}@x.example" for i in range(1001)], "resource-constraint")])
def test_preferences_that_are_refused_change_nothing(cluster, unique, default, jids, condition):
    alice = cluster.online(unique("alice"))
    assert prefs(alice, default, jids) == condition and prefs(alice) == ("always", set(), set())


# --- over deaths and settings -------------------------------------------------------------------------------------------------


def test_all_of_it_survives_the_session_manager(new_cluster):
    cluster = new_cluster()
    alice, bob = cluster.online("alice"), cluster.online("bob")
    prefs(bob, "roster", [alice.bare])
    got = tell(alice, bob, "m")
    alice.message("carol@localhost", "to nobody")
    alice.expect("message", type="error")
    cluster.kill("sm-1")
    alice.message(bob.jid, "meanwhile")
    cluster.start("sm-1")
    late = bob.expect("message", body="meanwhile")
    page = Page(bob)
    assert page.ids == [stanza_id(got, bob.bare), stanza_id(late, bob.bare)] and prefs(bob) == ("roster", {alice.bare}, set())


def test_a_host_without_archive(new_cluster):
    cluster = new_cluster()
    alice, bob = cluster.online("alice"), cluster.online("bob")
    tell(alice, bob, "before")
    set_host(cluster, "localhost", "archive = no")
    assert stanza_id(tell(alice, bob, "m", inner=f"<stanza-id xmlns='{SID}' id='x' by='{bob.bare}'/>"), bob.bare) is None
    assert refused(bob, "") == ("cancel", "service-unavailable") and prefs(bob) == "service-unavailable"
    answer = bob.iq("get", f"<query xmlns='{INFO}'/>", to=bob.bare)
    assert not {f.get("var") for f in answer.iter(q(INFO, "feature"))} & {MAM, SID}


# --- deletion -----------------------------------------------------------------------------------------------------------------


def purge(cluster, *args):
    """How many messages went."""
    done = cluster.ctl("sm-1", "archive", "purge", *args)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.split(":")[1])


def test_an_administrator_deletes_one_side_and_then_the_other(cluster, pair):
    alice, bob = pair
    say(alice, bob, *"abcd")
    say(alice, cluster.online(alice.name, "other"), "own")
    t = Page(bob).stamps
    assert purge(cluster, bob.bare, "--before", t[2]) == 2
    assert bodies(bob) == ["c", "d"] and bodies(alice) == ["a", "b", "c", "d", "own"]
    assert refused(bob, form(after_id=Page(alice).ids[0]))[1] == "item-not-found"
    assert purge(cluster, alice.bare, "--before", t[1]) == 1 and bodies(alice) == ["b", "c", "d", "own"]
    assert purge(cluster, alice.bare) == 4 and bodies(alice) == [] and bodies(bob) == ["c", "d"]
    assert purge(cluster, bob.bare) == 2 == 2 + purge(cluster, bob.bare) and bodies(bob) == []
    assert cluster.wait_event("sm-1", "archive-purged", account=bob.bare, before=t[2])["by"] == "administrator"
    for args in (("purge", "nobody"), ("purge", bob.bare, "--before", "never"), ("purge", bob.bare, "--after", t[0])):
        assert cluster.ctl("sm-1", "archive", *args).returncode == 64


def test_what_waits_is_deleted_as_well(cluster, unique):
    alice, name = cluster.online(unique("alice")), unique("bob")
    cluster.online(name).logout()
    alice.message(f"{name}@localhost", "one")
    alice.ping()
    assert purge(cluster, f"{name}@localhost") == 1
    alice.message(f"{name}@localhost", "two")
    bob = cluster.online(name)
    bob.expect("message", body="two")
    bob.expect_none("message")
    assert bodies(alice) == ["one", "two"]


def test_who_gets_the_name_later_gets_no_archive(cluster, unique):
    name, alice = unique("bob"), cluster.online(unique("alice"))
    bob = cluster.online(name)
    tell(alice, bob, "m")
    prefs(bob, "never")
    cluster.ctl("sm-1", "deluser", bob.bare, check=True)
    del cluster.users[name]
    bob = cluster.online(name)
    assert bodies(bob) == [] and prefs(bob)[0] == "always" and bodies(alice) == ["m"]
    tell(alice, bob, "n")
    assert bodies(bob) == ["n"]
    assert purge(cluster, bob.bare) == 1  # the first is gone already, or goes now with it


def test_what_is_too_old_or_too_much_is_gone_at_once_or_soon(new_cluster):
    cluster = new_cluster()
    alice, bob = cluster.online("alice"), cluster.online("bob")
    say(alice, bob, *(f"n{i}" for i in range(130)))

    def restart(line):
        set_host(cluster, "localhost", line)
        cluster.kill("sm-1")
        cluster.start("sm-1")

    def purged():
        return [int(line.split()[1]) for line in cluster.ctl("sm-1", "metrics").stdout.splitlines()
                if line.startswith("sallyport_sm_archive_purged_total")]

    restart("archive_max = 100")
    until(lambda: bodies(bob, rsm(max=200)) == bodies(alice, rsm(max=200)) == [f"n{i}" for i in range(30, 130)])
    set_host(cluster, "localhost", "archive_keep = 1")
    until(lambda: bodies(bob) == bodies(alice) == [])
    restart("# old rows go at the next walk")
    until(lambda: purged() == [100])
