// The versions of the data in one process: who sees which, and when an older one is let go.
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { assert } from "chai";
import { describe, it } from "mocha";
import type { EntityId, JobId } from "../../../core/brand.ts";
import { AppError } from "../../../core/errors.ts";
import { Records } from "../../../enclave/data/records.ts";
import { fitsData } from "../../../enclave/policy.ts";
import { DataVersions, mostKept, pinnedBy, type Pinned, type Version } from "../../../enclave/refresh/versions.ts";
import type { DatasetSummary, JobPlan } from "../../../federation/plan-schema.ts";
import type { Feature } from "../../../models/features.ts";
import { power, summaryOf, tax } from "../../support/enclave.ts";

/** Full garbage collections, after what the event loop still holds. */
async function collect(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  for (let i = 0; i < 3; i++) {
    await setImmediate();
    gc();
  }
}
const ids = ["a", "b", "c"] as unknown as readonly EntityId[];
const digest = (n: number): string => String(n).repeat(64).slice(0, 64);
/** Version n: column x holds n for everybody. */
const version = (n: number, more: { readonly columns?: readonly Feature[]; readonly published?: Partial<DatasetSummary> } = {}): Version => {
  const features = more.columns ?? [{ kind: "numeric", name: "x", values: new Float64Array(3).fill(n), special: [] }];
  return {
    trainOf: undefined, summary: { ...summaryOf("filings", false, 3), features: 1, snapshotDigest: digest(n), ...more.published },
    dataset: { rows: 3, ids, records: new Records(ids), features, skipped: [], snapshotDigest: digest(n) },
  };
};
const planOf = (kind: JobPlan["kind"], n: number): JobPlan => ({ job: `job_000000000000000${n}`, kind, datasets: { tax: version(n).summary } }) as unknown as JobPlan;
const job = (n: number): JobPlan => planOf("score", n);
const pinned = (isRunning: boolean, ...plans: readonly JobPlan[]): Pinned[] => pinnedBy(plans, tax, () => isRunning);
const valueOf = ({ dataset: { features: [x] } }: Version): number | undefined => (x?.kind === "numeric" ? x.values[0] : undefined);

