// The platform's transparency log over real sockets: who may append what, proofs, bundles, witnesses, a log that goes back.
import { X509Certificate } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { logPaths } from "../../api/log/key.ts";
import type { LogView } from "../../cli/log-client.ts";
import { verifyBundle } from "../../receipts/bundle.ts";
import { openCheckpoint, witnessPolicy } from "../../receipts/checkpoint.ts";
import { folderDisk } from "../../receipts/disk.ts";
import { fsck } from "../../receipts/fsck.ts";
import { leafHash, verifyConsistency, verifyInclusion } from "../../receipts/merkle.ts";
import { fromBase64, parseVerifierKey } from "../../receipts/note.ts";
import { following, noPrevious, receiptDigest } from "../../receipts/receipt.ts";
import { tilePath, unpackEntries } from "../../receipts/tiles.ts";
import { codeOf } from "../receipts/codes.ts";
import { assertCode, type Client } from "../support/clients.ts";
import { Issuer, TestWitness, type Place } from "../support/issuers.ts";
import { findPostgres, startPostgres, type Cluster } from "../support/postgres.ts";
import { keptLog, newWorld, runningJob, TestClock, type World } from "../support/platform.ts";

const jobName = (n: number): string => `job_${String(n).padStart(16, "0")}`;

/** Whether the answer proves that this text is in the log. */
function assertProved(view: LogView, jws: string, place: Place): void {
  const { size, root } = openCheckpoint(place.checkpoint, parseVerifierKey(view.key));
  assert.isTrue(verifyInclusion({ index: place.index, size, leaf: leafHash(Buffer.from(jws)), path: place.path.map(fromBase64), root }));
}

