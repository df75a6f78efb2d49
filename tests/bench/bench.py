#!/usr/bin/python3
"""`make bench`: what a message, a login and an idle connection cost, beside Prosody and ejabberd on the same machine.

CPU is user and system time of all the server's processes; memory is PSS. `--check` compares with baseline.json (ratios, ± 25 %).
"""
import argparse
import json
import pathlib
import subprocess
import sys

import servers

HERE = pathlib.Path(__file__).resolve().parent
TOLERANCE = 0.25


class Load:
    """The load generator, driven line by line."""

    def __init__(self, server, scenario, *options):
        self.process = subprocess.Popen([str(servers.ROOT / "build/release/bench/load"), "--connect", server.connect, "--ca", server.ca, "--password", servers.PASSWORD,
                                         *map(str, options), scenario], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.wait("ready")

    def wait(self, word):
        for line in self.process.stdout:
            if line.startswith(word):
                return line[len(word):].strip()
            print("  load:", line.strip(), file=sys.stderr)
        raise SystemExit("the load generator ended early")

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def quit(self):
        self.process.stdin.close()
        self.process.wait(60)


def difference(after, before):
    return {name: after[name] - before.get(name, 0) for name in after}


def run_load(server, scenario, *options):
    """(what the generator counted, CPU seconds by process)."""
    load = Load(server, scenario, *options)
    before = server.cpu()
    load.go()
    result = json.loads(load.wait("done"))
    cpu = difference(server.cpu(), before)
    load.quit()
    assert not result["failures"], result
    return result, cpu


def split(cpu, count):
    return {name: round(s * 1e6 / count, 2) for name, s in cpu.items() if s > 0}


def measure_messages(server, args):
    """200 pairs, window 10, 64-byte bodies: CPU a delivered message."""
    result, cpu = run_load(server, "messages", "--users", 400, "--window", 10, "--seconds", args.seconds)
    return {"us_per_message": sum(cpu.values()) * 1e6 / result["received"], "messages_per_s": result["received"] / result["seconds"],
            "by_process_us": split(cpu, result["received"])}


def measure_latency(server, args):
    """2,000 messages/s over 200 pairs."""
    result, cpu = run_load(server, "rate", "--users", 400, "--rate", 2000, "--seconds", args.seconds)
    return {"p50_ms": result["p50_ms"], "p99_ms": result["p99_ms"], "us_per_message_at_2000": sum(cpu.values()) * 1e6 / max(result["received"], 1)}


def measure_logins(server, args):
    """Accept to bind result, 32 in flight."""
    run_load(server, "login", "--users", 64, "--in-flight", 32)
    result, cpu = run_load(server, "login", "--users", args.logins, "--in-flight", 32)
    return {"ms_cpu_per_login": sum(cpu.values()) * 1e3 / result["logins"], "logins_per_s": result["logins"] / result["seconds"],
            "by_process_us": split(cpu, result["logins"])}


def measure_idle(server, args):
    """Connections with roster and presence that do nothing."""
    before = server.memory()
    load = Load(server, "idle", "--users", args.idle, "--in-flight", 64)
    grown = difference(server.memory(), before)
    load.quit()
    return {"kib_per_connection": sum(grown.values()) / 1024 / args.idle, "by_process_kib": {n: round(b / 1024 / args.idle, 2) for n, b in grown.items()}}


MEASURES = {"messages": measure_messages, "latency": measure_latency, "logins": measure_logins, "idle": measure_idle}


def show(name, figures):
    for key, value in figures.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else f"{value:,.2f}"
        print(f"  {name:10} {key:24} {text}")
    sys.stdout.flush()


def check(results, baseline):
    """Whether each cost is within the tolerance of the committed one."""
    is_good = True
    for path, expected in baseline.items():
        server, measure, key = path.split("/")
        found = results.get(server, {}).get(measure, {}).get(key)
        if found is None:
            continue
        ratio = found / expected
        verdict = "ok" if ratio <= 1 + TOLERANCE else "WORSE"
        print(f"{path}: {found:.2f}, baseline {expected:.2f}, ratio {ratio:.2f} {verdict}")
        is_good &= verdict == "ok"
    return is_good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--servers", default="sallyport,sallyport-tls,prosody,prosody-gen,ejabberd")
    parser.add_argument("--measures", default="messages,latency,logins,idle")
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--logins", type=int, default=2000)
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--json", help="write all figures to this file")
    args = parser.parse_args()
    results = {}
    users = max(400, args.logins, args.idle)
    for name in args.servers.split(","):
        print(f"{name}:")
        server = servers.ALL[name](users)
        try:
            for measure in args.measures.split(","):
                results.setdefault(name, {})[measure] = MEASURES[measure](server, args)
                show(measure, results[name][measure])
        finally:
            server.stop()
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=1))
    if args.check and not check(results, json.loads((HERE / "baseline.json").read_text())):
        sys.exit(1)


if __name__ == "__main__":
    main()
