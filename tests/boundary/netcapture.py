"""What crosses the wire: a capture on each host's cable, read packet by packet, and the plain text of its TLS by tshark and the processes' key logs."""
import dataclasses
import ipaddress
import re
import signal
import socket
import struct
import subprocess
import time

ETH_IPV4, ETH_IPV6, ETH_ARP, ETH_MARK = 0x0800, 0x86DD, 0x0806, 0x88B5  # the last: IEEE 802 local experimental
ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
NAMES = {ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMPV6: "icmp", SCTP: "sctp"}
SYN, ACK = 0x02, 0x10
ECHO = {ICMP: 8, ICMPV6: 128}
NEIGHBOURS = range(130, 138)  # multicast listeners and neighbours, of one cable only
SECONDS = 20
FILE_HEADER, RECORD_HEADER = 24, 16  # of pcap
TLS12_OVERHEAD = 24  # of a record, at most: explicit nonce and tag


@dataclasses.dataclass(frozen=True)
class Packet:
    protocol: int
    source: str
    target: str
    sport: int = 0
    dport: int = 0
    flags: int = 0
    sequence: int = 0
    payload: bytes = b""

    @property
    def stream(self):
        return self.source, self.sport, self.target, self.dport


@dataclasses.dataclass(frozen=True)
class Attempt:
    """Somebody begins to talk to somebody."""
    protocol: str
    source: str
    target: str
    port: int = 0


class Capture:
    """tcpdump on the wire's end of every cable, from start to stop."""

    def __init__(self, network, folder):
        self.network, self.folder = network, folder
        self.running, self.ends = {}, 0
        folder.mkdir(parents=True, exist_ok=True)

    def start(self):
        for name in (self.network.internet.name, *self.network.hosts):
            self.running[name] = self.network.wire.popen("tcpdump", "-i", self.network.interface(name), "-s", "0", "-B", "16384", "-U", "--immediate-mode",
                                                         "-Z", "root", "-w", self.path(name), stderr=subprocess.PIPE, text=True)
        for name, process in self.running.items():
            line = process.stderr.readline()
            while line and "listening on" not in line:
                line = process.stderr.readline()
            assert line, f"tcpdump of {name} did not begin"
        return self

    def path(self, name):
        return self.folder / f"{name}.pcap"

    def so_far(self):
        """{name of a host or the Internet: file} that has all that was sent before this call; it goes on."""
        for name in self.running:
            with self.network.wire.inside():
                sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            with sock:
                sock.bind((self.network.interface(name), 0))
                self.ends += 1
                sock.send(b"\xff" * 6 + b"\x02" + b"\x00" * 5 + struct.pack("!H", ETH_MARK) + self.mark().ljust(60, b"."))
            self.wait_end(name)
        return {name: self.path(name) for name in self.running}

    def stop(self):
        """The same, and ends it; fails when anything was missed."""
        files = self.so_far()
        for process in self.running.values():
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=SECONDS)[1]
            assert re.search(r"^0 packets dropped by kernel", said, re.M), said
        self.running = {}
        return files

    def mark(self):
        return b"end %d of this capture" % self.ends

    def wait_end(self, name):
        deadline = time.monotonic() + SECONDS
        with open(self.path(name), "rb") as f:
            data = f.read()
            while self.mark() not in data:
                assert time.monotonic() < deadline, f"the capture of {name} has no end"
                time.sleep(0.01)
                data = data[-len(self.mark()):] + f.read()


# --- packets -------------------------------------------------------------------------------------------------------------


def records(data):
    """(begin, end) of each packet of a pcap file that is wholly there."""
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at = FILE_HEADER
    while at + RECORD_HEADER <= len(data):
        size, = struct.unpack_from(order + "I", data, at + 8)
        begin, at = at + RECORD_HEADER, at + RECORD_HEADER + size
        if at <= len(data):
            yield begin, at


def whole(data):
    """Without a packet at the end that is still being written."""
    return data[:max((end for _, end in records(data)), default=FILE_HEADER)]


def frames(path):
    """(EtherType, data) of each frame of a pcap file."""
    data = path.read_bytes()
    for begin, end in records(data):
        yield struct.unpack_from("!H", data, begin + 12)[0], data[begin + 14:end]


def packets(path):
    """Every packet; what is neither IP nor ARP nor our mark is an error: nothing may pass that is not looked at."""
    for kind, data in frames(path):
        if kind == ETH_IPV4:
            yield parse_ipv4(data)
        elif kind == ETH_IPV6:
            yield parse_ipv6(data)
        elif kind not in (ETH_ARP, ETH_MARK):
            raise ValueError(f"a frame of type {kind:#x} in {path.name}")


def parse_ipv4(data):
    head, total = (data[0] & 15) * 4, struct.unpack_from("!H", data, 2)[0]
    ends = str(ipaddress.ip_address(data[12:16])), str(ipaddress.ip_address(data[16:20]))
    return parse_above(data[9], ends, data[head:total or None])  # 0: larger than 64 KiB, segments not yet cut


def parse_ipv6(data):
    kind, size, at = data[6], struct.unpack_from("!H", data, 4)[0], 40
    ends = str(ipaddress.ip_address(data[8:24])), str(ipaddress.ip_address(data[24:40]))
    end = at + size if size else None
    while kind == 0:  # hop-by-hop options: multicast listener reports
        kind, at = data[at], at + 8 + data[at + 1] * 8
    return parse_above(kind, ends, data[at:end])


