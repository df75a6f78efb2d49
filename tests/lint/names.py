#!/usr/bin/python3
"""The names of metrics and audit events in the code are those of deploy/metrics.txt and deploy/audit-events.txt, and alert rules use only such metrics.

New metrics get their line with --write; the meaning of an audit event is written by hand behind its name.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDERS = ["common", "proto", "router", "c2s", "s2s", "sm"]
METRIC = re.compile(r'METRIC\(\s*"(\w+)",\s*METRIC_(\w+),\s*((?:"[^"]*"\s*)+)\)')
AUDIT = re.compile(r'\baudit(?:_write)?\(\s*"([\w-]+)"')
LABELLED = re.compile(r'# TYPE (sallyport_\w+|process_\w+) (\w+)')


def sources():
    return [p for f in FOLDERS for p in sorted((ROOT / f).rglob("*.c"))]


def in_code():
    metrics, events = {}, set()
    for path in sources():
        text = path.read_text()
        for name, kind, help_text in METRIC.findall(text):
            metrics[name] = (kind.lower(), "".join(re.findall(r'"([^"]*)"', help_text)))
        for name, kind in LABELLED.findall(text):
            metrics.setdefault(name, (kind, ""))
        events |= set(AUDIT.findall(text))
    return metrics, events


def listed(path):
    lines = [l for l in path.read_text().splitlines() if l and not l.startswith("#")] if path.exists() else []
    return {l.split()[0] for l in lines}


def main():
    metrics, events = in_code()
    metrics_file, events_file = ROOT / "deploy/metrics.txt", ROOT / "deploy/audit-events.txt"
    if "--write" in sys.argv:
        metrics_file.write_text("# Every metric: name, kind, meaning. Checked against the code by tests/lint/names.py.\n" +
                                "".join(f"{n} {k} {h}\n" for n, (k, h) in sorted(metrics.items())))
        known = {l.split()[0]: l for l in events_file.read_text().splitlines() if l and not l.startswith("#")} if events_file.exists() else {}
        events_file.write_text("# Every event of the audit log: name, meaning. Checked against the code by tests/lint/names.py.\n" +
                               "".join(known.get(e, f"{e} ") + "\n" for e in sorted(events)))
    problems = []
    for what, code, file in (("metric", set(metrics), metrics_file), ("audit event", events, events_file)):
        found = listed(file)
        problems += [f"{what} {n} is in the code and not in {file.name}" for n in sorted(code - found)]
        problems += [f"{what} {n} is in {file.name} and not in the code" for n in sorted(found - code)]
    problems += [f"audit event without a meaning: {l}" for l in events_file.read_text().splitlines() if l and not l.startswith("#") and len(l.split()) < 3] if events_file.exists() else []
    alerts = ROOT / "deploy/alerts.yml"
    used = set(re.findall(r"\b((?:sallyport|process)_\w+)", alerts.read_text())) if alerts.exists() else set()
    problems += [f"alerts.yml uses {n}, which no process has" for n in sorted(used - set(metrics))]
    print("\n".join(problems) or f"{len(metrics)} metrics, {len(events)} audit events, {len(used)} metrics in alert rules")
    return 1 if problems or not metrics or not events else 0


sys.exit(main())
