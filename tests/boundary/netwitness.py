"""Who watches a split cluster: captures on every cable, rules in the firewalls of hosts and wire that note what begins, the kernel's tables of
sockets, files and memory. All of it ends in one netcheck.Evidence."""
import collections
import json
import pathlib
import socket
import struct
import tempfile

from netcapture import Attempt, Capture, attempts, is_first, packets, plain_text, streams, whole
from netcheck import Declared, Evidence
from netsecrets import of_memory, of_tree

# On a host, before its own firewall looks: what its processes try, whether or not it leaves. On the wire: what passes.
WATCH = """
table inet watch {{
    set tried4 {{ type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags dynamic; size 65536; }}
    set tried6 {{ type ipv6_addr . ipv6_addr . inet_proto . inet_service; flags dynamic; size 65536; }}
    set asked4 {{ type ipv4_addr . ipv4_addr; flags dynamic; size 65536; }}
    set asked6 {{ type ipv6_addr . ipv6_addr; flags dynamic; size 65536; }}
    counter others {{ }}
    chain look {{
        tcp flags & (syn | ack) == syn add @tried4 {{ ip saddr . ip daddr . meta l4proto . tcp dport }}
        tcp flags & (syn | ack) == syn add @tried6 {{ ip6 saddr . ip6 daddr . meta l4proto . tcp dport }}
        meta l4proto {{ udp, udplite, sctp, dccp }} add @tried4 {{ ip saddr . ip daddr . meta l4proto . th dport }}
        meta l4proto {{ udp, udplite, sctp, dccp }} add @tried6 {{ ip6 saddr . ip6 daddr . meta l4proto . th dport }}
        icmp type echo-request add @asked4 {{ ip saddr . ip daddr }}
        icmpv6 type echo-request add @asked6 {{ ip6 saddr . ip6 daddr }}
        meta l4proto != {{ tcp, udp, udplite, sctp, dccp, icmp, icmpv6 }} counter name others
    }}
    chain hooked {{
        type filter hook {hook} priority -400; policy accept;
        jump look
    }}
}}
"""
# On the wire, made of the plan's flows: counts what is not declared and comes to or from a host, and lets it pass.
PERIMETER = """
table inet perimeter {{
    counter undeclared {{ }}
    chain forward {{
        type filter hook forward priority 0; policy accept;
        meta l4proto tcp tcp flags & (syn | ack) != syn accept
        icmp type != echo-request accept
        icmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem }} accept
{flows}
        ip saddr {{ {hosts4} }} counter name undeclared
        ip daddr {{ {hosts4} }} counter name undeclared
        ip6 saddr {{ {hosts6} }} counter name undeclared
        ip6 daddr {{ {hosts6} }} counter name undeclared
    }}
}}
"""
TCP_LISTEN = "0A"


class Witness:
    """From start to evidence. split: a netsplit.Split whose processes do not run yet."""

    def __init__(self, split):
        self.split, self.network = split, split.network
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="witness-", dir=split.network.folder))
        self.capture = Capture(self.network, self.folder)
        self.declared = Declared(split.flows, split.addresses(), self.network.zones)
        self.sealed, self.plain, self.raw = {}, {}, {}

    @property
    def dmz(self):
        return [h for h in self.network.hosts.values() if h.zone == "dmz"]

    def start(self):
        for place, hook in [(h, "output") for h in self.network.hosts.values()] + [(self.network.wire, "forward")]:
            place.run("nft", "-f", "-", input=WATCH.format(hook=hook))
        hosts = {f"hosts{v}": ", ".join(self.network.address(h, v) for h in self.network.hosts) for v in (4, 6)}
        self.network.wire.run("nft", "-f", "-", input=PERIMETER.format(flows="\n".join(perimeter_rules(self.split.flows)), **hosts))
        self.capture.start()
        return self

    def evidence(self, is_last=True, has_texts=True):
        """Asks everybody. The capture ends, or goes on. has_texts: what was said too, not only who spoke to whom."""
        files = self.capture.stop() if is_last else self.copy(self.capture.so_far())
        found = Evidence()
        found.attempts = {f"wire:{n}": attempts(f) for n, f in files.items()}
        for place in (*self.network.hosts.values(), self.network.wire):
            found.attempts[f"rules:{place.name}"] = noted(place)
        found.listeners = {h.name: listeners(h) for h in self.network.hosts.values()}
        if has_texts:
            self.read(files, found)
        return found

    def read(self, files, found):
        keys = self.folder / "tls-keys"
        keys.write_bytes(b"".join(f.read_bytes() for h in self.network.hosts.values() for f in h.root.rglob("tls-keys")))
        for host in self.dmz:
            plain = plain_text(files[host.name], keys)
            found.sealed[host.name] = plain.sealed
            self.plain[host.name], self.raw[host.name] = plain.text, streams(files[host.name])
            found.texts[f"wire:{host.name}"] = lambda n=host.name: lines(*self.plain[n].values(), *self.raw[n].values())
            found.texts[f"file:{host.name}"] = lambda h=host: of_tree(h.root)
        found.texts.update(self.memory())

    def copy(self, files):
        """Whole packets of captures that go on: tshark wants files that have an end."""
        for name, file in files.items():
            kept = self.folder / f"{name}.copy"
            kept.write_bytes(whole(file.read_bytes()))
            files[name] = kept
        return files

    def memory(self):
        return {f"memory:{n}": lambda p=p: of_memory(p) for h in self.dmz for n, p in h.pids().items()}

    def dials(self, host):
        """{(source, target, port): how many connections began} on a host's cable."""
        return collections.Counter((p.source, p.target, p.dport) for p in packets(self.capture.path(host)) if is_first(p))

    def undeclared(self):
        """Packets that began something which the plan does not have, as the perimeter's own rules counted them."""
        return table(self.network.wire, "perimeter")["undeclared"]["packets"]


