#!/usr/bin/python3
"""deploy/SECURITY.md says which test shows each sentence: rows of the hostile suites in quotation marks, tests and files in backquotes. They exist; a name that
ends in … stands for all rows that begin so. A row of a table of what cannot be done names at least one."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "deploy/SECURITY.md"
BOUNDARY = ROOT / "tests/boundary"
ROW = re.compile(r'^    (?:Attack)?\("([^"\n]+)", ', re.M)


def rows():
    """Of all tables of attacks, by name."""
    files = [*BOUNDARY.glob("rows_*.py"), *BOUNDARY.glob("test_hostile_*.py")]
    return {name for f in files for name in ROW.findall(f.read_text())}


def tests():
    return {name for f in ROOT.glob("tests/*/*.py") for name in re.findall(r"^def (test_\w+)", f.read_text(), re.M)}


def is_row(quoted, known):
    return quoted in known or (quoted.endswith("…") and any(row.startswith(quoted[:-1].rstrip()) for row in known))


def main():
    text = re.sub(r"\s*\n(?!\s*[|-])", " ", PAGE.read_text())
    known, functions = rows(), tests()
    quoted = set(re.findall(r'"([^"]+)"', text))
    problems = [f'it quotes "{q}", which is no row of the hostile suites' for q in sorted(quoted) if not is_row(q, known)]
    for name in re.findall(r"`([^`]+)`", text):
        is_there = list(ROOT.glob(name if "/" in name else f"tests/*/{name}")) if re.fullmatch(r"[\w./*-]+\.(py|c)", name) else name in functions
        if name.startswith("test") and not is_there:
            problems.append(f"{name} is not there")
    problems += [f"nothing shows: {line}" for line in PAGE.read_text().splitlines()
                 if line.startswith("| ") and not re.match(r"\| (what|---)", line) and not re.search(r'"|`', line.split("|")[2])]
    print("\n".join(f"{PAGE.name}: {p}" for p in problems) or f"{len(known)} attacks, {len(quoted)} quotations")
    return 1 if problems or len(known) < 50 else 0


sys.exit(main())
