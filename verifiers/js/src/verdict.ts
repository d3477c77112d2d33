/** What a verification answers (section 14). */
import type { Memory } from "./anchors.js";
import type { Bytes } from "./bytes.js";
import type { Fault } from "./fault.js";
import type { Trust } from "./trust.js";

/** What the reader brings along. */
export interface Options {
  /** The raw public key that genesis must name as its receipt key. */
  readonly pinned?: Bytes | null;
  /** The HMAC master. */
  readonly master?: Bytes | null;
  /** Notes of checkpoints that the ledger must fit. */
  readonly checkpoints?: Uint8Array[];
  readonly trust?: Trust | null;
  readonly memory?: Memory | null;
  /** Whether a chain of the same origin with another genesis key is remembered. */
  readonly otherGenesis?: boolean;
}

export interface Row {
  readonly check: string;
  readonly outcome: "pass" | "fail" | "not_reached" | "not_asked";
  readonly seq: number | null;
  readonly code: string | null;
  readonly detail: string | null;
}

export interface Head {
  readonly seq: number;
  readonly entry_hash: string;
}

/** An intent without a closer, or a workflow without an end. */
export interface Open {
  readonly seq: number;
  readonly receipt_id: string;
}

export interface Verdict {
  readonly valid: boolean;
  readonly key_pinned: boolean;
  readonly receipts: number;
  readonly head: Head | null;
  readonly checks: Row[];
  readonly open: Open[];
  readonly open_chains: Open[];
  readonly anchored_through: number | null;
  readonly not_proven: string[];
}

export const LEDGER_CHECKS = [
  "syntax", "copies", "chain", "signature", "origin", "time", "lifecycle", "checkpoint", "witness", "memory", "hmac",
];
export const BUNDLE_CHECKS = [
  "bundle", "syntax", "copies", "chain", "signature", "origin", "time", "lifecycle", "checkpoint", "inclusion",
  "witness", "memory", "hmac", "statement",
];

/** The checks with their outcomes; those in `notAsked` had nothing to look at. */
export function outcomes(checks: string[], fault: Fault | null, seq: number, notAsked: Set<string>): Row[] {
  const failed = fault ? checks.indexOf(fault.code.split(".")[0] ?? "") : checks.length;
  return checks.map((check, at): Row => {
    const plain = { check, seq: null, code: null, detail: null };
    if (notAsked.has(check)) return { ...plain, outcome: "not_asked" };
    if (at === failed && fault) return { ...plain, outcome: "fail", seq, code: fault.code };
    return { ...plain, outcome: at < failed ? "pass" : "not_reached" };
  });
}

/** Whether two chains claim one name and the reader did not say which of them he means. */
export const isAmbiguous = ({ otherGenesis, pinned }: Options): boolean => Boolean(otherGenesis) && !pinned;

/** What a valid verdict leaves open. */
export function notProven(options: Options, anchored: number | null, open: number, tagsChecked: boolean): string[] {
  const said = [
    "Actions that never went through Cascade are not here.",
    "What was recorded may have been false when it was written.",
  ];
  said.push(
    anchored === null
      ? "No trusted witness cosigned: receipts may have been cut from the end, and whoever holds the keys can write " +
        "another history."
      : `Receipts after seq ${anchored} are not anchored: they may have been cut or rewritten.`,
  );
  if (!options.pinned) said.push("No public key was given: anybody may have founded this chain.");
  if (options.otherGenesis) {
    said.push(
      "Another chain of this origin, with another genesis key, is remembered: whose this one is, the public key says " +
        "and nothing else.",
    );
  }
  if (!tagsChecked) said.push("HMAC tags were not checked: they are for holders of the HMAC master.");
  if (open > 0) said.push(`${open} intents have no closer: how they ended is not known.`);
  return said;
}