describe("versions of the data", () => {
  it("are what a plan names, also when another one is in service, for as long as a job that names it is open", () => {
    const data = new DataVersions(version(1));
    const first = job(1);
    data.replace(version(2), pinned(true, first));
    assert.equal(valueOf(data.current), 2);
    assert.equal(valueOf(data.of(first, tax) as Version), 1);
    assert.equal(valueOf(data.of(job(2), tax) as Version), 2);
    data.release(pinned(false, first));
    assert.lengthOf(data.kept, 1);
    data.release([]);
    assert.isUndefined(data.of(first, tax), "it ended");
    assert.lengthOf(data.kept, 0);
  });
  it("are not kept for services or for other parties' data, and a version that comes back is the present one", () => {
    const plan = planOf("verify", 1);
    assert.deepEqual(pinnedBy([plan], tax, () => true), []);
    assert.deepEqual(pinnedBy([job(1)], power, () => true), []);
    const data = new DataVersions(version(1));
    data.replace(version(2), pinned(true, job(1)));
    data.replace(version(1), pinned(true, job(1), job(2)));
    assert.deepEqual(data.kept.map(valueOf), [2]);
  });
  it("are bounded: those that only waiting jobs name go first, and running jobs hold up the next", () => {
    const data = new DataVersions(version(1));
    const [one, two, three] = [job(1), job(2), job(3)];
    const running = (...names: readonly string[]) => pinnedBy([one, two, three], tax, (id: JobId) => names.includes(id));
    data.replace(version(2), running());
    data.replace(version(3), running());
    assert.lengthOf(data.kept, mostKept);
    assert.isTrue(data.hasRoom(running(one.job)));
    data.replace(version(4), running(one.job));
    assert.deepEqual(data.kept.map(valueOf), [1, 3], "the oldest that no job runs on");
    assert.isTrue(data.hasRoom(running(one.job, three.job)));
    data.replace(version(5), running(one.job, three.job));
    assert.deepEqual(data.kept.map(valueOf), [1, 3]);
    const all = [...running(one.job, three.job), { snapshotDigest: digest(5), isRunning: true }];
    assert.isFalse(data.hasRoom(all));
  });
  it("reach a service with the next question, all of its views at once", () => {
    const data = new DataVersions(version(1));
    const plan = planOf("verify", 1);
    using opened = data.open(plan, tax, () => true);
    const x = opened.data.view(({ features }) => features[0]);
    const rows = opened.data.view(({ snapshotDigest }) => snapshotDigest);
    const seen = x.now;
    data.replace(version(2), []);
    assert.deepEqual([rows.now, x.now?.kind === "numeric" && x.now.values[0]], [digest(2), 2]);
    assert.equal(seen?.kind === "numeric" && seen.values[0], 1, "what is being answered ends with its version");
  });
  it("are let go by a service that goes on: nothing of it holds the version of before", async () => {
    const data = new DataVersions(version(1));
    const before = new WeakRef(data.current.dataset.features);
    using opened = data.open(planOf("verify", 1), tax, () => true);
    const seen = opened.data.view(({ features }) => ({ features }));
    await collect();
    assert.isDefined(before.deref());
    data.replace(version(2), []);
    await collect();
    assert.isUndefined(before.deref());
    assert.lengthOf(seen.now.features, 1);
    assert.throws(() => data.open(job(1), tax, () => true), "ENCLAVE_SNAPSHOT_CHANGED");
  });
  it("do not change under a job, nor under a service that has ended", () => {
    const data = new DataVersions(version(1));
    const fixed = data.open(job(1), tax, () => true);
    const ended = data.open(planOf("verify", 1), tax, () => true);
    const views = [fixed, ended].map(({ data: of }) => of.view(({ snapshotDigest }) => snapshotDigest));
    ended[Symbol.dispose]();
    data.replace(version(2), []);
    assert.deepEqual(views.map((v) => v.now), [digest(1), digest(1)]);
  });
  it("end a service that needs a column which is gone or is of another kind, or whose plan no longer fits: no view of it is half new", async () => {
    const other: readonly Feature[] = [{ kind: "numeric", name: "y", values: new Float64Array(3), special: [] }];
    const texts: readonly Feature[] = [{ kind: "categorical", name: "x", levels: ["a"], codes: new Int32Array(3) }];
    for (const [next, fits] of [[version(2, { columns: other }), true], [version(2, { columns: texts }), true], [version(2), false]] as const) {
      const data = new DataVersions(version(1));
      using opened = data.open(planOf("serve", 1), tax, () => fits);
      using beside = data.open(planOf("serve", 1), tax, () => true);
      const digestOf = opened.data.view(({ snapshotDigest }) => snapshotDigest);
      const x = opened.data.view(({ features }) => {
        const found = features.find((f) => f.name === "x");
        if (found === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
        return found;
      });
      const free = beside.data.view(({ snapshotDigest }) => snapshotDigest);
      data.replace(next, []);
      const why: unknown = await opened.unfit?.catch((error: unknown) => error);
      assert.equal(why instanceof AppError && why.code, "ENCLAVE_SNAPSHOT_CHANGED");
      assert.deepEqual([digestOf.now, x.now.kind], [digest(1), "numeric"]);
      if (next.dataset.features[0]?.kind === "numeric") assert.equal(free.now, digest(2), "others go on");
    }
  });
  it("fit a service's plan as they would after a restart: whatever their size and digest, not with other items", () => {
    const plan = planOf("serve", 1);
    assert.isTrue(fitsData(plan, tax, { ...version(2).summary, rows: 7 }));
    assert.isFalse(fitsData(plan, tax, { ...version(1).summary, features: 2 }));
    assert.isFalse(fitsData(job(1), tax, version(2).summary));
  });
  it("are told one after the other: what is told last is the newest", async () => {
    const data = new DataVersions(version(1));
    const told: string[] = [];
    const gate = Promise.withResolvers<void>();
    const first = data.tell(async (summary) => {
      await gate.promise;
      told.push(summary().snapshotDigest);
    });
    data.replace(version(2), []);
    const second = data.tell(async (summary) => void told.push(summary().snapshotDigest));
    gate.resolve();
    await Promise.all([first, second]);
    assert.deepEqual(told, [digest(2), digest(2)]);
    await data.tell(() => Promise.reject(new AppError("AUTH_SUSPENDED"))).catch(() => undefined);
    await data.tell(async () => void told.push("again"));
    assert.equal(told.at(-1), "again", "one that failed holds up nothing");
  });
});

describe("the record of each company", () => {
  it("is the same whether it is found at once or made ahead in steps", async () => {
    const many = Array.from({ length: 40_000 }, (_, i) => `c${i}`);
    const [lazy, made] = [new Records(many), new Records(many)];
    await made.make();
    assert.isFalse(lazy.isMade);
    for (const id of ["c0", "c16383", "c16384", "c39999"]) assert.deepEqual([lazy.get(id), made.get(id)], [Number(id.slice(1)), Number(id.slice(1))]);
    assert.isUndefined(lazy.get("c40000"));
    assert.isTrue(lazy.isMade);
  });
});
