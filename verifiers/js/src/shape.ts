/** The members of a receipt and of its content (sections 2 and 3), and the spellings of values. */
import { fromBase64 } from "./bytes.js";
import { demand } from "./fault.js";
import type { Json, JsonObject } from "./json.js";

/** Most groups of an escalation or a principal. */
const GROUPS_MAX = 64;
/** Longest resource of a grant. */
const RESOURCE_BYTES_MAX = 256;
/** Most commands or resources of a grant, and most levels that it may be handed on. */
const [GRANT_COMMANDS_MAX, DELEGATION_MAX] = [64, 8];

type Fits = (value: Json) => boolean;
type Members = Record<string, Fits>;

export const isObject: Fits = (value) => typeof value === "object" && !Array.isArray(value);
const isText: Fits = (value) => typeof value === "string";
const isBool: Fits = (value) => typeof value === "boolean";
const isCount: Fits = (value) => typeof value === "number" && value >= 0;
const isPositive: Fits = (value) => typeof value === "number" && value > 0;
const spelled = (pattern: RegExp): Fits => (value) => isText(value) && pattern.test(value);
const oneOf = (...words: string[]): Fits => (value) => words.includes(value);
const base64Of = (size: number): Fits => (value) => isText(value) && fromBase64(value)?.length === size;
const arrayOf = (fits: Fits): Fits => (value) => Array.isArray(value) && value.every(fits);
const isGroups: Fits = (value) => arrayOf(isText)(value) && value.length <= GROUPS_MAX;
const alike = (names: string[], fits: Fits): Members => Object.fromEntries(names.map((name) => [name, fits]));

/** An object with these members, each as it should be, and perhaps others. */
const record = (required: Members, optional: Members = {}): Fits => (value) =>
  isObject(value) &&
  Object.entries(required).every(([name, fits]) => name in value && fits(value[name])) &&
  Object.entries(optional).every(([name, fits]) => !(name in value) || fits(value[name]));

const TIME = /^([0-9]{4})-([0-9]{2})-([0-9]{2})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z$/;
const isTime: Fits = (value) => {
  const found = isText(value) ? TIME.exec(value) : null;
  if (!found || Number(found[1]) < 1970) return false;
  const date = new Date(value);
  // The thirtieth of February would become a day in March.
  return !Number.isNaN(date.getTime()) && date.toISOString() === value;
};
const isHash = spelled(/^[0-9a-f]{64}$/);
const isReceiptId = spelled(/^r_[0-9a-f]{16}$/);
const isPrincipal = spelled(/^p_[0-9a-f]{16}$/);
const isKeyId = spelled(/^[A-Za-z0-9._-]+\+[0-9a-f]{8}$/);
const isOrigin: Fits = (value) =>
  isText(value) && value.length <= 255 && /^[A-Za-z0-9.-]+\/t\/[0-9a-f]{32}$/.test(value);
const isEpoch = spelled(/^e(?:0|[1-9][0-9]{0,14})$/);
const isSignature = base64Of(64);

const isStatementId = spelled(/^[0-9a-f]{16}$/);
const isTokenId = spelled(/^t_[0-9a-f]{16}$/);

export const TIERS = ["LOW", "MEDIUM", "HIGH", "CRITICAL"];

const RECEIPT: Members = {
  content: isObject, ed25519_sig: isSignature, entry_hash: isHash, hmac: isHash, prev_hash: isHash,
  receipt_id: isReceiptId, timestamp: isTime,
};
const EVERY_KIND = record(
  {
    log_origin: isOrigin, seq: isCount, receipt_id: isReceiptId, timestamp: isTime, key_id: isKeyId,
    hmac_key_id: isEpoch, policy_version: isText, policy_hash: isHash,
  },
  { clock: oneOf("stepped") },
);
const GATES = [
  "standing", "identity", "authority", "specification", "policy", "risk", "failfast", "approval", "budget", "window",
];
const REASONS = arrayOf(record({ code: isText }, { policy_id: isText, control: isText }));
const GATE_LIST = arrayOf(
  record({ gate: isText, reasons: REASONS, outcome: oneOf("pass", "escalate", "deny", "not_applicable") }),
);
const isGates: Fits = (value) =>
  GATE_LIST(value) && value.map((item: JsonObject) => item.gate).join() === GATES.join();
