"""Third-party XEP-0114 components from Debian's packages attach to the router and are reached."""
import asyncio
import subprocess

import slixmpp

from slix import Chatter, run
from steps import interested

DISCO = "http://jabber.org/protocol/disco#info"


def test_biboumi_attaches_and_is_reached(cluster, unique, tmp_path):
    conf = tmp_path / "biboumi.cfg"
    conf.write_text(f"hostname={cluster.component}\npassword={cluster.component_secret}\nxmpp_server_ip={cluster.host}\nport={cluster.component_port}\n"
                    f"db_name={tmp_path}/biboumi.sqlite\nlog_file={tmp_path}/biboumi.log\nlog_level=0\nidentd_port=0\n")
    alice = interested(cluster, unique("alice"))
    before = len(cluster.log("router-1"))
    with subprocess.Popen(["biboumi", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            cluster.wait_log("router-1", "component attached", since=before)
            answer = alice.iq("get", f"<query xmlns='{DISCO}'/>", to=cluster.component)
            assert answer.get("type") == "result"
            assert "Biboumi" in "".join(i.get("name") or "" for i in answer[0])
            answer = alice.iq("get", "<ping xmlns='urn:xmpp:ping'/>", to=cluster.component)
            assert answer.get("type") == "result" and answer.get("to") == alice.jid
            # A channel of a server that is not there: the gateway's own error comes all the way back.
            room = f"#test%127.0.0.1@{cluster.component}"
            alice.presence("<x xmlns='http://jabber.org/protocol/muc'/>", to=f"{room}/alice")
            error = alice.expect("presence", type="error", from_=f"{room}/alice", timeout=30)
            assert error.find("{jabber:client}error") is not None
        finally:
            process.terminate()
            process.wait(10)
    assert process.returncode == 0


def test_slixmpps_component_talks_with_slixmpps_client(cluster, unique):
    name = cluster.adduser(unique("slix"))

    class Echo(slixmpp.ComponentXMPP):
        def __init__(self):
            super().__init__(cluster.component, cluster.component_secret, cluster.host, cluster.component_port)
            self.is_attached = asyncio.Event()
            self.register_plugin("xep_0030")
            self["xep_0030"].add_identity(category="automation", itype="echo", name="Echo")
            self.add_event_handler("session_start", lambda _: self.is_attached.set())
            self.add_event_handler("message", lambda m: m.reply(f"echo {m['body']}").send())

    async def story(start):
        echo, alice = start(Echo()), start(Chatter(cluster, name))
        alice.register_plugin("xep_0030")
        echo.connect()
        await asyncio.wait_for(echo.is_attached.wait(), 15)
        await alice.online()
        info = await alice["xep_0030"].get_info(jid=cluster.component, timeout=15)
        assert ("automation", "echo", None, "Echo") in info["disco_info"]["identities"]
        alice.send_message(f"anyone@{cluster.component}/x", "hello", mtype="chat")
        await alice.hears("echo hello")
        echo.send_message(alice.bare, "by the way", mtype="chat", mfrom=f"someone@{cluster.component}")
        await alice.hears("by the way")

    run(story)
