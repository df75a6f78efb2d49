"""Floods of a hostile connection manager."""
import json
import os
import secrets
import signal
import time

from link import frame_text
from rows import CLIENT, SM, link_refused
from scene import Attack, Counted, Ended


def flood(x):
    """As fast as the link takes it, while bystanders are served."""
    chunk = b"".join(frame_text(SM, x.a.connection(), f"<message {CLIENT}/>", s=secrets.token_hex(16), e=1, n=1) for _ in range(500))
    for _ in range(100):
        x.link().write(chunk)
        if _ % 20 == 0:
            x.nobody_noticed()


def large_payloads(x):
    """While the session manager is busy for a moment: our link ends before its does."""
    x.link()
    data = frame_text(SM, x.a.connection(), "<a>" + "x" * 1000000 + "</a>")
    os.kill(x.cluster.pid("sm-1"), signal.SIGSTOP)
    try:
        for _ in range(20):
            if not x.wire.write(data) or not x.wire.read_what_there_is() or b"<stream:error" in x.wire.buffer:
                break
    finally:
        os.kill(x.cluster.pid("sm-1"), signal.SIGCONT)


def never_read(x):
    """A hundred thousand answers that we never read: our link ends, and nobody else's."""
    data = frame_text("nobody.cluster.internal", x.a.name, "<a/>") * 1000
    x.link()
    for _ in range(100):
        if not x.wire.write(data):
            break


def audited_refusals(x):
    """How many were written, and how many are said to have been left out."""
    events = [json.loads(line) for line in x.watch.news("sm-1").splitlines()]
    return (sum(e["event"] == "frame-refused" for e in events),
            sum(e["count"] for e in events if e["event"] == "audit-suppressed" and e["suppressed"] == "frame-refused"))


def refusals(x):
    """Each is refused and counted; the audit log says how many it left out, and does not fill the disk."""
    began, count = time.monotonic(), 10 * x.stage.audit_rate
    for _ in range(count // 100):
        x.link().write(frame_text(SM, x.a.name, "<sudo xmlns='urn:example'/>") * 100)
    x.watch.counted("sm-1", "sallyport_sm_violations_total", count)
    written, left_out = audited_refusals(x)
    assert written <= x.stage.audit_rate * (7 + time.monotonic() - began), written
    while written + left_out < count:
        assert time.monotonic() < began + 60, (written, left_out)
        time.sleep(0.05)
        written, left_out = audited_refusals(x)


FLOODS = [
    Attack("thousands of frames that are refused", refusals, (Counted("sm-1", "sallyport_audit_suppressed_total"),)),
    Attack("fifty thousand frames", flood, (Counted("sm-1", "sallyport_sm_frames_dropped_total", 50000),), "ab"),
    Attack("payloads as large as can be", large_payloads, (link_refused("floods a session manager"), Ended()), "ab"),
    Attack("a link that is never read", never_read, (link_refused("too much waits"),), "ab"),
]