const KNOWN: Members = {
  task_type: isText,
  layer_hit: spelled(/^(?:L[1-7]|L6\.5|ext:[^]+)$/),
  risk_tier: oneOf(...TIERS),
  ...alike(["classified", "truncated"], isBool),
  ...alike(["principal", "on_behalf_of"], isPrincipal),
  ...alike(["action_hash", "facts_hash", "output_hash", "spec_hash"], isHash),
  ...alike(["duration_us", "tokens_in", "tokens_out", "cost_microusd", "exit_code", "signal"], isCount),
  effect_status: oneOf("confirmed", "failed", "revoked", "unknown"),
  evidence: oneOf("proposed", "checked", "verified"),
  decision: record({ verdict: oneOf("admit", "escalate", "deny"), gates: isGates }),
  reasons: REASONS,
  draws: arrayOf(
    record({ budget: isText, actions: isCount }, { of: isPrincipal, tokens: isCount, microusd: isCount }),
  ),
  step: record(
    { at: isCount, item: isCount, attempt: isPositive },
    { role: oneOf("compensation", "reconciler") },
  ),
  runtime: record({ node: isText, version: isText, binary_sha256: isHash }),
  refs: arrayOf(record({
    receipt_id: isReceiptId,
    entry_hash: isHash,
    rel: oneOf(
      "intent", "dry_run", "escalation", "approval", "grant", "chain", "parent", "cron", "memory", "supersedes",
    ),
  })),
  signatures: arrayOf(record({ principal: isPrincipal, sshsig: isText })),
};
const ACTION: Members = Object.fromEntries(
  ["task_type", "runtime", "decision", "principal", "action_hash", "facts_hash", "risk_tier"]
    .map((name) => [name, KNOWN[name] as Fits]),
);
const NAMED_KEY = record({ key_id: isKeyId, public_key: base64Of(32) });
const KEY_OBJECT = record({
  _type: oneOf("cascade/key/v1"), log_origin: isOrigin, purpose: oneOf("receipt", "log", "recovery"),
  key_id: isKeyId, public_key: base64Of(32), pop: isSignature,
});
const REVOCATION = record(
  {
    _type: oneOf("cascade/revocation/v1"), log_origin: isOrigin, key_id: isKeyId, reason_code: isText,
    compromised_since: isTime,
  },
  { replacement: KEY_OBJECT },
);
/** `kind:glob`, as a grant may name it. */
const isResource: Fits = (value) =>
  isText(value) && new TextEncoder().encode(value).length <= RESOURCE_BYTES_MAX && /^[a-z]+:./su.test(value);
/** What a grant gives: `assume` or `commands`, never both; `resources` beside `commands` only. */
const isScope: Fits = (value) =>
  record(
    {},
    { up_to: oneOf(...TIERS), assume: isPrincipal, commands: arrayOf(isText), resources: arrayOf(isResource) },
  )(value) &&
  "assume" in value !== "commands" in value &&
  !("assume" in value && "resources" in value) &&
  (!("resources" in value) || (value.resources.length > 0 && value.resources.length <= GRANT_COMMANDS_MAX)) &&
  (value.commands ?? []).length <= GRANT_COMMANDS_MAX;
const END: Members = {
  principal: isPrincipal, spec_hash: isHash,
  steps: record(alike(["completed", "failed", "skipped", "unknown"], isCount)),
};
const ANSWER: Members = { principal: isPrincipal, action_hash: isHash, expires: isTime };

/** Required and optional members of the kinds that have some of their own. */
const KINDS: Record<string, [Members, Members?]> = {
  genesis: [{
    keys: record(alike(["receipt", "log", "recovery"], NAMED_KEY)),
    admins: arrayOf(record({ principal: isPrincipal, ssh_key: isText })),
  }],
  dry_run: [ACTION],
  blocked: [ACTION],
  task_started: [ACTION],
  chain_started: [{ ...ACTION, spec_hash: isHash }],
  chain_completed: [END],
  chain_aborted: [END],
  escalation: [{
    ...ACTION, required: isPositive, groups: isGroups, expires: isTime, signature_required: isBool,
  }],
  schedule_changed: [{ ...ACTION, change: oneOf("added", "paused", "resumed", "removed") }],
  cron_invocation: [{ outcome: oneOf("run", "skip", "miss"), principal: isPrincipal }],
  approval: [ANSWER],
  denial: [ANSWER],
  x_break_glass_review: [
    { justified: isBool, principal: isPrincipal, statement_id: isStatementId },
    { reason_hash: isHash },
  ],
  approval_refused: [{ principal: isPrincipal, reasons: REASONS }],
  heartbeat: [{ segment: isCount, bytes: isCount, running_hash: isHash }],
  key_added: [{ key: KEY_OBJECT }, { recovery_sig: isSignature }],
  key_rotated: [{ key: KEY_OBJECT, retires: isKeyId }, { recovery_sig: isSignature }],
  key_revoked: [{ statement: REVOCATION, recovery_sig: isSignature }],
  clock_corrected: [{ from: isTime, to: isTime, recovery_sig: isSignature }],
  anchor: [{ checkpoint: isText, checkpoint_sha256: isHash }, { tst_sha256: isHash }],
  erasure: [{ erased: arrayOf(record({ receipt_id: isReceiptId, fields: arrayOf(isText) })) }],
  recovery: [{ dropped_bytes: isCount, dropped_sha256: isHash, orphans: isCount }],
  principal_added: [{ principal: isPrincipal, ssh_key: isText, groups: isGroups }],
  principal_removed: [{ principal: isPrincipal }],
  grant: [
    {
      principal: isPrincipal, to: isPrincipal, scope: isScope, statement_id: isStatementId,
      delegate: (value) => isCount(value) && value <= DELEGATION_MAX,
    },
    { expires: isTime },
  ],
  grant_revoked: [{ principal: isPrincipal, statement_id: isStatementId }],
  policy_activated: [{
    activates: record({ policy_version: isText, policy_hash: isHash }),
    principal: isPrincipal,
    statement_id: isStatementId,
  }],
  pack_activated: [{
    activates: record({ policy_version: isText, policy_hash: isHash }),
    pack: record({ active: isBool, hash: isHash, name: isText }),
    principal: isPrincipal,
    statement_id: isStatementId,
  }],
  halted: [{ principal: isPrincipal }, { reason_hash: isHash }],
  resumed: [{ principal: isPrincipal, statement_id: isStatementId }, { reason_hash: isHash }],
  secret_changed: [{
    change: spelled(/^(set|removed)$/),
    principal: isPrincipal,
    secret: isStatementId,
    secret_hash: isHash,
    statement_id: isStatementId,
  }],
  tenant_changed: [
    { change: oneOf("suspended", "active", "deleted"), principal: isPrincipal, statement_id: isStatementId },
    {
      of: record({ head: isHash, log_origin: isOrigin, root: isHash, size: isCount }),
      private_items: isCount, reason_hash: isHash, tenant_hash: isHash,
    },
  ],
  token_issued: [{
    expires: isTime,
    principal: isPrincipal,
    scopes: isGroups,
    statement_id: isStatementId,
    to: isPrincipal,
    token_hash: isHash,
    token_id: isTokenId,
  }],
  tool_pinned: [{
    definition_hash: isHash,
    principal: isPrincipal,
    server: isText,
    statement_id: isStatementId,
    tool: isText,
  }],
  token_revoked: [{ principal: isPrincipal, statement_id: isStatementId, token_id: isTokenId }],
};
const PLAIN_KINDS = new Set([
  "task_completed", "approval_expired", "break_glass", "task_failed", "task_revoked", "task_unknown",
  "memory_learned", "memory_forgotten",
]);

