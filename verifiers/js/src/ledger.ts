/** A whole ledger (sections 4 and 8): every receipt from genesis on, in one pass. */
import { Anchors, cleared, largest } from "./anchors.js";
import { type Bytes, concat, equal, fromHex, hmac, sha256, toHex, utf8 } from "./bytes.js";
import { demand, Fault } from "./fault.js";
import { canonical, type JsonObject, parse } from "./json.js";
import { Keys } from "./keys.js";
import { Lifecycle } from "./lifecycle.js";
import { checkShape } from "./shape.js";
import {
  type Head, isAmbiguous, LEDGER_CHECKS, notProven, type Open, type Options, outcomes, type Verdict,
} from "./verdict.js";

export const LINE_BYTES_MAX = 65_536;
export const GENESIS_PREV = "88a8fbac09ad1ec58dc06c0cbccff9a2a787d5bc9a0ff6958b01d3e6cf06280c";
const LF = 10;

/** The receipt of one line, strictly read. */
export function readLine(line: Bytes): JsonObject {
  demand(line.length <= LINE_BYTES_MAX, "syntax.line_length");
  const receipt = parse(line);
  demand(equal(canonical(receipt), line), "syntax.not_canonical");
  checkShape(receipt);
  return receipt;
}

export function checkCopies(receipt: JsonObject): void {
  for (const name of ["receipt_id", "timestamp"]) demand(receipt[name] === receipt.content[name], "copies." + name);
}

export async function checkHash(receipt: JsonObject): Promise<void> {
  const hash = await sha256(concat(utf8(receipt.prev_hash + "|"), canonical(receipt.content)));
  demand(receipt.entry_hash === toHex(hash), "chain.entry_hash");
}

/** Check 5. Gives the chain's name. */
export function checkOrigin(content: JsonObject, known: string | null): string {
  const origin = known ?? (content.log_origin as string);
  demand(content.log_origin === origin, "origin.changed");
  const named = [];
  if (content.kind === "key_added" || content.kind === "key_rotated") named.push(content.key);
  if (content.kind === "key_revoked") named.push(content.statement, content.statement.replacement);
  for (const item of named) demand(item === undefined || item.log_origin === origin, "origin.key");
  return origin;
}

/** Check 6. */
export function checkTime(content: JsonObject, before: JsonObject | null): void {
  if (!before) return;
  const [earlier, now]: [string, string] = [before.timestamp, content.timestamp];
  if (content.kind === "clock_corrected") {
    demand(content.from === earlier && content.to === now, "time.correction");
    return;
  }
  demand(now >= earlier, "time.backwards");
  demand(!("clock" in content) || now === earlier, "time.stepped");
}

/** The HMAC tags, looked at only by a reader who has the master. */
class Tags {
  firstWrong: number | null = null;
  private key: Bytes | null = null;
  private epoch = 0;

  constructor(private readonly master: Bytes | null) {}

  async look(receipt: JsonObject): Promise<void> {
    if (!this.master || this.firstWrong !== null) return;
    const content = receipt.content;
    if (!this.key) {
      const extracted = await hmac(new Uint8Array(32), this.master);
      const info = utf8(`cascade/hmac/v1\n${content.log_origin}`);
      this.key = await hmac(extracted, concat(info, Uint8Array.of(1)));
    }
    for (; this.epoch < Number(content.hmac_key_id.slice(1)); this.epoch += 1) {
      this.key = await hmac(this.key, utf8("cascade/hmac-ratchet/v1"));
    }
    const tag = toHex(await hmac(this.key, fromHex(receipt.entry_hash)));
    if (tag !== receipt.hmac) this.firstWrong = content.seq;
  }
}

class Chain {
  readonly keys = new Keys();
  readonly lifecycle = new Lifecycle();
  readonly anchors: Anchors;
  receipts = 0;
  head: Head | null = null;
  private readonly tags: Tags;
  private before: JsonObject | null = null;
  private origin: string | null = null;

