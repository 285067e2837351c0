// Tells the platform which versions of a bank's served models stand where: digests, states and shares, again until it has them.
import { setTimeout as delay } from "node:timers/promises";
import type { ServedModels } from "../../api/contract/outcomes.ts";
import type { Env } from "../../core/env.ts";
import { isAppError } from "../../core/errors.ts";
import { replay, shareOf, type Deployment } from "../../serving/registry/machine.ts";
import type { ReportDesk } from "../reports.ts";
import type { StateDatabase } from "../store/database.ts";
import { ServingStore } from "./store.ts";

/** What leaves of a deployment: no reason, no person, no company. */
export function servedModelsOf({ name, revision, changedAt, versions }: Deployment): ServedModels {
  return {
    version: 1, deployment: name, revision, changedAt: new Date(changedAt).toISOString(),
    versions: versions.map((v) => ({ version: v.version, model: v.model, state: v.state, share: shareOf(v), evaluation: v.evaluations.at(-1)?.digest ?? null })),
  };
}

export class ServingReports {
  readonly #p: { readonly db: StateDatabase; readonly desk: Pick<ReportDesk, "send">; readonly env: Env };

  constructor(parts: { readonly db: StateDatabase; readonly desk: Pick<ReportDesk, "send">; readonly env: Env }) {
    this.#p = parts;
  }

  /** Ticks until the signal aborts. */
  async serve(signal: AbortSignal, everyMs = 10_000): Promise<void> {
    while (!signal.aborted) {
      await this.tick();
      await delay(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async tick(): Promise<void> {
    const { db, desk, env } = this.#p;
    const store = new ServingStore(db);
    const told = new Map(db.all("select deployment, revision from serving_told").map((r) => [String(r["deployment"]), Number(r["revision"])]));
    for (const [name, revision] of store.revisions()) {
      if (told.get(name) === revision) continue;
      try {
        const state = replay(store.events(name));
        if (state === undefined) continue;
        await desk.send("served-models", servedModelsOf(state));
        db.run("insert or replace into serving_told values (?, ?)", name, state.revision);
      } catch (error) {
        env.log.warn("serving.not-told", { deployment: name, code: isAppError(error) ? error.code : "JOB_INTERNAL" });
      }
    }
  }
}