describe("the platform's transparency log", () => {
  let world: World;
  let open: Client;
  let tax: Issuer;
  let power: Issuer;
  let earliest = "";
  const lines: string[] = [];
  const clock = new TestClock();
  const view = async (): Promise<LogView> => (await open.get("/v1/log")).json() as LogView;

  before(async () => {
    world = await newWorld({ log: keptLog(lines), now: clock.now });
    open = world.platform.apiClient();
    tax = new Issuer(world.tax);
    power = new Issuer(world.power);
  });
  after(() => world.platform[Symbol.asyncDispose]());

  it("is there from the start, empty, under a key of its own", async () => {
    const { key, size, checkpoint, witnessed, caCertificate } = await view();
    assert.deepEqual([size, witnessed], [0, null]);
    assert.equal(openCheckpoint(checkpoint, parseVerifierKey(key)).size, 0);
    assert.match(key, /^yunei-log\/[0-9a-f]{16}\+/);
    assert.equal(new X509Certificate(caCertificate).ca, true);
  });

  it("takes receipts in the order of each party's chain and proves where they are", async () => {
    const texts = [tax.next(jobName(1)), power.next(jobName(1)), tax.next(jobName(2))];
    const places = [await tax.putGood(texts[0] ?? ""), await power.putGood(texts[1] ?? ""), await tax.putGood(texts[2] ?? "")];
    assert.deepEqual(places.map(({ index }) => index), [0, 1, 2]);
    const now = await view();
    earliest = now.checkpoint;
    for (const [i, place] of places.entries()) assertProved(now, texts[i] ?? "", place);
    assert.equal(now.size, 3);
  });

  it("answers the same receipt again, the last or an earlier one, without taking it twice", async () => {
    const jws = tax.next(jobName(3));
    const first = await tax.putGood(jws);
    const again = await tax.putGood(jws);
    await tax.putGood(tax.next(jobName(4)));
    const later = await tax.putGood(jws);
    assert.deepEqual([again.index, later.index], [first.index, first.index]);
    assertProved(await view(), jws, later);
    assert.equal((await view()).size, 5);
  });

  it("refuses gaps, forks, a second first one, another party, another key, other versions and forms; nothing is appended", async () => {
    const { size } = await view();
    const head = tax.head ?? assert.fail();
    const refusals: [string, string][] = [
      [tax.sign(jobName(9), { sequence: head.sequence + 2, previous: head.digest }), "RECEIPT_CHAIN"],
      [tax.sign(jobName(9), { sequence: head.sequence, previous: head.digest }), "RECEIPT_CHAIN"],
      [tax.sign(jobName(9), { sequence: head.sequence + 1, previous: "f".repeat(64) }), "RECEIPT_CHAIN"],
      [tax.sign(jobName(9), { sequence: 0, previous: noPrevious }), "RECEIPT_CHAIN"],
      [power.sign(jobName(9)), "RECEIPT_ISSUER"],
      [power.sign(jobName(9), { party: world.tax.identity.party, sequence: head.sequence + 1, previous: head.digest }), "RECEIPT_SIGNATURE"],
      ["a.b.c", "RECEIPT_FORMAT"],
    ];
    for (const [jws, code] of refusals) assertCode(await tax.put(jws), code);
    const later = tax.sign(jobName(9)).split(".");
    const payload = Buffer.from(later[1] ?? "", "base64url").toString("utf8").replace('"version":2', '"version":3');
    assertCode(await tax.put([later[0], Buffer.from(payload).toString("base64url"), later[2]].join(".")), "RECEIPT_VERSION");
    assertCode(await tax.enclave.client.post("/enclave/v1/receipts", { receipt: 1 }), "REQUEST_INVALID");
    assert.equal((await view()).size, size);
    await tax.putGood(tax.next(jobName(9)));
  });

  it("takes many at once, in one piece each", async () => {
    const { size } = await view();
    const texts = Array.from({ length: 40 }, (_, i) => tax.next(jobName(100 + i)));
    for (const jws of texts) await tax.putGood(jws);
    const both = await Promise.all([1, 2, 3].map((i) => power.putGood(power.next(jobName(i + 200))).catch(() => undefined)));
    assert.isDefined(both[0]);
    assert.isAtLeast((await view()).size, size + 41);
  });

  it("can be read and proved by anybody, by the static API of tlog-tiles, too", async () => {
    const { key, checkpoint, size } = await view();
    assert.equal((await open.get("/v1/log/checkpoint")).bytes.toString("utf8"), checkpoint);
    const bundle = await open.get(`/v1/log/${tilePath({ kind: "entries", index: 0, width: size })}`);
    assert.equal(bundle.status, 200);
    const entries = unpackEntries(bundle.bytes, size);
    const { root } = openCheckpoint(checkpoint, parseVerifierKey(key));
    for (const index of [0, 7, size - 1]) {
      const proof = (await open.get(`/v1/log/proof/${index}?size=${size}`)).json() as { path: string[] };
      const leaf = leafHash(entries[index] ?? Buffer.alloc(0));
      assert.isTrue(verifyInclusion({ index, size, leaf, path: proof.path.map(fromBase64), root }));
      assert.isFalse(verifyInclusion({ index: index === 0 ? 1 : index - 1, size, leaf, path: proof.path.map(fromBase64), root }));
    }
    assert.equal((await open.get(`/v1/log/${tilePath({ kind: 0, index: 0, width: 3 })}`)).bytes.length, 96);
    const early = openCheckpoint(earliest, parseVerifierKey(key));
    const grown = (await open.get(`/v1/log/consistency?first=${early.size}&second=${size}`)).json() as { path: string[] };
    assert.isTrue(verifyConsistency({ first: early.size, second: size, firstRoot: early.root, secondRoot: root, path: grown.path.map(fromBase64) }));
    for (const path of ["proof/999999", "proof/0?size=999999", "consistency?first=2&second=1", "tile/0/009", "tile/entries/x000/000", "witnessed"]) {
      assertCode(await open.get(`/v1/log/${path}`), "LOG_RANGE");
    }
    assertCode(await open.get("/v1/log/proof/-1"), "REQUEST_INVALID");
    assert.notEqual((await open.get("/v1/log/..%2Flog.key")).status, 200);
  });

  it("gives an institution the bundles of its own jobs, which verify offline, and nobody else's", async () => {
    const job = await runningJob(world);
    const jws = tax.next(job, { at: new Date(clock.ms).toISOString() });
    await tax.putGood(jws);
    const own = await world.bank.client.get("/v1/receipts");
    const { items } = own.json() as { items: { id: string; job: string; party: string; index: number }[] };
    assert.deepEqual(items.map((r) => [r.id, r.job, r.party]), [[receiptDigest(jws), job, "tax"]]);
    const reply = await world.bank.client.get(`/v1/receipts/${receiptDigest(jws)}`);
    const { key, caCertificate } = await view();
    const trust = { log: parseVerifierKey(key), witnesses: witnessPolicy(0, []), authorities: [new X509Certificate(caCertificate)], pinned: new Map(), consent: undefined };
    const report = await verifyBundle(reply.bytes.toString("utf8"), trust);
    assert.equal(report.result, "ok", JSON.stringify(report.checks));
    assert.equal(report.checks.find(({ name }) => name === "chain")?.status, "ok");
    assert.equal(report.receipt?.id, job);
    await world.platform.enrol("otherbank");
    const other = await world.platform.addBank("otherbank");
    assert.deepEqual((await other.client.get("/v1/receipts")).json(), { items: [], next: null });
    assertCode(await other.client.get(`/v1/receipts/${receiptDigest(jws)}`), "RECEIPT_NOT_FOUND");
    assertCode(await world.bank.client.get(`/v1/receipts/${"0".repeat(64)}`), "RECEIPT_NOT_FOUND");
    assertCode(await open.get("/v1/receipts"), "AUTH_REQUIRED");
    assertCode(await world.power.client.get(`/enclave/v1/receipts/${receiptDigest(jws)}`), "RECEIPT_NOT_FOUND");
    assertProved(await view(), jws, (await world.tax.client.get(`/enclave/v1/receipts/${receiptDigest(jws)}`)).json() as Place);
    const page = (await world.bank.client.get(`/v1/receipts?job=${job}&limit=1`)).json() as { items: unknown[]; next: string | null };
    assert.lengthOf(page.items, 1);
    assert.deepEqual((await world.bank.client.get(`/v1/receipts?limit=1&cursor=${page.next}`)).json(), { items: [], next: null });
  });

  describe("and its witnesses", () => {
    let first: TestWitness;
    let second: TestWitness;
    before(() => {
      first = new TestWitness(tax, clock.now);
      second = new TestWitness(power, clock.now);
    });

    it("publishes a key that the party's identity has signed, and no other", async () => {
      assertCode(await first.publish(power.key), "WITNESS_KEY");
      assertCode(await tax.enclave.client.post("/enclave/v1/log/cosignatures", { checkpoint: "x", line: "y" }), "WITNESS_KEY");
      for (const witness of [first, second]) assert.equal((await witness.publish()).status, 200);
      assert.deepEqual((await view()).witnesses.map((w) => [String(w.party), w.cosigned ?? w.refused]), [["power", null], ["tax", null]]);
    });

    it("meets the co-signatures of all on one checkpoint and publishes it", async () => {
      await tax.putGood(tax.next(jobName(300)));
      clock.ms += 10_000;
      assert.deepEqual((await first.cosign())?.json(), { taken: true });
      // A newer tree waits until the second has signed the one on offer.
      await tax.putGood(tax.next(jobName(301)));
      assert.deepEqual((await second.cosign())?.json(), { taken: true });
      const { witnessed, key, witnesses } = await view();
      const note = openCheckpoint(witnessed ?? "", parseVerifierKey(key));
      assert.lengthOf(note.note.signatures, 3);
      assert.deepEqual(witnesses.map(({ cosigned }) => cosigned?.size), [note.size, note.size]);
      assert.equal((await open.get("/v1/log/witnessed")).bytes.toString("utf8"), witnessed);
      const at = await tax.enclave.client.get(`/enclave/v1/receipts/${tax.head?.digest ?? ""}`);
      assert.equal(at.status, 200);
      // And then the newer one is on offer.
      assert.deepEqual((await first.cosign())?.json(), { taken: true });
      assert.isAbove(openCheckpoint((await view()).witnessed ?? "", parseVerifierKey(key)).size, note.size);
    });

    it("refuses a co-signature by another key, of another checkpoint, or forged", async () => {
      await tax.putGood(tax.next(jobName(302)));
      clock.ms += 10_000;
      const { offer } = await first.offer(0);
      const checkpoint = offer?.checkpoint ?? assert.fail();
      const send = (line: string, text = checkpoint) => tax.enclave.client.post("/enclave/v1/log/cosignatures", { checkpoint: text, line });
      const stranger = new TestWitness(tax, clock.now);
      const strange = await stranger.cosign();
      assertCode(strange ?? assert.fail(), "CHECKPOINT_SIGNATURE");
      assertCode(await send("no signature line\n"), "CHECKPOINT_FORMAT");
      assert.deepEqual((await send("x\n", checkpoint.replace("yunei-log", "another"))).json(), { taken: false });
      assert.deepEqual((await first.cosign())?.json(), { taken: true });
    });

    it("shows everybody that a witness refuses the log, and says so in its own log", async () => {
      const refusal = { code: "WITNESS_FORKED", size: 7, offered: 7 };
      assert.equal((await power.enclave.client.post("/enclave/v1/log/refusals", refusal)).status, 200);
      const shown = (await view()).witnesses.find(({ party }) => party === "power");
      assert.deepInclude(shown?.refused ?? {}, refusal);
      assert.isTrue(lines.some((line) => line.includes("log.refused-by-witness") && line.includes("WITNESS_FORKED")));
      assertCode(await power.enclave.client.post("/enclave/v1/log/refusals", { ...refusal, code: "JOB_INTERNAL" }), "REQUEST_INVALID");
    });
  });
});

