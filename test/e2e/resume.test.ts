// kill -9 of any process at any moment, then a restart: the job ends with the same model and report as an undisturbed one,
// nothing is sent twice with different content, nothing is lost, also when messages on disk are damaged.
import { existsSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { JobView } from "../../api/contract.ts";
import { enclavePaths } from "../../enclave/config.ts";
import type { EntityId } from "../../core/brand.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { jobIdSchema } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { JobRecords } from "../../enclave/job/records.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { orderCommitment } from "../../federation/rows/digests.ts";
import type { JointReport } from "../../report/schema.ts";
import { eventually } from "../support/process.ts";
import { smallTables, type Tables } from "../support/tables.ts";
import { Topology, type Name } from "../support/topology.ts";

const parties = ["bank", "tax", "power"] as const;
type PartyName = keyof Tables;

/** A report without times, sizes, names of this job and what depends on them. Float sums depend on the secret row order. */
function essence(report: JointReport): unknown {
  const { model, rows, alignedByHost, metrics, guestOnly, features, contribution, openedTotals, refinement, stabilityIndex, leakage, traffic } = report;
  const counts = traffic.map(({ from, to, messages }) => ({ from, to, messages }));
  const ledger = leakage.ledger.map(({ from, to, type, messages, numbers }) => ({ from, to, type, messages, numbers }));
  return rounded({
    model: { ...model, id: "" }, rows, alignedByHost, metrics, guestOnly, features, contribution, openedTotals, refinement, stabilityIndex, counts,
    ledger, insidePlan: leakage.insidePlan, budgets: leakage.budgets.map((b) => ({ ...b, used: 0 })),
  });
}

function rounded(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, v: unknown) => (typeof v === "number" && !Number.isInteger(v) ? Number(v.toPrecision(9)) : v)));
}

const sortedLines = (text: string): string[] => text.split("\n").sort();

