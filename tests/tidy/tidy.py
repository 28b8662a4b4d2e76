#!/usr/bin/env python3
"""Checks of the source text: who includes whom, banned calls, leftovers, widths and lengths.

  tidy.py ROOT          check the tree; one line a finding, exit status 1 if there is any
  tidy.py --self-test   prove that each rule finds what it is for, and nothing else

The include table is the one of docs/ARCHITECTURE.md. The build enforces it too (include roots); this
reads the include lines, so that it also holds for what a build configuration leaves out.
"""

import os
import re
import subprocess
import sys

BELOW_QUOTING = {
    "engine/base", "engine/market", "engine/risk", "strategy", "connectors/api", "engine/quoting"}
VENUE = {"connectors/api", "connectors/net", "engine/base", "engine/market"}

# Folder -> folders of ours it may include. A folder that is not listed here is a finding: the table
# is extended on purpose.
MAY_INCLUDE = {
    "engine/base": set(),
    "engine/market": {"engine/base"},
    "engine/risk": {"engine/base", "engine/market"},
    "strategy": {"engine/base", "engine/market"},
    "engine/quoting": BELOW_QUOTING - {"engine/quoting"},
    "engine/simple": BELOW_QUOTING,
    "connectors/api": {"engine/base", "engine/market"},
    "connectors/net": {"engine/base"},
    "connectors/binance": VENUE,
    "connectors/sim": VENUE,
    "connectors/sim/binance": VENUE | {"connectors/sim"},
    "workflows/runtime": {"engine/base"},
    "workflows/postgres": {"engine/base", "workflows/runtime"},
    "workflows/orders": BELOW_QUOTING | {"engine/base", "workflows/runtime"},
    "apps": None,  # everything
}

# Folder -> third-party headers it may include (prefixes); the standard library is always allowed
# except for what PURE forbids.
NETWORK = ("boost/", "openssl/", "nlohmann/", "simdjson.h", "zlib.h")
THIRD_PARTY = {
    "engine/simple": ("absl/", "sqlite3.h"),
    "connectors/net": ("absl/",) + NETWORK,
    "connectors/binance": ("absl/",) + NETWORK,
    "connectors/sim": ("absl/",) + NETWORK,
    "connectors/sim/binance": ("absl/", "toml++/") + NETWORK,
    "workflows/runtime": ("absl/", "nlohmann/"),
    "workflows/postgres": ("absl/", "nlohmann/", "pqxx/", "libpq-fe.h"),
    "workflows/orders": ("absl/", "nlohmann/"),
    "apps": ("absl/", "toml++/", "CLI/", "sqlite3.h") + NETWORK,
}
ANY_THIRD_PARTY = re.compile(
    r"^(absl|boost|openssl|nlohmann|toml\+\+|CLI|spdlog|google|grpc|pqxx)/|"
    r"^(sqlite3|simdjson|zlib|libpq-fe)\.h$")

# No I/O and no threads below the engines: market state and strategies are pure.
PURE = ("engine/market", "engine/risk", "strategy")
IMPURE_HEADERS = re.compile(
    r"^(fstream|iostream|filesystem|thread|mutex|condition_variable|future|chrono|random|"
    r"unistd\.h|fcntl\.h|sys/.*|netinet/.*|poll\.h)$")

CODE = (".h", ".cc")
SCRIPTS = (".py", ".sh")

# (name, pattern in code without comments and texts, folders it holds for, exceptions, instead)
EVERYWHERE = ("",)
BANNED = [
    ("sleep", r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w.>:])sleep\s*\(",
     ("engine/", "strategy/", "connectors/", "tests/"), ("tests/benchmark/",),
     "step a ManualClock, or wait for the condition with a bounded deadline"),
    ("clock", r"\b(system_clock|steady_clock|high_resolution_clock|gettimeofday|clock_gettime|"
     r"timespec_get)\b|\btime\s*\(\s*(NULL|nullptr|0|&\w+)\s*\)",
     EVERYWHERE, ("engine/base/clock.cc", "tests/benchmark/"), "Clock, handed in"),
    ("randomness", r"\b(rand|srand|random|drand48)\s*\(\s*\)|\bsrand\s*\(|\bmt19937|\bstd::shuffle\b",
     EVERYWHERE, (), "Prng of engine/base/prng.h with a seed"),
    ("random_device", r"\brandom_device\b", EVERYWHERE,
     ("apps/", "workflows/postgres/postgres_host.cc"), "a seed handed in"),
    ("environment", r"\b(secure_)?getenv\s*\(", EVERYWHERE, ("apps/", "tests/"),
     "a constructor argument; apps/ reads the environment"),
    ("assert", r"(?<!static_)(?<![\w])assert\s*\(", EVERYWHERE, (), "HF_ASSERT: on in every build"),
    ("using namespace", r"\busing\s+namespace\s+std\b", EVERYWHERE, (), "qualified names"),
    ("volatile", r"\bvolatile\b", EVERYWHERE, ("tests/",), "std::atomic"),
    ("fence", r"\batomic_thread_fence\b", EVERYWHERE, (),
     "a read-modify-write: ThreadSanitizer does not understand fences"),
]
# In comments as well.
LEFTOVERS = re.compile(r"\b(TODO|FIXME|XXX|HACK|NOLINT\w*)\b")
MACHINE_PATHS = re.compile(r"(?<![\w./$}-])/(work|home|root|Users)/\w")
MAX_COLUMNS = 100
MAX_LINES = 800


