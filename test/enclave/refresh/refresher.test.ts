// New data of a running enclave, with files and threads as they are: what is taken, what is not, and what is said of it.
import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { AuditEvent } from "../../../audit/entry.ts";
import { silentLog } from "../../../core/env.ts";
import { AppError, type Code } from "../../../core/errors.ts";
import { systemRng } from "../../../core/rng.ts";
import { enclaveConfigSchema, type EnclaveConfig } from "../../../enclave/config.ts";
import { loadApart, type OwnVersion } from "../../../enclave/data/apart.ts";
import { loadOwn } from "../../../enclave/data/own.ts";
import { filesStamp } from "../../../enclave/refresh/files.ts";
import { DataRefresher, startRefresher, versionOf, type RefresherParts } from "../../../enclave/refresh/refresher.ts";
import { RefreshStore } from "../../../enclave/refresh/store.ts";
import { DataVersions, type Pinned } from "../../../enclave/refresh/versions.ts";
import { StateDatabase } from "../../../enclave/store/database.ts";
import type { DatasetSummary } from "../../../federation/plan-schema.ts";
import { temporaryFolder } from "../../support/enclave.ts";
import { keptLog } from "../../support/platform.ts";
import { eventually } from "../../support/process.ts";

const key = new Uint8Array(32).fill(7);
const rows = (from: number, to: number, x = 1): string => Array.from({ length: to - from }, (_, i) => `c${from + i},${x * (from + i)},k${(from + i) % 3},t${from + i}\n`).join("");
const table = (from: number, to: number, x = 1): string => `id,x,kind,text\n${rows(from, to, x)}`;

