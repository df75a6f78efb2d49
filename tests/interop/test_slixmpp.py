"""slixmpp, unmodified: logs in, keeps a roster, sees presence, talks, and outlives the processes behind its connection manager."""
import ssl

from authority import Authority
from slix import Chatter, run


def test_it_logs_in_by_what_it_can_under_tls_1_3(cluster, unique):
    """sm/auth/README.md: it sends p=tls-unique, which TLS 1.3 does not have, then 'y', which RFC 5802 §6 wants refused, then PLAIN."""
    name = cluster.adduser(unique("slix"))

    async def story(start):
        alice = await start(Chatter(cluster, name)).online()
        assert alice.socket.version() == "TLSv1.3"
        assert alice.refusals == 6

    run(story)
    assert cluster.events("sm-1", "login", account=f"{name}@localhost")[-1]["mechanism"] == "PLAIN"
    refused = [e["detail"] for e in cluster.events("sm-1", "login-refused", claimed=name)]
    assert len([r for r in refused if "does not have" in r]) == len([r for r in refused if "believes" in r]) == 3


def test_it_logs_in_by_scram_with_channel_binding_under_tls_1_2(cluster, unique):
    name = cluster.adduser(unique("slix"))

    async def story(start):
        alice = start(Chatter(cluster, name))
        alice.ssl_context.maximum_version = ssl.TLSVersion.TLSv1_2
        await alice.online()
        assert alice.refusals == 0

    run(story)
    assert cluster.events("sm-1", "login", account=f"{name}@localhost")[-1]["mechanism"] == "SCRAM-SHA-512-PLUS"


def test_a_wrong_password_is_refused_in_the_end(cluster, unique):
    name = cluster.adduser(unique("slix"))

    async def story(start):
        mallory = start(Chatter(cluster, name, "wrong")).dial()
        await mallory.until(lambda: mallory.is_refused, "refused")
        assert not mallory.is_online

    run(story)


def test_contacts_are_added_see_each_other_and_talk(cluster, unique):
    names = [cluster.adduser(unique(n)) for n in ("slix-alice", "slix-bob")]

    async def story(start):
        alice, bob = [await start(Chatter(cluster, n)).online() for n in names]
        await alice.update_roster(bob.bare, name="Bob", groups=["Friends"])
        alice.send_presence_subscription(bob.bare)  # the other approves, and asks back: slixmpp's defaults
        await alice.sees(bob.boundjid.full)
        await bob.sees(alice.boundjid.full)
        item = alice.client_roster[bob.bare]
        await alice.until(lambda: item["subscription"] == "both", "friends")
        assert (item["name"], item["groups"]) == ("Bob", ["Friends"])
        alice.send_presence(pshow="away", pstatus="at lunch")
        await bob.sees(alice.boundjid.full, type="away", status="at lunch")
        bob.send_presence(pshow="dnd", pstatus="at work")
        await alice.sees(bob.boundjid.full, type="dnd", status="at work")
        alice.send_message(bob.boundjid.full, "hello Bob", mtype="chat")
        bob.send_message(alice.bare, "hello Alice", mtype="chat")
        await bob.hears("hello Bob")
        await alice.hears("hello Alice")
        await bob.disconnect()
        await alice.sees(bob.boundjid.full, type="unavailable")
        await alice.del_roster_item(names[1] + "@localhost")
        await alice.until(lambda: names[1] + "@localhost" not in alice.client_roster or item["subscription"] in ("none", "remove"), "removed")

    run(story)


def test_it_goes_on_talking_when_router_and_session_manager_are_killed(new_cluster):
    cluster = new_cluster()
    names = [cluster.adduser(n) for n in ("alice", "bob")]

    async def story(start):
        alice, bob = [await start(Chatter(cluster, n)).online() for n in names]
        alice.send_presence_subscription(bob.bare)
        await alice.sees(bob.boundjid.full)
        await bob.sees(alice.boundjid.full)
        said = []

        async def talk(text):
            for one, other in ((alice, bob), (bob, alice)):
                one.send_message(other.boundjid.full, f"{text} from {one.bare}", mtype="chat")
            said.append(text)

        async def heard():
            for one, other in ((alice, bob), (bob, alice)):
                await one.hears(f"{said[-1]} from {other.bare}")

        await talk("before")
        await heard()
        for victim in ("sm-1", "router-1", "sm-1"):
            seen = [len(c.presences) for c in (alice, bob)]
            cluster.kill(victim)
            await talk(f"without {victim}, {len(said)}")
            cluster.start(victim)
            await heard()
            await talk(f"with {victim} again, {len(said)}")
            await heard()
            new = [str(p) for c, n in zip((alice, bob), seen) for p in c.presences[n:]]
            assert not new, (victim, new, [str(p) for p in alice.presences], [str(p) for p in bob.presences])
        for one, other in ((alice, bob), (bob, alice)):
            assert [m["body"] for m in one.messages] == [f"{text} from {other.bare}" for text in said]
            assert one.disconnects == 0
        alice.send_presence(pshow="away")
        await bob.sees(alice.boundjid.full, type="away")

    run(story)


def test_it_logs_in_with_a_certificate_and_no_password(new_cluster, tmp_path):
    """SASL EXTERNAL (XEP-0178), chosen by itself: it has certfile, keyfile and nothing else."""
    ca = Authority(tmp_path)
    cluster = new_cluster("--set", f'c2s:client_ca = "{ca.file}"')
    conf = cluster.folder / "conf" / "sm-1.conf"
    conf.write_text(conf.read_text().replace('host "localhost" {\n', f'host "localhost" {{\n    external_ca = "{ca.file}"\n'))
    cluster.kill("sm-1")
    cluster.start("sm-1")
    name = cluster.adduser("romeo")

    async def story(start):
        romeo = start(Chatter(cluster, name, ""))
        romeo.certfile, romeo.keyfile = ca.issue("romeo@localhost").files
        await romeo.online()
        assert romeo.refusals == 0

    run(story)
    assert cluster.events("sm-1", "login", account="romeo@localhost")[-1]["mechanism"] == "EXTERNAL"
    assert not cluster.events("sm-1", "login-refused")
