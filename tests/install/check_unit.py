#!/usr/bin/python3
"""tests/install/check_unit.py UNIT PERDURE DIRECTORY: the service of systemd is well formed, shuts the node in as it says,
and the node can do its work in there: what it asks of the kernel between start and stop is what the unit allows. systemd
itself is not run. Exit status 77: this machine has not what it takes."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

EXPOSURE_MAX = 15  # in tenths: "OK"; what is left is that a server has a network


def settings(unit):
    with open(unit) as f:
        return [line.rstrip("\n").split("=", 1) for line in f if "=" in line and not line.startswith("#")]


def verify(unit, perdure, directory):
    """As it is but for the program, which is not installed."""
    with open(unit) as f:
        text = re.sub(r"^ExecStart=\S+", "ExecStart=" + perdure, f.read(), flags=re.M)
    copy = os.path.join(directory, "perdure.service")
    with open(copy, "w") as f:
        f.write(text)
    for command in (["verify", "--man=no"], ["security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}"]):
        result = subprocess.run(["systemd-analyze", *command, copy], capture_output=True, text=True)
        if result.returncode != 0 or command[0] == "verify" and result.stderr:
            yield f"systemd-analyze {command[0]}: {result.stderr}{result.stdout[-2000:]}"


def group(name):
    """The system calls of @NAME, and of the groups in it."""
    printed = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter", name], capture_output=True, text=True, check=True)
    calls = set()
    for word in (line.strip() for line in printed.stdout.splitlines()[1:]):
        if word and not word.startswith("#"):
            calls |= group(word) if word.startswith("@") else {word}
    return calls


def allowed(unit):
    calls = group("@default")
    for _, value in (s for s in settings(unit) if s[0] == "SystemCallFilter"):
        for name in value.lstrip("~").split():
            calls = calls - group(name) if value.startswith("~") else calls | group(name)
    return calls


def traced(perdure, directory):
    """The trace of a node that starts, is called, and stops."""
    trace, data = os.path.join(directory, "trace"), os.path.join(directory, "data")
    node = subprocess.Popen(["strace", "-f", "-qq", "-o", trace, perdure, "start", "--data", data, "--listen", "127.0.0.1:0"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    ready = re.match(r"perdure .* listens on (\S+), data", node.stdout.readline())
    with open(os.path.join(data, "LOCK")) as f:
        pid = int(f.read())
    try:
        for args in (["call", "counter/x", "add"], ["status"], ["ps"]):
            subprocess.run([perdure, *args, "--node", ready[1]], check=True, stdout=subprocess.DEVNULL)
    finally:
        os.kill(pid, signal.SIGTERM)
        node.wait(60)
        node.stdout.close()
    with open(trace) as f:
        return f.read()


def confined(unit, perdure, directory):
    trace = traced(perdure, directory)
    # Refused with EPERM, and done without: a limit that the unit has set already, priorities of the store's threads.
    asked = set(re.findall(r"^\d+ +(\w+)\(", trace, re.M))
    spared = {"prlimit64", "setrlimit", "sched_setaffinity", "setpriority", "ioprio_set"}
    for call in sorted(asked - allowed(unit) - spared):
        yield f"the node calls {call}, which SystemCallFilter refuses"
    if ["MemoryDenyWriteExecute", "yes"] in settings(unit):
        # The program's own loader maps files that can be executed; nothing may be both, or become it.
        for line in re.findall(r"^\d+ +(?:mmap|mprotect|pkey_mprotect)\(.*PROT_EXEC.*$", trace, re.M):
            if "PROT_WRITE" in line or "mprotect" in line:
                yield f"the node makes memory executable, which MemoryDenyWriteExecute refuses: {line}"
    for family in sorted(set(re.findall(r"socket\((AF_\w+)", trace))):
        if family not in dict(settings(unit))["RestrictAddressFamilies"].split():
            yield f"the node opens a socket of {family}, which RestrictAddressFamilies refuses"


def main():
    unit, perdure, base = sys.argv[1:]
    if not shutil.which("systemd-analyze"):
        print("no systemd-analyze here: the unit is not checked")
        sys.exit(77)
    os.makedirs(base, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="unit-", dir=base) as directory:
        faults = list(verify(unit, perdure, directory))
        if shutil.which("strace"):
            faults += confined(unit, perdure, directory)
        else:
            print("no strace here: what the node asks of the kernel is not checked")
    print("\n".join(faults) if faults else f"{unit} is fine")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
