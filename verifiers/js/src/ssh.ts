/** SSH keys of people and their signatures (section 7). */
import { type Bytes, concat, equal, fromBase64, fromUtf8, sha256, subtle, toBase64, utf8 } from "./bytes.js";
import { pointAccepted, verifies } from "./ed25519.js";
import { Wire, wireString } from "./wire.js";

interface Curve {
  readonly name: string;
  readonly size: number;
  readonly hash: string;
}

const CURVES: Record<string, Curve> = {
  nistp256: { name: "P-256", size: 32, hash: "SHA-256" },
  nistp384: { name: "P-384", size: 48, hash: "SHA-384" },
  nistp521: { name: "P-521", size: 66, hash: "SHA-512" },
};
const ECDSA = new Set([
  "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ecdsa-sha2-nistp256@openssh.com",
]);
const RSA_HASHES: Record<string, string> = { "rsa-sha2-256": "SHA-256", "rsa-sha2-512": "SHA-512" };

type Check = (signature: Bytes, message: Bytes, algorithm: string) => Promise<boolean>;

/** A registered `ssh_key`. */
export class SshKey {
  private constructor(
    private readonly algorithm: string,
    readonly blob: Bytes,
    private readonly application: Bytes | null,
    private readonly check: Check,
  ) {}

  /** Reads a key; throws if it is not accepted. */
  static async accept(text: string): Promise<SshKey> {
    const space = text.indexOf(" ");
    const algorithm = text.slice(0, Math.max(space, 0));
    const blob = fromBase64(text.slice(space + 1)) ?? new Uint8Array();
    const wire = new Wire(blob);
    wire.expect(utf8(algorithm));
    const check = await SshKey.reader(algorithm)(wire);
    const application = algorithm.startsWith("sk-") ? wire.string() : null;
    wire.end();
    return new SshKey(algorithm, blob, application, check);
  }

  private static reader(algorithm: string): (wire: Wire) => Promise<Check> {
    if (algorithm === "ssh-ed25519" || algorithm === "sk-ssh-ed25519@openssh.com") return ed25519;
    if (algorithm === "ssh-rsa") return rsa;
    const curve = CURVES[/nistp\d+/.exec(algorithm)?.[0] ?? ""];
    if (!curve || !ECDSA.has(algorithm)) throw new Error("the algorithm is not accepted");
    return (wire) => ecdsa(wire, curve);
  }

  /** Checks a signature blob; throws where it does not fit. */
  async verify(signature: Bytes, message: Bytes): Promise<boolean> {
    const wire = new Wire(signature);
    const [algorithm, inner] = [fromUtf8(wire.string()), wire.string()];
    let signed = message;
    if (this.application) {
      const [flags, counter] = [wire.raw(1), wire.raw(4)];
      // Bit 0: somebody was there and touched it.
      if (!((flags[0] ?? 0) & 1)) return false;
      signed = concat(await sha256(this.application), flags, counter, await sha256(message));
    }
    wire.end();
    if (this.algorithm !== "ssh-rsa" && algorithm !== this.algorithm) return false;
    return this.check(inner, signed, algorithm);
  }
}

async function ed25519(wire: Wire): Promise<Check> {
  const raw = wire.string();
  if (!pointAccepted(raw)) throw new Error("the point is refused");
  return (signature, message) => verifies(raw, signature, message);
}

async function rsa(wire: Wire): Promise<Check> {
  const url = (bytes: Bytes) => toBase64(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const [exponent, modulus] = [wire.natural(), wire.natural()];
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  // The upper bound is what OpenSSH takes.
  if (bits < 2048 || bits > 16384) throw new Error("the modulus is too short or too long");
  const jwk = { kty: "RSA", n: url(modulus), e: url(exponent) };
  const keys: Record<string, CryptoKey> = {};
  for (const [name, hash] of Object.entries(RSA_HASHES)) {
    const algorithm = { name: "RSASSA-PKCS1-v1_5", hash };
    keys[name] = await subtle.importKey("jwk", jwk, algorithm, false, ["verify"]);
  }
  return async (signature, message, algorithm) => {
    const key = Object.hasOwn(keys, algorithm) ? keys[algorithm] : undefined;
    return key !== undefined && subtle.verify("RSASSA-PKCS1-v1_5", key, signature, message);
  };
}

async function ecdsa(wire: Wire, curve: Curve): Promise<Check> {
  wire.expect(utf8("nistp" + curve.name.slice(2)));
  const point = wire.string();
  if (point.length !== 2 * curve.size + 1 || point[0] !== 4) throw new Error("the point is not uncompressed");
  const algorithm = { name: "ECDSA", namedCurve: curve.name };
  const key = await subtle.importKey("raw", point, algorithm, false, ["verify"]);
  return async (signature, message) => {
    const numbers = new Wire(signature);
    const halves = [numbers.natural(), numbers.natural()];
    numbers.end();
    if (halves.some((half) => half.length > curve.size)) return false;
    const padded = halves.map((half) => concat(new Uint8Array(curve.size - half.length), half));
    return subtle.verify({ name: "ECDSA", hash: curve.hash }, key, concat(...padded), message);
  };
}

const ARMOUR = /^-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)\n-----END SSH SIGNATURE-----[\r\n]*$/;

/** Whether an SSHSIG counts: by this key, in this namespace, over this text. */
export async function sshsigCounts(
  armoured: string,
  key: SshKey,
  namespace: string,
  text: Bytes,
): Promise<boolean> {
  try {
    const body = ARMOUR.exec(armoured)?.[1]?.replace(/[\r\n]/g, "") ?? "";
    const wire = new Wire(fromBase64(body) ?? new Uint8Array());
    if (!equal(wire.raw(6), utf8("SSHSIG")) || wire.uint32() !== 1) return false;
    wire.expect(key.blob);
    for (const expected of [namespace, "", "sha512"]) wire.expect(utf8(expected));
    const signature = wire.string();
    wire.end();
    const hash = new Uint8Array(await subtle.digest("SHA-512", text));
    const parts = [utf8(namespace), new Uint8Array(), utf8("sha512"), hash].map(wireString);
    return await key.verify(signature, concat(utf8("SSHSIG"), ...parts));
  } catch {
    return false;
  }
}