def strip_comments_and_texts(text):
    """The code with comments and literals blanked; line structure stays."""
    pattern = re.compile(
        r'R"(?P<tag>[^\s()\\]{0,16})\(.*?\)(?P=tag)"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'
        r"(?<![0-9a-zA-Z_])'(?:\\.|[^'\\\n])+'", re.S)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def folder_of(path):
    """The library that a path belongs to, or None."""
    for folder in sorted(MAY_INCLUDE, key=len, reverse=True):
        if path.startswith(folder + "/"):
            return folder
    return None


def is_source(path):
    return path.split("/")[0] in ("engine", "strategy", "connectors", "workflows", "apps")


def check_includes(path, lines):
    folder = folder_of(path)
    if is_source(path) and path.endswith(CODE) and folder is None:
        yield 1, "folder is not in the dependency table (tests/tidy/tidy.py, docs/ARCHITECTURE.md)"
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        quote, target = match.groups()
        if ".." in target.split("/"):
            yield number, f'include "{target}": from the project root, never "../"'
            continue
        if folder is None:
            continue
        other = folder_of(target)
        allowed = MAY_INCLUDE[folder]
        if other is not None and other != folder and allowed is not None and other not in allowed:
            yield number, f"{folder} must not include {other} ({target})"
        is_third_party = ANY_THIRD_PARTY.match(target) is not None
        if quote == '"' and other is None and not is_source(target) and not is_third_party:
            yield number, f'include "{target}": quotes are for our own headers, from the root'
        if is_third_party and not target.startswith(THIRD_PARTY.get(folder, ("absl/",))):
            yield number, f"{folder} must not include {target}"
        if folder in PURE and IMPURE_HEADERS.match(target):
            yield number, f"{folder} is pure: no <{target}>"


def check_code(path, text):
    code = strip_comments_and_texts(text)
    for name, pattern, folders, exceptions, instead in BANNED:
        if not path.startswith(folders) or path.startswith(exceptions or ("\0",)):
            continue
        for match in re.finditer(pattern, code):
            number = code.count("\n", 0, match.start()) + 1
            yield number, f"{name}: {match.group(0).strip()}; instead: {instead}"
    if path.endswith(".h") and not re.search(r"^#pragma once$", text, re.M):
        yield 1, "header without #pragma once"


def check_text(path, lines):
    for number, line in enumerate(lines, 1):
        # A raw text (a message of the venue, a golden line) is not broken for width.
        if len(line) > MAX_COLUMNS and 'R"' not in line:
            yield number, f"{len(line)} columns; at most {MAX_COLUMNS}"
        if LEFTOVERS.search(line):
            yield number, f"leftover: {LEFTOVERS.search(line).group(0)}"
        if MACHINE_PATHS.search(line):
            yield number, f"path of one machine: {MACHINE_PATHS.search(line).group(0)}"
        if line.rstrip() != line:
            yield number, "blanks at the end of the line"
    if path.endswith(CODE) and len(lines) > MAX_LINES:
        yield len(lines), f"{len(lines)} lines; at most {MAX_LINES}"


def check_file(path, text):
    """All findings of one file: (line, message)."""
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    if path.endswith(CODE):
        yield from check_includes(path, lines)
        yield from check_code(path, text)
    if path == "tests/tidy/tidy.py":
        return  # names what it bans
    if path.endswith(CODE + SCRIPTS) or path in (".ci/run", "Makefile"):
        yield from check_text(path, lines)
    elif path.endswith((".md", ".toml", ".json", ".cmake", ".txt")):
        for number, line in enumerate(lines, 1):
            if MACHINE_PATHS.search(line):
                yield number, f"path of one machine: {MACHINE_PATHS.search(line).group(0)}"


