"""The checker: a function of evidence. What it looks at is gathered by netwitness.py or, in the control runs, planted."""
import dataclasses
import ipaddress

from netcapture import Attempt

INTERNET = "Internet"


@dataclasses.dataclass(frozen=True)
class Finding:
    """kind: inward, undeclared, listener, sealed, secret, blind."""
    kind: str
    where: str
    what: str


@dataclasses.dataclass
class Evidence:
    attempts: dict = dataclasses.field(default_factory=dict)  # {who saw it: Attempts}
    listeners: dict = dataclasses.field(default_factory=dict)  # {host: {(protocol, address, port)}}
    sealed: dict = dataclasses.field(default_factory=dict)  # {cable: sentences}: TLS that nobody could look into
    texts: dict = dataclasses.field(default_factory=dict)  # {place: a function that gives an iterator of bytes}


class Declared:
    """flows: what `plan --explain=json` prints. zones: {host: zone}; dmz: the zones that are one; addresses: {address: host}."""

    def __init__(self, flows, addresses, zones, dmz=("dmz",)):
        self.addresses, self.zones, self.dmz = {ipaddress.ip_address(a): h for a, h in addresses.items()}, zones, dmz
        self.rows = [(r["protocol"], r["from_address"].split(), r["to_address"].split(), int(r["port"])) for r in flows if r["protocol"] in ("tcp", "udp")]

    def zone(self, address):
        return self.zones.get(self.addresses.get(address))

    def is_in_dmz(self, address):
        return self.zone(address) in self.dmz

    def is_declared(self, attempt):
        source, target = ipaddress.ip_address(attempt.source), ipaddress.ip_address(attempt.target)
        return any(attempt.protocol == protocol and attempt.port == port and str(target) in to and self.may_be(source, sources)
                   for protocol, sources, to, port in self.rows)

    def may_be(self, source, sources):
        """"any" is the world and who is inside, but no machine of the DMZ: nothing there has a reason to be a client."""
        if sources == ["any"]:
            return not self.is_in_dmz(source)
        return any(source in ipaddress.ip_network(s) for s in sources)

    def is_inward(self, attempt):
        source, target = ipaddress.ip_address(attempt.source), ipaddress.ip_address(attempt.target)
        return self.is_in_dmz(source) and self.zone(target) not in (*self.dmz, INTERNET, None)

    def is_of_others(self, attempt):
        """What a machine of the Internet does with the rest of the world: it looks up names."""
        return self.zone(ipaddress.ip_address(attempt.source)) == INTERNET and ipaddress.ip_address(attempt.target) not in self.addresses

    def is_of_one_cable(self, attempt):
        """Neighbour discovery and the like: never forwarded."""
        source, target = ipaddress.ip_address(attempt.source), ipaddress.ip_address(attempt.target)
        return attempt.protocol == "icmp" and source.is_link_local and (target.is_link_local or target.is_multicast)


def check_attempts(evidence, declared):
    for where, attempts in evidence.attempts.items():
        for a in sorted(attempts, key=str):
            what = f"{a.protocol} {a.source} -> {a.target}:{a.port}"
            if declared.is_inward(a):
                yield Finding("inward", where, what)
            if not (declared.is_declared(a) or declared.is_of_others(a) or declared.is_of_one_cable(a)):
                yield Finding("undeclared", where, what)


def check_listeners(evidence, declared):
    for host, listeners in evidence.listeners.items():
        for protocol, address, port in sorted(listeners):
            is_declared = any(protocol == p and port == its_port and address in to for p, _, to, its_port in declared.rows)
            if not is_declared:
                yield Finding("listener", host, f"{protocol} {address}:{port}")


def check_secrets(evidence, search, marks):
    """search: None looks for nothing. marks: {place: Secrets that must be found there}: who does not see them sees nothing."""
    for place, chunks in evidence.texts.items() if search else ():
        found = search.find(chunks())
        for s in sorted(found, key=lambda s: s.name):
            if not s.belongs(place):
                yield Finding("secret", place, s.name)
        for mark in marks.get(place, ()):
            if mark not in found:
                yield Finding("blind", place, mark.name)


def check(evidence, declared, search, marks):
    """All findings; a boundary that holds has none."""
    sealed = [Finding("sealed", where, s) for where, sentences in evidence.sealed.items() for s in sentences]
    return [*check_attempts(evidence, declared), *check_listeners(evidence, declared), *sealed, *check_secrets(evidence, search, marks)]


__all__ = ["Attempt", "Declared", "Evidence", "Finding", "check"]
