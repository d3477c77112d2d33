/** A bundle (section 13): chosen receipts, each proved by the tree alone. */
import { cleared, type Quorum, signedCheckpoint } from "./anchors.js";
import { type Bytes, concat, equal, fromHex, sha256, toHex, utf8 } from "./bytes.js";
import type { Checkpoint } from "./checkpoint.js";
import { verifies } from "./ed25519.js";
import { demand, Fault } from "./fault.js";
import { type Json, type JsonObject, parse } from "./json.js";
import { Keys } from "./keys.js";
import { checkCopies, checkHash, checkOrigin, checkTime, GENESIS_PREV, readLine } from "./ledger.js";
import { type Parts, preAuthentication, readParts } from "./parts.js";
import { leafOf, rootByPath } from "./tree.js";
import { BUNDLE_CHECKS, isAmbiguous, notProven, type Options, outcomes, type Verdict } from "./verdict.js";

/** Runs `work`; a fault in it is reported with this seq. */
async function at<T>(seq: () => number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof Fault ? new Fault(error.code, seq()) : error;
  }
}

class Case {
  readonly known = new Map<string, JsonObject>();
  last: JsonObject | null = null;
  size: number | null = null;
  anchored: number | null = null;
  private readonly keys = new Keys();
  private origin: string | null = null;

  constructor(private readonly options: Options) {}

  async judge(file: Bytes): Promise<void> {
    const parts = readParts(file);
    for (const [index, { line }] of parts.receipts.entries()) await this.accept(index, utf8(line));
    if (this.known.size === 0) throw new Fault("syntax.empty", 0);
    if (this.origin !== parts.origin) throw new Fault("origin.changed", 0);
    const note = utf8(parts.checkpoint);
    const checkpoint = await at(() => 0, () => signedCheckpoint(note, parts.origin, this.keys));
    this.size = checkpoint.size;
    await this.included(parts, checkpoint);
    await this.outside(checkpoint);
    await this.claims(parts);
  }

  /** Step 2 on one receipt. */
  private async accept(index: number, line: Bytes): Promise<void> {
    let seq = index;
    const receipt = await at(() => seq, async () => {
      const read = readLine(line);
      seq = read.content.seq;
      checkCopies(read);
      await this.checkLinks(read);
      await this.keys.check(read, this.options.pinned ?? null);
      this.origin = checkOrigin(read.content, this.origin);
      const before = this.last?.content ?? null;
      // A correction of the clock between may have set the time back.
      if (before === null || before.seq + 1 === seq) checkTime(read.content, before);
      return read;
    });
    if (receipt.content.kind === "key_revoked") this.keys.revoke(receipt.content.statement);
    this.known.set(receipt.receipt_id, receipt);
    this.last = receipt;
  }

  private async checkLinks(receipt: JsonObject): Promise<void> {
    const [seq, last] = [receipt.content.seq, this.last];
    if (last === null) {
      demand(seq === 0, "chain.genesis");
      demand(receipt.prev_hash === GENESIS_PREV, "chain.prev_hash");
    } else {
      demand(seq > last.content.seq, "chain.seq");
      const neighbour = seq === last.content.seq + 1;
      demand(!neighbour || receipt.prev_hash === last.entry_hash, "chain.prev_hash");
    }
    await checkHash(receipt);
    demand((receipt.content.kind === "genesis") === (last === null), "chain.genesis");
    demand(!this.known.has(receipt.receipt_id), "chain.receipt_id");
  }

  /** Step 4. */
  private async included(parts: Parts, checkpoint: Checkpoint): Promise<void> {
    for (const [index, receipt] of [...this.known.values()].entries()) {
      const seq: number = receipt.content.seq;
      const leaf = await leafOf(fromHex(receipt.entry_hash));
      const root = await rootByPath(seq, checkpoint.size, leaf, parts.receipts[index]?.path ?? []);
      if (!root || !equal(root, checkpoint.root)) throw new Fault("inclusion.path", seq);
    }
  }

