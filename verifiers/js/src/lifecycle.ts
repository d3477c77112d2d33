/** The check `lifecycle`: what the receipts tell may have happened in this order (sections 6 and 7). */
import { sha256, toHex, utf8 } from "./bytes.js";
import { demand, Fault } from "./fault.js";
import { checkGlass, checkGlassOfRun, checkReview } from "./glass.js";
import { checkGrant, checkGrantsOfRun, checkRevocation } from "./grants.js";
import { canonical, type JsonObject } from "./json.js";
import { Past, type Ref } from "./past.js";
import { People } from "./people.js";
import { checkCronOfRun, checkCronRef, checkInvocation, checkSchedule } from "./schedules.js";
import { acceptsTool, isExtension, isGlass, isPure } from "./shape.js";
import { Standing } from "./standing.js";

const EPOCH_RECEIPTS_MAX = 10_000;
const CLOSERS: Record<string, string> = {
  task_completed: "confirmed", task_failed: "failed", task_revoked: "revoked", task_unknown: "unknown",
};
const REF_KINDS: Record<string, string> = {
  intent: "task_started", dry_run: "dry_run", escalation: "escalation", approval: "approval",
  grant: "grant", memory: "memory_learned", chain: "chain_started",
};
/** By which rel a kind takes back what was learned (section 6.6). */
const TAKES_BACK: Record<string, string> = { memory_forgotten: "memory", memory_learned: "supersedes" };
/** Ends of a workflow. */
const ENDS = ["chain_completed", "chain_aborted"];
const NOT_OF_A_STATEMENT = new Set([
  "_type", "clock", "hmac_key_id", "key_id", "log_origin", "policy_hash", "policy_version", "receipt_id", "seq",
  "timestamp", "signatures",
]);

const subjectsOf = (refs: Ref[]): Past[] =>
  refs.filter(([rel]) => rel === "escalation" || rel === "dry_run").map(([, named]) => named);

export class Lifecycle {
  readonly past = new Map<string, Past>();
  private readonly people = new People();
  private readonly escalated = new Set<string>();
  private readonly dryEscalated = new Set<string>();
  private readonly pastGates = new Set<string>();
  private readonly standing = new Standing();
  private epoch = 0;
  private epochReceipts = 0;

  /** One receipt, in the order of section 6; `before` is the content before it. */
  async check(receipt: JsonObject, before: JsonObject | null): Promise<void> {
    const content = receipt.content;
    this.standing.checkGoesOn();
    this.checkEpoch(content, before);
    checkPolicy(content, before);
    const me = new Past(receipt);
    if (!isExtension(me.kind)) {
      const refs = this.resolve(content);
      me.chain = checkWorkflow(content, refs);
      await this.checkKind(content, refs, me);
      if (me.kind === "genesis") await this.register(content);
      if (me.kind !== "approval" && me.kind !== "denial") await this.checkSignatures(content);
      if (me.kind !== "genesis") await this.register(content);
    }
    this.past.set(me.receiptId, me);
  }

  private checkEpoch(content: JsonObject, before: JsonObject | null): void {
    const epoch = Number(content.hmac_key_id.slice(1));
    const step = epoch - this.epoch;
    demand(before === null ? epoch === 0 : step === 0 || step === 1, "lifecycle.epoch_step");
    this.epochReceipts = step === 0 ? this.epochReceipts + 1 : 1;
    this.epoch = epoch;
    demand(this.epochReceipts <= EPOCH_RECEIPTS_MAX, "lifecycle.epoch_full");
  }

