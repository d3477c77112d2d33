/** Who is registered (section 7.3), and which texts were signed before (section 7.4). */
import { type Bytes, sha256, toHex } from "./bytes.js";
import { demand, Fault } from "./fault.js";
import type { JsonObject } from "./json.js";
import type { Past } from "./past.js";
import { SshKey, sshsigCounts } from "./ssh.js";

interface Person {
  readonly key: SshKey;
  readonly groups: Set<string>;
}

export class People {
  private readonly registered = new Map<string, Person>();
  /** Whose a registered key is. */
  private readonly byKey = new Map<string, string>();
  private readonly used = new Set<string>();

  /** Registers a principal in place of what was registered under that name. */
  async register(principal: string, text: string, groups: string[]): Promise<void> {
    let key: SshKey;
    try {
      key = await SshKey.accept(text);
    } catch {
      throw new Fault("lifecycle.ssh_key");
    }
    const blob = toHex(key.blob);
    demand((this.byKey.get(blob) ?? principal) === principal, "lifecycle.ssh_key");
    this.remove(principal);
    this.byKey.set(blob, principal);
    this.registered.set(principal, { key, groups: new Set(groups) });
  }

  remove(principal: string): void {
    const gone = this.registered.get(principal);
    if (gone) this.byKey.delete(toHex(gone.key.blob));
    this.registered.delete(principal);
  }

  has(principal: string): boolean {
    return this.registered.has(principal);
  }

  /** The registered key of a principal, if there is one. */
  keyOf(principal: string): string | null {
    const person = this.registered.get(principal);
    return person ? toHex(person.key.blob) : null;
  }

  isAdmin(principal: string): boolean {
    return this.registered.get(principal)?.groups.has("admins") ?? false;
  }

  /** Whether an answer to this subject is by one who may give it now (section 6.3). */
  eligible(principal: string, subject: Past): boolean {
    const wanted: string[] = subject.content.groups ?? [];
    const own = this.registered.get(principal)?.groups ?? new Set();
    return (
      subject.kind === "dry_run" || wanted.length === 0 || own.has("admins") ||
      wanted.some((group) => own.has(group))
    );
  }

  /**
   * Checks the signatures of a receipt over one text (sections 7.1, 7.2, 7.4); without a `signer` those over an
   * administrator's statement are by administrators.
   */
  async checkSignatures(content: JsonObject, namespace: string, text: Bytes, signer?: string): Promise<void> {
    const signatures: JsonObject[] = content.signatures ?? [];
    for (const item of signatures) {
      demand(signer === undefined || item.principal === signer, "lifecycle.signer");
      const person = this.registered.get(item.principal);
      demand(person, "lifecycle.signer_unknown");
      const admin = person.groups.has("admins") || signer !== undefined;
      demand(namespace !== "cascade-admin@v1" || admin, "lifecycle.not_admin");
      demand(await sshsigCounts(item.sshsig, person.key, namespace, text), "lifecycle.sshsig");
    }
    if (signatures.length === 0 || namespace === "cascade-spec@v1") return;
    const name = `${namespace} ${toHex(await sha256(text))}`;
    demand(!this.used.has(name), "lifecycle.statement_reused");
    this.used.add(name);
  }
}