describe("the folder of the transparency log", () => {
  let world: World;
  let tax: Issuer;
  let kept: string;
  const clock = new TestClock();
  const view = async (): Promise<LogView> => (await world.platform.apiClient().get("/v1/log")).json() as LogView;
  before(async () => {
    world = await newWorld({ now: clock.now });
    tax = new Issuer(world.tax);
    kept = mkdtempSync(join(tmpdir(), "yunei-kept-"));
    await tax.putGood(tax.next(jobName(1)));
  });
  after(async () => {
    await world.platform[Symbol.asyncDispose]();
    rmSync(kept, { recursive: true });
  });
  /** The database of the time when the folder was copied. */
  function restoreDatabase(): void {
    for (const name of ["platform.db", "platform.db-wal", "platform.db-shm"]) {
      rmSync(join(world.platform.data, name), { force: true });
      if (existsSync(join(kept, name))) cpSync(join(kept, name), join(world.platform.data, name));
    }
  }

  it("holds its folder: nobody else can open it", async () => {
    const { startPlatform } = await import("../../api/server.ts");
    const { data, env } = world.platform;
    const started = startPlatform({ data, env, compilePlan: () => assert.fail() });
    assert.equal(await codeOf(() => started), "LOG_LOCKED");
  }).timeout(20_000);

  it("begins a new chain for a party that was enrolled anew, and still proves what the old key signed", async () => {
    const job = await runningJob(world);
    const old = tax.next(job, { at: new Date(clock.ms).toISOString() });
    await tax.putGood(old);
    const head = tax.head;
    world.tax = await world.platform.enrol("tax");
    const renewed = new Issuer(world.tax);
    assertCode(await renewed.put(renewed.sign(job, following(head))), "RECEIPT_CHAIN");
    const fresh = renewed.next(job, { at: new Date(clock.ms).toISOString() });
    await renewed.putGood(fresh);
    tax = renewed;
    const { key, caCertificate } = await view();
    const trust = { log: parseVerifierKey(key), witnesses: witnessPolicy(0, []), authorities: [new X509Certificate(caCertificate)], pinned: new Map(), consent: undefined };
    for (const jws of [old, fresh]) {
      const reply = await world.bank.client.get(`/v1/receipts/${receiptDigest(jws)}`);
      assert.equal((await verifyBundle(reply.bytes.toString("utf8"), trust)).result, "ok");
    }
  });

  it("opens itself anew after the disk refused, and loses nothing that was acknowledged", async () => {
    const { folder } = logPaths(world.platform.data);
    const { size } = await view();
    const jws = tax.next(jobName(2));
    renameSync(join(folder, "tile"), join(folder, "away"));
    writeFileSync(join(folder, "tile"), "");
    const refused = await tax.put(jws);
    assert.isAtLeast(refused.status, 500, "an enclave repeats it");
    rmSync(join(folder, "tile"));
    renameSync(join(folder, "away"), join(folder, "tile"));
    assert.equal((await tax.putGood(jws)).index, size);
    assert.equal((await tax.putGood(tax.next(jobName(3)))).index, size + 1);
    assert.equal((await view()).size, size + 2);
  });

  it("gives its index back what that lost in a crash, and answers the repeated receipt", async () => {
    const { platform } = world;
    await platform.stop();
    cpSync(platform.data, kept, { recursive: true });
    await platform.launch();
    const jws = tax.next(jobName(400));
    const place = await tax.putGood(jws);
    await platform.stop();
    // The machine stopped between log and database: the entry is there, its row is not.
    restoreDatabase();
    await platform.launch();
    assert.equal((await tax.putGood(jws)).index, place.index);
    await tax.putGood(tax.next(jobName(401)));
    assert.equal((await view()).size, place.index + 2);
  });

  it("is not believed after it went back: index and witnesses tell", async () => {
    const { platform } = world;
    const witness = new TestWitness(tax, clock.now);
    assert.equal((await witness.publish()).status, 200);
    clock.ms += 10_000;
    assert.deepEqual((await witness.cosign())?.json(), { taken: true });
    await platform.stop();
    const { folder } = logPaths(platform.data);
    rmSync(folder, { recursive: true });
    cpSync(logPaths(kept).folder, folder, { recursive: true });
    // With its own index the platform notices itself …
    assert.equal(await codeOf(() => platform.launch()), "LOG_DAMAGED");
    // … and with that gone back as well, the witness does.
    restoreDatabase();
    await platform.launch();
    assert.equal(await codeOf(() => witness.cosign()), "WITNESS_REWOUND");
    assert.lengthOf(witness.store.evidence, 1);
  });

  it("is whole by its own checker", async () => {
    const { key } = await view();
    const report = await fsck(folderDisk(logPaths(world.platform.data).folder), parseVerifierKey(key));
    assert.deepEqual([report.ok, report.problems], [true, []]);
  });
});