  /** The refs as pairs of rel and earlier receipt. */
  private resolve(content: JsonObject): Ref[] {
    const refs = (content.refs ?? []).map((ref: JsonObject): Ref => {
      const named = this.past.get(ref.receipt_id);
      demand(named && named.entryHash === ref.entry_hash, "lifecycle.ref");
      demand((REF_KINDS[ref.rel] ?? named.kind) === named.kind, "lifecycle.ref_kind");
      if (ref.rel === "cron") checkCronRef(content.kind, named);
      demand(ref.rel !== "memory" || !named.gone, "lifecycle.memory_gone");
      return [ref.rel, named];
    });
    if (content.kind === "erasure") {
      demand(content.erased.every((item: JsonObject) => this.past.has(item.receipt_id)), "lifecycle.ref");
    }
    return refs;
  }

  private async checkKind(content: JsonObject, refs: Ref[], me: Past): Promise<void> {
    const kind = me.kind;
    if (kind === "task_completed" && content.layer_hit === "L6") {
      demand(refs.some(([rel]) => rel === "memory"), "lifecycle.memory_unnamed");
    }
    for (const [rel, named] of refs) if (rel === TAKES_BACK[kind]) named.gone = true;
    const run = kind === "task_started" || kind === "chain_started" || isPure(content);
    const decided = run || isGlass(content) || ["dry_run", "blocked", "escalation", "schedule_changed"].includes(kind);
    if (decided) this.checkDecision(content);
    if (run) {
      this.checkRun(content, refs, me.chain);
      checkCronOfRun(refs);
      if (kind === "task_started" && me.chain) me.chain.running += 1;
    } else if (kind === "schedule_changed") {
      this.checkRun(content, refs, me.chain);
      checkSchedule(content, refs);
    } else if (kind === "cron_invocation") {
      checkInvocation(content, refs, me, this.standing);
    } else if (ENDS.includes(kind)) {
      checkEnd(kind, me.chain);
    } else if (isGlass(content)) {
      checkGlass(content, me, this.standing, this.people);
      this.pastGates.add(content.action_hash);
    } else if (kind === "x_break_glass_review") {
      checkReview(content, refs, this.people);
    } else if (kind === "heartbeat" || Object.hasOwn(CLOSERS, kind)) {
      checkFollower(content, refs, me.chain);
    } else if (kind === "approval" || kind === "denial") {
      await this.checkAnswer(content, refs, me);
    } else if (kind === "approval_expired") {
      demand(refs.length > 0, "lifecycle.subject");
      for (const [, named] of refs) if (named.kind !== "grant") named.end("lifecycle.expired");
    } else if (kind === "grant") {
      checkGrant(content, refs, me, this.people);
    } else if (kind === "grant_revoked") {
      checkRevocation(content, refs, this.people);
    } else if (kind === "token_issued" || acceptsTool(content)) {
      demand(this.people.isAdmin(content.principal), "lifecycle.not_admin");
    } else if (kind === "halted" || kind === "resumed") {
      this.standing.halted = kind === "halted";
    } else if (kind === "tenant_changed") {
      this.standing.change(content, this.past);
    } else if (kind === "anchor") {
      const hash = toHex(await sha256(utf8(content.checkpoint)));
      demand(hash === content.checkpoint_sha256, "lifecycle.anchor");
    }
  }

  /** The verdict is what the gates say, and fits the kind. */
  private checkDecision(content: JsonObject): void {
    const verdict: string = content.decision.verdict;
    const outcomes = content.decision.gates.map((gate: JsonObject) => gate.outcome);
    const due = ["deny", "escalate"].find((word) => outcomes.includes(word)) ?? "admit";
    demand(verdict === due, "lifecycle.decision");
    const wanted: Record<string, string> = { blocked: "deny", escalation: "escalate" };
    demand(verdict === (wanted[content.kind] ?? verdict), "lifecycle.verdict");
    if (content.kind === "escalation") this.escalated.add(content.action_hash);
    if (content.kind === "dry_run" && verdict === "escalate") this.dryEscalated.add(content.action_hash);
  }