const GLASS: Members = { ...ACTION, groups: isGroups, review_due: isTime, statement_id: isStatementId };

/** Of a `schedule_changed` that adds one (section 6.7). */
const SCHEDULE: Members = { schedule: isStatementId, schedule_hash: isHash };
/** Of a `cron_invocation`, by its outcome. */
const INVOCATIONS: Record<string, [Members, Members?]> = {
  run: [{}, { due: isTime }],
  skip: [{ due: isTime }],
  miss: [{ due: isTime, until: isTime, count: isPositive }],
};

/** Whether the members of this kind are nobody's to check; those of `x_break_glass_review` are. */
export const isExtension = (kind: string): boolean => kind.startsWith("x_") && !Object.hasOwn(KINDS, kind);

/** A pinned tool that takes the place of another one. */
export const acceptsTool = (content: JsonObject): boolean =>
  content.kind === "tool_pinned" && (content.refs ?? []).some((ref: JsonObject) => ref.rel === "supersedes");

/** A break_glass that owes a review (section 6.5). */
export const isGlass = (content: JsonObject): boolean =>
  content.kind === "break_glass" && "review_due" in content;

/** A task_completed with a decision and without a ref of rel `intent` (section 3.1). */
export const isPure = (content: JsonObject): boolean =>
  content.kind === "task_completed" &&
  "decision" in content &&
  (content.refs ?? []).every((ref: JsonObject) => ref.rel !== "intent");

/** Demands the members of a receipt and of its content. */
export function checkShape(receipt: Json): asserts receipt is JsonObject {
  demand(isObject(receipt), "syntax.member");
  demand(Object.keys(receipt).every((name) => Object.hasOwn(RECEIPT, name)), "syntax.unknown_member");
  demand(record(RECEIPT)(receipt), "syntax.member");
  const content = receipt.content;
  demand(isText(content._type), "syntax.member");
  demand(content._type === "cascade/receipt/v1", "syntax.type");
  const kind = content.kind;
  demand(isText(kind), "syntax.member");
  const own = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  demand(own || PLAIN_KINDS.has(kind) || /^x_[a-z0-9_]+$/.test(kind), "syntax.kind");
  demand(EVERY_KIND(content), "syntax.member");
  if (isExtension(kind)) return;
  demand(record({}, KNOWN)(content), "syntax.member");
  demand(!own || record(...own)(content), "syntax.member");
  demand(!isPure(content) || record(ACTION)(content), "syntax.member");
  demand(!isGlass(content) || record(GLASS)(content), "syntax.member");
  const adds = kind === "schedule_changed" && content.change === "added";
  demand(!adds || record(SCHEDULE)(content), "syntax.member");
  const invocation = kind === "cron_invocation" ? INVOCATIONS[content.outcome] : undefined;
  demand(!invocation || record(...invocation)(content), "syntax.member");
}
