#!/usr/bin/python3
"""`make soak`: a mixed load for an hour (SOAK_SECONDS), and limits on the drift of memory, descriptors and latency that fail it.

Three generators run side by side in slices: messages at a given rate, logins that come and go, connections that stay. After each slice memory,
descriptors and latency are sampled; the last fifth of the samples must not be above those behind a warm-up by more than the limits.
"""
import argparse
import os
import statistics
import sys
import time

import servers
from generator import Load, prepare

MEMORY_GROWTH, MEMORY_SLACK = 1.10, 4 << 20
DESCRIPTOR_SLACK = 8
LATENCY_GROWTH, LATENCY_SLACK_MS = 2.0, 5.0
MIN_SAMPLES = 3
# Who uses which accounts: those that chat, those that stay, those that come and go.
CHATTING, STAYING, COMING = 200, 300, 100


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def one_slice(server, seconds):
    """Messages for so long, and all the time logins beside them."""
    logins = 0
    with Load(server, "rate", users=CHATTING, rate=400, seconds=seconds) as chat:
        chat.go()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with Load(server, "login", first=CHATTING + STAYING, users=COMING, in_flight=8) as coming:
                logins += coming.run()["logins"]
        return chat.done(), logins


def settle(server):
    """Until the descriptors have stopped falling: the connections of the slice are gone."""
    last, deadline = None, time.monotonic() + 20
    while time.monotonic() < deadline:
        now = [descriptors(p) for p in server.pids().values()]
        if now == last:
            return
        last = now
        time.sleep(0.09)


def sample(server):
    return {n: {"memory": servers.pss_bytes(p), "descriptors": descriptors(p)} for n, p in server.pids().items()}


def ends(values):
    """Medians of what came behind the warm-up (a fifth) and of the end."""
    part = max(len(values) // 5, 1)
    return statistics.median(values[part:2 * part]), statistics.median(values[-part:])


def drift(samples, latencies):
    """Sentences about what has grown too much."""
    found = []
    for name in samples[0]:
        first, last = ends([s[name]["memory"] for s in samples])
        if last > first * MEMORY_GROWTH + MEMORY_SLACK:
            found.append(f"{name}: memory grew from {first / 1e6:.1f} to {last / 1e6:.1f} MB")
        first, last = ends([s[name]["descriptors"] for s in samples])
        if last > first + DESCRIPTOR_SLACK:
            found.append(f"{name}: descriptors grew from {first:.0f} to {last:.0f}")
    first, last = ends(latencies)
    if last > first * LATENCY_GROWTH + LATENCY_SLACK_MS:
        found.append(f"p99 latency grew from {first:.2f} to {last:.2f} ms")
    return found


def show(count, chatted, logins, now):
    processes = "  ".join(f"{n} {s['memory'] / 1e6:.1f} MB {s['descriptors']} fds" for n, s in now.items())
    print(f"{count:4} messages {chatted['received']} logins {logins} p50 {chatted['p50_ms']:.2f} p99 {chatted['p99_ms']:.2f} ms  {processes}", flush=True)


def soak(server, args):
    samples, latencies = [], []
    with Load(server, "idle", first=CHATTING, users=STAYING, in_flight=32) as staying:
        deadline = time.monotonic() + args.seconds
        while time.monotonic() < deadline or len(samples) < MIN_SAMPLES:
            chatted, logins = one_slice(server, args.slice)
            settle(server)
            samples.append(sample(server))
            latencies.append(chatted["p99_ms"])
            show(len(samples), chatted, logins, samples[-1])
        staying.run()
    return drift(samples, latencies)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--slice", type=int, default=30)
    args = parser.parse_args()
    prepare()
    with servers.Sallyport(CHATTING + STAYING + COMING) as server:
        found = soak(server, args)
    print("\n".join(found) or "no drift")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