  /** Section 6.1: a task_started, a chain_started or a pure task_completed. */
  private checkRun(content: JsonObject, refs: Ref[], chain: Past | null): void {
    const action: string = content.action_hash;
    demand(content.decision.verdict === "admit", "lifecycle.denied");
    this.standing.checkStart();
    demand(!chain?.closed, "lifecycle.chain_closed");
    checkGrantsOfRun(content, refs, this.people);
    checkGlassOfRun(content, refs, this.pastGates);
    const subjects = subjectsOf(refs);
    for (const subject of subjects) {
      demand(subject.content.action_hash === action, "lifecycle.action_hash");
      demand(subject.verdict !== "deny", "lifecycle.denied");
      if (subject.ended !== null) throw new Fault(subject.ended);
    }
    if (this.escalated.has(action)) {
      demand(subjects.some((subject) => subject.kind === "escalation"), "lifecycle.approvals_missing");
    } else if (this.dryEscalated.has(action)) {
      demand(subjects.length > 0, "lifecycle.approvals_missing");
    }
    const answered = usedApprovals(content, refs, subjects);
    for (const subject of subjects) {
      const dry = subject.verdict === "escalate" ? 1 : 0;
      const needed: number = subject.kind === "escalation" ? subject.content.required : dry;
      const given = answered.filter(([named]) => named === subject).length;
      demand(given >= needed, "lifecycle.approvals_missing");
    }
  }

  /** Sections 6.3 and 7.1: an approval or a denial. */
  private async checkAnswer(content: JsonObject, refs: Ref[], me: Past): Promise<void> {
    const subjects = subjectsOf(refs);
    const [subject] = subjects;
    demand(subject && subjects.length === 1, "lifecycle.subject");
    const approves = content.kind === "approval";
    demand(subject.content.action_hash === content.action_hash, "lifecycle.action_hash");
    const signed = (content.signatures ?? []).length > 0;
    const demanded = approves && subject.kind === "escalation" && subject.content.signature_required;
    demand(signed || !demanded, "lifecycle.signature_missing");
    const text = canonical({
      _type: "cascade/approval/v1", action_hash: content.action_hash, approver: content.principal,
      escalation: subject.entryHash, expires: content.expires, log_origin: content.log_origin,
      verdict: approves ? "approve" : "deny",
    });
    await this.people.checkSignatures(content, "cascade-approval@v1", text, content.principal);
    if (approves) {
      me.subject = subject;
      me.eligible = this.people.eligible(content.principal, subject);
    } else {
      subject.end("lifecycle.denied");
    }
  }

  /** Section 7.2: signatures of people on every kind except answers and extensions. */
  private async checkSignatures(content: JsonObject): Promise<void> {
    const adds = content.kind === "key_added" && content.key.purpose === "receipt";
    const own = ["grant", "grant_revoked", "token_issued", "x_break_glass_review"];
    const giving = isGlass(content) || acceptsTool(content) || own.includes(content.kind);
    const demanded = giving || adds || ["principal_added", "resumed", "secret_changed", "tenant_changed"].includes(content.kind);
    demand((content.signatures ?? []).length > 0 || !demanded, "lifecycle.signature_missing");
    if ("spec_hash" in content && !demanded) {
      const spec = { _type: "cascade/spec/v1", spec_hash: content.spec_hash };
      return this.people.checkSignatures(content, "cascade-spec@v1", canonical(spec));
    }
    const members = Object.entries(content).filter(([name]) => !NOT_OF_A_STATEMENT.has(name));
    const text = canonical({
      _type: "cascade/admin/v1", log_origin: content.log_origin, statement: Object.fromEntries(members),
    });
    const signer = giving || ["token_revoked", "tool_pinned"].includes(content.kind) ? content.principal : undefined;
    await this.people.checkSignatures(content, "cascade-admin@v1", text, signer);
  }

