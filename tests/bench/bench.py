#!/usr/bin/python3
"""`make bench`: what a message, a login and an idle connection cost, beside Prosody and ejabberd on the same machine.

CPU is user and system time of all the server's processes; memory is PSS. `--check` compares with baseline.json (ratios, ± 25 %).
"""
import argparse
import json
import pathlib
import sys
import time

import directory
import pages
import price
import servers
from generator import Load, prepare

HERE = pathlib.Path(__file__).resolve().parent
TOLERANCE = 0.25
PAIRS = 200
CONTACTS = 20
WARM_UP = 64


def difference(after, before):
    return {name: after[name] - before.get(name, 0) for name in after}


def run_load(server, scenario, **options):
    """(what the generator counted, CPU seconds by process)."""
    with Load(server, scenario, **options) as load:
        before = server.cpu()
        result = load.run()
        return result, difference(server.cpu(), before)


def split(amounts, scale):
    return {name: round(a * scale, 2) for name, a in amounts.items() if abs(a * scale) >= 0.01}


def measure_messages(server, args):
    """200 pairs, window 10, 64-byte bodies: CPU a delivered message."""
    result, cpu = run_load(server, "messages", users=2 * PAIRS, window=10, seconds=args.seconds)
    return {"us_per_message": sum(cpu.values()) * 1e6 / result["received"], "messages_per_s": result["received"] / result["seconds"],
            "by_process_us": split(cpu, 1e6 / result["received"])}


def measure_latency(server, args):
    """2,000 messages/s over 200 pairs."""
    result, cpu = run_load(server, "rate", users=2 * PAIRS, rate=2000, seconds=args.seconds)
    return {"p50_ms": result["p50_ms"], "p99_ms": result["p99_ms"], "us_per_message_at_2000": sum(cpu.values()) * 1e6 / max(result["received"], 1),
            "messages_per_s": result["received"] / result["seconds"]}


def measure_logins(server, args):
    """Accept to bind result, 32 in flight."""
    result, cpu = run_load(server, "login", users=args.logins, in_flight=32)
    return {"ms_cpu_per_login": sum(cpu.values()) * 1e3 / result["logins"], "logins_per_s": result["logins"] / result["seconds"],
            "by_process_us": split(cpu, 1e6 / result["logins"])}


def settle(server):
    """What memory is when it has not changed by 1 % for 2 s (collectors and closed connections take their time), at most after 20 s."""
    begin = last = time.monotonic()
    memory = server.memory()
    while time.monotonic() < min(last + 2, begin + 20):
        time.sleep(0.1)
        now = server.memory()
        if abs(sum(now.values()) - sum(memory.values())) > sum(memory.values()) / 100:
            memory, last = now, time.monotonic()
    return server.memory()


def hold(server, users):
    """Memory that so many connections with roster and presence need while they do nothing."""
    before, slab = settle(server), servers.slab_bytes()
    with Load(server, "idle", users=users, in_flight=64) as load:
        grown, slab = difference(settle(server), before), servers.slab_bytes() - slab
        load.run()
    return {"kib_per_connection": sum(grown.values()) / 1024 / users, "by_process_kib": split(grown, 1 / 1024 / users),
            "kernel_kib_per_connection": slab / 2 / 1024 / users}  # half: the generator's ends are here too


def measure_idle(server, args):
    """Empty rosters."""
    return hold(server, args.idle)


def measure_contacts(server, args):
    """Rosters of 20 contacts, subscribed both ways and all online: groups in which everyone knows all others."""
    with Load(server, "contacts", users=args.contacts, contacts=CONTACTS, in_flight=64) as load:
        load.run()
    server.restart()
    run_load(server, "login", users=WARM_UP, in_flight=32)
    figures = hold(server, args.contacts)
    del figures["kernel_kib_per_connection"]  # the kernel still held what the first round had freed
    return figures


def measure_pages(server, args):
    """Of an archive with --rows messages: 50 of them, one client at a time."""
    if not hasattr(server, "query"):
        return {}
    result, _ = run_load(server, "messages", users=2 * PAIRS, window=10, seconds=1)
    return pages.measure(server, pages.multiply(server, args.rows, result["received"]), servers.PASSWORD)


# name: (function, accounts that it needs). Each measure has a server of its own, freshly started: what a peak of an earlier one left would hide memory.
MEASURES = {"messages": (measure_messages, lambda args: 2 * PAIRS), "latency": (measure_latency, lambda args: 2 * PAIRS),
            "logins": (measure_logins, lambda args: args.logins), "idle": (measure_idle, lambda args: args.idle),
            "contacts": (measure_contacts, lambda args: args.contacts), "pages": (measure_pages, lambda args: 2 * PAIRS)}


def show(name, figures):
    for key, value in figures.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else f"{value:,.2f}"
        print(f"  {name:10} {key:26} {text}", flush=True)


def measure_server(name, args):
    print(f"{name}:", flush=True)
    results = {}
    for measure in args.measures:
        run, accounts = MEASURES[measure]
        with servers.ALL[name](max(accounts(args), WARM_UP)) as server:
            run_load(server, "login", users=WARM_UP, in_flight=32)
            results[measure] = run(server, args)
        show(measure, results[measure])
    return results


def check(results, baseline):
    """Whether each cost that was measured is within the tolerance of the committed one. One that fell below it is said, not failed."""
    is_good = True
    for path, expected in baseline.items():
        server, measure, key = path.split("/")
        found = results.get(server, {}).get(measure, {}).get(key)
        if found is None:
            continue
        ratio = found / expected
        verdict = "WORSE" if ratio > 1 + TOLERANCE else "better: commit a new baseline" if ratio < 1 - TOLERANCE else "ok"
        print(f"{path}: {found:.2f}, baseline {expected:.2f}, ratio {ratio:.2f} {verdict}")
        is_good &= verdict != "WORSE"
    return is_good


# Not of one server: price.py, directory.py.
SPLIT, DIRECTORY = "split", "directory"
APART = {SPLIT: price, DIRECTORY: directory}


def chosen(known):
    def parse(text):
        names = text.split(",")
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"not known: {', '.join(unknown)} (there are {', '.join(known)})")
        return names
    return parse


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--servers", type=chosen(servers.ALL), default=list(servers.ALL))
    parser.add_argument("--measures", type=chosen([*MEASURES, *APART]), default=[*MEASURES, *APART])
    parser.add_argument("--seconds", type=int, default=15, help="of messages, latency, and each run of split and directory")
    parser.add_argument("--rounds", type=int, default=5, help="of split and directory: runs of both kinds, in turns")
    parser.add_argument("--logins", type=int, default=2000)
    parser.add_argument("--idle", type=int, default=5000, help="connections")
    parser.add_argument("--contacts", type=int, default=1050, help="connections that have contacts; a multiple of 21")
    parser.add_argument("--rows", type=int, default=1000000, help="of pages: messages in the archive")
    parser.add_argument("--check", action="store_true", help="compare with baseline.json; a target that split or directory missed fails, too")
    parser.add_argument("--json", type=pathlib.Path, help="write all figures to this file")
    return parser.parse_args()


def main():
    args = options()
    prepare()
    apart = [m for m in APART if m in args.measures and "sallyport" in args.servers]
    args.measures = [m for m in args.measures if m not in APART]
    results = {name: measure_server(name, args) for name in args.servers if args.measures}
    is_good = True
    for name in apart:
        results[name] = APART[name].measure(args)
        is_good &= APART[name].report(results[name])
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    if args.check and not (check(results, json.loads((HERE / "baseline.json").read_text())) and is_good):
        sys.exit(1)


if __name__ == "__main__":
    main()
