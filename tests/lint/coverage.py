#!/usr/bin/python3
"""Every row of tests/coverage/*.md names at least one test, and each named test exists: `test_x.py::name` in a suite of pytest, `test_x.c::name` in tests/unit."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def known_tests():
    known = set()
    for path in (ROOT / "tests").glob("*/test_*.py"):
        known |= {f"{path.name}::{n}" for n in re.findall(r"^def (test_\w+)", path.read_text(), re.M)}
    for path in (ROOT / "tests/unit").glob("test_*.c"):
        known |= {f"{path.name}::{n}" for n in re.findall(r"cmocka_unit_test\w*\(\s*(\w+)", path.read_text())}
    return known


def main():
    known, problems, rows = known_tests(), [], 0
    for path in sorted((ROOT / "tests/coverage").glob("*.md")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            cells = [c.strip() for c in line.strip().strip("|").split("|")]
            if not line.startswith("|") or len(cells) < 3 or cells[0] == "section" or set(cells[0]) <= {"-", " "}:
                continue
            rows += 1
            named = re.findall(r"`([^`]+)`", cells[-1])
            if not named:
                problems.append(f"{path.name}:{number}: names no test")
            problems += [f"{path.name}:{number}: no such test: {n}" for n in named if n not in known]
    print("\n".join(problems) or f"{rows} requirements, each with its tests")
    return 1 if problems or not rows else 0


sys.exit(main())
