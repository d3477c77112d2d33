/** The keys of a chain (section 5). */
import { type Bytes, equal, fromBase64, fromHex, sha256, toHex } from "./bytes.js";
import { pointAccepted, verifies } from "./ed25519.js";
import { demand, Fault } from "./fault.js";
import { canonical, type Json, type JsonObject } from "./json.js";

export interface Key {
  readonly id: string;
  readonly public: Bytes;
  readonly purpose: string;
  /** Who signed the receipt that added it, and when; keys of genesis and replacements have no parent. */
  readonly parent: { readonly key: Key; readonly since: string } | null;
  active: boolean;
  /** Since when it may have been stolen. */
  fallen: string | null;
  readonly signed: number[];
}

export class Keys {
  private readonly byId = new Map<string, Key>();
  private readonly raw = new Set<string>();

  find(id: string): Key | undefined {
    return this.byId.get(id);
  }

  /** The public halves of all keys of a purpose that the chain ever had. */
  ofPurpose(purpose: string): Bytes[] {
    return this.all().filter((key) => key.purpose === purpose).map((key) => key.public);
  }

  /** The steps of section 5.1 in their order. */
  async check(receipt: JsonObject, pinned: Bytes | null): Promise<void> {
    const content = receipt.content;
    const kind: string = content.kind;
    if (kind === "genesis") {
      for (const purpose of ["receipt", "log", "recovery"]) await this.enter(content.keys[purpose], purpose, null);
      const first = this.find(content.keys.receipt.key_id);
      demand(!pinned || (first && equal(first.public, pinned)), "signature.pinned_key");
    } else if (kind === "key_revoked") {
      await this.checkRevocation(content);
    }
    const signer = await this.checkSignature(receipt);
    if (kind === "key_rotated") {
      demand(content.retires === content.key_id && content.key.purpose === "receipt", "signature.retires");
    }
    if (kind === "key_added" || kind === "key_rotated") await this.checkAdded(content, signer);
    if (kind === "key_rotated") signer.active = false;
    if (kind === "clock_corrected") {
      const { from, log_origin, seq, to } = content;
      await this.checkRecovery(content.recovery_sig, { _type: "cascade/clock/v1", from, log_origin, seq, to });
    }
  }

  /** A key falls, and receipt keys added under it since with it (section 5.2). */
  revoke(statement: JsonObject): void {
    const since: string = statement.compromised_since;
    const falling = [this.byId.get(statement.key_id)];
    const seen = new Set<Key>();
    for (let key = falling.pop(); key; key = falling.pop()) {
      const parent = key;
      key.active = false;
      key.fallen = key.fallen !== null && key.fallen < since ? key.fallen : since;
      seen.add(key);
      const under = (other: Key) =>
        other.parent?.key === parent && other.purpose === "receipt" && other.parent.since >= since;
      falling.push(...this.all().filter((other) => under(other) && !seen.has(other)));
    }
  }

  /** No fallen key signed a receipt that was not anchored before the theft (section 5.3). */
  checkDisputed(cleared: (since: string) => number): void {
    const stained: number[] = [];
    for (const key of this.all()) {
      if (key.fallen === null) continue;
      const clear = cleared(key.fallen);
      const first = key.signed.find((seq) => seq >= clear);
      if (first !== undefined) stained.push(first);
    }
    if (stained.length > 0) throw new Fault("signature.disputed", Math.min(...stained));
  }

  private all(): Key[] {
    return [...this.byId.values()];
  }

  private async checkSignature(receipt: JsonObject): Promise<Key> {
    const signer = this.find(receipt.content.key_id);
    demand(signer, "signature.unknown_key");
    demand(signer.active && signer.purpose === "receipt", "signature.inactive_key");
    const signature = fromBase64(receipt.ed25519_sig);
    demand(await verifies(signer.public, signature, fromHex(receipt.entry_hash)), "signature.bad");
    signer.signed.push(receipt.content.seq);
    return signer;
  }

  private async checkAdded(content: JsonObject, signer: Key): Promise<void> {
    const key = content.key;
    await this.checkPossession(key);
    if ("recovery_sig" in content) await this.checkRecovery(content.recovery_sig, key);
    demand("recovery_sig" in content || key.purpose === "receipt", "signature.recovery");
    await this.enter(key, key.purpose, { key: signer, since: content.timestamp });
  }

  private async enter(named: JsonObject, purpose: string, parent: Key["parent"]): Promise<void> {
    const raw = fromBase64(named.public_key) ?? new Uint8Array();
    demand(pointAccepted(raw), "signature.key_refused");
    demand(toHex((await sha256(raw)).slice(0, 4)) === named.key_id.slice(-8), "signature.key_id");
    demand(!this.byId.has(named.key_id) && !this.raw.has(named.public_key), "signature.key_repeated");
    this.raw.add(named.public_key);
    const id: string = named.key_id;
    this.byId.set(id, { id, public: raw, purpose, parent, active: true, fallen: null, signed: [] });
  }

  /** The new key's point is accepted, and it signed its own key object. */
  private async checkPossession(named: JsonObject): Promise<void> {
    const raw = fromBase64(named.public_key) ?? new Uint8Array();
    demand(pointAccepted(raw), "signature.key_refused");
    const { pop, ...unsigned } = named;
    demand(await verifies(raw, fromBase64(pop), await sha256(canonical(unsigned))), "signature.pop");
  }

  /** An active recovery key verifies the signature over the SHA-256 of the value's JCS. */
  private async checkRecovery(signature: string, value: Json): Promise<void> {
    const [message, bytes] = [await sha256(canonical(value)), fromBase64(signature)];
    for (const key of this.all()) {
      if (key.purpose === "recovery" && key.active && (await verifies(key.public, bytes, message))) return;
    }
    throw new Fault("signature.recovery");
  }

  private async checkRevocation(content: JsonObject): Promise<void> {
    const statement = content.statement;
    await this.checkRecovery(content.recovery_sig, statement);
    const revoked = this.find(statement.key_id);
    demand(revoked && revoked.fallen === null, "signature.revoked_key");
    if (!("replacement" in statement)) return;
    const replacement = statement.replacement;
    demand(replacement.purpose === revoked.purpose, "signature.revoked_key");
    await this.checkPossession(replacement);
    await this.enter(replacement, replacement.purpose, null);
  }
}
