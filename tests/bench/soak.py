#!/usr/bin/python3
"""`make soak`: a mixed load for an hour (SOAK_SECONDS), and limits on the drift of memory, descriptors and latency that fail it.

Three generators run side by side in slices: messages at a given rate, logins that come and go, connections that stay. After each slice memory,
descriptors and latency are sampled; after a warm-up of a fifth of the time the last samples must not be above the first ones by more than the limits.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import servers

MEMORY_GROWTH, MEMORY_SLACK = 1.10, 4 << 20
DESCRIPTOR_SLACK = 8
LATENCY_GROWTH, LATENCY_SLACK_MS = 2.0, 5.0
USERS = 200


def generator(server, scenario, *options):
    return subprocess.Popen([str(servers.ROOT / "build/release/bench/load"), "--connect", server.connect, "--ca", server.ca, "--password", servers.PASSWORD,
                             *map(str, options), scenario], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def wait(process, word):
    for line in process.stdout:
        if line.startswith(word):
            return line[len(word):].strip()
        print("  load:", line.strip())
    raise SystemExit("the load generator ended early")


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def end(process):
    process.stdin.close()
    process.wait(60)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def one_slice(server, seconds):
    """Messages for so long, logins beside them all the time; then samples with nothing but the steady connections left."""
    chat = generator(server, "rate", "--users", USERS, "--rate", 400, "--seconds", seconds)
    wait(chat, "ready")
    go(chat)
    logins, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        coming = generator(server, "login", "--users", 100, "--in-flight", 8)
        wait(coming, "ready")
        go(coming)
        logins += json.loads(wait(coming, "done"))["logins"]
        end(coming)
    chatted = json.loads(wait(chat, "done"))
    end(chat)
    assert not chatted["failures"] and chatted["received"] >= chatted["sent"] * 0.999, chatted
    return chatted, logins


def sample(server):
    return {n: {"memory": servers.pss_bytes(p), "descriptors": descriptors(p)} for n, p in server.pids().items()}


def settle(server):
    """Until the descriptors stop falling: connections of the slice are all gone."""
    last, deadline = None, time.monotonic() + 20
    while time.monotonic() < deadline:
        now = [descriptors(p) for p in server.pids().values()]
        if now == last:
            return
        last = now
        time.sleep(0.09)


def drift(samples, latencies):
    """Sentences about what has grown too much."""
    found, part = [], max(len(samples) // 5, 1)
    for name in samples[0]:
        first = statistics.median(s[name]["memory"] for s in samples[part:2 * part] or samples[:1])
        last = statistics.median(s[name]["memory"] for s in samples[-part:])
        if last > first * MEMORY_GROWTH + MEMORY_SLACK:
            found.append(f"{name}: memory grew from {first / 1e6:.1f} to {last / 1e6:.1f} MB")
        first = statistics.median(s[name]["descriptors"] for s in samples[part:2 * part] or samples[:1])
        last = statistics.median(s[name]["descriptors"] for s in samples[-part:])
        if last > first + DESCRIPTOR_SLACK:
            found.append(f"{name}: descriptors grew from {first:.0f} to {last:.0f}")
    first, last = statistics.median(latencies[part:2 * part] or latencies[:1]), statistics.median(latencies[-part:])
    if last > first * LATENCY_GROWTH + LATENCY_SLACK_MS:
        found.append(f"p99 latency grew from {first:.2f} to {last:.2f} ms")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--slice", type=int, default=30)
    args = parser.parse_args()
    server = servers.Sallyport(500)
    samples, latencies = [], []
    try:
        steady = generator(server, "idle", "--users", 300, "--in-flight", 32)
        wait(steady, "ready")
        deadline = time.monotonic() + args.seconds
        while time.monotonic() < deadline or len(samples) < 3:
            chatted, logins = one_slice(server, args.slice)
            settle(server)
            samples.append(sample(server))
            latencies.append(chatted["p99_ms"])
            print(f"{len(samples):4} messages {chatted['received']} logins {logins} p50 {chatted['p50_ms']:.2f} p99 {chatted['p99_ms']:.2f} ms  " +
                  "  ".join(f"{n} {s['memory'] / 1e6:.1f} MB {s['descriptors']} fds" for n, s in samples[-1].items()), flush=True)
        end(steady)
    finally:
        server.stop()
    found = drift(samples, latencies)
    print("\n".join(found) or "no drift")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
