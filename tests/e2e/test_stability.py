"""Nothing grows over many connections and logins: descriptors come back to where they were, exactly; memory to where it was, nearly; the gauges of
sessions, accounts and connections to their start. STABILITY_CYCLES makes it longer (`make stability`: 10,000 of each kind)."""
import os
import pathlib
import time

import pytest

CYCLES = int(os.environ.get("STABILITY_CYCLES", "400"))
WARM_UP = max(CYCLES // 5, 50)
USERS = 5
PROCESSES = ("c2s-1", "router-1", "sm-1")
# With sanitizers freed memory stays in quarantine, up to this much, and counts; what one cycle may leave behind is far below any object of a session.
QUARANTINE_MB = 1
SLACK_PER_CYCLE = 64
SLACK_BYTES = {"c2s-1": 2 << 20, "router-1": 2 << 20, "sm-1": 8 << 20}  # the store's page cache fills up to its limit
# What must be as before. Counters only grow.
GAUGES = ("sallyport_sm_sessions", "sallyport_sm_bound", "sallyport_sm_accounts", "sallyport_sm_logins_open", "sallyport_c2s_clients",
          "sallyport_c2s_sessions", "sallyport_c2s_unauthenticated", "sallyport_c2s_parked", "sallyport_net_connections", "sallyport_router_links")


def descriptors(pid):
    found = []
    for path in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(os.readlink(path).split(":")[0])
        except FileNotFoundError:
            pass  # closed since it was listed
    return sorted(found)


def resident(pid):
    """Private memory in use, in bytes."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(l.split()[1]) for l in text.splitlines() if l.startswith(("Private_Dirty", "Private_Clean"))) * 1024


def gauges(cluster):
    found = {}
    for process in PROCESSES:
        for line in cluster.ctl(process, "metrics").stdout.splitlines():
            name, _, value = line.partition(" ")
            if name in GAUGES:
                found[f"{process} {name}"] = float(value)
    return found


def state(cluster):
    return {p: descriptors(cluster.pid(p)) for p in PROCESSES}, gauges(cluster)


def settled(cluster, wanted=None):
    """The state, when it is the wanted one, or does not change any more from one look to the next."""
    last, deadline = None, time.monotonic() + 30
    while time.monotonic() < deadline:
        now = state(cluster)
        if now == (wanted or last):
            return now
        last = now
    return last


def memory(cluster):
    return {p: resident(cluster.pid(p)) for p in PROCESSES}


def connect_only(cluster, n):
    client = cluster.client(c2s=1)
    client.connect(direct_tls=n % 2 == 1)
    client.open()
    client.features()


def leave_in_the_middle(cluster, n):
    """Of the handshake, of the stream, of authentication, before binding."""
    client = cluster.client(f"user{n % USERS}")
    client.connect(direct_tls=n % 4 != 0)
    if n % 4:
        client.open()
        client.features()
    if n % 4 == 2:
        client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>biwsbj11c2VyMCxyPWFiY2RlZmdo</auth>")
    if n % 4 == 3:
        client.authenticate()


def login_and_logout(cluster, n):
    client = cluster.online(f"user{n % USERS}")
    client.message(f"user{(n + 1) % USERS}@{cluster.domain}", "to whom it may concern", type="headline")
    client.ping()
    client.logout()


def login_and_drop(cluster, n):
    cluster.online(f"user{n % USERS}", resource="r" if n % 3 else None).message(f"user{n % USERS}@{cluster.domain}", "me")


CYCLE = {"connect": connect_only, "half": leave_in_the_middle, "logout": login_and_logout, "drop": login_and_drop}


@pytest.fixture(scope="module")
def calm_cluster():
    """Nobody else is on it; what memory there is in quarantine is full after the warm-up."""
    from cluster import Cluster
    options = os.environ.get("ASAN_OPTIONS", "abort_on_error=0:detect_leaks=1")
    os.environ["ASAN_OPTIONS"] = f"{options}:quarantine_size_mb={QUARANTINE_MB}:thread_local_quarantine_size_kb=64"
    made = Cluster()
    os.environ["ASAN_OPTIONS"] = options
    for i in range(USERS):
        made.adduser(f"user{i}")
        made.online(f"user{i}").ping()  # every account is in memory from here on
    made.close_clients()
    yield made
    made.down()


def repeat(cluster, cycle, count):
    for n in range(count):
        cycle(cluster, n)
        cluster.close_clients()


@pytest.mark.parametrize("kind", CYCLE)
def test_nothing_grows_over_many_cycles(calm_cluster, kind):
    repeat(calm_cluster, CYCLE[kind], WARM_UP)
    before = settled(calm_cluster)
    memory_before = memory(calm_cluster)
    repeat(calm_cluster, CYCLE[kind], CYCLES)
    after = settled(calm_cluster, before)
    assert after == before
    grown = {p: m - memory_before[p] for p, m in memory(calm_cluster).items()}
    print(f"{kind}: {CYCLES} cycles; memory grew by", {p: f"{g / 1024:.0f} KiB" for p, g in grown.items()})
    assert all(g <= SLACK_BYTES[p] + SLACK_PER_CYCLE * CYCLES for p, g in grown.items()), grown