  /** Section 7.3: people join or leave. */
  private async register(content: JsonObject): Promise<void> {
    if (content.kind === "genesis") {
      for (const admin of content.admins) await this.people.register(admin.principal, admin.ssh_key, ["admins"]);
    } else if (content.kind === "principal_added") {
      await this.people.register(content.principal, content.ssh_key, content.groups);
    } else if (content.kind === "principal_removed") {
      this.people.remove(content.principal);
    }
  }
}

/** Nothing is decided under a policy that no receipt put in force. */
function checkPolicy(content: JsonObject, before: JsonObject | null): void {
  if (before === null) return;
  const activated = ["policy_activated", "pack_activated"].includes(before.kind);
  const names = activated ? before.activates : before;
  const same = (name: string) => content[name] === names[name];
  demand(same("policy_version") && same("policy_hash"), "lifecycle.policy");
}

/** The workflow that a receipt names (section 6, Workflow). */
function checkWorkflow(content: JsonObject, refs: Ref[]): Past | null {
  const named = refs.filter(([rel]) => rel === "chain").map(([, past]) => past);
  const [least, most] = [ENDS.includes(content.kind) ? 1 : 0, content.kind === "chain_started" ? 0 : 1];
  demand(named.length >= least && named.length <= most, "lifecycle.chain_ref");
  const [chain] = named;
  if (!chain) return null;
  demand(content.spec_hash === chain.specHash, "lifecycle.chain_spec");
  return chain;
}

/** Section 6.2: the end of a workflow. */
function checkEnd(kind: string, chain: Past | null): void {
  demand(chain && !chain.closed, "lifecycle.two_closers");
  demand(kind === "chain_aborted" || chain.running === 0, "lifecycle.chain_running");
  chain.closed = true;
}

/** The approvals that a run uses up, as pairs of subject and principal. */
function usedApprovals(content: JsonObject, refs: Ref[], subjects: Past[]): (readonly [Past, string])[] {
  const answered: (readonly [Past, string])[] = [];
  for (const [rel, approval] of refs) {
    if (rel !== "approval") continue;
    const { subject, content: given } = approval;
    demand(subject && subjects.includes(subject), "lifecycle.approval_subject");
    if (approval.ended !== null) throw new Fault(approval.ended);
    approval.end("lifecycle.approval_reused");
    const inTime = subject.kind !== "escalation" || given.timestamp <= subject.content.expires;
    demand(inTime && content.timestamp <= given.expires, "lifecycle.expired");
    const own = [subject.content.principal, content.principal].includes(given.principal);
    demand(!own, "lifecycle.self_approval");
    const again = answered.some(([named, who]) => named === subject && who === given.principal);
    demand(!again, "lifecycle.same_approver");
    demand(approval.eligible, "lifecycle.not_eligible");
    answered.push([subject, given.principal]);
  }
  return answered;
}

/** Section 6.2: a heartbeat or a closer. */
function checkFollower(content: JsonObject, refs: Ref[], chain: Past | null): void {
  const intents = refs.filter(([rel]) => rel === "intent").map(([, named]) => named);
  const [intent] = intents;
  demand(intent && intents.length === 1, "lifecycle.no_intent");
  if (content.kind === "heartbeat") {
    demand(!intent.closed, "lifecycle.heartbeat_closed");
    demand(intent.chain === chain, "lifecycle.chain_ref");
    demand(content.segment === intent.segments && content.bytes >= intent.bytes, "lifecycle.segment");
    [intent.segments, intent.bytes] = [intent.segments + 1, content.bytes];
    return;
  }
  demand(!intent.closed, "lifecycle.two_closers");
  demand(intent.chain === chain, "lifecycle.chain_ref");
  intent.closed = true;
  if (chain) chain.running -= 1;
  const status = CLOSERS[content.kind];
  demand((content.effect_status ?? status) === status, "lifecycle.effect");
  const clean = (content.exit_code ?? 0) === 0 && !("signal" in content);
  demand(content.kind !== "task_completed" || clean, "lifecycle.effect");
}
