// Tags that are kept from job to job, in enclaves: made once, fetched once, gone with the data, and whole or refused.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import type { EntityId, JobId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { seededRng, systemRng } from "../../core/rng.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { makeAhead, openTags, type Tags } from "../../enclave/tags/shelves.ts";
import { inlineCurve } from "../../federation/psi/curve-pool.ts";
import type { CurveWork } from "../../federation/psi/curve.ts";
import type { KeptTags } from "../../federation/psi/reusable-tags.ts";
import { bank, power, tax, temporaryFolder } from "../support/enclave.ts";
import { eventually } from "../support/process.ts";
import { parties, Stock, Workers } from "../support/workers.ts";
import { codeOf } from "../support/world.ts";

const first = "job_000000000000000a" as JobId;
const second = "job_000000000000000b" as JobId;
const third = "job_000000000000000c" as JobId;
const unreachable = (): never => {
  throw new AppError("JOB_PLATFORM_UNREACHABLE");
};
/** As on a disk that lost a bit. */
function damage(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}
const filesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

describe("enclaves that keep tags", () => {
  let stock: Stock;
  let workers: Workers;
  before(async () => {
    stock = await Stock.make();
  });
  after(() => stock[Symbol.asyncDispose]());
  beforeEach(async () => {
    workers = await Workers.make(stock);
    // What its tables hold is not looked at where sizes decide.
    workers.said.set(tax, { rows: 800_000, reusable: true });
  });
  afterEach(() => workers[Symbol.asyncDispose]());

  const madeBy = (host: PartyId): string => join(enclavePaths(workers.folder(host)).tags, "made", bank);
  const gotFrom = (host: PartyId): string => join(enclavePaths(workers.folder(bank)).tags, "got", host);
  const sentBy = (party: PartyId, job: JobId): Map<string, number> => new Map(workers.rows(
    party, "select type, count(*) as n from ledger where job = ? and (type like 'psi/%' or type like 'kkrt/%') group by type", job,
  ).map((r) => [String(r["type"]), Number(r["n"])]));
  async function run(job: JobId): Promise<void> {
    workers.exchange.submit(workers.plan(job));
    await workers.until(job, "done");
    for (const party of parties) await workers.untilAt(party, job, "done");
  }
  async function fails(job: JobId): Promise<[string | undefined, PartyId | undefined]> {
    workers.exchange.submit(workers.plan(job));
    await workers.until(job, "failed");
    for (const party of parties) await workers.untilAt(party, job, party === tax && workers.stateAt(tax, job) === "refused" ? "refused" : "failed");
    const { failure } = workers.exchange.notice(job);
    return [failure?.code, failure?.party ?? undefined];
  }
  const matchedIn = (job: JobId): unknown => {
    const file = join(enclavePaths(workers.folder(bank)).results, job, "report.json");
    const report = JSON.parse(readFileSync(file, "utf8")) as { alignedByHost: Record<string, { matched: number }> };
    const { matched } = report.alignedByHost[tax] ?? assert.fail();
    assert.isAbove(matched, 2000);
    return report.alignedByHost;
  };

  it("send the list in the first job only, and find the same companies as without it", async () => {
    workers.startAll();
    await run(first);
    assert.equal(sentBy(tax, first).get("psi/reuse-tags"), 1);
    assert.isFalse(sentBy(power, first).has("psi/reuse-ready"), "the other host's set is small");
    const [list = ""] = filesIn(gotFrom(tax));
    assert.deepEqual(readFileSync(join(gotFrom(tax), list)), readFileSync(join(madeBy(tax), filesIn(madeBy(tax)).find((f) => f.endsWith(".tags")) ?? "")));
    const key = workers.rows(tax, "select key from tags_made")[0]?.["key"];
    assert.instanceOf(key, Uint8Array);
    assert.equal((key as Uint8Array).length, 64 + 28, "the key is sealed");

    await Promise.all(parties.map((p) => workers.stop(p)));
    workers.said.set(tax, { rows: 800_000 });
    workers.startAll();
    await run(second);
    assert.deepEqual(matchedIn(second), matchedIn(first));
    assert.sameMembers([...sentBy(tax, second).keys()], ["kkrt/ready", "kkrt/tags"], "the operator has opted out");
  });

  it("do not send it again after a restart, nor for a job that ended", async () => {
    workers.startAll();
    await run(first);
    await Promise.all(parties.map((p) => workers.stop(p)));
    workers.startAll();
    await run(second);
    assert.deepEqual([...sentBy(tax, second)], [["psi/reuse-ready", 1], ["psi/twice", 1]]);
    assert.deepEqual(matchedIn(second), matchedIn(first));
    assert.equal(workers.rows(tax, "select count(*) as n from budget where label = 'alignment' and amount > 0")[0]?.["n"], 1, "the set was asked for again, and counted once");
  });

  const keeps: [PartyId, () => boolean][] = [[tax, () => filesIn(madeBy(tax)).length === 2], [bank, () => filesIn(gotFrom(tax)).some((f) => f.endsWith(".tags"))]];
  for (const [party, isThere] of keeps) {
    it(`go on where ${party} was killed after it had kept its list`, async () => {
      const { exchange } = workers;
      let isDown = false;
      exchange.before = (call, by, frame) => {
        if (by !== party || (!isDown && (call !== "put" || ![bank, tax].includes(frame?.to ?? power) || !isThere()))) return;
        isDown = true;
        unreachable();
      };
      exchange.submit(workers.plan(first));
      workers.startAll();
      await eventually("down", () => isDown);
      await workers.stop(party);
      exchange.before = () => {};
      workers.start(party);
      await workers.until(first, "done");
      assert.equal(sentBy(tax, first).get("psi/reuse-tags"), 1);
      assert.equal(workers.rows(bank, "select value from memo where key = 'tags/tax'")[0]?.["value"], "null", "what was there when the job began");
    });
  }

  it("make other tags for other data, and leave nothing of the old ones at either side", async () => {
    workers.startAll();
    await run(first);
    const old = [...filesIn(madeBy(tax)), ...filesIn(gotFrom(tax))];
    assert.lengthOf(old, 3);
    await Promise.all(parties.map((p) => workers.stop(p)));
    workers.said.set(tax, { rows: 800_000, reusable: true, snapshotDigest: "b".repeat(64) });
    workers.startAll();
    await eventually("swept", () => filesIn(madeBy(tax)).length === 0);
    assert.isEmpty(workers.rows(tax, "select 1 from tags_made"));
    await run(second);
    assert.equal(sentBy(tax, second).get("psi/reuse-tags"), 1);
    const now = [...filesIn(madeBy(tax)), ...filesIn(gotFrom(tax))];
    assert.lengthOf(now, 3);
    assert.isEmpty(now.filter((file) => old.includes(file)));
  });

  it("end a job whose kept list was damaged at the guest, and fetch it again in the next", async () => {
    workers.startAll();
    await run(first);
    damage(join(gotFrom(tax), filesIn(gotFrom(tax))[0] ?? ""));
    assert.deepEqual(await fails(second), ["ENCLAVE_TAGS", bank]);
    assert.isEmpty(filesIn(gotFrom(tax)));
    await run(third);
    assert.equal(sentBy(tax, third).get("psi/reuse-tags"), 1);
    assert.deepEqual(matchedIn(third), matchedIn(first));
  });

  it("refuse a job for which a large list was not made ahead, before it is approved", async () => {
    workers.said.set(tax, { rows: 1_000_000, reusable: true });
    workers.startAll();
    assert.deepEqual(await fails(first), ["ENCLAVE_TAGS_MISSING", tax]);
    assert.equal(workers.stateAt(tax, first), "refused");
    const paths = enclavePaths(workers.folder(tax));
    using db = new StateDatabase(paths.state);
    const { made } = openTags({ db, box: SecretBox.open(paths.box, systemRng), rng: systemRng, folder: paths.tags });
    const options = { made, curve: stock.curve, self: tax, guest: bank, dataset: stock.datasets.get(tax) ?? assert.fail() };
    assert.isTrue(await makeAhead(options));
    assert.isFalse(await makeAhead(options), "it is there");
    const file = join(madeBy(tax), filesIn(madeBy(tax)).find((f) => f.endsWith(".tags")) ?? "");
    const { ino } = statSync(file);
    await run(second);
    assert.equal(statSync(file).ino, ino, "the job did not make it again");
    assert.equal(sentBy(tax, second).get("psi/reuse-tags"), 1);
  });
});