  /** Steps 5 to 7. */
  private async outside(checkpoint: Checkpoint): Promise<void> {
    const [size, trust, memory] = [checkpoint.size, this.options.trust, this.options.memory];
    const quorums: Quorum[] = [];
    if (trust) {
      const time = await at(() => size - 1, () => trust.judge(checkpoint, this.origin ?? ""));
      quorums.push({ size, time });
      this.anchored = size - 1;
    }
    this.keys.checkDisputed((since) => cleared(quorums, since));
    if (isAmbiguous(this.options)) throw new Fault("memory.fork", 0);
    if (memory?.size === size && !equal(memory.root, checkpoint.root)) throw new Fault("memory.fork", size - 1);
  }

  /** Step 8: what the statement says of itself. */
  private async claims(parts: Parts): Promise<void> {
    const shown = parts.subjects.every((one) => this.known.get(one.receiptId)?.entry_hash === one.entryHash);
    if (parts.subjects.length === 0 || !shown) throw new Fault("statement.subject", 0);
    await this.checkSigned(parts);
    for (const one of parts.disclosures) {
      const content = this.known.get(one.receiptId)?.content;
      const salted = one.field === "action_hash" || one.field === "facts_hash";
      const hash = toHex(await sha256(concat(one.nonce, one.bytes)));
      if (!salted || content?.[one.field] !== hash) throw new Fault("statement.disclosure", content?.seq ?? 0);
    }
    await this.checkSnapshots(parts.snapshots);
  }

  private async checkSigned(parts: Parts): Promise<void> {
    const message = concat(preAuthentication(parts.payload), parts.payload);
    let signed = false;
    for (const { keyId, signature } of parts.signatures) {
      const key = this.keys.find(keyId);
      if (!key?.active || key.purpose !== "receipt") continue;
      if (!(await verifies(key.public, signature, message))) throw new Fault("statement.signature", 0);
      signed = true;
    }
    if (!signed) throw new Fault("statement.signature", 0);
  }

  /** Each is the snapshot of a shown receipt, or a text that such a snapshot names. */
  private async checkSnapshots(snapshots: Bytes[]): Promise<void> {
    const policies = new Set([...this.known.values()].map((one) => one.content.policy_hash));
    const hashes = await Promise.all(snapshots.map(async (bytes) => toHex(await sha256(bytes))));
    const named = new Set(policies);
    await at(() => 0, async () => {
      for (const [index, bytes] of snapshots.entries()) {
        if (policies.has(hashes[index])) collectTexts(readSnapshot(bytes), named);
      }
      demand(hashes.every((hash) => named.has(hash)), "statement.snapshot");
    });
  }

  verdict(fault: Fault | null): Verdict {
    const notAsked = new Set(["lifecycle", "hmac"]);
    if (!this.options.trust) notAsked.add("witness");
    const sameSize = Boolean(this.options.memory) && this.options.memory?.size === this.size;
    if (!sameSize && !isAmbiguous(this.options)) notAsked.add("memory");
    const anchored = fault ? null : this.anchored;
    const left = "Receipts that were left out are not here: one may have taken a key back, or a memory.";
    return {
      valid: fault === null,
      key_pinned: Boolean(this.options.pinned),
      receipts: this.known.size,
      head: this.last && { seq: this.last.content.seq, entry_hash: this.last.entry_hash },
      checks: outcomes(BUNDLE_CHECKS, fault, fault?.seq ?? 0, notAsked),
      open: [],
      open_chains: [],
      anchored_through: anchored,
      not_proven: [left, ...notProven(this.options, anchored, 0, false)],
    };
  }
}

function readSnapshot(bytes: Bytes): Json {
  try {
    return parse(bytes);
  } catch (error) {
    throw error instanceof Fault ? new Fault("statement.snapshot") : error;
  }
}

function collectTexts(value: Json, into: Set<string>): void {
  if (typeof value === "string") into.add(value);
  else if (typeof value === "object") for (const item of Object.values(value)) collectTexts(item, into);
}

export async function verifyBundle(file: Bytes, options: Options): Promise<Verdict> {
  const found = new Case(options);
  try {
    await found.judge(file);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return found.verdict(error);
  }
  return found.verdict(null);
}
