"""What the suites of this folder share: a cluster with a place for the attacker, bystanders whom nothing may reach, and rows of attacks."""
import dataclasses
import re
import time

import pytest

from hostile import Attacker, Watch, dial_tls, name_of


@dataclasses.dataclass
class Attack:
    """One row. act says it all to a Scene; seen is what must be written down about it: Audited, Counted or Ended. layouts: where it is tried; in both
    what may depend on who dials."""
    name: str
    act: object
    seen: tuple
    layouts: str = "b"


def params(rows):
    """For pytest: a layout (of the fixture `stages`) and a row each, all of one layout together."""
    return [pytest.param(layout, a, id=f"{layout}-{a.name.replace(' ', '-')}") for layout in "ba" for a in rows if layout in a.layouts]


@dataclasses.dataclass
class Audited:
    """An event with these texts in its line, and counted."""
    process: str
    event: str
    texts: tuple

    def check(self, scene):
        scene.watch.audited(self.process, f'"{self.event}"', *self.texts)
        scene.watch.counted(self.process, f'sallyport_audit_event_total{{event="{self.event}"}}')


@dataclasses.dataclass
class Counted:
    process: str
    metric: str
    at_least: int = 1

    def check(self, scene):
        scene.watch.counted(self.process, self.metric, self.at_least)


@dataclasses.dataclass
class Ended:
    """The link, or connection, that act returned was closed by the other end, with this in what it said last."""
    text: str = ""

    def check(self, scene):
        said = scene.wire.read_to_end()
        assert self.text in said, said[-2000:]


def audited(process, event, *texts):
    return Audited(process, event, texts)


class Scene:
    """One attack: who attacks, who must not notice, what is watched."""

    def __init__(self, stage):
        self.stage, self.cluster, self.a = stage, stage.cluster, stage.attacker
        self.alice, self.bob = stage.alice, stage.bob
        self.watch = Watch(stage.cluster)
        self.wire, self.sessions = None, []

    def dial(self, **kwargs):
        """A fresh link that is not up yet; what Ended looks at."""
        self.wire = dial_tls(self.a.place, **kwargs)
        return self.wire

    def called(self, context=None):
        """The same where the router calls."""
        self.a.hang_up()
        self.wire = self.a.door.next(context)
        return self.wire

    def link(self):
        self.wire = self.a.link()
        return self.wire

    def session(self):
        """A session of the attacker's own account."""
        s = self.a.session("mallory", f"evil{time.monotonic_ns()}")
        self.sessions.append(s)
        return s

    def run(self, attack):
        self.wire = attack.act(self) or self.wire
        for evidence in attack.seen:
            evidence.check(self)
        self.nobody_noticed()

    def nobody_noticed(self):
        """Bystanders are served at once, have the connection that they had, and nothing came that was not theirs."""
        began = time.monotonic()
        body = str(began)
        self.bob.message(self.alice.jid, body)
        self.alice.expect("message", body=body, from_=self.bob.jid)
        self.alice.ping()
        self.bob.ping()
        assert not self.alice.backlog and not self.bob.backlog, (self.alice.backlog, self.bob.backlog)
        assert time.monotonic() - began < 5
        for process in {"c2s-1", "sm-1"} - self.watch.restarted:
            suffered = re.findall(rf'.*peer"?[=:] ?"?{name_of(process)}.*', self.watch.news("router-1"))
            assert not suffered, ("the link of somebody else suffered", suffered)
        self.watch.alive()

    def close(self):
        for s in self.sessions:
            s.end()
        if self.wire and self.wire is not self.a.wire:
            self.wire.close()


class Stage:
    """A cluster whose c2s-2 is the attacker's, and two bystanders on c2s-1. There is nobody in the place of c2s-3."""

    def __init__(self, cluster, folder, audit_rate):
        self.cluster, self.folder, self.audit_rate = cluster, folder, audit_rate
        cluster.kill("c2s-2")
        cluster.kill("c2s-3")
        cluster.adduser("mallory", "mallory's")
        self.attacker = Attacker(cluster)
        self.alice, self.bob = cluster.online("alice", "desk"), cluster.online("bob", "desk")
        self.alice_id = re.search(r"\b[0-9a-f]{32}\b", cluster.wait_audit("sm-1", "login", "alice@"))[0]
        number = re.search(rf"session opened conn=(\d+) s={self.alice_id}", cluster.log("c2s-1"))[1]
        self.look()
        self.alice_conn = f"{name_of('c2s-1')}/{self.instance}-{number}"

    def look(self):
        """What changes when processes do."""
        log = self.cluster.log("router-1")
        self.instance = re.findall(rf"link up peer={name_of('c2s-1')} role=c2s instance=([0-9a-f]+)", log)[-1]
        self.epoch = int(re.findall(r"slots sm=\S+ epoch=(\d+)", log)[-1])

    def close(self):
        self.attacker.close()
        self.cluster.down()
