// The relay over real sockets: what it stores, repeats and refuses.
import { randomBytes } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { maxRelayBytes } from "../../api/contract/endpoint.ts";
import { assertCode, sha256, type Client, type Reply } from "../support/clients.ts";
import { newWorld, runningJob, submit, type World } from "../support/platform.ts";

describe("relay", () => {
  let world: World;
  let job: string;
  let guest: Client;
  let tax: Client;

  before(async () => {
    world = await newWorld({ limits: { relayQuotaBytes: 24 * 2 ** 20 } });
    guest = world.guest.client;
    tax = world.tax.client;
    job = await runningJob(world, ["tax"]);
  });
  after(() => world.platform[Symbol.asyncDispose]());

  const files = (): string[] =>
    readdirSync(join(world.platform.data, "blobs"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));

  it("hands a frame on unchanged, with its digest, to the party it is for", async () => {
    const frame = randomBytes(270_000);
    const put = await guest.putFrame(job, "tax", 0, frame);
    assert.deepEqual([put.status, put.json()], [200, { next: 1 }]);
    const got = await tax.getFrame(job, "bank", 0);
    assert.equal(got.status, 200);
    assert.isTrue(got.bytes.equals(frame));
    assert.equal(got.headers["x-content-digest"], sha256(frame));
    const empty = new Uint8Array(0);
    assert.equal((await guest.putFrame(job, "tax", 1, empty)).status, 200);
    assert.equal((await tax.getFrame(job, "bank", 1)).bytes.length, 0);
  });

  it("keeps frames in files of its own user only", () => {
    const kept = files();
    assert.isNotEmpty(kept);
    for (const file of kept) {
      assert.equal(statSync(file).mode & 0o777, 0o600, file);
      assert.equal(statSync(join(file, "..")).mode & 0o777, 0o700, file);
    }
  });

  it("takes the same frame again and answers the same", async () => {
    const frame = randomBytes(100);
    const channel = ["bank", 0] as const;
    for (let i = 0; i < 3; i += 1) assert.deepEqual((await tax.putFrame(job, channel[0], channel[1], frame)).json(), { next: 1 });
    assert.isTrue((await guest.getFrame(job, "tax", 0)).bytes.equals(frame));
  });

  it("keeps one content when two writers race for a number", async () => {
    const frames = Array.from({ length: 6 }, () => randomBytes(200_000));
    const replies = await Promise.all([...frames, ...frames].map((frame) => tax.putFrame(job, "bank", 1, frame)));
    const stored = (await guest.getFrame(job, "tax", 1)).bytes;
    for (const [i, reply] of replies.entries()) {
      if (frames[i % 6]?.equals(stored) === true) assert.equal(reply.status, 200);
      else assertCode(reply, "RELAY_CONFLICT");
    }
    assert.equal(replies.filter((reply) => reply.status === 200).length, 2);
    assert.lengthOf(
      files().filter((file) => /tax~bank\/1-/.test(file)),
      1,
    );
  });

  const frame = Buffer.from("opaque");
  const table: [name: string, code: string, run: () => Promise<Reply>][] = [
    ["another content under a used number", "RELAY_CONFLICT", () => guest.putFrame(job, "tax", 0, frame)],
    ["a number after a gap", "RELAY_GAP", () => guest.putFrame(job, "tax", 7, frame)],
    [
      "a digest that is not the body's",
      "RELAY_DIGEST",
      () => guest.putFrame(job, "tax", 2, frame, { "x-content-digest": sha256("other") }),
    ],
    [
      "a digest in capitals",
      "RELAY_DIGEST",
      () => guest.putFrame(job, "tax", 2, frame, { "x-content-digest": sha256(frame).toUpperCase() }),
    ],
    ["an oversized frame", "REQUEST_TOO_LARGE", () => guest.putFrame(job, "tax", 2, new Uint8Array(maxRelayBytes + 1))],
    ["another media type", "REQUEST_MEDIA_TYPE", () => guest.putFrame(job, "tax", 2, frame, { "content-type": "application/json" })],
    ["a content encoding", "REQUEST_LENGTH", () => guest.putFrame(job, "tax", 2, frame, { "content-encoding": "gzip" })],
    ["a peer that is not in the job", "RELAY_PEER", () => guest.putFrame(job, "power", 0, frame)],
    ["itself as the peer", "RELAY_PEER", () => guest.putFrame(job, "bank", 0, frame)],
    ["a job in which the sender has no part", "JOB_NOT_FOUND", () => world.power.client.putFrame(job, "tax", 0, frame)],
    ["reading a job in which the reader has no part", "JOB_NOT_FOUND", () => world.power.client.getFrame(job, "bank", 0)],
    ["an unknown job", "JOB_NOT_FOUND", () => guest.putFrame(`job_${"0".repeat(24)}`, "tax", 0, frame)],
    ["a number in another spelling", "REQUEST_INVALID", () => guest.putFrame(job, "tax", "02", frame)],
    ["a party name that climbs in the file system", "REQUEST_INVALID", () => guest.putFrame(job, "../tax", 0, frame)],
    ["a wait beyond the limit", "REQUEST_INVALID", () => tax.getFrame(job, "bank", 2, 26)],
  ];
  for (const [name, code, run] of table) {
    it(`refuses ${name} with ${code} and leaves the channel as it was`, async () => {
      assertCode(await run(), code);
      assert.equal((await tax.getFrame(job, "bank", 2)).status, 204);
      assert.isEmpty(files().filter((file) => file.includes("/temp/")));
    });
  }

  it("refuses a chunked body, whose length nobody has said", async () => {
    const body = async function* (): AsyncGenerator<Buffer> {
      yield frame;
    };
    const response = await guest.pool.request({
      method: "PUT",
      path: `/enclave/v1/relay/${job}/tax/2`,
      body: body() as never,
      headers: { "content-type": "application/octet-stream", "x-content-digest": sha256(frame) },
    });
    assert.equal(response.statusCode, 411);
    await response.body.dump();
  });

  it("does not relay before all have approved", async () => {
    const waiting = await submit(world, ["tax"]);
    assertCode(await guest.putFrame(waiting, "tax", 0, frame), "JOB_NOT_RUNNING");
    assertCode(await tax.getFrame(waiting, "bank", 0), "JOB_NOT_RUNNING");
  });

  it("answers a reader that waits when the frame has come", async () => {
    const waiting = tax.getFrame(job, "bank", 2, 25);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal((await guest.putFrame(job, "tax", 2, frame)).status, 200);
    const got = await waiting;
    assert.equal(got.status, 200);
    assert.isTrue(got.bytes.equals(frame));
  });

  it("answers 204 when the wait is over", async () => {
    assert.equal((await tax.getFrame(job, "bank", 3, 0.2)).status, 204);
  });

  it("stops a party at its quota but still repeats what it has stored", async () => {
    const other = await runningJob(world, ["tax"]);
    const big = randomBytes(9 * 2 ** 20);
    for (let seq = 0; seq < 2; seq += 1) assert.equal((await guest.putFrame(other, "tax", seq, big)).status, 200);
    assertCode(await guest.putFrame(other, "tax", 2, big), "RELAY_QUOTA");
    assert.deepEqual((await guest.putFrame(other, "tax", 1, big)).json(), { next: 2 });
    assert.equal((await tax.putFrame(other, "bank", 0, big)).status, 200); // a quota of its own
  });

  it("deletes what its receiver needs no more, says so when it is asked for, and still knows what it was", async () => {
    const other = await runningJob(world, ["tax"]);
    const frames = [1000, 200_000, 1000, 200_000, 200_000].map((size) => randomBytes(size));
    for (const [seq, bytes] of frames.entries()) assert.equal((await guest.putFrame(other, "tax", seq, bytes)).status, 200);
    const kept = (client: Client, from: string, first: number, below: number) => 
      client.post(`/enclave/v1/relay/${other}/${from}/kept`, { first, below });
    assertCode(await kept(guest, "tax", 0, 1), "RELAY_GAP"); // nobody can forget what is only on its way to another
    assertCode(await kept(guest, "bank", 0, 1), "RELAY_PEER");
    assertCode(await kept(tax, "bank", 0, 6), "RELAY_GAP");
    assertCode(await kept(tax, "bank", -1, 2), "REQUEST_INVALID");
    for (let i = 0; i < 2; i += 1) assert.deepEqual((await kept(tax, "bank", 1, 3)).json(), { below: 3 });
    assert.lengthOf(files().filter((file) => file.includes(other)), 2);
    for (const seq of [0, 3, 4, 4]) assert.isTrue((await tax.getFrame(other, "bank", seq)).bytes.equals(frames[seq] ?? assert.fail()));
    for (const seq of [1, 2]) assertCode(await tax.getFrame(other, "bank", seq, 1), "RELAY_FORGOTTEN");
    // A sender that did not get its answer.
    assert.deepEqual((await guest.putFrame(other, "tax", 1, frames[1] ?? assert.fail())).json(), { next: 2 });
    assertCode(await guest.putFrame(other, "tax", 1, randomBytes(1000)), "RELAY_CONFLICT");
    assert.deepEqual((await guest.putFrame(other, "tax", 2, frames[2] ?? assert.fail())).json(), { next: 3 });
    for (const seq of [1, 2]) assertCode(await tax.getFrame(other, "bank", seq), "RELAY_FORGOTTEN");
    assert.lengthOf(files().filter((file) => file.includes(other)), 2);
    await world.bank.client.post(`/v1/jobs/${other}/cancel`);
    assertCode(await kept(tax, "bank", 0, 1), "JOB_ENDED");
    assertCode(await tax.getFrame(other, "bank", 1), "JOB_ENDED");
  });

  it("takes and gives nothing after the job's end, deletes the bytes and keeps the counts", async () => {
    const reader = tax.getFrame(job, "bank", 3, 25);
    assert.equal((await world.bank.client.post(`/v1/jobs/${job}/cancel`)).status, 200);
    assertCode(await reader, "JOB_ENDED");
    assertCode(await guest.putFrame(job, "tax", 3, frame), "JOB_ENDED");
    assertCode(await tax.getFrame(job, "bank", 0), "JOB_ENDED");
    for (let i = 0; i < 100 && files().some((file) => file.includes(job)); i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
    assert.isEmpty(files().filter((file) => file.includes(job)));
    const { traffic } = (await world.bank.client.get(`/v1/jobs/${job}`)).json() as { traffic: object[] };
    assert.deepEqual(traffic, [
      { from: "bank", to: "tax", bytes: 270_006, messages: 3 },
      { from: "tax", to: "bank", bytes: 200_100, messages: 2 },
    ]);
  });
});
