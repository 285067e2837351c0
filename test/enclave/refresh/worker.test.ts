// New data under the jobs of a worker: those that were approved end with the version that their plans name, later ones are about the new one.
import { assert } from "chai";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import type { JobId } from "../../../core/brand.ts";
import { bank, power, tax } from "../../support/enclave.ts";
import { eventually } from "../../support/process.ts";
import { Stock, Workers } from "../../support/workers.ts";

const first = "job_000000000000000a" as JobId;
const second = "job_000000000000000b" as JobId;
const newer = "b".repeat(64);

describe("jobs of an enclave whose data change", () => {
  let stock: Stock;
  let workers: Workers;
  before(async () => {
    stock = await Stock.make();
  });
  after(() => stock[Symbol.asyncDispose]());
  beforeEach(async () => {
    workers = await Workers.make(stock);
  });
  afterEach(() => workers[Symbol.asyncDispose]());

  it("end with the version that they began with, which is let go then; a plan over the old one is refused afterwards", async () => {
    const { exchange } = workers;
    const plan = workers.plan(first);
    const late = workers.plan(second);
    let data: ReturnType<Workers["refresh"]> | undefined;
    exchange.stored = ({ from, to, seq }) => {
      // In the middle of the first exchange.
      if (from === tax && to === bank && seq === 1) data ??= workers.refresh(tax, newer);
    };
    exchange.submit(plan);
    workers.startAll();
    await workers.until(first, "done");
    assert.equal(data?.current.summary.snapshotDigest, newer);
    await eventually("let go", () => data?.kept.length === 0);
    const said = workers.rows(tax, "select jws from receipts where job = ?", first)[0]?.["jws"];
    const receipt = JSON.parse(Buffer.from(String(said).split(".")[1] ?? "", "base64url").toString("utf8")) as { snapshotDigest: string };
    assert.equal(receipt.snapshotDigest, stock.summaryOf(tax).snapshotDigest);
    exchange.submit(late);
    await workers.until(second, "failed");
    assert.deepEqual([exchange.notice(second).failure?.code, exchange.notice(second).failure?.party], ["ENCLAVE_SNAPSHOT_CHANGED", tax]);
  });

  it("that wait for another party's approval keep theirs, too", async () => {
    const { exchange } = workers;
    exchange.submit(workers.plan(first));
    workers.start(tax);
    workers.start(bank);
    await eventually("approved", () => exchange.notice(first).approvals[tax] !== undefined && exchange.notice(first).approvals[bank] !== undefined);
    await eventually("written", () => workers.stateAt(tax, first) === "approved");
    const data = workers.refresh(tax, newer);
    assert.lengthOf(data.kept, 1);
    workers.start(power);
    await workers.until(first, "done");
  });

  it("fail clearly when the enclave was started again with other data", async () => {
    const { exchange } = workers;
    exchange.submit(workers.plan(first));
    workers.startAll();
    exchange.pulled = () => new Uint8Array(0);
    await eventually("started", () => exchange.notice(first).state === "running");
    await workers.stop(tax);
    workers.said.set(tax, { snapshotDigest: newer });
    workers.start(tax);
    await workers.until(first, "failed");
    assert.deepEqual([exchange.notice(first).failure?.code, exchange.notice(first).failure?.party], ["ENCLAVE_SNAPSHOT_CHANGED", tax]);
  });
});
