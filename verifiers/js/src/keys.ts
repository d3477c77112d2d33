/** The keys of a chain (section 5). */
import { type Bytes, equal, fromBase64, fromHex, sha256, toHex } from "./bytes.js";
import { pointAccepted, verifies } from "./ed25519.js";
import { demand, Fault } from "./fault.js";
import { canonical, type Json, type JsonObject } from "./json.js";
import { noteKey } from "./checkpoint.js";

/** Most keys of a purpose that are active at once. */
const ACTIVE_MAX: Record<string, number> = { receipt: 256, log: 16, recovery: 16 };
const REVOCATIONS_MAX = 1024;

export interface Key {
  readonly id: string;
  readonly public: Bytes;
  readonly purpose: string;
  /** The receipt keys that receipts signed by it have added, and when. */
  readonly added: { readonly key: Key; readonly since: string }[];
  active: boolean;
  /** Since when it may have been stolen. */
  fallen: string | null;
  readonly signed: number[];
}

/** Whoever makes a chain chooses how many keys it has, so nothing here may take time for each key and receipt. */
export class Keys {
  private readonly byId = new Map<string, Key>();
  private readonly raw = new Set<string>();
  private readonly active: Record<string, Set<Key>> = { receipt: new Set(), log: new Set(), recovery: new Set() };
  /** The log keys that the chain ever had, by the id that lines of notes carry. */
  private readonly logs = new Map<string, Bytes[]>();
  private revocations = 0;

  find(id: string): Key | undefined {
    return this.byId.get(id);
  }

  /** The log keys with one of these ids that the chain ever had. */
  logKeys(ids: Iterable<string>): Bytes[] {
    return [...new Set(ids)].flatMap((id) => this.logs.get(id) ?? []);
  }

  /** The steps of section 5.1 in their order. */
  async check(receipt: JsonObject, pinned: Bytes | null): Promise<void> {
    const content = receipt.content;
    const kind: string = content.kind;
    if (kind === "genesis") {
      for (const purpose of ["receipt", "log", "recovery"]) {
        await this.enter(content.keys[purpose], purpose, content.log_origin);
      }
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
    if (kind === "clock_corrected") {
      const { from, log_origin, seq, to } = content;
      await this.checkRecovery(content.recovery_sig, { _type: "cascade/clock/v1", from, log_origin, seq, to });
    }
  }

  /** A key falls, and receipt keys added under it since with it (section 5.2). */
  revoke(statement: JsonObject): void {
    const since: string = statement.compromised_since;
    const first = this.byId.get(statement.key_id);
    const falling = first ? [first] : [];
    for (let key = falling.pop(); key; key = falling.pop()) {
      // What fell since then or earlier took everything along that falls now.
      if (key.fallen !== null && key.fallen <= since) continue;
      key.fallen = since;
      this.deactivate(key);
      for (const child of key.added) if (child.since >= since) falling.push(child.key);
    }
  }

  /** No fallen key signed a receipt that was not anchored before the theft (section 5.3). */
  checkDisputed(cleared: (since: string) => number): void {
    let stained = Infinity;
    const known = new Map<string, number>();
    for (const { fallen, signed } of this.byId.values()) {
      if (fallen === null) continue;
      const clear = known.get(fallen) ?? cleared(fallen);
      known.set(fallen, clear);
      stained = Math.min(stained, signed.find((seq) => seq >= clear) ?? Infinity);
    }
    if (stained < Infinity) throw new Fault("signature.disputed", stained);
  }

  private deactivate(key: Key): void {
    key.active = false;
    this.active[key.purpose]?.delete(key);
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
    if (content.kind === "key_rotated") this.deactivate(signer);
    const added = await this.enter(key, key.purpose, content.log_origin);
    if (added.purpose === "receipt") signer.added.push({ key: added, since: content.timestamp });
  }

  /** `leaving` is the key that the receipt takes back. */
  private async enter(named: JsonObject, purpose: string, origin: string, leaving?: Key): Promise<Key> {
    const raw = fromBase64(named.public_key) ?? new Uint8Array();
    demand(pointAccepted(raw), "signature.key_refused");
    demand(toHex((await sha256(raw)).slice(0, 4)) === named.key_id.slice(-8), "signature.key_id");
    demand(!this.byId.has(named.key_id) && !this.raw.has(named.public_key), "signature.key_repeated");
    const active = this.active[purpose] ?? new Set();
    const staying = active.size - (leaving && active.has(leaving) ? 1 : 0);
    demand(staying < (ACTIVE_MAX[purpose] ?? 0), "signature.keys_max");
    this.raw.add(named.public_key);
    const id: string = named.key_id;
    const key: Key = { id, public: raw, purpose, added: [], active: true, fallen: null, signed: [] };
    this.byId.set(id, key);
    active.add(key);
    if (purpose === "log") {
      const name = toHex((await noteKey(origin, 1, raw)).id);
      this.logs.set(name, [...(this.logs.get(name) ?? []), raw]);
    }
    return key;
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
    for (const key of this.active.recovery ?? []) if (await verifies(key.public, bytes, message)) return;
    throw new Fault("signature.recovery");
  }

  private async checkRevocation(content: JsonObject): Promise<void> {
    const statement = content.statement;
    await this.checkRecovery(content.recovery_sig, statement);
    const revoked = this.find(statement.key_id);
    demand(revoked && revoked.fallen === null, "signature.revoked_key");
    this.revocations += 1;
    demand(this.revocations <= REVOCATIONS_MAX, "signature.keys_max");
    if (!("replacement" in statement)) return;
    const replacement = statement.replacement;
    demand(replacement.purpose === revoked.purpose, "signature.revoked_key");
    await this.checkPossession(replacement);
    await this.enter(replacement, replacement.purpose, content.log_origin, revoked);
  }
}