  constructor(private readonly options: Options) {
    this.anchors = new Anchors(options.trust ?? null);
    this.tags = new Tags(options.master ?? null);
  }

  /** Runs checks 1 to 7 on one line. */
  async accept(line: Bytes): Promise<void> {
    const receipt = readLine(line);
    const content = receipt.content;
    checkCopies(receipt);
    await this.checkLinks(receipt);
    await this.keys.check(receipt, this.options.pinned ?? null);
    this.origin = checkOrigin(content, this.origin);
    checkTime(content, this.before);
    await this.lifecycle.check(receipt, this.before);
    if (content.kind === "key_revoked") this.keys.revoke(content.statement);
    await this.tags.look(receipt);
    if (content.kind === "anchor") {
      await this.anchors.look(utf8(content.checkpoint), this.origin, this.keys, content.seq);
    }
    await this.anchors.tree.add(fromHex(receipt.entry_hash));
    this.head = { seq: content.seq, entry_hash: receipt.entry_hash };
    this.receipts += 1;
    this.before = content;
  }

  private async checkLinks(receipt: JsonObject): Promise<void> {
    const content = receipt.content;
    demand(content.seq === this.receipts, "chain.seq");
    demand(receipt.prev_hash === (this.head?.entry_hash ?? GENESIS_PREV), "chain.prev_hash");
    await checkHash(receipt);
    demand((content.kind === "genesis") === (this.head === null), "chain.genesis");
    demand(!this.lifecycle.past.has(receipt.receipt_id), "chain.receipt_id");
  }

  /** What comes after the last line: sections 5.3, 10 to 12 and 8. */
  async finish(): Promise<void> {
    demand(this.receipts > 0, "syntax.empty");
    for (const note of this.options.checkpoints ?? []) {
      await this.anchors.look(note, this.origin ?? "", this.keys, null);
    }
    this.keys.checkDisputed((since) => cleared(this.anchors.quorums, since));
    await this.anchors.finish(this.options.memory ?? null, isAmbiguous(this.options));
    if (this.tags.firstWrong !== null) throw new Fault("hmac.tag", this.tags.firstWrong);
  }

  verdict(fault: Fault | null): Verdict {
    const { options, anchors } = this;
    const notAsked = new Set<string>();
    if (!anchors.asked && !options.checkpoints?.length) notAsked.add("checkpoint");
    if (!options.trust) notAsked.add("witness");
    if (!options.memory && !isAmbiguous(options)) notAsked.add("memory");
    if (!options.master) notAsked.add("hmac");
    const openOf = (kind: string): Open[] =>
      [...this.lifecycle.past.values()]
        .filter((one) => one.kind === kind && !one.closed)
        .map((one) => ({ seq: one.seq, receipt_id: one.receiptId }));
    const open = openOf("task_started");
    const anchored = !fault && anchors.quorums.length > 0 ? largest(anchors.quorums) - 1 : null;
    return {
      valid: fault === null,
      key_pinned: Boolean(options.pinned),
      receipts: this.receipts,
      head: this.head,
      checks: outcomes(LEDGER_CHECKS, fault, fault?.seq ?? this.receipts, notAsked),
      open,
      open_chains: openOf("chain_started"),
      anchored_through: anchored,
      not_proven: notProven(options, anchored, open.length, Boolean(options.master)),
    };
  }
}

/** Lines without their LF. What never ends must not fill the memory. */
async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Bytes> {
  let rest: Bytes = new Uint8Array();
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      yield concat(rest, chunk.subarray(start, end));
      rest = new Uint8Array();
      start = end + 1;
    }
    rest = concat(rest, chunk.subarray(start));
    demand(rest.length <= LINE_BYTES_MAX, "syntax.line_length");
  }
  demand(rest.length === 0, "syntax.torn");
}

export async function verifyLedger(chunks: AsyncIterable<Uint8Array>, options: Options): Promise<Verdict> {
  const chain = new Chain(options);
  try {
    for await (const line of lines(chunks)) await chain.accept(line);
    await chain.finish();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return chain.verdict(error);
  }
  return chain.verdict(null);
}
