/** Bytes, their spellings, and SHA-256. */

export type Bytes = Uint8Array<ArrayBuffer>;

// Node 18 has it in a module alone.
export const subtle: SubtleCrypto = (globalThis.crypto ?? (await import("node:crypto")).webcrypto).subtle;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (text: string): Bytes => encoder.encode(text) as Bytes;

/** Text of UTF-8; throws for anything else. */
export const fromUtf8 = (bytes: Uint8Array): string => decoder.decode(bytes);

export function concat(...parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, at) => byte === b[at]);

export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Bytes of hex digits that were checked before. */
export const fromHex = (text: string): Bytes =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** Bytes that one call turns into text: as many arguments as any engine takes, and a multiple of three. */
const PIECE = 24_576;

export function toBase64(bytes: Uint8Array): string {
  const pieces = [];
  for (let at = 0; at < bytes.length; at += PIECE) {
    pieces.push(btoa(String.fromCharCode(...bytes.subarray(at, at + PIECE))));
  }
  return pieces.join("");
}

/** The bytes of padded base64 in its one spelling, or null. A bundle's may have tens of megabytes. */
export function fromBase64(text: string): Bytes | null {
  // A class and no group around it, so that the length of the text is no depth of the engine.
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes: Bytes = new Uint8Array((text.length / 4) * 3 - padding);
  const step = (PIECE / 3) * 4;
  for (let from = 0, to = 0; from < text.length; from += step, to += PIECE) {
    const piece = atob(text.slice(from, from + step));
    for (let at = 0; at < piece.length; at += 1) bytes[to + at] = piece.charCodeAt(at);
  }
  // Spare bits that are not zero would be a second spelling; all are in the last four letters.
  const rest = bytes.length % 3;
  return rest === 0 || toBase64(bytes.subarray(bytes.length - rest)) === text.slice(-4) ? bytes : null;
}

export const sha256 = async (bytes: Bytes): Promise<Bytes> =>
  new Uint8Array(await subtle.digest("SHA-256", bytes));

export async function hmac(key: Bytes, message: Bytes): Promise<Bytes> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return new Uint8Array(await subtle.sign("HMAC", imported, message));
}

/** A number of big-endian bytes. */
export const toBigInt = (bytes: Uint8Array): bigint => (bytes.length ? BigInt("0x" + toHex(bytes)) : 0n);
