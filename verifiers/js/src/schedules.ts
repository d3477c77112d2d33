/** Schedules, and what became of the times at which they were due (section 6.7). */
import { demand } from "./fault.js";
import type { JsonObject } from "./json.js";
import type { Past, Ref } from "./past.js";
import type { Standing } from "./standing.js";

const OF_SCHEDULES = ["schedule_changed", "cron_invocation"];

/** What a ref of rel `cron` of this kind of receipt names. */
export function checkCronRef(kind: string, named: Past): void {
  if (OF_SCHEDULES.includes(kind)) {
    demand(named.schedule, "lifecycle.ref_kind");
    return;
  }
  demand(named.kind === "cron_invocation", "lifecycle.ref_kind");
  demand(named.starts, "lifecycle.cron_run");
}

const cronOf = (refs: Ref[]): Past[] => refs.filter(([rel]) => rel === "cron").map(([, named]) => named);

/** A schedule is added, paused, resumed or removed. */
export function checkSchedule(content: JsonObject, refs: Ref[]): void {
  const named = cronOf(refs);
  const [schedule] = named;
  if (content.change === "added") {
    demand(named.length === 0, "lifecycle.cron_ref");
    return;
  }
  demand(schedule && named.length === 1, "lifecycle.cron_ref");
  const change: string = content.change;
  const fits = change === "removed" || schedule.paused === (change === "resumed");
  demand(!schedule.closed && fits, "lifecycle.schedule_state");
  [schedule.paused, schedule.closed] = [change === "paused", change === "removed"];
  if (change === "resumed") schedule.since = content.timestamp;
}

/** What became of a time at which a schedule was due. */
export function checkInvocation(content: JsonObject, refs: Ref[], me: Past, standing: Standing): void {
  if (me.starts) standing.checkStart();
  const named = cronOf(refs);
  const [schedule] = named;
  demand(schedule && named.length === 1, "lifecycle.cron_ref");
  demand(!schedule.closed && !schedule.paused, "lifecycle.schedule_state");
  if (!("due" in content)) return;
  const due: string = content.due;
  const end: string = content.outcome === "miss" ? content.until : due;
  demand(schedule.since < due && due <= end && end <= content.timestamp, "lifecycle.cron_due");
  demand(due > schedule.through, "lifecycle.cron_twice");
  schedule.through = end;
}

/** What runs for an invocation is the only thing that does. */
export function checkCronOfRun(refs: Ref[]): void {
  for (const invocation of cronOf(refs)) {
    demand(!invocation.closed, "lifecycle.cron_twice");
    invocation.closed = true;
  }
}
