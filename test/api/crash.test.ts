// kill -9 of a real platform process in the middle of relay puts: what was acknowledged is there, and the job goes on.
import { createHash } from "node:crypto";
import { connect } from "node:tls";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { newWorld, runningJob, type World } from "../support/platform.ts";

/** Frame `seq`, always the same. */
const frameOf = (seq: number): Buffer => {
  const size = seq % 3 === 0 ? 400_000 : 300;
  return Buffer.alloc(size, createHash("sha256").update(`frame ${seq}`).digest());
};

describe("a platform that is killed", () => {
  let world: World;
  before(async () => {
    world = await newWorld({ asProcess: true });
  });
  after(() => world.platform[Symbol.asyncDispose]());

  it("has everything that it acknowledged when it comes back, and takes the rest", async () => {
    const job = await runningJob(world, ["tax"]);
    let seq = 0;
    for (let round = 0; round < 3; round += 1) {
      const acknowledged = seq;
      const killAfter = acknowledged + 4 + round * 7;
      let died: Promise<unknown> | undefined;
      for (;;) {
        // The kill hits while this put or one of the next is under way.
        if (seq === killAfter) died ??= world.platform.kill();
        const reply = await world.guest.client.putFrame(job, "tax", seq, frameOf(seq)).catch(() => undefined);
        if (reply === undefined) break;
        assert.deepEqual([reply.status, reply.json()], [200, { next: seq + 1 }]);
        seq += 1;
      }
      await died;
      assert.isAtLeast(seq, killAfter);
      await world.platform.launch();
      for (let i = 0; i < seq; i += 1) {
        const got = await world.tax.client.getFrame(job, "bank", i);
        assert.equal(got.status, 200, `frame ${i} of ${seq}`);
        assert.isTrue(got.bytes.equals(frameOf(i)), `frame ${i}`);
      }
      // The one that was under way: there or not there, but the same frame again is taken either way.
      const again = await world.guest.client.putFrame(job, "tax", seq, frameOf(seq));
      assert.deepEqual([again.status, again.json()], [200, { next: seq + 1 }]);
      seq += 1;
    }
    const view = (await world.bank.client.get(`/v1/jobs/${job}`)).json() as { state: string; traffic: { messages: number }[] };
    assert.equal(view.state, "running");
    assert.equal(view.traffic[0]?.messages, seq);
  });

  it("keeps nothing of a frame whose sender goes away in the middle", async () => {
    const job = await runningJob(world, ["tax"]);
    const { key, cert, ca } = world.guest.identity;
    const socket = connect({ host: "127.0.0.1", port: world.platform.enclavePort, key, cert, ca });
    await new Promise((resolve) => socket.once("secureConnect", resolve));
    const head = [
      `PUT /enclave/v1/relay/${job}/tax/0 HTTP/1.1`, "Host: localhost", "Content-Type: application/octet-stream",
      `X-Content-Digest: ${"0".repeat(64)}`, "Content-Length: 1000", "", "",
    ].join("\r\n");
    await new Promise((resolve) => socket.write(`${head}only a part`, resolve));
    await new Promise((resolve) => setTimeout(resolve, 200)); // it is being received
    socket.destroy();
    assert.equal((await world.tax.client.getFrame(job, "bank", 0)).status, 204);
    assert.deepEqual((await world.guest.client.putFrame(job, "tax", 0, frameOf(0))).json(), { next: 1 });
    assert.isTrue((await world.tax.client.getFrame(job, "bank", 0)).bytes.equals(frameOf(0)));
    const blobs = readdirSync(join(world.platform.data, "blobs"), { recursive: true, withFileTypes: true });
    assert.lengthOf(blobs.filter((entry) => entry.isFile() && entry.parentPath.includes(job)), 1);
    assert.isEmpty(readdirSync(join(world.platform.data, "blobs", "temp")));
  });

  it("stops in order on SIGTERM although enclaves are waiting", async () => {
    const waiting = world.tax.client.get("/enclave/v1/jobs?cursor=999999&wait=25").catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(await world.platform.kill("SIGTERM"), 0);
    const reply = await waiting;
    assert.equal(reply?.status, 200); // its empty page, not a cut connection
  });
});
