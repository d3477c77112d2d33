// Every golden vector gives what it says, whole and in small pieces.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { Trust, verify } from "../dist/index.js";

const place = new URL("../../../vectors/", import.meta.url);
const names = readdirSync(place).filter((name) => name.endsWith(".vector"));
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const hex = (text) => (text === undefined ? null : new Uint8Array(Buffer.from(text, "hex")));

function read(name) {
  const data = readFileSync(new URL(name, place));
  const end = data.indexOf("\n\n");
  const lines = data.subarray(0, end).toString().split("\n").map((line) => {
    const colon = line.indexOf(": ");
    return [line.slice(0, colon), line.slice(colon + 2)];
  });
  return { lines, header: Object.fromEntries(lines), evidence: new Uint8Array(data.subarray(end + 2)) };
}

async function* pieces(evidence, size) {
  for (let at = 0; at < evidence.length; at += size) yield evidence.subarray(at, at + size);
}

function answer(verdict) {
  const failed = verdict.checks.find((row) => row.outcome === "fail");
  const said = failed ? `${failed.code} at ${failed.seq}` : "valid";
  assert.equal(verdict.valid, !failed);
  const tags = verdict.checks.find((row) => row.check === "hmac")?.outcome !== "not_asked";
  assert.equal(verdict.not_proven.some((line) => line.includes("HMAC")), !tags);
  const open = verdict.valid ? verdict.open_chains.map((one) => one.seq).join(" ") : "";
  return `${said}, anchored through ${verdict.anchored_through}, open workflows: ${open}`;
}

test("there are vectors", () => assert.ok(names.length > 290, `${names.length}`));

for (const name of names) {
  test(name, async () => {
    const { lines, header, evidence } = read(name);
    const [size, root] = (header.memory ?? "").split(" ");
    const options = {
      pinned: hex(header.key),
      master: hex(header.hmac),
      checkpoints: lines.filter(([key]) => key === "checkpoint").map(([, value]) => bytes(value)),
      trust: header.trust === undefined ? null : await Trust.parse(bytes(header.trust)),
      otherGenesis: header.other_genesis !== undefined,
      memory: header.memory === undefined ? null : { size: Number(size), root: hex(root) },
    };
    const code = header.seq === undefined ? header.expect : `${header.expect} at ${header.seq}`;
    const open = `open workflows: ${header.open_chains ?? ""}`;
    const want = `${code}, anchored through ${header.anchored_through ?? null}, ${open}`;
    for (const step of [1 << 20, 1000]) {
      assert.equal(answer(await verify(pieces(evidence, step), options)), want);
    }
  });
}
