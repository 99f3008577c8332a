"""The rules of the house that no compiler knows.

Prints each breach as file:line: what, and fails if there is one.
"""

import pathlib
import re
import subprocess
import sys

# Who may include whom, each room and those below it. The client speaks the API; what it does without a
# server (verify, replay, backups, exports) it does with the rooms below.
MAY_INCLUDE = {
    "store": {"store"},
    "projections": {"projections", "store", "proto"},
    "services/rules": {"services/rules", "projections", "proto"},
    "services/cli": {"services/cli", "services", "services/rules", "projections", "store", "proto"},
    "services": {"services", "services/rules", "projections", "store", "proto"},
}
# What `services/rules` is not to know: the disk, the network, the clock, threads, chance.
NOT_IN_RULES = re.compile(
    r"^(rocksdb|grpc|grpcpp|absl/synchronization)/"
    r"|^absl/time/clock\.h$"
    r"|^(atomic|chrono|condition_variable|ctime|filesystem|fstream|future|mutex|random"
    r"|shared_mutex|stop_token|thread|pthread\.h|sys/time\.h|time\.h|unistd\.h)$"
)
BAD_NAMES = {"util", "utils", "common", "manager", "managers"}
# Unfinished work, and tests that are there but do not run. Built so as not to find itself.
UNFINISHED = re.compile(
    r"\b(%s)\b" % "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3])
    + r"|GTEST_" + r"SKIP|\bDISABLED_" + r"\w"
)
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]')


def tracked():
    """The files of the project, those not committed yet included."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True, text=True).stdout
    return [p for p in map(pathlib.PurePosixPath, listed.split("\0")[:-1])
            if pathlib.Path(p).is_file()]


def room_of_file(path):
    for room in ("services/rules", "services/cli"):
        if str(path).startswith(room + "/"):
            return room
    return path.parts[0]


def room_of_include(include):
    if include.endswith(".pb.h"):
        return "proto"
    return room_of_file(pathlib.PurePosixPath(include))


def breaches_of_includes(path, number, line):
    match = INCLUDE.match(line)
    if not match:
        return
    include, room = match.group(1), room_of_file(path)
    if room in MAY_INCLUDE:
        target = room_of_include(include)
        rooms = set(MAY_INCLUDE) | {"proto", "tests"}
        if target in rooms and target not in MAY_INCLUDE[room]:
            yield f"{path}:{number}: {room} may not include {target}: {include}"
    if room == "services/rules" and NOT_IN_RULES.search(include):
        yield f"{path}:{number}: the rules are pure, they may not include {include}"


def breaches_of_guard(path, lines):
    guard = "DENIER_" + re.sub(r"[^A-Za-z0-9]", "_", str(path)).upper() + "_"
    wanted = [f"#ifndef {guard}", f"#define {guard}"]
    code = [line for line in lines if line.startswith("#")]
    if code[:2] != wanted or code[-1] != f"#endif  // {guard}":
        yield f"{path}:1: the include guard is not {guard}"


def breaches(path):
    if BAD_NAMES & set(re.split(r"[_.\-]", path.name.lower())):
        yield f"{path}:1: the name says nothing; what is in it?"
    try:
        lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return  # not text
    for number, line in enumerate(lines, start=1):
        match = UNFINISHED.search(line)
        if match:
            yield f"{path}:{number}: {match.group(0)}: finish it or file an issue"
        if path.suffix in (".h", ".cc"):
            yield from breaches_of_includes(path, number, line)
    if path.suffix == ".h":
        yield from breaches_of_guard(path, lines)


def main():
    files = tracked()
    found = [breach for path in files for breach in breaches(path)]
    print("\n".join(found) if found else f"{len(files)} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
