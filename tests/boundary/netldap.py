"""LDAP where none may be: messages of it in bytes that were captured (RFC 4511 §4.1.1), and its ports."""
import re

from netcheck import Finding

PORTS = (389, 636, 3268, 3269)
LENGTH = rb"(?:[\x00-\x7f]|\x81[\x00-\xff]|\x82[\x00-\xff]{2}|\x83[\x00-\xff]{3})"
# LDAPMessage: its length, a messageID that is not zero, the tag of an operation (or of a notice: ID 0), its length.
HEAD = re.compile(rb"\x30(" + LENGTH + rb")(\x02[\x01-\x04])", re.S)
OPERATIONS = {0x60: "bindRequest", 0x61: "bindResponse", 0x42: "unbindRequest", 0x63: "searchRequest", 0x64: "searchResEntry", 0x65: "searchResDone",
              0x66: "modifyRequest", 0x67: "modifyResponse", 0x68: "addRequest", 0x69: "addResponse", 0x4a: "delRequest", 0x6b: "delResponse",
              0x6e: "compareRequest", 0x6f: "compareResponse", 0x73: "searchResRef", 0x77: "extendedReq", 0x78: "extendedResp", 0x79: "intermediateResponse"}
CONTROLS = 0xa0
LEAST = 5  # bytes of an operation's value: a shorter one might be chance (unbindRequest has none)


def length(data, at):
    """(of what follows, where that begins), or None: BER, definite."""
    if at >= len(data):
        return None
    first = data[at]
    if first < 0x80:
        return first, at + 1
    count = first - 0x80
    if not 1 <= count <= 3 or at + 1 + count > len(data):
        return None
    return int.from_bytes(data[at + 1:at + 1 + count], "big"), at + 1 + count


def operation(data, begin):
    """The name of the operation whose LDAPMessage begins here, if its lengths agree with each other; else None."""
    whole = length(data, begin + 1)
    if not whole:
        return None
    size, at = whole
    end = at + size
    number = length(data, at + 1)
    at = number[1] + number[0]
    if at >= len(data) or data[at] not in OPERATIONS:
        return None
    inner = length(data, at + 1)
    if not inner or inner[0] < LEAST:
        return None
    after = inner[1] + inner[0]
    has_controls = after < end and after < len(data) and data[after] == CONTROLS
    return OPERATIONS[data[at]] if after == end or has_controls else None


def messages(data):
    """Names of the operations of LDAP in bytes, wherever they begin."""
    found = (operation(data, m.start()) for m in HEAD.finditer(data))
    return [name for name in found if name]


def check_ldap(evidence, zones, dmz=("dmz",)):
    """A finding for each: an attempt at a port of LDAP on the cable or from the processes of a host of the DMZ; a message of LDAP on its cable."""
    for where, attempts in evidence.attempts.items():
        host = where.split(":")[1]
        for a in sorted(attempts, key=str) if zones.get(host) in dmz else ():
            if a.port in PORTS:
                yield Finding("ldap", where, f"{a.protocol} {a.source} -> {a.target}:{a.port}")
    for place, chunks in evidence.texts.items():
        names = {n for chunk in chunks() for n in messages(chunk)} if place.startswith("wire:") else ()
        for name in sorted(names):
            yield Finding("ldap", place, name)
