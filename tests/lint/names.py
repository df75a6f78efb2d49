#!/usr/bin/python3
"""The names of audit events in the code are those of deploy/audit-events.txt, and alert rules use only metrics that exist (deploy/metrics.txt, which
tests/e2e/test_metrics.py compares with running processes). --write adds new events; their meaning is written by hand behind the name.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
AUDIT = re.compile(r'\baudit(?:_write)?\(\s*"([\w-]+)"')
EVENTS = ROOT / "deploy/audit-events.txt"


def lines_of(path):
    return [l for l in path.read_text().splitlines() if l and not l.startswith("#")] if path.exists() else []


def main():
    sources = [p for f in ("common", "proto", "router", "c2s", "s2s", "sm") for p in sorted((ROOT / f).rglob("*.c"))]
    code = {e for p in sources for e in AUDIT.findall(p.read_text())}
    known = {l.split()[0]: l for l in lines_of(EVENTS)}
    if "--write" in sys.argv:
        EVENTS.write_text("# Every event of the audit log: name, meaning. Checked against the code by tests/lint/names.py.\n" +
                          "".join(known.get(e, e) + "\n" for e in sorted(code)))
    problems = [f"audit event {n} is in the code and not in {EVENTS.name}" for n in sorted(code - set(known))]
    problems += [f"audit event {n} is in {EVENTS.name} and not in the code" for n in sorted(set(known) - code)]
    problems += [f"audit event without a meaning: {l}" for l in known.values() if len(l.split()) < 3]
    metrics = {l.split()[0] for l in lines_of(ROOT / "deploy/metrics.txt")}
    used = set(re.findall(r"\b((?:sallyport|process)_\w+)", (ROOT / "deploy/alerts.yml").read_text()))
    problems += [f"alerts.yml uses {n}, which no process has" for n in sorted(used - metrics)]
    print("\n".join(problems) or f"{len(code)} audit events, {len(used)} metrics in alert rules")
    return 1 if problems or not code or not used else 0


sys.exit(main())
