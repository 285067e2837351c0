// Whose connection is cut, and whose is not, when a key stops: with a plain server, one kept connection and two keys.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { Request } from "express";
import { Pool } from "undici";
import { Sessions } from "../../api/http/sessions.ts";
import { AppError } from "../../core/errors.ts";

describe("open connections", () => {
  let sessions: Sessions;
  let server: Server;
  let pool: Pool;
  /** Keys that are no longer let in. */
  let stopped: Set<string>;
  let broken: boolean;
  let hold: Promise<void>;
  let release = (): void => {};
  let disconnects: number;

  beforeEach(async () => {
    [sessions, stopped, broken, disconnects] = [new Sessions(), new Set(), false, 0];
    ({ promise: hold, resolve: release } = Promise.withResolvers<void>());
    server = createServer((request, response) => {
      sessions.begin(request, response);
      const [, key = "", waits] = (request.url ?? "").split("/");
      // As express: a request knows its response.
      const asked = Object.assign(request, { res: response }) as unknown as Request;
      if (key !== "nobody") sessions.watch(asked, key, async () => {
        if (broken) throw new Error("the database is away");
        if (stopped.has(key)) throw new AppError("AUTH_SUSPENDED");
      });
      void (waits === undefined ? Promise.resolve() : hold).then(() => response.end("ok"));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    pool = new Pool(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { connections: 1 });
    pool.on("disconnect", () => { disconnects += 1; });
  });
  afterEach(async () => {
    release();
    await pool.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const get = async (path: string): Promise<string> => {
    const { body } = await pool.request({ method: "GET", path });
    return body.text();
  };
  /** The platform notices the end of a response and of a connection a moment later. */
  const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

  it("are cut in the middle of a request at once, and kept ones at the second sweep", async () => {
    await get("/a");
    await settled();
    stopped.add("a");
    assert.equal(await sessions.sweep(), 0);
    assert.equal(await sessions.sweep(), 1);
    await settled();
    assert.equal(disconnects, 1);
    stopped.clear();
    const waiting = get("/a/wait").catch(() => "cut");
    await settled();
    stopped.add("a");
    assert.equal(await sessions.sweep(), 1);
    assert.equal(await waiting, "cut");
  });

  it("belong to who used them last: a key that stops takes no other caller's connection with it", async () => {
    await get("/a");
    await get("/b");
    await settled();
    stopped.add("a");
    for (let i = 0; i < 3; i++) assert.equal(await sessions.sweep(), 0);
    const other = get("/b/wait");
    await settled();
    assert.equal(await sessions.sweep(), 0);
    release();
    assert.equal(await other, "ok");
    assert.equal(disconnects, 0);
  });

  it("are left to finish a request that is just being refused, and cut after it", async () => {
    await get("/a");
    stopped.add("a");
    await sessions.sweep();
    const refused = get("/nobody/wait"); // not let in: nobody's request
    await settled();
    assert.equal(await sessions.sweep(), 0);
    release();
    assert.equal(await refused, "ok");
    await settled();
    assert.equal(await sessions.sweep(), 1);
  });

  it("stay while it cannot be said whether their caller is let in", async () => {
    await get("/a");
    broken = true;
    const failed: unknown = await sessions.sweep().catch((error: unknown) => error);
    assert.instanceOf(failed, Error);
    broken = false;
    for (let i = 0; i < 2; i++) assert.equal(await sessions.sweep(), 0);
    assert.equal(await get("/a"), "ok");
  });

  it("are forgotten when they close", async () => {
    let checks = 0;
    stopped = { has: () => { checks += 1; return false; } } as unknown as Set<string>;
    await get("/a");
    await sessions.sweep();
    assert.equal(checks, 1);
    await pool.destroy();
    await settled();
    await sessions.sweep();
    assert.equal(checks, 1);
  });
});
