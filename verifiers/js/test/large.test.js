// What is as long as the format allows is read, and does not end in the engine's own limits.
import assert from "node:assert/strict";
import { createPrivateKey, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { verify } from "../dist/index.js";

const MEGABYTE = 1024 * 1024;
const TYPE = "application/vnd.in-toto+json";

/** The key that signs the bundles among the vectors; its seed is public. */
const key = createPrivateKey({
  key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.alloc(32, 11)]),
  format: "der",
  type: "pkcs8",
});

/** A bundle of the vectors, with its statement changed and signed again. */
function bundle(change) {
  const data = readFileSync(new URL("../../../vectors/valid-bundle.vector", import.meta.url));
  const envelope = JSON.parse(data.subarray(data.indexOf("\n\n") + 2));
  const statement = JSON.parse(Buffer.from(envelope.payload, "base64"));
  change(statement);
  const payload = Buffer.from(JSON.stringify(statement));
  envelope.payload = payload.toString("base64");
  const head = `DSSEv1 ${TYPE.length} ${TYPE} ${payload.length} `;
  envelope.signatures[0].sig = sign(null, Buffer.concat([Buffer.from(head), payload]), key).toString("base64");
  return new Uint8Array(Buffer.from(JSON.stringify(envelope)));
}

async function* pieces(evidence) {
  for (let at = 0; at < evidence.length; at += 65_536) yield evidence.subarray(at, at + 65_536);
}

async function code(evidence) {
  const verdict = await verify(pieces(evidence));
  return verdict.checks.find((row) => row.outcome === "fail")?.code ?? "valid";
}

test("a bundle of many megabytes is read", async () => {
  const large = bundle(({ predicate }) => {
    predicate.not_proven.push("x".repeat(12 * MEGABYTE));
    predicate["k".repeat(4 * MEGABYTE)] = true;
  });
  assert.ok(large.length > 20 * MEGABYTE);
  assert.equal(await code(large), "valid");
});

test("a text of many megabytes that is no base64 is refused", async () => {
  const at = new TextDecoder().decode(bundle(() => {})).indexOf('"payload":"') + 11;
  for (const spoil of ["*", "=", "\u00e9"]) {
    const text = new TextDecoder().decode(bundle(({ predicate }) => predicate.not_proven.push("x".repeat(4 * MEGABYTE))));
    const broken = text.slice(0, at + 40) + spoil + text.slice(at + 41);
    assert.equal(await code(new TextEncoder().encode(broken)), "bundle.malformed");
  }
});

test("snapshots of megabytes, and the spare bits of the last letters", async () => {
  const large = (end) => bundle(({ predicate }) => predicate.snapshots.push("A".repeat(4 * MEGABYTE) + end));
  assert.equal(await code(large("")), "statement.snapshot");
  assert.equal(await code(large("AA==")), "statement.snapshot");
  assert.equal(await code(large("AB==")), "bundle.malformed");
  assert.equal(await code(large("A=")), "bundle.malformed");
});