def tracked_files(root):
    try:
        # The tree may belong to another user than the one who builds (a container).
        listing = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z"],
            check=True, capture_output=True).stdout.decode()
        names = [name for name in listing.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = []
    if not names:  # a source archive without its history
        for folder, folders, files in os.walk(root):
            folders[:] = [f for f in folders if f not in ("build", "var", ".git", "node_modules")]
            names += [os.path.relpath(os.path.join(folder, name), root) for name in files]
    return sorted(names)


def check_tree(root):
    count = 0
    findings = 0
    for path in tracked_files(root):
        full = os.path.join(root, path)
        if not os.path.isfile(full):
            continue
        with open(full, encoding="utf-8", errors="replace") as file:
            text = file.read()
        count += 1
        for line, message in check_file(path, text):
            findings += 1
            print(f"{path}:{line}: {message}")
    print(f"tidy: {count} files, {findings} findings")
    if count < 10:
        print("tidy: too few files: is the root right?")
        return 1
    return 1 if findings else 0


GOOD = "#pragma once\n"
SELF_TEST = [
    # (path, text, words that the only finding must contain; None = no finding)
    ("engine/market/a.h", GOOD + '#include "engine/base/clock.h"\n', None),
    ("engine/market/a.h", GOOD + '#include "strategy/slot.h"\n', "must not include strategy"),
    ("engine/base/a.h", GOOD + '#include "engine/market/side.h"\n', "must not include engine/market"),
    ("engine/simple/a.cc", '#include "engine/quoting/engine.h"\n#include <sqlite3.h>\n', None),
    ("engine/quoting/a.cc", "#include <sqlite3.h>\n", "must not include sqlite3.h"),
    ("engine/quoting/a.cc", '#include "connectors/binance/feed.h"\n', "connectors/binance"),
    ("connectors/binance/a.cc", '#include "connectors/sim/venue.h"\n', "connectors/sim"),
    ("connectors/sim/a.cc", '#include "strategy/slot.h"\n', "must not include strategy"),
    ("connectors/net/a.cc", '#include "engine/market/side.h"\n', "must not include engine/market"),
    ("strategy/a.cc", "#include <nlohmann/json.hpp>\n", "must not include nlohmann"),
    ("strategy/a.cc", "#include <thread>\n", "is pure"),
    ("apps/a.cc", '#include "connectors/sim/venue.h"\n', None),
    ("engine/wheels/a.cc", "int a;\n", "not in the dependency table"),
    ("engine/base/a.cc", '#include "absl/status/status.h"\n', None),
    ("engine/base/a.cc", '#include "../market/side.h"\n', "never"),
    ("engine/base/a.cc", '#include "clock.h"\n', "from the root"),
    ("engine/base/a.h", "int a;\n", "#pragma once"),
    ("engine/quoting/a.cc", "std::this_thread::sleep_for(x);\n", "ManualClock"),
    ("tests/engine/a.cc", "sleep(1);\n", "ManualClock"),
    ("tests/engine/a.cc", "auto x = std::chrono::steady_clock::now();\n", "Clock, handed in"),
    ("engine/base/clock.cc", "clock_gettime(id, &time);\n", None),
    ("apps/a.cc", "long t = time(nullptr);\n", "Clock"),
    ("apps/a.cc", "long t = event_time(0);\n", None),
    ("apps/a.cc", "// time(nullptr) is banned\n", None),
    ("apps/a.cc", 'const char* t = "time(nullptr)";\n', None),
    ("apps/a.cc", 'auto t = R"(time(nullptr))";\n', None),
    ("connectors/net/a.cc", "int x = rand();\n", "Prng"),
    ("connectors/net/a.cc", "std::random_device device;\n", "a seed handed in"),
    ("apps/a.cc", "std::random_device device;\n", None),
    ("connectors/net/a.cc", 'getenv("HOME");\n', "constructor argument"),
    ("tests/a.cc", 'getenv("HOLDFAST_CAPTURES");\n', None),
    ("engine/base/a.cc", "assert(x);\n", "HF_ASSERT"),
    ("engine/base/a.cc", "static_assert(x);\nHF_ASSERT(x);\n", None),
    ("engine/base/a.cc", "int x;  // " + "TO" + "DO: later\n", "leftover"),
    ("engine/base/a.cc", "int x;  // " + "NO" + "LINT(google)\n", "leftover"),
    ("engine/base/a.cc", "// " + "x" * 98 + "\n", "columns"),
    ("engine/base/a.cc", "// " + "x" * 97 + "\n", None),
    ("tests/a.cc", 'f(R"(' + "x" * 97 + ')");\n', None),
    ("engine/base/a.cc", "int x; \n", "blanks at the end"),
    ("engine/base/a.cc", "\n" * 801, "801 lines"),
    ("engine/base/a.cc", "\n" * 800, None),
    ("tests/a.sh", "cd /ho" + "me/someone\n", "path of one machine"),
    ("docs/a.md", "see /wo" + "rk/main\n", "path of one machine"),
    ("docs/a.md", "GET /api/v3/account and " + "x" * 200 + "\n", None),
    ("engine/base/a.cc", "std::atomic_thread_fence(x);\n", "read-modify-write"),
]


def self_test():
    failures = 0
    for path, text, expected in SELF_TEST:
        found = [message for _, message in check_file(path, text)]
        is_right = not found if expected is None else len(found) == 1 and expected in found[0]
        if not is_right:
            failures += 1
            print(f"{path}: {text.splitlines()[-1][:60]!r}: expected {expected!r}, found {found}")
    print(f"tidy self-test: {len(SELF_TEST)} cases, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(self_test() if sys.argv[1] == "--self-test" else check_tree(sys.argv[1]))
