#!/usr/bin/env python3
"""Checks the trace of docs/requirements.md: every id that is done has code and tests that exist.

  requirements.py ROOT

A row of a table there is
  | id | what | `file` `file` ... | `test file` "test name" "test name" `test file` "name" ... |
Files must exist. A test name must be a TEST_CASE of the file before it (for tests in other
languages: occur in it); "..." at its end stands for the rest of a long name. Every id of
tests/tidy/requirements_done.txt must have a row with code and at least one test.
"""

import os
import re
import sys


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def test_names(text):
    """Names of the Catch2 test cases in a source, adjacent literals joined."""
    names = []
    for match in re.finditer(r'TEST_CASE\(\s*((?:"(?:\\.|[^"\\])*"\s*)+)', text):
        parts = re.findall(r'"((?:\\.|[^"\\])*)"', match.group(1))
        names.append("".join(parts).replace('\\"', '"'))
    return names


def has_test(text, path, name):
    is_prefix = name.endswith("...")
    wanted = name[:-3] if is_prefix else name
    if not path.endswith(".cc"):
        return wanted in text
    return any(
        found == wanted or (is_prefix and found.startswith(wanted)) for found in test_names(text))


def check_row(root, line, cells):
    identifier, _, code, proofs = cells
    files = re.findall(r"`([^`]+)`", code)
    if not files:
        yield f"{identifier}: no file of code"
    for path in files:
        if not os.path.exists(os.path.join(root, path)):
            yield f"{identifier}: {path} does not exist"
    path = None
    count = 0
    for file_part, name in re.findall(r'`([^`]+)`|"([^"]+)"', proofs):
        if file_part:
            path = file_part
            if not os.path.isfile(os.path.join(root, path)):
                yield f"{identifier}: {path} does not exist"
                path = None
        elif path is not None:
            count += 1
            if not has_test(read(root, path), path, name):
                yield f'{identifier}: {path} has no test "{name}"'
    if count == 0:
        yield f"{identifier}: no test is named (line {line})"


def main(root):
    done = read(root, "tests/tidy/requirements_done.txt").split()
    rows = {}
    problems = []
    for number, line in enumerate(read(root, "docs/requirements.md").split("\n"), 1):
        match = re.match(r"^\| ([A-Z]\d+) \|", line)
        if not match:
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if len(cells) != 4:
            problems.append(f"line {number}: a row has four cells, this one has {len(cells)}")
            continue
        if match.group(1) in rows:
            problems.append(f"{match.group(1)}: second row (line {number})")
        rows[match.group(1)] = cells
        problems += check_row(root, number, cells)
    problems += [f"{name}: done, but not in docs/requirements.md" for name in done
                 if name not in rows]
    if not done or not rows:
        problems.append("no ids: is the root right?")
    for problem in problems:
        print(f"docs/requirements.md: {problem}")
    print(f"requirements: {len(done)} done, {len(rows)} traced, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
