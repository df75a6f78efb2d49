"""The boundary of both layouts, looked at from everywhere while people use the cluster and its processes are killed: nothing begins that the plan
does not declare, nothing begins from the DMZ inwards, and nothing secret is in the DMZ."""
import pytest

import netstory
from netcheck import check
from netsecrets import Search
from netsplit import Split
from network import can_run
from netwitness import Witness, openings

pytestmark = pytest.mark.skipif(not can_run(), reason="needs root and namespaces")


class Seen:
    """A whole story and what its witnesses say."""

    def __init__(self, layout):
        self.split = Split(layout)
        try:
            self.witness = Witness(self.split).start()
            self.split.start(SSLKEYLOGFILE="/var/log/sallyport/%i/tls-keys")
            self.story = netstory.Story(self.split)
            self.tell()
            self.gather()
        except BaseException:
            self.split.close()
            raise

    def tell(self):
        s = self.story
        for name in ("alice", "bob", "carol", "frank"):
            s.login(name)
            s.keep(name)
        s.talk("alice", "bob", "carol", "frank")
        s.profanity("dave", "alice")
        s.slixmpp("erin", "alice")
        s.leave_and_return("bob", "alice")
        for process in s.processes():
            s.kill(process)

    def gather(self):
        """All that is asked of what runs; the search itself waits for the tests."""
        self.offline = {n: openings(p) for h in self.witness.dmz for n, p in h.pids().items() if n.startswith("c2s")}
        self.evidence = self.witness.evidence()
        self.passed = self.witness.undeclared()
        self.marks = netstory.marks(self.story)
        known = [*netstory.of_story(self.story), *netstory.of_plan(self.split), *(m for group in self.marks.values() for m in group)]
        self.findings = check(self.evidence, self.witness.declared, Search(known, self.split.folder), self.marks)

    def of(self, *kinds):
        return [f for f in self.findings if f.kind in kinds]


@pytest.fixture(scope="module", params=["a", "b"])
def seen(request):
    s = Seen(request.param)
    yield s
    s.split.close()


def test_nothing_begins_that_is_not_declared_and_nothing_from_the_dmz_inwards(seen):
    assert not seen.of("inward", "undeclared", "listener")
    assert seen.passed == 0
    everything = set().union(*seen.evidence.attempts.values())
    assert len(everything) > 6, everything  # the witnesses are awake


def test_every_link_was_dialled_by_its_declared_side_at_the_start_and_after_the_death_of_each_end(seen):
    links = [r for r in seen.split.flows if r["protocol"] == "tcp" and r["why"].startswith("link")]
    assert links
    for r in links:
        dials = seen.witness.dials(r["from_host"])
        count = sum(dials.get((s, t, int(r["port"])), 0) for s in r["from_address"].split() for t in r["to_address"].split())
        assert count >= 3, (r["from"], r["to"], dials)


def test_a_connection_manager_without_network_never_tried_one(seen):
    if seen.split.layout == "a":
        assert seen.offline == {"c2s-1": 0, "c2s-2": 0}


def test_all_tls_on_the_boundary_was_opened_and_no_secret_is_in_the_dmz(seen):
    assert not seen.of("sealed", "blind", "secret")
    assert {p.split(":")[0] for p in seen.evidence.texts} == {"wire", "file", "memory"}