def lines(*texts):
    for text in texts:
        yield text
        yield b"\n"


def perimeter_rules(flows):
    for r in flows:
        if r["protocol"] not in ("tcp", "udp"):
            continue
        for to in r["to_address"].split():
            family = "ip6" if ":" in to else "ip"
            sources = [s for s in r["from_address"].split() if s == "any" or (":" in s) == (":" in to)]
            for source in sources:
                origin = "" if source == "any" else f"{family} saddr {source} "
                yield f"        {origin}{family} daddr {to} {r['protocol']} dport {r['port']} accept"


def table(place, name):
    """{name: set or counter} of a table of rules."""
    said = json.loads(place.run("nft", "-j", "list", "table", "inet", name))["nftables"]
    return {x[kind]["name"]: x[kind] for x in said for kind in ("set", "counter") if kind in x}


def elements(found):
    for e in found.get("elem", []):
        yield e["elem"]["val"]["concat"] if "elem" in e else e["concat"]


def noted(place):
    """Attempts that the rules of a place noted."""
    rules = table(place, "watch")
    found = {Attempt(protocol, source, target, int(port)) for n in ("tried4", "tried6") for source, target, protocol, port in elements(rules[n])}
    found |= {Attempt("icmp", source, target) for n in ("asked4", "asked6") for source, target in elements(rules[n])}
    if rules["others"]["packets"]:
        found.add(Attempt("other", "0.0.0.0", "0.0.0.0"))
    return found


def listeners(host):
    """{(protocol, address, port)} of sockets that wait for strangers, as the kernel of the host has them."""
    found = set()
    for file in ("tcp", "tcp6", "udp", "udp6"):
        for line in pathlib.Path(f"/proc/{host.pid}/net/{file}").read_text().splitlines()[1:]:
            local, remote, state = line.split()[1:4]
            address, port = local.split(":")
            if state == TCP_LISTEN or (file.startswith("udp") and int(remote.split(":")[1], 16) == 0):
                found.add((file[:3], kernel_address(address), int(port, 16)))
    return found


def kernel_address(text):
    """An address of /proc/net: words of 32 bits in the machine's order."""
    data = b"".join(struct.pack("=I", int(text[i:i + 8], 16)) for i in range(0, len(text), 8))
    return socket.inet_ntop(socket.AF_INET6 if len(data) == 16 else socket.AF_INET, data)


def openings(pid):
    """How often the network namespace of a process opened a connection, sent a datagram, or had no way to where it wanted."""
    found = 0
    for line in pathlib.Path(f"/proc/{pid}/net/snmp").read_text().splitlines():
        kind, *words = line.split()
        if words[0].lstrip("-").isdigit():
            found += sum(int(v) for k, v in zip(names, words) if (kind, k) in COUNTED)
        else:
            names = words
    found += sum(int(v) for k, v in (line.split() for line in pathlib.Path(f"/proc/{pid}/net/snmp6").read_text().splitlines()) if k in COUNTED6)
    return found


COUNTED = {("Tcp:", "ActiveOpens"), ("Udp:", "OutDatagrams"), ("Ip:", "OutNoRoutes"), ("Icmp:", "OutEchos")}
COUNTED6 = {"Ip6OutNoRoutes", "Udp6OutDatagrams", "Icmp6OutEchos"}
