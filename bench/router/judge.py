"""Judges Python programs: hidden tests, and agreement with a reference on inputs near those of the tests.

Each program runs in a process of its own with limits on time, memory and files.
"""

import os
import resource
import subprocess
import sys
import tempfile

SECONDS = 5
BYTES = 1 << 30


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (64, 64))


def right(problem, python):
    """Whether the hidden tests pass; only a process that reaches the last line says so."""
    word = os.urandom(8).hex()
    # The prompt may define other functions that the tests use.
    before = problem["prompt"].rsplit("def " + problem["entry_point"], 1)[0]
    source = "\n".join([before, python, problem["test"], f"check({problem['entry_point']})", f"print({word!r})"])
    return run(source) == word


def fits(python, checks):
    """Whether a program that was retrieved reproduces the examples."""
    word = os.urandom(8).hex()
    return run("\n".join([python, *checks, f"print({word!r})"])) == word


def run(source):
    """The last line that a program in its own limited process prints; empty unless it ends well."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            done = subprocess.run([sys.executable, "-I", "-W", "ignore", "-c", source], cwd=scratch, preexec_fn=limit,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  timeout=2 * SECONDS, env={})
        except subprocess.TimeoutExpired:
            return ""
    lines = done.stdout.decode(errors="replace").split("\n")
    return lines[-2] if done.returncode == 0 and len(lines) > 1 else ""


AGREE = """
import copy, math, random
theirs, ours, inputs = {}, {}, []
exec(REFERENCE, theirs)
exec(OURS, ours)

def record(*arguments):
    inputs.append(copy.deepcopy(arguments))
    return theirs[NAME](*arguments)

exec(TEST, theirs)
try:
    theirs["check"](record)
except AssertionError:
    pass
chance = random.Random(1)

def near(value):
    if isinstance(value, bool):
        return chance.random() < 0.5
    if isinstance(value, int):
        return max(value + chance.randint(-3, 3), 0) if value >= 0 else value + chance.randint(-3, 3)
    if isinstance(value, float):
        return value + chance.choice([-1.5, 0.5, 2.25])
    if isinstance(value, str):
        letters = list(value)
        chance.shuffle(letters)
        return "".join(letters[:chance.randint(0, len(letters))]) if chance.random() < 0.7 else value + value[:2]
    if isinstance(value, (list, tuple)):
        items = [near(item) if chance.random() < 0.5 else item for item in value]
        if items and chance.random() < 0.3:
            items.pop(chance.randrange(len(items)))
        if items and chance.random() < 0.3:
            items.append(chance.choice(items))
        return type(value)(items)
    return value

def same(a, b):
    if isinstance(a, float) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6)
    if isinstance(a, (list, tuple)) and type(a) is type(b):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b

agreed = total = 0
for arguments in [near(chance.choice(inputs)) for _ in range(400)]:
    try:
        wanted = theirs[NAME](*copy.deepcopy(arguments))
    except Exception:
        continue
    total += 1
    try:
        agreed += same(wanted, ours[NAME](*copy.deepcopy(arguments)))
    except Exception:
        pass
print(WORD, agreed, total)
"""


def agrees(problem, python):
    """Whether a program agrees with the reference on inputs near those of the hidden tests."""
    word = os.urandom(8).hex()
    before = problem["prompt"].rsplit("def " + problem["entry_point"], 1)[0]
    given = {"REFERENCE": problem["prompt"] + problem["canonical_solution"], "OURS": before + "\n" + python,
             "NAME": problem["entry_point"], "TEST": problem["test"], "WORD": word}
    last = run("".join(f"{name} = {text!r}\n" for name, text in given.items()) + AGREE).split()
    return len(last) == 3 and last[0] == word and last[1] == last[2] and int(last[2]) > 0