def parse_above(kind, ends, data):
    if kind == TCP:
        sport, dport, sequence = struct.unpack_from("!HHI", data)
        return Packet(kind, *ends, sport, dport, data[13], sequence, data[(data[12] >> 4) * 4:])
    if kind in (UDP, SCTP):
        return Packet(kind, *ends, *struct.unpack_from("!HH", data), payload=data)
    return Packet(kind, *ends, flags=data[0] if data else 0, payload=data)


def is_first(p):
    return p.protocol == TCP and p.flags & (SYN | ACK) == SYN


def attempts(path):
    """First packets: who opened what toward whom."""
    seen, found = set(), set()
    for p in packets(path):
        name = NAMES.get(p.protocol, str(p.protocol))
        if p.protocol == TCP:
            if is_first(p):
                found.add(Attempt(name, p.source, p.target, p.dport))
        elif p.protocol in ECHO:
            if p.flags == ECHO[p.protocol]:
                found.add(Attempt(name, p.source, p.target))
        elif (p.target, p.dport, p.source, p.sport, p.protocol) not in seen:  # not an answer
            seen.add((p.source, p.sport, p.target, p.dport, p.protocol))
            found.add(Attempt(name, p.source, p.target, p.dport))
    return found


def streams(path):
    """{(source, port, target, port): bytes} of TCP, as sent, each byte once; and what other protocols carried, likewise."""
    pieces, others = {}, {}
    for p in packets(path):
        if p.protocol == TCP and (p.payload or p.flags & SYN):
            pieces.setdefault(p.stream, []).append(p)
        elif p.payload and p.protocol != TCP:
            others[(p.protocol, *p.stream)] = others.get((p.protocol, *p.stream), b"") + p.payload
    whole = {stream: assemble(segments) for stream, segments in pieces.items()}
    return {**whole, **others}


def assemble(segments):
    """In order of sequence numbers. A port that was used again begins anew with each SYN."""
    data, at = bytearray(), None
    for p in segments:
        if p.flags & SYN or at is None:
            at = p.sequence + bool(p.flags & SYN)
            late = {}
        skip = (at - p.sequence) % (1 << 32)
        if p.flags & SYN:
            skip = 0
        if skip > 1 << 31:  # ahead: one before it was lost and will be sent again
            late[p.sequence] = p.payload
            continue
        data += p.payload[skip:]
        at = (at + max(0, len(p.payload) - skip)) % (1 << 32)
        while at in late:
            more = late.pop(at)
            data += more
            at = (at + len(more)) % (1 << 32)
    return bytes(data)


# --- plain text of TLS -----------------------------------------------------------------------------------------------------


def tshark(path, keys, *args):
    done = subprocess.run(["tshark", "-r", str(path), "-o", f"tls.keylog_file:{keys}", *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclasses.dataclass
class PlainText:
    """What a capture says under TLS."""
    text: dict  # {(source, port, target, port): bytes}
    sealed: list  # sentences: records that the keys did not open


def plain_text(path, keys):
    """Opens every TLS stream of a capture with the key logs of the processes (a file with all of them)."""
    columns = ("tcp.stream", "ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "tls.record.opaque_type", "tls.record.content_type",
               "tls.record.length")
    count = sum(p.protocol == TCP and p.flags & SYN != 0 for p in packets(path))  # streams, at most
    said = tshark(path, keys, "-Y", "tls", "-T", "fields", *(w for c in columns for w in ("-e", c)),
                  *(w for n in range(count) for w in ("-z", f"follow,tls,raw,{n}")))
    rows, *blocks = said.split("Follow: tls,raw")
    numbers, sealed, older = {}, [], {}
    for row in (r for r in rows.splitlines() if r.count("\t") == len(columns) - 1):
        number, s4, s6, sport, d4, d6, dport, opaque, kinds, lengths = row.split("\t")
        ends = (s4 or s6, int(sport), d4 or d6, int(dport))
        numbers.setdefault(number, frozenset((ends[:2], ends[2:])))
        if len(list_of(kinds)) != len(list_of(lengths)):  # a record of TLS 1.3 shows its inner type when it was opened
            sealed.append(f"{ends}: records of {lengths} bytes")
        elif not opaque:  # TLS 1.2 has no inner type: so much must come out of its records
            least = sum(int(n) - TLS12_OVERHEAD for k, n in zip(list_of(kinds), list_of(lengths)) if k == "23")
            older[ends] = older.get(ends, 0) + least
    text = followed(blocks, numbers)
    sealed += [f"{ends}: {least} bytes of TLS 1.2, {len(text.get(ends, b''))} opened" for ends, least in older.items() if len(text.get(ends, b"")) < least]
    return PlainText(text, sealed)


def list_of(text):
    return text.split(",") if text else []


def followed(blocks, numbers):
    """{stream: bytes} of what tshark prints for each."""
    text = {}
    for block in blocks:
        number = re.search(r"tcp\.stream eq (\d+)", block)[1]
        first = re.search(r"Node 0: \[?([0-9a-f:.]+?)\]?:(\d+)\n", block)  # tshark does not print the other
        if not first or number not in numbers:
            continue  # nothing of it was opened
        a = (first[1], int(first[2]))
        b = next(iter(numbers[number] - {a}))
        for line in block.split("\n"):
            if re.fullmatch(r"\t?[0-9a-f]+", line):
                stream = (*b, *a) if line.startswith("\t") else (*a, *b)
                text[stream] = text.get(stream, b"") + bytes.fromhex(line.strip())
    return text