describe("new data of a running enclave", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let db: StateDatabase;
  let now: number;
  let logs: string[];
  let audited: AuditEvent[];
  let told: DatasetSummary[];
  let swept: (readonly string[])[];
  let pins: Pinned[];
  let isStopped: boolean;
  const signal = new AbortController().signal;
  const file = (name = "t.csv"): string => join(folder.path, name);
  const configOf = (more: object = {}, dataset: object = {}): EnclaveConfig => enclaveConfigSchema.parse({
    version: 1, party: "tax", platform: "https://127.0.0.1:1", dataFolder: folder.path, ...more,
    dataset: { name: "t", idColumn: "id", idKind: "opaque", features: "t.csv", columns: { text: { ignore: true } }, verification: { text: { column: "text", type: "text" } }, ...dataset },
  });
  /** An enclave that has loaded what lies there. */
  const begin = async (config = configOf(), more: Partial<RefresherParts> = {}) => {
    const loadedStamp = await filesStamp(config);
    const data = new DataVersions(versionOf(config, await loadApart(config, key, { log: silentLog }), undefined));
    const store = new RefreshStore(db);
    const parts: RefresherParts = {
      config, env: { rng: systemRng, now: () => now, log: keptLog(logs) }, memoryKey: key, store, data, policy: () => undefined, loadedStamp, pinned: () => pins,
      sweep: (snapshots) => swept.push(snapshots), platform: { publishDataset: async (summary) => void told.push(summary) },
      audit: {
        record: async (event) => void audited.push(event),
        check: () => {
          if (isStopped) throw new AppError("AUDIT_STOPPED");
        },
      },
      ...more,
    };
    const refresher = new DataRefresher(parts);
    /** Looks until the files have settled. */
    const settle = async (): Promise<void> => {
      for (let i = 0; i < 2; i++) {
        now += 60_000;
        await refresher.tick(signal);
      }
    };
    return { data, store, refresher, settle, parts, last: () => store.view() };
  };
  beforeEach(() => {
    folder = temporaryFolder();
    db = new StateDatabase(":memory:");
    [now, logs, audited, told, swept, pins, isStopped] = [1_000_000, [], [], [], [], [], false];
    writeFileSync(file(), table(0, 100));
  });
  afterEach(() => {
    db[Symbol.dispose]();
    folder[Symbol.dispose]();
  });

  it("are loaded in a thread as they would be in this one: ids, columns, split, fields and digest", async () => {
    writeFileSync(file(), `id,x,kind,text\n${Array.from({ length: 40_000 }, (_, i) => `c${i},${i % 7 === 0 ? "" : i / 3},${i % 5 === 0 ? "" : `k${i % 11}`},${i % 2 === 0 ? "" : `文${i % 900}`}\n`).join("")}`);
    writeFileSync(file("split.csv"), `id,part\n${Array.from({ length: 40_000 }, (_, i) => `c${i},${i % 4 === 0 ? "test" : "train"}\n`).join("")}`);
    const config = configOf({ splitFile: "split.csv" });
    const [here, apart] = [await loadOwn(config, key, silentLog), await loadApart(config, key, { log: silentLog })];
    assert.deepEqual({ ...apart.dataset, verifiable: undefined, records: undefined }, { ...here, verifiable: undefined, records: undefined });
    assert.deepEqual(apart.dataset.verifiable?.columns, here.verifiable?.columns);
    for (const id of ["c1", "c2", "c39999", "nobody"]) assert.deepEqual(apart.dataset.verifiable?.held("text", id), here.verifiable?.held("text", id));
    assert.equal(apart.trainOf?.reduce((n, t) => n + t, 0), 30_000);
  });

  it("are taken by themselves once they have settled: rows that came, rows that went, and values; told to the platform and the logs", async () => {
    const { data, settle, refresher, last } = await begin();
    const before = data.current.summary;
    writeFileSync(file(), table(50, 151, 2));
    await refresher.tick(signal);
    assert.equal(data.current.summary, before, "not before they have settled");
    await settle();
    const { dataset, summary } = data.current;
    assert.deepEqual([summary.rows, dataset.records.get("c49"), dataset.records.get("c150")], [101, undefined, 100]);
    const x = dataset.features.find((f) => f.name === "x");
    assert.equal(x?.kind === "numeric" && x.values[100], 300);
    assert.deepEqual(dataset.verifiable?.held("text", "c150"), { known: true, entries: ["t150"] });
    assert.notEqual(summary.snapshotDigest, before.snapshotDigest);
    assert.deepEqual(told, [summary]);
    assert.deepEqual(audited.map(({ action, objects, facts, actor }) => [action, objects, facts, actor.role]), [["data.taken", { before: before.snapshotDigest, after: summary.snapshotDigest }, { rows: 101 }, "enclave"]]);
    assert.deepInclude(last().inService, { state: "taken", cause: "files", rows: 101, before: 100, snapshotDigest: summary.snapshotDigest });
    assert.isUndefined(last().refused);
    assert.deepEqual(swept, [[summary.snapshotDigest]]);
    assert.notInclude(logs.join(""), "c150");
  });

  it("leave the old ones in service, with a code, when a file is bad; and are taken when it is right again", async () => {
    const bad: readonly (readonly [string, Code])[] = [
      [`${table(0, 100)}c1,5,k1,t1\n`, "DATA_DUPLICATE_ID"], ["id,x,kind\nc1,1,a\n", "DATA_MISSING_COLUMN"], [`${table(0, 100)}c100,1\n`, "DATA_RAGGED_ROWS"],
      [`${table(0, 100)}c100,"1,k1`, "DATA_CSV_SYNTAX"], ["", "DATA_FILE_EMPTY"], [`${table(0, 100)},1,k1,t\n`, "DATA_ID_EMPTY"], ["id,x,kind,text\n", "DATA_NO_ROWS"],
    ];
    const { data, settle, last } = await begin();
    const before = data.current;
    for (const [text, code] of bad) {
      writeFileSync(file(), text);
      await settle();
      assert.equal(data.current, before, code);
      assert.deepInclude(last().refused, { state: "refused", cause: "files", code }, code);
      assert.include(logs.at(-1) ?? "", `"data-not-taken","code":"${code}"`);
      assert.deepInclude(audited.at(-1), { action: "data.refused", outcome: code });
      const count = audited.length;
      await settle();
      assert.lengthOf(audited, count, "said once");
    }
    rmSync(file());
    await settle();
    assert.deepInclude(last().refused, { code: "DATA_FILE_MISSING" });
    assert.deepEqual([told, swept], [[], []]);
    writeFileSync(file(), table(0, 101));
    await settle();
    assert.equal(data.current.summary.rows, 101);
    assert.isUndefined(last().refused);
  });

  it("are not taken while a file is being written, nor when it changes while it is read", async () => {
    let whileLoading = (): void => undefined;
    const config = configOf();
    const { data, settle, refresher, last } = await begin(config, { load: async () => {
      const loaded = await loadApart(config, key, { log: silentLog });
      whileLoading();
      return loaded;
    } });
    const before = data.current;
    // A line a minute: it never stays the same for long enough.
    for (let i = 0; i < 4; i++) {
      appendFileSync(file(), rows(100 + i, 101 + i));
      now += 60_000;
      await refresher.tick(signal);
    }
    assert.equal(data.current, before);
    whileLoading = () => appendFileSync(file(), rows(150, 151));
    writeFileSync(file(), table(0, 150));
    await settle();
    assert.equal(data.current, before);
    assert.deepInclude(last().refused, { code: "DATA_FILE_CHANGED" });
    whileLoading = () => undefined;
    writeFileSync(file(), table(0, 160));
    await settle();
    assert.equal(data.current.summary.rows, 160);
    assert.notEqual(data.current, before);
  });

  it("need a person's word when most companies are gone or the columns are others: by command with --accept", async () => {
    const { data, store, settle, refresher, last } = await begin();
    writeFileSync(file(), table(0, 49));
    await settle();
    assert.deepInclude(last().refused, { code: "DATA_REFRESH_ROWS" });
    store.ask(now, false);
    await refresher.tick(signal);
    assert.deepInclude(last().refused, { code: "DATA_REFRESH_ROWS", cause: "operator" });
    assert.deepEqual(last().refused?.facts, { rows: 49, before: 100 });
    const id = store.ask(now, true);
    await refresher.tick(signal);
    assert.deepInclude(store.get(id), { state: "taken", rows: 49, before: 100 });
    writeFileSync(file(), table(0, 60).replaceAll(/,k\d/g, "").replace(",kind", ""));
    await settle();
    assert.deepInclude(last().refused, { code: "DATA_REFRESH_SHAPE" });
    assert.deepEqual(last().refused?.facts, { gone: 1, added: 0 });
    store.ask(now, true);
    await refresher.tick(signal);
    assert.deepEqual([data.current.summary.features, data.current.summary.rows], [1, 60]);
    assert.equal(audited.at(-1)?.actor.role, "operator");
  });

  it("are loaded at once when an operator asks, also where they are not taken by themselves; the same ones change nothing", async () => {
    const { data, store, settle, refresher } = await begin(configOf({ refresh: { automatic: false } }));
    writeFileSync(file(), table(0, 120));
    await settle();
    assert.equal(data.current.summary.rows, 100);
    const [first, second] = [store.ask(now, false), store.ask(now, false)];
    await refresher.tick(signal);
    assert.deepEqual([store.get(first)?.state, store.get(second)?.state, data.current.summary.rows], ["taken", "taken", 120]);
    const { current } = data;
    // The same bytes in another file.
    writeFileSync(file("next.csv"), table(0, 120));
    renameSync(file("next.csv"), file());
    const third = store.ask(now, false);
    await refresher.tick(signal);
    assert.deepEqual([store.get(third)?.state, data.current === current, told.length], ["unchanged", true, 1]);
    assert.deepEqual(store.asked(), []);
  });

  it("take a split with them, and are not taken without a part for everybody", async () => {
    writeFileSync(file("split.csv"), `id,part\n${Array.from({ length: 100 }, (_, i) => `c${i},train\n`).join("")}`);
    const { data, settle, last } = await begin(configOf({ splitFile: "split.csv" }));
    writeFileSync(file(), table(0, 101));
    await settle();
    assert.deepInclude(last().refused, { code: "SPLIT_MISSING" });
    appendFileSync(file("split.csv"), "c100,test\n");
    await settle();
    assert.deepEqual([data.current.trainOf?.length, data.current.trainOf?.[100]], [101, 0]);
    const { snapshotDigest } = data.current.summary;
    writeFileSync(file("split.csv"), `id,part\n${Array.from({ length: 101 }, (_, i) => `c${i},test\n`).join("")}`);
    await settle();
    assert.deepEqual([data.current.trainOf?.[0], data.current.summary.snapshotDigest], [0, snapshotDigest], "another split of the same data");
  });

  it("wait while running jobs hold as many older versions as may be kept, and are taken when one ends", async () => {
    const { data, store, settle, refresher, last } = await begin();
    const hold = (): void => void pins.push({ snapshotDigest: data.current.summary.snapshotDigest, isRunning: true });
    for (const to of [101, 102]) {
      hold();
      writeFileSync(file(), table(0, to));
      await settle();
      assert.equal(data.current.summary.rows, to);
    }
    hold();
    writeFileSync(file(), table(0, 103));
    await settle();
    await settle();
    assert.equal(data.current.summary.rows, 102);
    assert.deepInclude(last().refused, { code: "DATA_REFRESH_HELD" });
    assert.lengthOf(logs.filter((l) => l.includes("DATA_REFRESH_HELD")), 1, "said once");
    const id = store.ask(now, false);
    await refresher.tick(signal);
    assert.deepInclude(store.get(id), { state: "asked", code: "DATA_REFRESH_HELD" });
    pins.shift();
    await refresher.tick(signal);
    assert.deepEqual([store.get(id)?.state, data.current.summary.rows, data.kept.map((v) => v.summary.rows)], ["taken", 103, [101, 102]]);
    assert.lengthOf(swept.at(-1) ?? [], 3, "what is kept for versions in use stays");
  });

  it("are not taken while the audit log cannot say so, and are afterwards", async () => {
    const { data, settle } = await begin();
    isStopped = true;
    writeFileSync(file(), table(0, 101));
    await settle();
    assert.equal(data.current.summary.rows, 100);
    isStopped = false;
    await settle();
    assert.equal(data.current.summary.rows, 101);
  });

  it("are in service since they came, over restarts and however often others were not taken since", async () => {
    const store = new RefreshStore(db);
    const ended = { rows: 1, snapshotDigest: "a" };
    store.end([], "start", 1, { state: "taken", ...ended });
    for (let i = 0; i < 500; i++) store.end([], "files", 2 + i, { state: "refused", code: "DATA_DUPLICATE_ID", facts: { rows: i }, ...ended });
    assert.deepInclude(store.view().inService, { endedAt: 1 });
    assert.deepEqual(store.view().refused?.facts, { rows: 499 });
    assert.isAtMost(db.all("select 1 from data_refreshes").length, 201);
    store.end([], "start", 1000, { state: "unchanged", ...ended });
    assert.deepInclude(store.view().inService, { endedAt: 1 });
    assert.isUndefined(store.view().refused);
  });

  it("are told to the platform again when it did not take what it was told", async () => {
    let refuses = true;
    const { data, settle } = await begin(configOf(), { platform: { publishDataset: async (summary) => {
      if (refuses) throw new AppError("PLATFORM_INTERNAL");
      told.push(summary);
    } } });
    writeFileSync(file(), table(0, 101));
    await settle();
    assert.deepEqual([data.current.summary.rows, told.length], [101, 0]);
    refuses = false;
    await settle();
    await eventually("told", () => told.length === 1);
    assert.deepEqual(told, [data.current.summary]);
    await settle();
    assert.lengthOf(told, 1);
  });

  it("are loaded in a thread that ends when it is told to, whatever it does", async () => {
    writeFileSync(file(), table(0, 200_000));
    for (const ms of [0, 150, 300, 450]) {
      const stop = new AbortController();
      const loading = loadApart(configOf(), key, { log: silentLog, signal: stop.signal });
      setTimeout(() => stop.abort(new AppError("JOB_CANCELLED")), ms);
      const error: unknown = await loading.then(({ dataset }) => dataset.rows, (reason: unknown) => reason);
      assert.isTrue(error === 200_000 || (error instanceof AppError && error.code === "JOB_CANCELLED"), String(error));
    }
  });

  it("answer an open request by the start, and end in the middle of loading with the enclave", async () => {
    const store = new RefreshStore(db);
    const id = store.ask(now, false);
    const config = configOf();
    const loading = Promise.withResolvers<void>();
    const { parts, data } = await begin(config, { load: (stop): Promise<OwnVersion> => {
      loading.resolve();
      return loadApart(config, key, { log: silentLog, signal: stop });
    } });
    await using held = new AsyncDisposableStack();
    held.use(startRefresher(parts));
    await eventually("answered", () => store.get(id)?.state === "taken");
    assert.deepInclude(store.get(id), { rows: 100, cause: "operator" });
    writeFileSync(file(), table(0, 30_000));
    const next = store.ask(now, false);
    await loading.promise;
    await held.disposeAsync();
    assert.deepEqual([store.get(next)?.state, data.current.summary.rows], ["asked", 100], "the next start answers it");
  });
});
