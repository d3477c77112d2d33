"""Twenty mixed calls, cold and warm: code, questions, commands.

usage: mixed.py CASCADE --model-url URL [--model NAME] [--out FILE]

URL is an OpenAI-compatible server on this machine; `cargo run -p xtask -- model` starts one and prints it. Without
it nobody is asked at L7 and the questions stay without an answer.
"""

import argparse
import collections
import json
import os
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def call(cascade, home, cwd, *args, text=None):
    env = {**os.environ, "CASCADE_HOME": home}
    return subprocess.run([cascade, *args], env=env, cwd=cwd, input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout


def repository(path):
    os.makedirs(path)
    for args in (["init", "-q", "-b", "main"], ["config", "user.name", "a"], ["config", "user.email", "a@example.org"]):
        subprocess.run(["git", *args], cwd=path, check=True)
    with open(os.path.join(path, "README.md"), "w", encoding="utf-8") as readme:
        readme.write("a line\n" * 7)
    subprocess.run(["git", "add", "."], cwd=path, check=True)
    subprocess.run(["git", "commit", "-q", "-m", "first"], cwd=path, check=True)


def one_pass(cascade, home, cwd, tasks, jobs):
    """Results, calls a second, and what the chain says of this pass alone."""
    before = json.loads(call(cascade, home, cwd, "--json", "stats"))
    start = time.monotonic()
    out = call(cascade, home, cwd, "task", "--batch", "-", "--jobs", str(jobs), text=tasks)
    seconds = time.monotonic() - start
    results = [json.loads(line) for line in out.splitlines()]
    after = json.loads(call(cascade, home, cwd, "--json", "stats"))
    asked = [r for r in results if r["layer"] == "L7" or any(d["layer"] == "L7" for d in r["declined"])]
    without = sum(bool(r["answer"]) and r["layer"] != "L7" for r in results)
    verified = sum(r["evidence"] == "verified" and r["layer"] != "L7" for r in results)
    return {
        "calls": len(results), "answered": sum(bool(r["answer"]) for r in results),
        "calls_per_s": round(len(results) / seconds, 2), "seconds": round(seconds, 2),
        "layers": dict(collections.Counter(r["layer"] or "none" for r in results)),
        "evidence": dict(collections.Counter(r["evidence"] or "none" for r in results)),
        "tokens": after["tokens"] - before["tokens"], "asked_a_model": len(asked),
        "tokens_saved": after["tokens_saved"] - before["tokens_saved"],
        "cascade_decay_index": round(without / len(results), 2),
        "cascade_verified_decay_index": round(verified / len(results), 2),
    }, results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cascade")
    parser.add_argument("--model-url")
    parser.add_argument("--model", default="local")
    parser.add_argument("--out")
    args = parser.parse_args()
    cascade = os.path.abspath(args.cascade)
    with open(os.path.join(HERE, "mixed.jsonl"), encoding="utf-8") as lines:
        tasks = lines.read()
    report = {"load": round(os.getloadavg()[0], 1), "model": args.model if args.model_url else None}
    with tempfile.TemporaryDirectory() as scratch:
        cwd = os.path.join(scratch, "work")
        repository(cwd)
        for jobs in (1, 4):
            home = os.path.join(scratch, f"home{jobs}")
            call(cascade, home, cwd, "init")
            if args.model_url:
                with open(os.path.join(home, "models.toml"), "w", encoding="utf-8") as models:
                    models.write(f'[models.local]\nprovider = "openai_compatible"\nmodel = "{args.model}"\n'
                                 f'endpoint = "{args.model_url}"\nmax_output_tokens = 200\ntemperature = 0.0\nseed = 1\n')
            for name in ("cold", "warm"):
                report[f"{name}_{jobs}"], results = one_pass(cascade, home, cwd, tasks, jobs)
                print(f"## {name}, {jobs} at once")
                print(json.dumps(report[f"{name}_{jobs}"], indent=1))
                for result in results:
                    print(f"  {result['id']:<16} {result['layer'] or '-':<5} {result['evidence'] or '-':<9} "
                          f"{result['tokens']:>5} tokens")
            print(call(cascade, home, cwd, "stats"))
            print(call(cascade, home, cwd, "verify").splitlines()[0])
    if args.out:
        with open(args.out, "w", encoding="utf-8") as out:
            json.dump(report, out, indent=1)


if __name__ == "__main__":
    main()
