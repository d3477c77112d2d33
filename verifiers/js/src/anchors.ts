/** Checkpoints, witnesses and memory (sections 10 to 12). */
import { type Bytes, equal } from "./bytes.js";
import { Checkpoint } from "./checkpoint.js";
import { demand, Fault } from "./fault.js";
import type { Keys } from "./keys.js";
import { Tree } from "./tree.js";
import type { Trust } from "./trust.js";

/** A checkpoint that the trusted witnesses have cosigned, and when. */
export interface Quorum {
  readonly size: number;
  readonly time: bigint | null;
}

/** What a reader kept of a ledger that was found valid. */
export interface Memory {
  readonly size: number;
  readonly root: Bytes;
}

/** How many receipts were anchored before a time (section 5.3). */
export function cleared(quorums: Quorum[], since: string): number {
  const limit = BigInt(Date.parse(since));
  const early = quorums.filter(({ time }) => time !== null && time * 1000n < limit);
  return largest(early);
}

/** The size of the largest, or 0. Arguments of a call are too few for what a chain may have. */
export const largest = (quorums: Quorum[]): number => quorums.reduce((most, { size }) => Math.max(most, size), 0);

/** A checkpoint of this chain, signed by one of its log keys; its root is not looked at. */
export async function signedCheckpoint(note: Uint8Array, origin: string, keys: Keys): Promise<Checkpoint> {
  let checkpoint;
  try {
    checkpoint = Checkpoint.parse(note);
  } catch {
    throw new Fault("checkpoint.malformed");
  }
  demand(checkpoint.origin === origin, "checkpoint.origin");
  demand(await checkpoint.signed(origin, keys.logKeys(checkpoint.ids())), "checkpoint.signature");
  return checkpoint;
}

export class Anchors {
  readonly tree = new Tree();
  readonly quorums: Quorum[] = [];
  asked = false;
  private checkpointFault: Fault | null = null;
  private witnessFault: Fault | null = null;

  constructor(private readonly trust: Trust | null) {}

  /** Looks at one checkpoint, embedded by the anchor at that seq or given by the reader. */
  async look(note: Uint8Array, origin: string, keys: Keys, anchorSeq: number | null): Promise<void> {
    this.asked = true;
    let checkpoint;
    try {
      checkpoint = await this.check(note, origin, keys);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.checkpointFault ??= new Fault(error.code, anchorSeq ?? error.seq ?? 0);
      return;
    }
    if (!this.trust) return;
    try {
      this.quorums.push({ size: checkpoint.size, time: await this.trust.judge(checkpoint, origin) });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      // One that an anchor embeds and the reader's witnesses do not vouch for does not count, and is no fault.
      if (anchorSeq === null) this.witnessFault ??= new Fault(error.code, checkpoint.size - 1);
    }
  }

  private async check(note: Uint8Array, origin: string, keys: Keys): Promise<Checkpoint> {
    const checkpoint = await signedCheckpoint(note, origin, keys);
    const root = await this.tree.root(checkpoint.size);
    if (!root) throw new Fault("checkpoint.truncated", this.tree.size);
    if (!equal(root, checkpoint.root)) throw new Fault("checkpoint.root", checkpoint.size - 1);
    return checkpoint;
  }

  /** Throws the first fault of checks 8, 9 and 10. */
  async finish(memory: Memory | null, ambiguous: boolean): Promise<void> {
    if (this.checkpointFault) throw this.checkpointFault;
    if (this.witnessFault) throw this.witnessFault;
    if (this.trust && this.quorums.length === 0) throw new Fault("witness.quorum", 0);
    if (ambiguous) throw new Fault("memory.fork", 0);
    if (!memory) return;
    const root = await this.tree.root(memory.size);
    if (!root) throw new Fault("memory.older_than_remembered", this.tree.size);
    if (!equal(root, memory.root)) throw new Fault("memory.fork", memory.size - 1);
  }
}
