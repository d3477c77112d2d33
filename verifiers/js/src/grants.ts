/** Grants: given, handed on, taken back, used (section 6.4). */
import { demand } from "./fault.js";
import type { JsonObject } from "./json.js";
import type { Past, Ref } from "./past.js";
import type { People } from "./people.js";
import { TIERS } from "./shape.js";

const grantsOf = (refs: Ref[]): Past[] => refs.filter(([rel]) => rel === "grant").map(([, named]) => named);

/** An administrator gives, or somebody hands on what he holds. */
export function checkGrant(content: JsonObject, refs: Ref[], me: Past, people: People): void {
  const grants = grantsOf(refs);
  const [above] = grants;
  if (!above) {
    demand(people.isAdmin(content.principal), "lifecycle.not_admin");
    return;
  }
  demand(grants.length === 1, "lifecycle.grant_ref");
  checkHeld(above, content.principal, content.timestamp, people);
  me.above = above;
  const given = above.content;
  const inTime = given.expires === undefined || (content.expires !== undefined && content.expires <= given.expires);
  const narrower = within(content.scope, given.scope) && content.delegate < given.delegate;
  demand(inTime && narrower, "lifecycle.grant_wider");
}

/** An administrator takes a grant back, or whoever gave it. */
export function checkRevocation(content: JsonObject, refs: Ref[], people: People): void {
  const grants = grantsOf(refs);
  const [grant] = grants;
  demand(grant && grants.length === 1, "lifecycle.grant_ref");
  const may = content.principal === grant.content.principal || people.isAdmin(content.principal);
  demand(may, "lifecycle.not_admin");
  grant.end("lifecycle.grant_ended");
}

/** What a run stands on is its own and holds. */
export function checkGrantsOfRun(content: JsonObject, refs: Ref[], people: People): void {
  for (const grant of grantsOf(refs)) {
    checkHeld(grant, content.principal, content.timestamp, people);
    const owner = grant.content.on_behalf_of;
    demand(owner === undefined || owner === content.on_behalf_of, "lifecycle.grant_holder");
  }
}

function checkHeld(grant: Past, holder: string, at: string, people: People): void {
  demand(grant.content.to === holder, "lifecycle.grant_holder");
  demand(holds(grant, at, people), "lifecycle.grant_ended");
}

/** Whether a grant and all that it stands on hold at this moment. */
function holds(grant: Past, at: string, people: People): boolean {
  const { principal, expires, on_behalf_of: owner } = grant.content;
  if (grant.ended !== null || (expires !== undefined && expires <= at)) return false;
  if (owner !== undefined && !people.has(owner)) return false;
  if (grant.above === null) return people.isAdmin(principal);
  return people.has(principal) && holds(grant.above, at, people);
}

/** Whether a glob, `*` for any text, speaks of a name. */
function matches(glob: string, name: string): boolean {
  const [first = "", ...rest] = glob.split("*");
  const last = rest.pop();
  if (last === undefined) return first === name;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - at >= last.length && name.endsWith(last);
}

/** Whether every resource is one of those above; a kind that is not named is not limited. */
function withinResources(narrow: string[], wide: string[]): boolean {
  const kind = (text: string) => text.slice(0, text.indexOf(":"));
  const name = (text: string) => text.slice(text.indexOf(":") + 1);
  const [kinds, limited] = [new Set(narrow.map(kind)), new Set(wide.map(kind))];
  const named = [...limited].every((one) => kinds.has(one));
  const covered = (text: string) =>
    wide.some((own) => kind(own) === kind(text) && matches(name(own), name(text)));
  return named && narrow.every((text) => !limited.has(kind(text)) || covered(text));
}

/** Whether one scope gives no more than another. */
function within(narrow: JsonObject, wide: JsonObject): boolean {
  if ("up_to" in wide) {
    if (!("up_to" in narrow) || TIERS.indexOf(narrow.up_to) > TIERS.indexOf(wide.up_to)) return false;
  }
  if ("assume" in narrow || "assume" in wide) return narrow.assume === wide.assume;
  if (!withinResources(narrow.resources ?? [], wide.resources ?? [])) return false;
  const mine = new Set(wide.commands);
  const covered = (command: string) => mine.has(command) || mine.has(command.split(" ")[0]);
  return mine.has("*") || narrow.commands.every(covered);
}
