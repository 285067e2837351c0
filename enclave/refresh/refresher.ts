// Takes new data while the enclave runs: looks at the files by the clock and at what the operator asks for, loads beside the other work, checks as at the start, and
// only then puts the new version in service. What cannot be taken leaves the old one there, and is said with its code in the log, the audit log and the operator's view.
import { setTimeout as delay } from "node:timers/promises";
import type { Audit } from "../../audit/trail.ts";
import { canonicalJson } from "../../core/canonical.ts";
import type { Env } from "../../core/env.ts";
import { AppError, isAppError, type Code, type Facts } from "../../core/errors.ts";
import { isStoppedError } from "../../audit/log.ts";
import { refreshSchema, type EnclaveConfig, type RefreshConfig } from "../config.ts";
import { loadApart, type OwnVersion } from "../data/apart.ts";
import { codeOf } from "../fault.ts";
import type { Policy } from "../policy.ts";
import { summaryOf } from "../summary.ts";
import type { Platform } from "../transport/platform.ts";
import { reach } from "../transport/reach.ts";
import { filesStamp, stampNow } from "./files.ts";
import { Settling } from "./settling.ts";
import { checkExpected } from "./shape.ts";
import type { Cause, Ended, Refresh, RefreshStore } from "./store.ts";
import type { DataVersions, Pinned, Version } from "./versions.ts";

export type RefresherParts = {
  readonly config: EnclaveConfig; readonly env: Env; readonly memoryKey: Uint8Array; readonly store: RefreshStore; readonly data: DataVersions; readonly audit: Pick<Audit, "record" | "check">;
  readonly platform: Pick<Platform, "publishDataset">; readonly policy: () => Policy | undefined;
  /** The stamp of the files (files.ts) before the version in service was loaded. */
  readonly loadedStamp: string;
  /** Versions that open jobs name. */
  readonly pinned: () => readonly Pinned[];
  /** What was kept for versions that are no more. */
  readonly sweep: (snapshots: readonly string[]) => void;
  /** Stands for loading in a thread, in tests. */
  readonly load?: (signal: AbortSignal) => Promise<OwnVersion>;
};

/** How soon an operator's request is seen. */
const askedEveryMs = 1_000;
/** When files that could not be taken are tried again although nothing changed: a disk was full, or memory short. */
const againMs = 3_600_000;

/** What a new version of the party's data is, with what is published of it. */
export function versionOf(config: EnclaveConfig, { dataset, trainOf }: OwnVersion, policy: Policy | undefined): Version {
  return { dataset, trainOf, summary: summaryOf(config, dataset, policy) };
}

export class DataRefresher {
  readonly #p: RefresherParts;
  readonly #o: RefreshConfig;
  readonly #settling: Settling;
  #lookAgainAt = -Infinity;
  #lookedAt = -Infinity;
  /** The platform did not take what was told of the version in service. */
  #isUntold = false;
  /** Files that wait, and for what: said once. */
  #waits = "";

  constructor(parts: RefresherParts) {
    this.#p = parts;
    this.#o = refreshSchema.parse(parts.config.refresh ?? {});
    this.#settling = new Settling(parts.loadedStamp, { settleMs: this.#o.settleSeconds * 1000, againMs });
  }

