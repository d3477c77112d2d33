"""Asks a library that was not written here about checkpoints and proofs; any doubt is an exception."""

import json
import sys

from aics_tlog import (
    MerkleTree,
    WitnessPolicy,
    leaf_hash,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    verify_checkpoint,
    verify_consistency,
    verify_inclusion,
)


def check(truth, what):
    if not truth:
        raise SystemExit(what)


def main():
    question = json.load(sys.stdin)
    log = parse_vkey(question["log"])
    policy = WitnessPolicy(quorum=1, witnesses=(parse_vkey(question["witness"]),), max_age_seconds=3600)
    leaves = [bytes.fromhex(entry) for entry in question["entries"]]
    roots = [MerkleTree(leaves[:size]).root() for size in range(len(leaves) + 1)]

    for text in question["notes"]:
        note = parse_note(text)
        result = verify_checkpoint(note, log, expected_origin=log.name, policy=policy)
        check(result.ok, f"checkpoint: {result}")
        checkpoint = parse_checkpoint(note.text)
        check(checkpoint.root == roots[checkpoint.size], f"root at {checkpoint.size}")
        forged = parse_note(text.replace(f"\n{checkpoint.size}\n", f"\n{checkpoint.size + 1}\n", 1))
        check(not verify_checkpoint(forged, log, policy=policy).ok, "a changed size was accepted")

    proofs = 0
    for size, of_size in enumerate(question["proofs"], 1):
        for index, path in enumerate(of_size["inclusions"]):
            path = [bytes.fromhex(item) for item in path]
            leaf = leaf_hash(leaves[index])
            check(verify_inclusion(leaf, index, size, path, roots[size]), f"inclusion {index} in {size}")
            check(not verify_inclusion(leaf, index, size, path, roots[size - 1]), "inclusion in another tree")
            proofs += 1
        for old, path in enumerate(of_size["consistencies"], 1):
            path = [bytes.fromhex(item) for item in path]
            check(verify_consistency(old, size, roots[old], roots[size], path), f"consistency {old} to {size}")
            check(not verify_consistency(old, size, roots[old - 1], roots[size], path), "another old root")
            proofs += 1
    print(json.dumps({"checkpoints": len(question["notes"]), "proofs": proofs}))


main()
