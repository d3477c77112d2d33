import type { JsonObject } from "./json.js";

const KEPT = ["timestamp", "principal", "action_hash", "expires", "required", "groups", "signature_required"];
const GRANTED = ["principal", "to", "on_behalf_of", "scope", "expires", "delegate"];

/** What later receipts may ask about an earlier one. */
export class Past {
  readonly seq: number;
  readonly kind: string;
  readonly receiptId: string;
  readonly entryHash: string;
  readonly verdict: string | null = null;
  readonly content: JsonObject = {};
  /** The code of the first thing that forbids to use it (section 6.1). */
  ended: string | null = null;
  /** Of an approval (section 6.3). */
  subject: Past | null = null;
  eligible = false;
  /** The grant that a grant stands on (section 6.4). */
  above: Past | null = null;
  /** A broken glass that owes a review (section 6.5). */
  glass = false;
  signerKey: string | null = null;
  /**
   * An intent or a workflow that ended (section 6.2), a broken glass or an invocation that was used (6.5, 6.7), a
   * schedule that was removed (6.7).
   */
  closed = false;
  /** A memory_learned that was forgotten or replaced (section 6.6). */
  gone = false;
  /** The workflow that it names; of a workflow its specification, and how many intents of it have no closer. */
  chain: Past | null = null;
  readonly specHash: string | null = null;
  running = 0;
  /** Of a schedule that was added, and whether an invocation starts something (section 6.7). */
  readonly schedule: boolean;
  readonly starts: boolean;
  paused = false;
  since: string;
  through = "";
  segments = 0;
  bytes = 0;

  constructor(receipt: JsonObject) {
    const content = receipt.content;
    [this.seq, this.kind] = [content.seq, content.kind];
    [this.receiptId, this.entryHash] = [receipt.receipt_id, receipt.entry_hash];
    this.schedule = this.kind === "schedule_changed" && content.change === "added";
    this.starts = this.kind === "cron_invocation" && content.outcome === "run";
    this.since = content.timestamp;
    if (this.kind === "chain_started") this.specHash = content.spec_hash;
    if (["dry_run", "escalation", "approval", "break_glass"].includes(this.kind)) {
      for (const name of KEPT) if (name in content) this.content[name] = content[name];
      this.verdict = content.decision?.verdict ?? null;
    } else if (this.kind === "grant") {
      for (const name of GRANTED) if (name in content) this.content[name] = content[name];
    }
  }

  end(code: string): void {
    this.ended ??= code;
  }
}

/** What a ref of a receipt names. */
export type Ref = readonly [rel: string, named: Past];
