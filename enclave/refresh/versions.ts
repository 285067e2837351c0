// The versions of the party's data in this process: the one in service, and older ones for jobs whose plans name them.
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { LoadedDataset } from "../data/load.ts";
import { fixedData, ServiceData, withoutRecords, type DataViews } from "../data/views.ts";
import { isServing, type DatasetSummary, type JobPlan } from "../../federation/plan-schema.ts";

export type Version = {
  readonly dataset: LoadedDataset;
  /** What is published of it. */
  readonly summary: DatasetSummary;
  /** 1 = train, 0 = test by record, where the party gives a split. */
  readonly trainOf: Uint8Array | undefined;
};
/** dataset: of a service no more than what is declared. unfit: rejects when a service cannot go on. */
export type OpenedData = { readonly dataset: LoadedDataset; readonly trainOf: Uint8Array | undefined; readonly data: DataViews; readonly unfit?: Promise<never> };
/** A version that an open job of this enclave names in its plan. */
export type Pinned = { readonly snapshotDigest: string; readonly isRunning: boolean };

/** Of the plans of open jobs: services name none, they go on with whatever is in service. */
export function pinnedBy(plans: readonly JobPlan[], self: PartyId, isRunning: (job: JobId) => boolean): Pinned[] {
  return plans.flatMap((plan) => {
    const snapshotDigest = plan.datasets[self]?.snapshotDigest;
    return isServing(plan.kind) || snapshotDigest === undefined ? [] : [{ snapshotDigest, isRunning: isRunning(plan.job) }];
  });
}

/** Older versions in memory at once. */
export const mostKept = 2;

export class DataVersions {
  #current: Version;
  /** The oldest first. */
  #kept: readonly Version[] = [];
  readonly #services = new Map<ServiceData, (summary: DatasetSummary) => boolean>();
  #told: Promise<void> = Promise.resolve();

  constructor(first: Version) {
    this.#current = first;
  }

  get current(): Version {
    return this.#current;
  }

  get kept(): readonly Version[] {
    return this.#kept;
  }

  /** The version that a plan is about: of a service the present one, of a job the one that the plan names; undefined when that is no more. */
  of(plan: Pick<JobPlan, "kind" | "datasets">, self: PartyId): Version | undefined {
    if (isServing(plan.kind)) return this.#current;
    const snapshotDigest = plan.datasets[self]?.snapshotDigest;
    return [this.#current, ...this.#kept].find((version) => version.summary.snapshotDigest === snapshotDigest);
  }

  /** The data of a job as its parts see them. A service follows the version in service until this is disposed, and holds on to no version that is not.
   *  fits: whether the service's plan still holds for what would be published. Throws ENCLAVE_SNAPSHOT_CHANGED. */
  open(plan: Pick<JobPlan, "kind" | "datasets">, self: PartyId, fits: (summary: DatasetSummary) => boolean): OpenedData & Disposable {
    const version = this.of(plan, self);
    if (version === undefined) throw new AppError("ENCLAVE_SNAPSHOT_CHANGED");
    const { dataset, trainOf } = version;
    if (!isServing(plan.kind)) return { dataset, trainOf, data: fixedData(dataset), [Symbol.dispose]: () => undefined };
    const data = new ServiceData(dataset);
    this.#services.set(data, fits);
    return { dataset: withoutRecords(dataset), trainOf: undefined, data, unfit: data.unfit, [Symbol.dispose]: () => void this.#services.delete(data) };
  }

  /** Whether a further version can be taken now: those that running jobs need are never let go. */
  hasRoom(pinned: readonly Pinned[]): boolean {
    const running = new Set(pinned.filter((p) => p.isRunning).map((p) => p.snapshotDigest));
    return [...this.#kept, this.#current].filter((version) => running.has(version.summary.snapshotDigest)).length <= mostKept;
  }

  /** Puts another version in service, within one turn of the event loop: whoever asks next gets it. */
  replace(next: Version, pinned: readonly Pinned[]): void {
    const before = this.#current;
    this.#kept = [...this.#kept, before].filter((version) => version.summary.snapshotDigest !== next.summary.snapshotDigest);
    this.#current = next;
    this.release(pinned);
    const isSameKind = haveSameKinds(before.dataset, next.dataset);
    for (const [data, fits] of this.#services) data.renew(next.dataset, isSameKind && fits(next.summary));
  }

  /** Lets go of older versions that no open job names, and of more than may be kept: the oldest first that no job runs on. */
  release(pinned: readonly Pinned[]): void {
    const named = new Map(pinned.map((p) => [p.snapshotDigest, false]));
    for (const { snapshotDigest, isRunning } of pinned) if (isRunning) named.set(snapshotDigest, true);
    const digestOf = (version: Version): string => version.summary.snapshotDigest;
    let kept = this.#kept.filter((version) => named.has(digestOf(version)));
    while (kept.length > mostKept) {
      const idle = kept.find((version) => named.get(digestOf(version)) !== true);
      if (idle === undefined) break;
      kept = kept.filter((version) => version !== idle);
    }
    this.#kept = kept;
  }

  /** Tells of the version in service, one call after the other: what is told last is the newest. */
  tell(publish: (summary: () => DatasetSummary) => Promise<void>): Promise<void> {
    const next = this.#told.catch(() => undefined).then(() => publish(() => this.#current.summary));
    this.#told = next;
    next.catch(() => undefined);
    return next;
  }
}

/** A column that was numbers and is texts now is another one, whatever its name. */
function haveSameKinds(before: LoadedDataset, next: LoadedDataset): boolean {
  const kinds = new Map(before.features.map(({ name, kind }) => [name, kind]));
  return next.features.every(({ name, kind }) => (kinds.get(name) ?? kind) === kind);
}
