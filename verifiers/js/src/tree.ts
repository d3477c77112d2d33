/** The Merkle tree of RFC 6962 over the receipts (section 9). */
import { type Bytes, concat, sha256 } from "./bytes.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafOf = (entryHash: Bytes): Promise<Bytes> => sha256(concat(LEAF, entryHash));
const nodeOf = (left: Bytes, right: Bytes): Promise<Bytes> => sha256(concat(NODE, left, right));

export class Tree {
  /** Hashes of complete subtrees, by height. */
  private readonly levels: Bytes[][] = [[]];

  get size(): number {
    return this.levels[0]?.length ?? 0;
  }

  /** Adds a leaf, and every inner node that it completes. */
  async add(entryHash: Bytes): Promise<void> {
    let node = await leafOf(entryHash);
    for (let height = 0; ; height += 1) {
      const level = (this.levels[height] ??= []);
      level.push(node);
      const left = level.at(-2);
      if (level.length % 2 === 1 || !left) return;
      node = await nodeOf(left, node);
    }
  }

  /** The root at a size, or null if there are fewer leaves. */
  async root(size: number): Promise<Bytes | null> {
    if (size < 1 || size > this.size) return null;
    let node: Bytes | null = null;
    for (let height = 0, rest = size; rest > 0; height += 1, rest = Math.floor(rest / 2)) {
      if (rest % 2 === 0) continue;
      const left = this.levels[height]?.[rest - 1];
      if (!left) return null;
      node = node ? await nodeOf(left, node) : left;
    }
    return node;
  }
}

/** The root that an audit path gives (RFC 9162, section 2.1.3.2), or null if it does not fit. */
export async function rootByPath(index: number, size: number, leaf: Bytes, path: Bytes[]): Promise<Bytes | null> {
  if (index >= size) return null;
  let [at, last, node] = [BigInt(index), BigInt(size - 1), leaf];
  for (const sibling of path) {
    if (last === 0n) return null;
    if (at % 2n === 1n || at === last) {
      node = await nodeOf(sibling, node);
      while (at % 2n === 0n && at > 0n) [at, last] = [at / 2n, last / 2n];
    } else {
      node = await nodeOf(node, sibling);
    }
    [at, last] = [at / 2n, last / 2n];
  }
  return last === 0n ? node : null;
}
