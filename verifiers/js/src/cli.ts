#!/usr/bin/env node
/** The command line. Exit codes: 0 valid, 4 invalid evidence, 1 something cannot be read, 2 usage. */
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";

import { fromHex } from "./bytes.js";
import { readPublicKey, Trust, verify, type Verdict } from "./index.js";

const USAGE = `usage: cascade-verify-js FILE [--public-key F.pem] [--trust F] [--checkpoint F]... [--hmac-key F] [--json]

Checks an exported ledger or a bundle. --trust is a C2SP tlog-policy.
`;

async function read(): Promise<{ verdict: Verdict; json: boolean } | null> {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        "public-key": { type: "string" },
        trust: { type: "string" },
        checkpoint: { type: "string", multiple: true, default: [] },
        "hmac-key": { type: "string" },
        json: { type: "boolean", default: false },
      },
    });
  } catch {
    return null;
  }
  const { values, positionals } = parsed;
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) return null;
  const [key, trust, master] = [values["public-key"], values.trust, values["hmac-key"]];
  const verdict = await verify(createReadStream(file), {
    pinned: key === undefined ? null : readPublicKey(await readFile(key, "utf8")),
    trust: trust === undefined ? null : await Trust.parse(await readFile(trust)),
    checkpoints: await Promise.all((values.checkpoint ?? []).map((path) => readFile(path))),
    master: master === undefined ? null : readMaster(await readFile(master, "utf8")),
  });
  return { verdict, json: values.json ?? false };
}

function readMaster(text: string) {
  if (!/^[0-9a-f]{64}\s*$/.test(text)) throw new Error("the HMAC master is 64 hex digits");
  return fromHex(text.trim());
}

function tell(verdict: Verdict): string {
  const failed = verdict.checks.find((row) => row.outcome === "fail");
  const lines = [failed ? `INVALID: ${failed.code} at seq ${failed.seq}` : "valid"];
  lines.push(`receipts: ${verdict.receipts}, key pinned: ${verdict.key_pinned ? "yes" : "no"}`);
  if (verdict.anchored_through !== null) lines.push(`anchored through: seq ${verdict.anchored_through}`);
  for (const row of verdict.checks) lines.push(`  ${row.check.padEnd(10)}  ${row.outcome}`);
  for (const line of verdict.not_proven) lines.push(`not proven: ${line}`);
  return lines.join("\n");
}

try {
  const done = await read();
  if (done) {
    process.stdout.write((done.json ? JSON.stringify(done.verdict) : tell(done.verdict)) + "\n");
    process.exitCode = done.verdict.valid ? 0 : 4;
  } else {
    process.stderr.write(USAGE);
    process.exitCode = 2;
  }
} catch (error) {
  process.stderr.write(`cannot read: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
