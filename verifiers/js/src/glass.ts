/** Broken glass: signed by who answers for it, good for one run, reviewed by somebody else (section 6.5). */
import { demand } from "./fault.js";
import type { JsonObject } from "./json.js";
import type { Past, Ref } from "./past.js";
import type { People } from "./people.js";
import type { Standing } from "./standing.js";

/** A `break_glass` that owes a review. */
export function checkGlass(content: JsonObject, me: Past, standing: Standing, people: People): void {
  standing.checkStart();
  demand(content.decision.verdict === "admit", "lifecycle.verdict");
  demand(content.review_due > content.timestamp, "lifecycle.expired");
  me.glass = true;
  me.signerKey = people.keyOf(content.principal);
}

/** What runs past the gates is what was signed for, once; `bound` are the actions that must name theirs. */
export function checkGlassOfRun(content: JsonObject, refs: Ref[], bound: Set<string>): void {
  const broken = refs.filter(([rel, named]) => rel === "parent" && named.glass).map(([, named]) => named);
  for (const glass of broken) {
    demand(glass.content.action_hash === content.action_hash, "lifecycle.action_hash");
    demand(glass.content.principal === content.principal, "lifecycle.signer");
    demand(!glass.closed, "lifecycle.approval_reused");
    glass.closed = true;
  }
  demand(broken.length > 0 || !bound.has(content.action_hash), "lifecycle.approvals_missing");
}

/** An `x_break_glass_review`. */
export function checkReview(content: JsonObject, refs: Ref[], people: People): void {
  const [about] = refs;
  demand(about && refs.length === 1 && about[1].glass, "lifecycle.subject");
  const key = people.keyOf(content.principal);
  const own = about[1].content.principal === content.principal;
  demand(!own && (key === null || key !== about[1].signerKey), "lifecycle.self_approval");
  demand(people.eligible(content.principal, about[1]), "lifecycle.not_eligible");
}
