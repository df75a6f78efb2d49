"""Secrets, in every form in which they might lie around, and the search for them in captures, files and the memory of processes.

A place is named KIND:WHERE: wire:gate-1 (what its cable carried, plain text of TLS included), file:gate-1, memory:c2s-1.
"""
import base64
import dataclasses
import fnmatch
import hashlib
import hmac
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess

LEAST = 8  # bytes: what is shorter would be found by chance
MECHANISMS = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
CHUNK = 1 << 24
SPARSE = 1 << 34  # larger mappings are the shadow of AddressSanitizer: marks, no bytes of the program


@dataclasses.dataclass(frozen=True)
class Secret:
    """may: patterns of places where it belongs."""
    name: str
    value: bytes
    may: tuple = ()

    def belongs(self, place):
        return any(fnmatch.fnmatch(place, p) for p in self.may)


def secret(name, value, *may):
    return Secret(name, value.encode() if isinstance(value, str) else value, may)


def forms(value):
    """As it is, in hexadecimal, and within base64 at each of the three places where it may begin."""
    assert len(value) >= LEAST, value
    found = {value, value.hex().encode(), value.hex().upper().encode()}
    for before in range(3):
        text = base64.b64encode(b"\0" * before + value)
        begin = (before * 8 + 5) // 6
        end = (before + len(value)) * 8 // 6
        found.add(text[begin:end])
    return found


def pieces(form):
    """What is searched for: grep takes patterns by lines, so the longest piece without a line's end."""
    return max(re.split(rb"[\n\0]", form), key=len)


class Search:
    """Looks for many secrets in one pass."""

    def __init__(self, secrets, folder):
        self.by_piece = {}
        for s in secrets:
            for form in forms(s.value):
                piece = pieces(form)
                if len(piece) >= LEAST:
                    self.by_piece.setdefault(piece, set()).add(s)
        self.patterns = pathlib.Path(folder) / f"patterns-{os.getpid()}-{id(self)}"
        self.patterns.write_bytes(b"\n".join(self.by_piece) + b"\n")

    def find(self, chunks):
        """The secrets in what an iterator of bytes gives."""
        grep = subprocess.Popen(["grep", "-aoF", "-f", str(self.patterns)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
        reader = os.fdopen(os.dup(grep.stdout.fileno()), "rb")
        for chunk in chunks:
            grep.stdin.write(chunk.replace(b"\0", b"\n"))  # lines stay short; no piece has either
        grep.stdin.close()
        found = set(reader.read().split(b"\n")) - {b""}
        reader.close()
        grep.stdout.close()
        grep.wait()
        return set().union(*(self.holders(f) for f in found))

    def holders(self, found):
        """grep shows the longest match at a place; a shorter one may be in it."""
        return set().union(*(s for piece, s in self.by_piece.items() if piece in found))


# --- where to look ---------------------------------------------------------------------------------------------------------


def of_file(path):
    with open(path, "rb") as f:
        while chunk := f.read(CHUNK):
            yield chunk


def of_tree(root):
    """Names and contents of all files below a folder, sockets and the like left out."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = pathlib.Path(folder) / name
            yield str(path).encode() + b"\n"
            if path.is_file() and not path.is_symlink():
                yield from of_file(path)
                yield b"\n"


def mappings(pid):
    """(begin, end) of what a core image would hold: all that can be read and is not the unchanged part of a file."""
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, rights, _, _, _, *path = line.split(None, 5)
        begin, end = (int(x, 16) for x in span.split("-"))
        is_file = bool(path) and path[0].startswith("/")
        if "r" in rights and ("w" in rights or not is_file) and end - begin < SPARSE and path[:1] not in (["[vvar]"], ["[vsyscall]"], ["[vvar_vclock]"]):
            yield begin, end


def present(pid, begin, end):
    """The parts of a mapping that are in memory; the rest was never written."""
    page = os.sysconf("SC_PAGE_SIZE")
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as f:
        f.seek(begin // page * 8)
        entries = f.read((end - begin) // page * 8)
    first = None
    for i in range(len(entries) // 8 + 1):
        is_here = entries[i * 8 + 7:i * 8 + 8] >= b"\x40"  # present or swapped out
        if is_here and first is None:
            first = i
        elif not is_here and first is not None:
            yield begin + first * page, begin + i * page
            first = None


def of_memory(pid):
    """The process stands still meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for mapping in list(mappings(pid)):
                for begin, end in present(pid, *mapping):
                    memory.seek(begin)
                    yield memory.read(end - begin)
                    yield b"\n"
    finally:
        os.kill(pid, signal.SIGCONT)


# --- what is secret --------------------------------------------------------------------------------------------------------


def scram_secrets(jid, password, mechanism, text):
    """text: how the store has it, "MECHANISM$iterations:salt$StoredKey:ServerKey"; what they were made of is secret too."""
    digest = MECHANISMS[mechanism]
    iterations, salt, stored, server = re.fullmatch(rf"{mechanism}\$(\d+):(\S+)\$(\S+):(\S+)", text).groups()
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), base64.b64decode(salt), int(iterations))
    client = hmac.new(salted, b"Client Key", digest).digest()
    assert hashlib.new(digest, client).digest() == base64.b64decode(stored), f"{jid} has another password"
    values = (("salted password", salted), ("client key", client), ("stored key", base64.b64decode(stored)), ("server key", base64.b64decode(server)))
    return [secret(f"{mechanism} {what} of {jid}", value) for what, value in values]


def store_rows(folder, scratch, query):
    """Rows of a session manager's store while it runs: of a copy."""
    copy = pathlib.Path(scratch) / f"store-{os.getpid()}"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    base = sqlite3.connect(copy / "store.db")
    try:
        return base.execute(query).fetchall()
    finally:
        base.close()
        shutil.rmtree(copy)
