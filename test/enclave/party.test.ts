// The real port of a role over a state database, an inbox and a relay: checkpoints hold whatever moment the process is killed at, what
// they replace is gone, and what they keep opens to nobody without the job's seed.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { assert } from "chai";
import { afterEach, before, beforeEach, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { silentLog } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { seededRng, systemRng } from "../../core/rng.ts";
import { Inbox } from "../../enclave/accept.ts";
import { JobParty } from "../../enclave/job/party.ts";
import { PhaseClock } from "../../enclave/job/phases.ts";
import type { Identity } from "../../enclave/keys/identity.ts";
import { Ledger } from "../../enclave/ledger.ts";
import { Checkpoints } from "../../enclave/store/checkpoints.ts";
import { StateDatabase, type Row } from "../../enclave/store/database.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { bank, Ca, Channels, job, planOf, summaryOf, tax, temporaryFolder } from "../support/enclave.ts";
import { Exchange } from "../support/exchange.ts";

const rounds = 4;
const large = 32 * 1250;
const marker = new TextEncoder().encode("MARKER-OF-THE-KEPT-STATE");
const seedOf = (party: PartyId): Uint8Array => seededRng(new Uint8Array(32).fill(1), party)(32);

/** Enough room in the plan for messages that are of no protocol. */
function roomyPlan(): JobPlan {
  // Few rows: their alignment has the messages that are used here.
  const plan = planOf({ hosts: [tax] }, { datasets: { bank: summaryOf("loans", true, 1000), tax: summaryOf("filings", false, 1000) } });
  return { ...plan, leakage: plan.leakage.map((l) => ({ ...l, maxMessages: 100, maxBytes: 1_000_000 })) };
}

/** A database that calls `at` before and after everything that it writes. */
class WatchedDatabase extends StateDatabase {
  at: () => void = () => {};
  override run(...args: Parameters<StateDatabase["run"]>): number {
    this.at();
    const changes = super.run(...args);
    this.at();
    return changes;
  }
  override runSoon(...args: Parameters<StateDatabase["run"]>): number {
    this.at();
    const changes = super.runSoon(...args);
    this.at();
    return changes;
  }
}

describe("the port of a role in an enclave", () => {
  const identities = new Map<PartyId, Identity>();
  let channels: Channels;
  let root: ReturnType<typeof temporaryFolder>;
  let exchange: Exchange;
  const open: StateDatabase[] = [];

  before(async () => {
    using folder = temporaryFolder();
    const ca = await Ca.create();
    for (const party of [bank, tax]) identities.set(party, await ca.enrol(join(folder.path, party), party));
    channels = await Channels.open(roomyPlan(), identities);
  });
  beforeEach(() => {
    root = temporaryFolder();
    exchange = new Exchange();
    exchange.submit(channels.plan);
    exchange.tell(job, { state: "running" });
  });
  afterEach(() => {
    for (const db of open.splice(0)) db[Symbol.dispose]();
    root[Symbol.dispose]();
  });

  const keyOf = (party: PartyId): Identity["signKey"] => identities.get(party)?.signKey ?? assert.fail(party);
  const inboxOf = (folder: string): string => join(folder, "inbox");

  /** A party as it starts on a folder. */
  function start(self: PartyId, folder: string, forgetAtBytes = 1): { party: JobParty; db: WatchedDatabase; phases: PhaseClock; ledger: Ledger } {
    const { plan } = channels;
    const peer = self === bank ? tax : bank;
    const db = new WatchedDatabase(join(folder, "state.db"));
    open.push(db);
    const common = { db, job, platform: exchange.platform(self), now: Date.now, log: silentLog };
    const phases = new PhaseClock(common);
    const ledger = new Ledger(db, plan, self);
    const party = new JobParty({
      ...common, self, role: self === bank ? "guest" : "host", seed: seedOf(self), identity: keyOf(self), phases, ledger,
      inbox: new Inbox({ db, plan, self, folder: inboxOf(folder), now: Date.now }),
      checkpoints: new Checkpoints({ db, job, folder: inboxOf(folder), seed: seedOf(self), rng: systemRng }),
      peers: new Map([[peer, { role: peer === bank ? "guest" : "host", session: channels.session(self, peer), identity: keyOf(peer) }]]),
      kernels: undefined as never, signal: new AbortController().signal, peerTimeoutMs: 10_000, isOver: false, forgetAtBytes, audit: { settled: async () => {}, refusedMessage() {} },
    });
    return { party, db, phases, ledger };
  }

  /** A folder as it was at some moment, and what the relay had been told to forget by then. */
  type Copy = { readonly copy: string; readonly forgotten: readonly string[] };
  function startAgain({ copy, forgotten }: Copy): ReturnType<typeof start> {
    exchange.forgotten.clear();
    for (const key of forgotten) exchange.forgotten.add(key);
    return start(bank, copy);
  }

  type Looped = { readonly sum: number; readonly from: number };
  const stateOf = (round: number, sum: number): Uint8Array => Uint8Array.from([...marker, round, sum >> 8, sum & 255]);
  const parse = (state: Uint8Array | undefined): [round: number, sum: number] =>
    (state === undefined ? [0, 0] : [state[marker.length] ?? 0, ((state[marker.length + 1] ?? 0) << 8) + (state[marker.length + 2] ?? 0)]);

  /** An opening, a checkpointed loop of questions and answers, and an end. Large messages lie in files, small ones in rows. */
  async function asks(party: JobParty): Promise<Looped> {
    return party.phase("fit", async () => {
      await party.send(tax, "seeds/commit", { commitment: party.rng("opening")(32) });
      const greeting = (await party.receive(tax, "psi/twice")).points[0] ?? 0;
      let [round, sum] = parse(party.restored("loop"));
      const from = round;
      for (; round < rounds; round++) {
        await party.send(tax, "psi/blinded", { index: 0, points: party.rng(`loop/query/${round}`)(large) });
        sum += ((await party.receive(tax, "psi/twice")).points[0] ?? 0) + ((await party.receive(tax, "seeds/reveal")).nonce[0] ?? 0) + greeting;
        await party.checkpoint("loop", stateOf(round + 1, sum));
      }
      await party.send(tax, "seeds/commit", { commitment: new Uint8Array(32).fill(sum & 255) });
      return { sum, from };
    });
  }
  async function answers(party: JobParty): Promise<Looped> {
    await party.send(bank, "psi/twice", { index: 0, points: party.rng("opening")(large) });
    const greeting = (await party.receive(bank, "seeds/commit")).commitment[0] ?? 0;
    let [round, sum] = parse(party.restored("loop"));
    const from = round;
    for (; round < rounds; round++) {
      sum += ((await party.receive(bank, "psi/blinded")).points[0] ?? 0) + greeting;
      await party.send(bank, "psi/twice", { index: 0, points: party.rng(`loop/large/${round}`)(large) });
      await party.send(bank, "seeds/reveal", { nonce: party.rng(`loop/small/${round}`)(32) });
      await party.checkpoint("loop", stateOf(round + 1, sum));
    }
    await party.receive(bank, "seeds/commit");
    return { sum, from };
  }

  const written = (db: StateDatabase, table: "inbox" | "ledger"): Row[] => db.all(`select seq, type, bytes, digest from ${table} where job = ? order by seq`, job);
  const files = (folder: string): string[] => readdirSync(inboxOf(folder)).sort();

  /** Both run to the end; the bank's folder is copied at every write of its database. Gives the copies. */
  async function run(): Promise<{ ends: { bank: Looped; tax: Looped }; copies: Copy[]; bankDb: StateDatabase; folder: string }> {
    const folder = join(root.path, "bank");
    const copies: Copy[] = [];
    mkdirSync(folder);
    const [b, t] = [start(bank, folder), start(tax, join(root.path, "tax"))];
    b.db.at = () => {
      const copy = join(root.path, `copy-${copies.length}`);
      cpSync(folder, copy, { recursive: true, filter: (source) => !source.endsWith("-shm") });
      copies.push({ copy, forgotten: [...exchange.forgotten] });
    };
    const [one, two] = await Promise.all([asks(b.party), answers(t.party)]);
    b.db.at = () => {};
    await turn();
    return { ends: { bank: one, tax: two }, copies, bankDb: b.db, folder };
  }

  it("goes on from its last checkpoint whatever moment it was killed at, and ends as if it had not been", async () => {
    const { ends, copies, bankDb } = await run();
    const [inbox, ledger] = [written(bankDb, "inbox"), written(bankDb, "ledger")];
    assert.lengthOf(inbox, 1 + 2 * rounds);
    assert.lengthOf(ledger, 2 + rounds);
    assert.isAbove(copies.length, 40);
    const froms = new Set<number>();
    for (const [i, at] of copies.entries()) {
      const { copy } = at;
      const again = startAgain(at);
      const got = await asks(again.party);
      froms.add(got.from);
      assert.equal(got.sum, ends.bank.sum, `killed at write ${i}`);
      assert.deepEqual(written(again.db, "ledger"), ledger, `killed at write ${i}`);
      assert.deepEqual(written(again.db, "inbox").map((r) => r["digest"]), inbox.map((r) => r["digest"]), `killed at write ${i}`);
      assert.deepEqual(files(copy), ["loop-4.checkpoint", "tax-0.frame"], `killed at write ${i}`);
      assert.isEmpty(again.db.all("select seq from inbox where frame is not null"), `killed at write ${i}`);
      assert.deepEqual(again.phases.rounds(), [{ name: "fit", rounds: 1 + rounds }], `killed at write ${i}`);
      const labels = Object.keys(again.party.auditSeeds());
      assert.deepEqual(labels, ["loop/query/0", "loop/query/1", "loop/query/2", "loop/query/3"], "seeds behind what was sent before the kill");
    }
    assert.deepEqual([...froms].sort((a, b) => a - b), [0, 1, 2, 3, 4]);
  });

  it("goes on when only some of the replaced files had been removed", async () => {
    const { ends, copies } = await run();
    const between = copies.filter(({ copy }) => existsSync(inboxOf(copy)) && files(copy).filter((f) => f.endsWith(".checkpoint")).length === 2);
    assert.isNotEmpty(between, "copies between the new checkpoint and the end of the old one");
    let tried = 0;
    for (const at of between) {
      const { copy } = at;
      const last = files(copy).findLast((f) => f.endsWith(".frame")) ?? assert.fail();
      using db = new StateDatabase(join(copy, "state.db"));
      const counts = Number(db.get("select number from checkpoints")?.["number"]);
      if (files(copy).includes(`loop-${counts + 1}.checkpoint`)) continue; // not yet the one that counts: the frames are needed
      rmSync(join(inboxOf(copy), last));
      assert.equal((await asks(startAgain(at).party)).sum, ends.bank.sum);
      tried += 1;
    }
    assert.isAbove(tried, 0);
  });

  it("lets the relay delete what is replaced, and only that", async () => {
    await run();
    const toBank = [...exchange.forgotten].filter((key) => key.includes("/tax/bank/")).map((key) => Number(key.split("/").at(-1))).sort((a, b) => a - b);
    assert.deepEqual(toBank, [1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("keeps the state sealed under the job's seed, and no older one", async () => {
    const { copies, folder, ends } = await run();
    for (const copy of [...copies.map((c) => c.copy), folder]) {
      if (!existsSync(inboxOf(copy))) continue;
      for (const file of files(copy)) assert.isFalse(readFileSync(join(inboxOf(copy), file)).includes(Buffer.from(marker)), file);
    }
    using db = new StateDatabase(join(folder, "state.db"));
    const options = { db, job, folder: inboxOf(folder), rng: systemRng };
    const kept = new Checkpoints({ ...options, seed: seedOf(bank) }).read("loop");
    assert.deepEqual(parse(kept?.state), [rounds, ends.bank.sum]);
    assert.equal(codeOf(() => new Checkpoints({ ...options, seed: seedOf(tax) }).read("loop")), "ENCLAVE_CHECKPOINT");
  });

  it("refuses to go on from a checkpoint that is cut, gone or of another number", async () => {
    const { copies, folder } = await run();
    const path = join(inboxOf(folder), "loop-4.checkpoint");
    const older = copies.map(({ copy }) => join(inboxOf(copy), "loop-3.checkpoint")).find((file) => existsSync(file)) ?? assert.fail();
    for (const harm of [() => truncateSync(path, 40), () => cpSync(older, path), () => rmSync(path)]) {
      harm();
      const { party } = start(bank, folder);
      await party.send(tax, "seeds/commit", { commitment: party.rng("opening")(32) });
      await party.receive(tax, "psi/twice");
      assert.equal(codeOf(() => party.restored("loop")), "ENCLAVE_CHECKPOINT");
    }
  });

  it("does not draw a label again that was used before the kill", async () => {
    const { folder } = await run();
    const { party } = start(bank, folder);
    party.restored("loop");
    assert.equal(codeOf(() => party.rng("loop/query/2")), "JOB_INTERNAL");
    assert.doesNotThrow(() => party.rng("loop/query/9"));
  });

  it("takes no checkpoint with a message under way, nor before its place, nor twice for one place", async () => {
    const { party } = start(bank, join(root.path, "bank"));
    const early = await party.checkpoint("loop", marker).catch((error: AppError) => error.code);
    assert.equal(early, "JOB_INTERNAL");
    party.restored("loop");
    assert.equal(codeOf(() => party.restored("loop")), "JOB_INTERNAL");
    const waiting = party.receive(tax, "seeds/commit");
    assert.equal(await party.checkpoint("loop", marker).catch((error: AppError) => error.code), "JOB_INTERNAL");
    const other = start(tax, join(root.path, "tax"));
    await other.party.send(bank, "seeds/commit", { commitment: new Uint8Array(32) });
    await waiting;
    await party.checkpoint("loop", marker);
  });

  it("asks the relay to forget only when there is much of it", async () => {
    const [b, t] = [start(bank, join(root.path, "bank"), 50_000), start(tax, join(root.path, "tax"), 1 << 20)];
    await Promise.all([asks(b.party), answers(t.party)]);
    assert.isTrue([...exchange.forgotten].some((key) => key.includes("/tax/bank/")));
    assert.isFalse([...exchange.forgotten].some((key) => key.includes("/bank/tax/")));
  });

  it("takes several messages of a peer that are waited for at once in their order", async () => {
    const [b, t] = [start(bank, join(root.path, "bank")), start(tax, join(root.path, "tax"))];
    const both = Promise.all([b.party.receive(tax, "seeds/commit"), b.party.receive(tax, "seeds/reveal")]);
    await t.party.send(bank, "seeds/commit", { commitment: new Uint8Array(32).fill(1) });
    await t.party.send(bank, "seeds/reveal", { nonce: new Uint8Array(32).fill(2) });
    assert.deepEqual((await both).map((m) => Object.values(m)[0]?.[0]), [1, 2]);
  });
});

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return assert.fail("nothing was refused");
}
