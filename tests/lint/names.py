#!/usr/bin/python3
"""The audit events of the code are those of deploy/audit-events.txt, in both directions: names, severities, the processes that write them, and the
fields that they carry. Alert rules use only metrics that exist (deploy/metrics.txt, which tests/e2e/test_metrics.py compares with running
processes). --write brings the table up to date; what an event means is written by hand.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EVENTS = ROOT / "deploy/audit-events.txt"
# audit("name", …), audit_warning(…), and inside audit.c put(get_event("name"), AUDIT_ERROR, LOG_PAIRS(…)).
CALL = re.compile(r'\baudit(?:_(info|warning|error))?\(\s*(?=")|\bput\(get_event\((?=")')
INSIDE = re.compile(r'^"([\w-]+)"\),\s*AUDIT_(\w+),')
PAIR = re.compile(r'\bkv_(str|text|u64|i64|err)\(')
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
WRITERS = {"common": ["c2s", "router", "sm"], "proto": ["c2s", "router", "sm"], "router": ["router"], "c2s": ["c2s"], "sm": ["sm"]}
HEAD = {"time", "event", "process", "role", "pid", "seq"}
TITLE = """# Every event of the audit log. Checked against the code by tests/lint/names.py; what it is for: AUDIT.md.
# event | severity (as PRIORITY and for syslog) | processes that write it | fields besides time, event, process, role, pid, seq | meaning
"""


def balanced(text, at):
    """What stands between the bracket that was opened before `at` and the one that closes it."""
    depth, start = 1, at
    while depth:
        if text[at] == '"':
            at = TEXT.match(text, at).end()
            continue
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return text[start:at - 1]


def first_argument(text):
    depth = 0
    for at, c in enumerate(text):
        depth += {"(": 1, ")": -1}.get(c, 0)
        if c == "," and depth == 0:
            return text[:at]
    return text


def fields_of(arguments):
    found = []
    for pair in PAIR.finditer(arguments):
        inner = balanced(arguments, pair.end())
        found += ["error"] if pair[1] == "err" else TEXT.findall(first_argument(inner))
    return found


def events_of(path):
    """(name, severity, fields) of each call in a file."""
    text = path.read_text()
    for call in CALL.finditer(text):
        inner = INSIDE.match(text[call.end():])
        if call[0].startswith("put("):
            start = text.rindex("put(", 0, call.end()) + 4
            yield inner[1], inner[2].lower(), fields_of(balanced(text, start))
        else:
            yield TEXT.match(text, call.end())[1], call[1] or "notice", fields_of(balanced(text, call.end()))


def collect():
    """name -> {"severity", "writers", "fields"} as the code has it, and what is wrong with that."""
    code, problems = {}, []
    for folder, writers in WRITERS.items():
        for path in sorted((ROOT / folder).rglob("*.c")):
            for name, severity, fields in events_of(path):
                e = code.setdefault(name, {"severity": severity, "writers": set(), "fields": []})
                e["writers"].update(writers)
                e["fields"] += [f for f in fields if f not in e["fields"]]
                where = f"{path.relative_to(ROOT)}: {name}"
                if severity != e["severity"]:
                    problems.append(f"{where} is {severity} here and {e['severity']} elsewhere")
                if not re.fullmatch(r"[a-z][a-z-]*", name) or [f for f in fields if f in HEAD or not re.fullmatch(r"[a-z][a-z0-9_]*", f)]:
                    problems.append(f"{where}: a name that cannot be one: {fields}")
    return code, problems


def lines_of(path):
    return [l for l in path.read_text().splitlines() if l and not l.startswith("#")] if path.exists() else []


def table():
    """name -> [severity, writers, fields, meaning]"""
    rows = [[c.strip() for c in l.split("|")] for l in lines_of(EVENTS)]
    return {r[0]: r[1:] for r in rows}, [f"not a row of five columns: {r}" for r in rows if len(r) != 5]


def columns(e):
    return [e["severity"], " ".join(sorted(e["writers"])), " ".join(e["fields"])]


def main():
    code, problems = collect()
    known, malformed = table()
    if "--write" in sys.argv:
        rows = [" | ".join([n, *columns(e), known.get(n, [""])[-1]]) for n, e in sorted(code.items())]
        EVENTS.write_text(TITLE + "".join(r.rstrip() + "\n" for r in rows))
        known, malformed = table()
    problems += malformed
    problems += [f"audit event {n} is in the code and not in {EVENTS.name}" for n in sorted(code.keys() - known.keys())]
    problems += [f"audit event {n} is in {EVENTS.name} and not in the code" for n in sorted(known.keys() - code.keys())]
    for name in sorted(code.keys() & known.keys()):
        if known[name][:3] != columns(code[name]):
            problems.append(f"audit event {name}: the table has {known[name][:3]}, the code {columns(code[name])}")
        if len(known[name][-1].split()) < 3:
            problems.append(f"audit event without a meaning: {name}")
    metrics = {l.split()[0] for l in lines_of(ROOT / "deploy/metrics.txt")}
    used = set(re.findall(r"\b((?:sallyport|process)_\w+)", (ROOT / "deploy/alerts.yml").read_text()))
    problems += [f"alerts.yml uses {n}, which no process has" for n in sorted(used - metrics)]
    print("\n".join(problems) or f"{len(code)} audit events, {len(used)} metrics in alert rules")
    return 1 if problems or not code or not used else 0


if __name__ == "__main__":
    sys.exit(main())
