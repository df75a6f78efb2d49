"""The price of the split: what TLS between the processes costs, in both layouts. The same load on two clusters that differ in their links alone, Unix sockets
and TLS on loopback, in turns, so that what else the machine does falls on both; the ratio is the median of the rounds'."""
import contextlib
import statistics

import servers
from generator import Load

TARGET = 1.20  # of CPU a message, links on TLS to links on Unix sockets
PAIRS = 200
WARM_UP = 64
LAYOUTS = {"a": (servers.Sallyport, servers.SallyportTls), "b": (servers.SallyportB, servers.SallyportTlsB)}
# name: (scenario, its options, whether it is held against the target)
LOADS = {"full": ("messages", {"window": 10}, True), "2000/s": ("rate", {"rate": 2000}, False)}


def us_per_message(server, scenario, seconds, **options):
    """(all processes, by process)"""
    with Load(server, scenario, users=2 * PAIRS, seconds=seconds, **options) as load:
        before = server.cpu()
        received = load.run()["received"]
        each = {name: (cpu - before[name]) * 1e6 / received for name, cpu in server.cpu().items()}
    return sum(each.values()), each


def warm(server):
    with Load(server, "login", users=WARM_UP, in_flight=32) as load:
        load.run()


def rounds_of(pair, args, scenario, options):
    """[(Unix, TLS)], who goes first taking turns."""
    found = []
    for i in range(args.rounds):
        order = (0, 1) if i % 2 == 0 else (1, 0)
        costs = {k: us_per_message(pair[k], scenario, args.seconds, **options) for k in order}
        found.append((costs[0], costs[1]))
    return found


def summed_up(found):
    def middle(kind, process=None):
        return round(statistics.median(f[kind][1][process] if process else f[kind][0] for f in found), 2)
    return {"unix_us": middle(0), "tls_us": middle(1), "ratio": round(statistics.median(t[0] / u[0] for u, t in found), 3),
            "ratios": [round(t[0] / u[0], 3) for u, t in found],
            "unix_by_process_us": {p: middle(0, p) for p in found[0][0][1]}, "tls_by_process_us": {p: middle(1, p) for p in found[0][1][1]}}


def measure(args):
    """{layout: {load: figures}}"""
    results = {}
    for layout, kinds in LAYOUTS.items():
        with contextlib.ExitStack() as stack:
            pair = [stack.enter_context(kind(2 * PAIRS)) for kind in kinds]
            for server in pair:
                warm(server)
            results[layout] = {name: summed_up(rounds_of(pair, args, scenario, options)) for name, (scenario, options, _) in LOADS.items()}
    return results


def report(results):
    """Prints a table; whether the target is met."""
    print("split: µs CPU a message, links on Unix sockets and on TLS")
    is_good = True
    for layout, loads in results.items():
        for load, f in loads.items():
            is_met = f["ratio"] <= TARGET
            verdict = f"target {TARGET:.2f} {'met' if is_met else 'MISSED'}" if LOADS[load][2] else "no target"
            is_good &= is_met or not LOADS[load][2]
            print(f"  layout {layout}, {load:7} unix {f['unix_us']:8.2f}  tls {f['tls_us']:8.2f}  ratio {f['ratio']:.2f} "
                  f"(rounds {' '.join(map(str, f['ratios']))})  {verdict}", flush=True)
            print(f"{'':18}by process: unix {f['unix_by_process_us']}, tls {f['tls_by_process_us']}")
    return is_good
