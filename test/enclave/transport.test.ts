// The enclave's transport against a real platform over real sockets.
import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { maxRelayBytes } from "../../api/contract/endpoint.ts";
import { Authority } from "../../api/pki/authority.ts";
import type { JobId, Released } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { HttpPlatform } from "../../enclave/transport/http.ts";
import { newWorld, runningJob, type Enclave, type World } from "../support/platform.ts";
import { bank, tax } from "../support/enclave.ts";

const never = new AbortController().signal;

describe("the transport of an enclave", () => {
  let world: World;
  let job: JobId;
  const open: HttpPlatform[] = [];
  const platformOf = ({ identity }: Enclave, more: { url?: string; network?: { latencyMs: number; mbitPerSecond?: number } } = {}): HttpPlatform => {
    const url = more.url ?? `https://127.0.0.1:${world.platform.enclavePort}`;
    const platform = new HttpPlatform({ url, key: identity.key, certificate: identity.cert, ca: identity.ca, network: more.network });
    open.push(platform);
    return platform;
  };

  before(async () => {
    world = await newWorld();
    job = await runningJob(world, ["tax"]);
  });
  after(async () => {
    for (const platform of open) await platform[Symbol.asyncDispose]();
    await world.platform[Symbol.asyncDispose]();
  });

  const codeOf = (work: Promise<unknown>): Promise<string> =>
    work.then(() => "nothing", (error: unknown) => (error instanceof AppError ? error.code : String(error)));
  const copy = (sealed: Uint8Array): Buffer => Buffer.from(Uint8Array.from(sealed));

  it("carries frames of every size unchanged, several at once, although their memory is used again", async () => {
    const [from, to] = [platformOf(world.guest), platformOf(world.tax)];
    const frames = [0, 1, 500, 100_000, 131_072, 131_073, 3_000_000, 700_000, 3_000_000, 2_000_000, 5_000_000, 64].map((size) => randomBytes(size));
    const got = Promise.all(frames.map((_, seq) => to.pull(job, bank, seq, 20, never, copy)));
    for (const [seq, frame] of frames.entries()) await from.put(job, tax, seq, frame as unknown as Released);
    for (const [seq, sealed] of (await got).entries()) assert.isTrue(sealed?.equals(frames[seq] ?? assert.fail()), `frame ${seq}`);
    const again = await Promise.all(frames.map((_, seq) => to.pull(job, bank, seq, 0, never, copy)));
    for (const [seq, sealed] of again.entries()) assert.isTrue(sealed?.equals(frames[seq] ?? assert.fail()), `frame ${seq}, again`);
    assert.isUndefined(await to.pull(job, bank, frames.length, 0, never, copy));
  });

  it("asks the relay to forget, and says what it refuses", async () => {
    const to = platformOf(world.tax);
    await to.forget(job, bank, 2, 7);
    assert.equal(await codeOf(to.pull(job, bank, 3, 0, never, copy)), "RELAY_FORGOTTEN");
    assert.equal(await codeOf(to.pull(job, bank, 6, 0, never, copy)), "RELAY_FORGOTTEN");
    assert.isDefined(await to.pull(job, bank, 7, 0, never, copy));
    assert.equal(await codeOf(to.put(job, bank, 7, randomBytes(5) as unknown as Released)), "RELAY_GAP");
  });

  it("hands on what the taker throws, and lets a waiting pull go when it is given up", async () => {
    const to = platformOf(world.tax);
    const refuse = (): never => {
      throw new AppError("PROTOCOL_BAD_SEAL");
    };
    assert.equal(await codeOf(to.pull(job, bank, 0, 0, never, refuse)), "PROTOCOL_BAD_SEAL");
    const given = new AbortController();
    const waiting = codeOf(to.pull(job, bank, 999, 25, given.signal, copy));
    given.abort(new AppError("JOB_CANCELLED"));
    assert.equal(await waiting, "JOB_PLATFORM_UNREACHABLE");
    assert.equal(await codeOf(to.pull(job, bank, 0, 0, given.signal, copy)), "JOB_PLATFORM_UNREACHABLE");
  });

  it("speaks to no platform of another CA, and takes no more from its own than a frame may hold, announced or not", async () => {
    const env = { rng: systemRng, now: Date.now };
    const stored = await Authority.create("another CA", env);
    const { keyPem, certificatePem } = await (await Authority.open(stored, env)).issueServer(["127.0.0.1"], 1);
    let reply: (response: ServerResponse) => void = () => assert.fail();
    const server = createServer({ key: keyPem, cert: certificatePem }, (_, response) => reply(response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { key, cert } = world.guest.identity;
    const platform = new HttpPlatform({ url, key, certificate: cert, ca: stored.certificatePem });
    open.push(platform);
    const pull = (from: HttpPlatform): Promise<unknown> => from.pull(job, tax, 0, 0, never, copy);
    try {
      assert.equal(await codeOf(pull(platformOf(world.guest, { url }))), "JOB_PLATFORM_UNREACHABLE");
      reply = (response) => response.writeHead(200, { "content-length": 10 * maxRelayBytes }).end(Buffer.alloc(1000));
      assert.equal(await codeOf(pull(platform)), "PROTOCOL_OVERSIZED");
      reply = (response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(1 << 20)));
        };
        response.on("drain", more);
        more();
      };
      assert.equal(await codeOf(pull(platform)), "PROTOCOL_OVERSIZED");
      reply = (response) => {
        response.write("without ");
        response.end("a length");
      };
      assert.equal(String(await pull(platform)), "without a length");
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it("can be given a slower network", async () => {
    const slow = platformOf(world.tax, { network: { latencyMs: 300 } });
    const start = performance.now();
    assert.isDefined(await slow.pull(job, bank, 0, 0, never, copy));
    assert.isAtLeast(performance.now() - start, 290);
  });
});