describe("a platform that is killed while receipts come in", () => {
  let world: World;
  before(async () => {
    world = await newWorld({ asProcess: true });
  });
  after(() => world.platform[Symbol.asyncDispose]());

  it("has every receipt that it acknowledged, each once, and goes on", async () => {
    const tax = new Issuer(world.tax);
    const acknowledged = new Map<string, number>();
    for (let round = 0; round < 3; round++) {
      let died: Promise<unknown> | undefined;
      let unanswered = "";
      for (let n = 0; ; n++) {
        const jws = tax.next(jobName(round * 1000 + n));
        const put = tax.put(jws).catch(() => undefined);
        if (n === 5 + round * 3) died = world.platform.kill();
        const reply = await put;
        if (reply?.status !== 200) {
          unanswered = jws;
          break;
        }
        acknowledged.set(jws, (reply.json() as Place).index);
      }
      await died;
      await world.platform.launch();
      // As an enclave does: the unanswered one again, which may be there or not.
      acknowledged.set(unanswered, (await tax.putGood(unanswered)).index);
      for (const [jws, index] of acknowledged) assert.equal((await tax.putGood(jws)).index, index);
    }
    const open = world.platform.apiClient();
    const { size, key } = (await open.get("/v1/log")).json() as LogView;
    assert.equal(size, acknowledged.size);
    assert.deepEqual([...acknowledged.values()].sort((a, b) => a - b), Array.from({ length: size }, (_, i) => i));
    await world.platform.stop();
    const report = await fsck(folderDisk(logPaths(world.platform.data).folder), parseVerifierKey(key));
    assert.isTrue(report.ok);
    await world.platform.launch();
  });
});