  /** Says what the enclave was started with; an open request is answered by that. Then looks until the signal aborts. */
  async serve(signal: AbortSignal): Promise<void> {
    const { store, data, env } = this.#p;
    const { rows, snapshotDigest } = data.current.summary;
    const isSame = store.view().inService?.snapshotDigest === snapshotDigest;
    store.end(store.asked(), "start", env.now(), { state: isSame ? "unchanged" : "taken", rows, snapshotDigest });
    while (!signal.aborted) {
      await delay(askedEveryMs, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await this.tick(signal);
    }
  }

  /** Does what is due. A fault of its own is logged: it ends nothing. */
  async tick(signal: AbortSignal): Promise<void> {
    const { env, store } = this.#p;
    try {
      const requests = store.asked();
      const isTime = this.#isTime();
      if (isTime && this.#isUntold) this.#tell(signal);
      if (requests.length > 0) await this.#take("operator", requests, signal);
      else if (this.#o.automatic && isTime) {
        const next = this.#settling.look(await stampNow(this.#p.config), env.now());
        if (next === "settle") this.#lookAgainAt = -Infinity;
        else if (next === "load") await this.#take("files", [], signal);
      }
    } catch (error) {
      if (!signal.aborted) env.log.error("data-refresh-failed", { code: codeOf(error) });
    }
  }

  #isTime(): boolean {
    const now = this.#p.env.now();
    // A clock that was put back must not stop it.
    if (now < this.#lookAgainAt && now >= this.#lookedAt) return false;
    this.#lookedAt = now;
    this.#lookAgainAt = now + this.#o.everySeconds * 1000;
    return true;
  }

  async #take(cause: Cause, requests: readonly Refresh[], signal: AbortSignal): Promise<void> {
    const { env, store, data } = this.#p;
    const stamp = await stampNow(this.#p.config);
    const before = data.current.summary;
    let taken: boolean;
    try {
      taken = await this.#load(stamp, requests.some((r) => r.accept), { cause, signal });
    } catch (error) {
      if (signal.aborted) return;
      return this.#refused(error, { cause, requests, stamp });
    }
    this.#settling.loaded(stamp);
    this.#waits = "";
    const { rows, snapshotDigest } = data.current.summary;
    if (taken) env.log.info("data-refreshed", { rows, before: before.rows, kept: data.kept.length });
    if (taken || requests.length > 0) store.end(requests, cause, env.now(), { state: taken ? "taken" : "unchanged", rows, before: before.rows, snapshotDigest });
  }

  /** Whether another version is in service now. Throws DATA_*, CATALOGUE_*, SPLIT_* and what keeps it out. */
  async #load(stamp: string, accept: boolean, { cause, signal }: { readonly cause: Cause; readonly signal: AbortSignal }): Promise<boolean> {
    const { config, env, data, memoryKey, policy, pinned, audit, load = (stop) => loadApart(config, memoryKey, { log: env.log, signal: stop }) } = this.#p;
    // Names what is wrong with files that cannot be looked at.
    await filesStamp(config);
    audit.check();
    if (!data.hasRoom(pinned())) throw new AppError("DATA_REFRESH_HELD");
    const before = data.current;
    const next = versionOf(config, await load(signal), policy());
    // Each file was whole while it was read; all of them are of one moment only if none has changed since.
    if ((await stampNow(config)) !== stamp) throw new AppError("DATA_FILE_CHANGED");
    if (areSame(before, next)) return false;
    if (!accept) checkExpected(before, next, this.#o.leastRowsPercent);
    if (before.dataset.records.isMade) await next.dataset.records.make();
    if (!data.hasRoom(pinned())) throw new AppError("DATA_REFRESH_HELD");
    signal.throwIfAborted();
    await audit.record({
      actor: { role: cause === "operator" ? "operator" : "enclave" }, action: "data.taken", objects: { before: before.summary.snapshotDigest, after: next.summary.snapshotDigest },
      facts: { rows: next.summary.rows },
    });
    signal.throwIfAborted();
    data.replace(next, pinned());
    this.#p.sweep([next, ...data.kept].map((version) => version.summary.snapshotDigest));
    this.#tell(signal);
    return true;
  }

  /** Plans are compiled from what was told last; until the platform has it, its plans are refused with ENCLAVE_SNAPSHOT_CHANGED. */
  #tell(signal: AbortSignal): void {
    const { data, platform, env } = this.#p;
    this.#isUntold = false;
    data.tell((summary) => reach(() => platform.publishDataset(summary()), { signal, log: env.log })).catch((error: unknown) => {
      this.#isUntold = true;
      if (!signal.aborted) env.log.error("data-not-published", { code: codeOf(error) });
    });
  }

  async #refused(fault: unknown, { cause, requests, stamp }: { readonly cause: Cause; readonly requests: readonly Refresh[]; readonly stamp: string }): Promise<void> {
    const { env, store, data, audit } = this.#p;
    const [code, facts]: [Code, Facts] = isAppError(fault) ? [fault.code, fault.facts] : ["JOB_INTERNAL", {}];
    // What the files are not the reason for passes: they are looked at again.
    const isWaiting = code === "DATA_REFRESH_HELD" || isStoppedError(fault);
    if (code === "DATA_FILE_CHANGED") this.#settling.changed();
    else if (!isWaiting) this.#settling.refused(stamp, env.now());
    const isSaid = isWaiting && this.#waits === `${code} ${stamp}`;
    this.#waits = isWaiting ? `${code} ${stamp}` : "";
    if (!isSaid) env.log.warn("data-not-taken", { code, ...facts });
    // A request stands until there is room.
    if (code === "DATA_REFRESH_HELD" && requests.length > 0) return store.wait(requests, code);
    if (isSaid && requests.length === 0) return;
    const { rows, snapshotDigest } = data.current.summary;
    const ended: Ended = { state: "refused", code, facts, rows, before: rows, snapshotDigest };
    store.end(requests, cause, env.now(), ended);
    // While the audit log takes nothing, the row above says it.
    await audit.record({ actor: { role: "enclave" }, action: "data.refused", objects: { snapshot: snapshotDigest }, outcome: code }).catch(() => undefined);
  }
}

function areSame(a: Version, b: Version): boolean {
  const splits = [a.trainOf, b.trainOf].map((part) => (part === undefined ? "" : Buffer.from(part).toString("latin1")));
  return canonicalJson(a.summary) === canonicalJson(b.summary) && splits[0] === splits[1];
}

/** Starts it; disposing stops it, also in the middle of loading, and waits. */
export function startRefresher(parts: RefresherParts): AsyncDisposable {
  const stop = new AbortController();
  const running = new DataRefresher(parts).serve(stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) parts.env.log.error("data-refresh-failed", { code: codeOf(error) });
  });
  return {
    async [Symbol.asyncDispose]() {
      stop.abort(new AppError("JOB_CANCELLED"));
      await running;
    },
  };
}
