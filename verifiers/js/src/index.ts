/**
 * Verifies ledgers and bundles of Cascade, in Node and in browsers, with WebCrypto alone. Written from the format
 * document; "section N" in these comments is a section of it.
 */
import { type Bytes, concat, fromBase64 } from "./bytes.js";
import { verifyBundle } from "./bundle.js";
import { verifyLedger } from "./ledger.js";
import { BUNDLE_BYTES_MAX, isBundle, LOOK_BYTES } from "./parts.js";
import type { Options, Verdict } from "./verdict.js";

export { Trust } from "./trust.js";
export type { Options, Verdict } from "./verdict.js";

/** Verifies what `chunks` gives: a ledger or a bundle, by its first bytes. */
export async function verify(chunks: AsyncIterable<Uint8Array>, options: Options = {}): Promise<Verdict> {
  const source = chunks[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let size = 0;
  let done = false;
  const pull = async (): Promise<void> => {
    const next = await source.next();
    done = next.done ?? false;
    if (!done) {
      first.push(next.value as Uint8Array);
      size += (next.value as Uint8Array).length;
    }
  };
  while (!done && size < LOOK_BYTES) await pull();
  if (isBundle(concat(...first))) {
    while (!done && size <= BUNDLE_BYTES_MAX) await pull();
    await source.return?.();
    return verifyBundle(concat(...first), options);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    yield* first;
    for (let next = await source.next(); !next.done; next = await source.next()) yield next.value;
  }
  return verifyLedger(all(), options);
}

/** The raw key in a PEM file with an Ed25519 SubjectPublicKeyInfo (RFC 8410); throws for anything else. */
export function readPublicKey(pem: string): Bytes {
  const body = /^\s*-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END PUBLIC KEY-----\s*$/.exec(pem)?.[1];
  const der = fromBase64((body ?? "").replace(/\s/g, ""));
  const prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
  if (der?.length !== 44 || prefix.some((byte, index) => der[index] !== byte)) {
    throw new Error("not the PEM of an Ed25519 public key");
  }
  return der.slice(12);
}
