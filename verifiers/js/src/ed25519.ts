/** Ed25519 (section 2.2): RFC 8032 without the cofactor, and which public keys are accepted. */
import { type Bytes, subtle, toBigInt } from "./bytes.js";

const P = 2n ** 255n - 19n;
const D = mod(-121665n * power(121666n, P - 2n));
const SMALL_ORDER_Y = new Set([
  0n,
  1n,
  P - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
]);

function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function power(base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, mod(base)];
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

/** Whether 32 bytes are the canonical encoding of a point that is not of small order. */
export function pointAccepted(raw: Bytes): boolean {
  if (raw.length !== 32) return false;
  const y = toBigInt(raw.slice().reverse()) & (2n ** 255n - 1n);
  if (y >= P || SMALL_ORDER_Y.has(y)) return false;
  const xSquared = mod((y * y - 1n) * power(D * y * y + 1n, P - 2n));
  return power(xSquared, (P - 1n) / 2n) <= 1n;
}

const imported = new Map<string, Promise<CryptoKey>>();

/** Keys recur on every receipt; importing one costs more than using it. */
function importKey(raw: Bytes): Promise<CryptoKey> {
  const name = raw.join();
  let key = imported.get(name);
  if (!key) {
    if (imported.size > 1000) imported.clear();
    key = subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
    imported.set(name, key);
  }
  return key;
}

export async function verifies(raw: Bytes, signature: Bytes | null, message: Bytes): Promise<boolean> {
  if (signature?.length !== 64) return false;
  let key;
  try {
    key = await importKey(raw);
  } catch (error) {
    if (error instanceof Error && error.name === "NotSupportedError") {
      throw new Error("this platform's WebCrypto has no Ed25519", { cause: error });
    }
    return false;
  }
  return subtle.verify("Ed25519", key, signature, message);
}
