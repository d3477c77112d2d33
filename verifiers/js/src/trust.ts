/** The reader's trust policy: whose cosignatures count (section 11). */
import { fromBase64, fromUtf8, toHex } from "./bytes.js";
import { type Checkpoint, isNoteName, noteKey, type NoteKey } from "./checkpoint.js";
import { pointAccepted } from "./ed25519.js";
import { demand, Fault } from "./fault.js";

const DEFINITIONS_MAX = 64;

interface Rule {
  readonly least: number;
  readonly members: string[];
}

/** Reads a vkey; throws if it is none of this kind. */
async function vkey(word: string, kind: number): Promise<NoteKey> {
  const [name = "", digits = "", ...rest] = word.split("+");
  const data = fromBase64(rest.join("+"));
  if (!isNoteName(name) || data?.length !== 33 || data[0] !== kind || !pointAccepted(data.slice(1))) {
    throw new Error("not a verifier key");
  }
  const key = await noteKey(name, kind, data.slice(1));
  if (toHex(key.id) !== digits) throw new Error("the key's id is another");
  return key;
}

export class Trust {
  private readonly logs: NoteKey[] = [];
  private readonly witnesses = new Map<string, NoteKey>();
  private readonly rules = new Map<string, Rule>();
  private readonly used = new Set<string>();
  private quorum: string | null = null;
  private groups = 0;

  private constructor() {}

  /** Reads a policy; throws if it cannot be read. */
  static async parse(bytes: Uint8Array): Promise<Trust> {
    const text = fromUtf8(bytes);
    if (/[\x00-\x08\x0b-\x1f\x7f]/.test(text)) throw new Error("a control character in the policy");
    const trust = new Trust();
    for (const line of text.split("\n")) {
      const words = line.split(/[ \t]+/).filter((word) => word !== "");
      if (words.length > 0 && !words[0]?.startsWith("#")) await trust.line(words);
    }
    if (trust.quorum === null) throw new Error("no quorum line");
    return trust;
  }

  private async line([word, ...rest]: string[]): Promise<void> {
    const [name = "", second = "", ...members] = rest;
    if (word === "log" && (rest.length === 1 || rest.length === 2)) {
      this.logs.push(await vkey(name, 1));
    } else if (word === "witness" && (rest.length === 2 || rest.length === 3)) {
      this.define(name, { least: 1, members: [name] });
      this.witnesses.set(name, await vkey(second, 4));
    } else if (word === "group" && rest.length > 2) {
      this.group(name, second, members);
    } else if (word === "quorum" && rest.length === 1 && this.quorum === null) {
      if (name !== "none" && !this.rules.has(name)) throw new Error("an unknown quorum");
      this.quorum = name;
    } else {
      throw new Error("not a line of a policy");
    }
    if (Math.max(this.logs.length, this.witnesses.size, this.groups) > DEFINITIONS_MAX) throw new Error("too many");
  }

  private group(name: string, threshold: string, members: string[]): void {
    const free = (one: string) => this.rules.has(one) && !this.used.has(one);
    if (!members.every(free) || new Set(members).size !== members.length) {
      throw new Error("a member is unknown or used twice");
    }
    for (const one of members) this.used.add(one);
    const words: Record<string, number> = { any: 1, all: members.length };
    const least = words[threshold] ?? (/^[0-9]+$/.test(threshold) ? Number(threshold) : 0);
    if (least < 1 || least > members.length) throw new Error("a threshold out of range");
    this.define(name, { least, members });
    this.groups += 1;
  }

  private define(name: string, rule: Rule): void {
    if (name === "none" || this.rules.has(name)) throw new Error("a name is taken");
    this.rules.set(name, rule);
  }

  private met(cosigned: Set<string>, name = this.quorum ?? "none"): boolean {
    if (name === "none") return true;
    if (this.witnesses.has(name)) return cosigned.has(name);
    const rule = this.rules.get(name);
    const met = rule?.members.filter((one) => this.met(cosigned, one)).length ?? 0;
    return rule !== undefined && met >= rule.least;
  }

  /** When the quorum was met in seconds (null: it needs nobody), or the fault. */
  async judge(checkpoint: Checkpoint, origin: string): Promise<bigint | null> {
    const times = new Map<string, bigint>();
    for (const [name, key] of this.witnesses) {
      const time = await checkpoint.cosigned(key);
      demand(time !== false, "witness.signature");
      if (time !== null) times.set(name, time);
    }
    const pinned = this.logs.filter((key) => key.name === origin).map((key) => key.public);
    demand(this.logs.length === 0 || (await checkpoint.signed(origin, pinned)), "witness.log");
    if (this.met(new Set())) return null;
    const moments = [...times.values()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    for (const moment of moments) {
      const early = [...times].filter(([, time]) => time <= moment).map(([name]) => name);
      if (this.met(new Set(early))) return moment;
    }
    throw new Fault("witness.quorum");
  }
}
