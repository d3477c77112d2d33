/** Whether anything may start, and whether anything may follow at all (section 6.8). */
import { demand } from "./fault.js";
import type { JsonObject } from "./json.js";
import type { Past } from "./past.js";

export class Standing {
  halted = false;
  private suspended = false;
  private deleted = false;

  /** Nothing follows the receipt that ended the chain. */
  checkGoesOn(): void {
    demand(!this.deleted, "lifecycle.deleted");
  }

  /** Something is about to run. */
  checkStart(): void {
    demand(!this.halted, "lifecycle.halted");
    demand(!this.suspended, "lifecycle.suspended");
  }

  /** A tenant_changed: of this chain, or about the end of another one. */
  change(content: JsonObject, past: Map<string, Past>): void {
    if ("of" in content) {
      const another = content.of.log_origin !== content.log_origin;
      demand(content.change === "deleted" && another, "lifecycle.tenant");
    } else if (content.change === "deleted") {
      const inFlight = [...past.values()].some((one) => one.kind === "task_started" && !one.closed);
      demand(this.suspended && !inFlight, "lifecycle.tenant");
      this.deleted = true;
    } else {
      this.suspended = content.change === "suspended";
    }
  }
}