describe("the log of a platform on PostgreSQL", () => {
  const bin = findPostgres();
  if (bin === undefined) {
    it("needs PostgreSQL's binaries, which are not installed here", () => assert.notEqual(process.env["YUNEI_REQUIRE_POSTGRES"], "1"));
    return;
  }
  let cluster: Cluster;
  before(async () => {
    cluster = await startPostgres(bin);
    cluster.createDatabase("log");
  });
  after(() => cluster.stop());
  it("has the same index, witnesses and bundles", async () => {
    const world = await newWorld({ database: cluster.url("log") });
    try {
      const tax = new Issuer(world.tax);
      const job = await runningJob(world);
      const jws = tax.next(job);
      const place = await tax.putGood(jws);
      assertCode(await tax.put(tax.sign(job, { sequence: 7 })), "RECEIPT_CHAIN");
      const witness = new TestWitness(tax);
      assert.equal((await witness.publish()).status, 200);
      assert.deepEqual((await witness.cosign())?.json(), { taken: true });
      const { items } = (await world.bank.client.get(`/v1/receipts?job=${job}`)).json() as { items: { id: string; index: number }[] };
      assert.deepEqual(items.map(({ id, index }) => [id, index]), [[receiptDigest(jws), place.index]]);
      assert.equal((await world.bank.client.get(`/v1/receipts/${receiptDigest(jws)}`)).status, 200);
      await world.platform.stop();
      await world.platform.launch();
      for (const text of [jws, tax.next(jobName(2))]) assert.equal((await tax.putGood(text)).index, place.index + (text === jws ? 0 : 1));
    } finally {
      await world.platform[Symbol.asyncDispose]();
    }
  }).timeout(60_000);
});