describe("the lists of tags in a folder", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let db: StateDatabase;
  let tags: Tags;
  let curve: CurveWork;
  const box = new SecretBox(new Uint8Array(32).fill(1), systemRng);
  const [old, recent] = ["a".repeat(64), "b".repeat(64)];
  const ids = Array.from({ length: 50 }, (_, i) => `company-${i}` as EntityId);
  const make = (guest = bank, snapshotDigest = old): Promise<boolean> => makeAhead({ made: tags.made, curve, self: tax, guest, dataset: { ids, snapshotDigest } });
  const kept = async (guest = bank, rows = 50): Promise<KeptTags | undefined> => tags.made.shelf(guest, { snapshotDigest: old, rows }).published();
  const made = (file: string): string => join(folder.path, "made", bank, `${old}.${file}`);

  before(async () => {
    curve = await inlineCurve();
  });
  beforeEach(() => {
    folder = temporaryFolder();
    db = new StateDatabase(join(folder.path, "state.db"));
    tags = openTags({ db, box, rng: systemRng, folder: folder.path });
  });
  afterEach(() => {
    db[Symbol.dispose]();
    folder[Symbol.dispose]();
  });

  it("are another for every guest and every version of the data, under keys that stay", async () => {
    assert.isTrue(await make());
    assert.isTrue(await make(power));
    assert.isTrue(await make(bank, recent));
    const digests = db.all("select tags from tags_made").map((r) => r["tags"]);
    assert.equal(new Set(digests).size, 3);
    const key = async (): Promise<Uint8Array> => tags.made.shelf(bank, { snapshotDigest: old, rows: 50 }).key();
    const drawn = await key();
    assert.lengthOf(drawn, 64);
    tags = openTags({ db, box, rng: seededRng(new Uint8Array(32), "x"), folder: folder.path });
    assert.deepEqual(await key(), drawn);
    tags.made.sweep(recent);
    assert.isFalse(tags.made.isMade(bank, old));
    assert.isTrue(tags.made.isMade(bank, recent));
    assert.notDeepEqual(await key(), drawn);
  });
  it("are the same when they are made again under the same key", async () => {
    await make();
    const whole = [...(await kept())?.tags() ?? []];
    for (const kind of ["tags", "order"]) {
      damage(made(kind));
      assert.equal(await codeOf(kept().then((list) => [...list?.tags() ?? []])), "ENCLAVE_TAGS", kind);
      assert.isUndefined(await kept(), "a job may make it");
      assert.equal(await codeOf(kept(bank, 1_000_000)), "ENCLAVE_TAGS_MISSING", "a large one is made ahead");
      assert.isTrue(await make());
      assert.deepEqual([...(await kept())?.tags() ?? []], whole);
    }
    writeFileSync(made("tags"), "short");
    assert.isUndefined(await kept(), "of another length");
  });
  it("come in as a whole or not at all, and what a killed process left is removed", async () => {
    await make();
    const list = await kept() ?? assert.fail();
    const chunks = async function* (isBroken: boolean): AsyncGenerator<Uint8Array> {
      yield* list.tags();
      if (isBroken) throw new AppError("PROTOCOL_COMMITMENT", { peer: tax });
    };
    const { got } = tags;
    const shelf = got.shelf(tax, first, null);
    assert.isUndefined(shelf.have);
    assert.equal(await codeOf(shelf.keep(list.digest, chunks(true))), "PROTOCOL_COMMITMENT");
    assert.isEmpty(filesIn(join(folder.path, "got", tax)));
    assert.isUndefined(got.digest(tax));
    await shelf.keep(list.digest, chunks(false));
    assert.deepEqual(Buffer.concat([...shelf.tags(list.digest) as Iterable<Uint8Array>]), Buffer.concat([...list.tags()]));
    const other = new Uint8Array(32).fill(7);
    writeFileSync(join(folder.path, "got", tax, "left.tags.job_x.tmp"), "left behind");
    got.sweep();
    assert.deepEqual(filesIn(join(folder.path, "got", tax)), [`${got.digest(tax)}.tags`]);
    assert.equal(await codeOf((async () => [...shelf.tags(other) as Iterable<Uint8Array>])()), "ENCLAVE_TAGS");
    assert.isDefined(got.digest(tax), "another list than the one asked for stays");
  });
});