describe("a job whose processes are killed", () => {
  let topology: Topology;
  let [calm, disturbed]: JobView[] = [];
  /** Whose frames were removed and cut while their enclave was down. */
  const harmed: PartyName[] = [];
  let harmedFiles = 0;

  before(async () => {
    topology = await Topology.start({ tables: smallTables() });
    calm = await topology.until(await topology.submit(), "done");
    disturbed = await withKills(await topology.submit());
  });
  after(() => topology[Symbol.asyncDispose]());

  async function killed(name: Name, meanwhile?: () => void): Promise<void> {
    await topology.kill(name);
    meanwhile?.();
    await topology.launch(name);
  }

  async function withKills(job: string): Promise<JobView> {
    // Before or after its approval, as it comes.
    await killed("bank");
    const schedule: [Name, number, boolean?][] = [["tax", 3], ["bank", 12], ["platform", 22], ["power", 34, true], ["bank", 50, true], ["tax", 64], ["platform", 72]];
    for (const [name, messages, harms] of schedule) {
      await topology.relayed(job, messages);
      await killed(name, harms === true && name !== "platform" ? () => harm(name, job) : undefined);
    }
    // Between the two results, or just after them: sealing again would give another text.
    await eventually("a result", async () => (await topology.view(job))?.results.includes("scores"));
    await killed("bank");
    return topology.until(job, "done");
  }

  /** What a power failure or a full disk may leave: messages of which nothing is left, or only a part, in files and in rows. */
  function harm(name: PartyName, job: string): void {
    const folder = join(enclavePaths(topology.folder(name)).inbox, job);
    using db = new StateDatabase(enclavePaths(topology.folder(name)).state);
    const inRows = db.all("select peer, seq from inbox where job = ? and frame is not null order by seq", job);
    assert.isAtLeast(inRows.length, 3, "small messages had come in");
    for (const [i, change] of ["null", "substr(frame, 1, 5)"].entries()) {
      db.run(`update inbox set frame = ${change} where job = ? and peer = ? and seq = ?`, job, String(inRows[i]?.["peer"]), Number(inRows[i]?.["seq"]));
    }
    db.run("delete from inbox where job = ? and peer = ? and seq = ?", job, String(inRows[2]?.["peer"]), Number(inRows[2]?.["seq"]));
    const files = existsSync(folder) ? readdirSync(folder).filter((f) => f.endsWith(".frame")) : [];
    for (const [i, file] of files.slice(0, 2).entries()) {
      if (i === 0) rmSync(join(folder, file));
      else truncateSync(join(folder, file), 5);
    }
    harmedFiles += Math.min(2, files.length);
    harmed.push(name);
  }

  it("keeps the seeds behind what was committed to: they open the commitment in the report", async () => {
    const job = jobIdSchema.parse(calm?.id);
    const report = await topology.report(job);
    const paths = enclavePaths(topology.folder("bank"));
    using db = new StateDatabase(paths.state);
    const seeds = new JobRecords({ db, box: SecretBox.open(paths.box, systemRng), rng: systemRng, now: Date.now }).auditSeeds(job);
    assert.includeMembers(Object.keys(seeds ?? {}), ["binning/label-commitment", "binning/query/0", "moments/query/0", "rows/guest/salt"]);
    const salt = new Uint8Array(Buffer.from(seeds?.["rows/guest/salt"] ?? "", "hex"));
    const inOrder = (await topology.scores(job)).trim().split("\n").slice(1).map((line) => (line.split(",")[0] ?? "") as EntityId);
    assert.equal(sha256Hex(await orderCommitment(job, salt, report.rows.train.rows, inOrder)), report.digests?.["row-order"]);
    assert.notEqual(sha256Hex(await orderCommitment(job, salt, report.rows.train.rows, inOrder.toReversed())), report.digests?.["row-order"]);
  });

  it("shows the points of the guest's own bins, and leaves those of the hosts with their owners", async () => {
    const { features } = await topology.report(calm?.id ?? "");
    const shown = (isGuest: boolean): boolean[] => features.filter((f) => f.selected && (f.party === "bank") === isGuest)
      .flatMap((f) => (f.table ?? []).map((bin) => bin.points !== undefined));
    assert.include(shown(true), true);
    assert.notInclude(shown(true), false);
    assert.include(shown(false), false);
    assert.notInclude(shown(false), true);
  });

  it("gives the same model, report and scores as when nobody is killed", async () => {
    assert.isDefined(calm);
    assert.isDefined(disturbed);
    assert.deepEqual(essence(await topology.report(disturbed?.id ?? "")), essence(await topology.report(calm?.id ?? "")));
    assert.deepEqual(sortedLines(await topology.scores(disturbed?.id ?? "")), sortedLines(await topology.scores(calm?.id ?? "")));
  });

  it("sends nothing twice with another content, and nothing gets lost, not even with its file", () => {
    assert.deepEqual(harmed, ["power", "bank"]);
    assert.isAtLeast(harmedFiles, 2, "large messages had come in");
    for (const view of [calm, disturbed]) {
      assert.isAbove(view?.traffic.length ?? 0, 4);
      for (const { from, to, messages } of view?.traffic ?? []) {
        const written = (name: string, table: "ledger" | "inbox", peer: string): unknown[] =>
          topology.rows(name as PartyName, `select seq, type, bytes, digest from ${table} where job = ? and peer = ? order by seq`, view?.id ?? "", peer);
        const sent = written(from, "ledger", to);
        assert.lengthOf(sent, messages, `${from} to ${to}: what the relay carried`);
        assert.deepEqual(written(to, "inbox", from), sent, `${from} to ${to}: what arrived`);
      }
      for (const name of parties) assert.isEmpty(topology.rows(name, "select code from refusals where job = ?", view?.id ?? ""), name);
    }
    assert.notMatch(topology.logs(), /RELAY_CONFLICT|RESULT_CONFLICT|ENCLAVE_REPLAY_DIVERGED|JOB_INTERNAL|crashed/);
  });

  it("keeps budgets as if the job had run once", () => {
    for (const name of ["tax", "power"] as const) {
      const charges = (job: string | undefined): unknown[] =>
        topology.rows(name, "select label, sum(amount) as amount from budget where job = ? and label not in ('alignment', 'set', 'unannounced') group by label order by label", job ?? "");
      assert.deepEqual(charges(disturbed?.id), charges(calm?.id), name);
      assert.isNotEmpty(charges(calm?.id));
      // The same set of companies again is free.
      const ids = topology.rows(name, "select job, amount from budget where label = 'alignment' order by at").map((r) => [r["job"], Number(r["amount"]) > 0]);
      assert.deepEqual(ids, [[calm?.id, true], [disturbed?.id, false]]);
    }
  });

  it("erases the job's secrets and frames at every party", async () => {
    for (const name of parties) {
      await eventually(`${name} has ended its jobs`, () => topology.rows(name, "select 1 from jobs where state <> 'done'").length === 0);
      assert.isEmpty(topology.rows(name, "select job from jobs where secrets is not null"), name);
      for (const view of [calm, disturbed]) assert.isFalse(existsSync(join(enclavePaths(topology.folder(name)).inbox, view?.id ?? "")), name);
    }
  });
});
