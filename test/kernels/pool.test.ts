// The worker pool: functions by name, objects in threads, errors, and threads that die. And X^T X, which runs on it.
import { assert } from "chai";
import { describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { Pool } from "../../kernels/pool.ts";
import { integers, rngOf } from "./support.ts";

const jobs = new URL("./support-jobs.ts", import.meta.url);

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  const error = await work.then(() => undefined, (e: unknown) => e);
  return error instanceof AppError ? error.code : undefined;
}

describe("kernels: pool", () => {
  it("runs a named function in threads, several at once, and moves arrays back", async () => {
    await using pool = new Pool({ threads: 2 });
    type Squares = { total: number; squares: Float64Array; thread: number };
    const sums = await Promise.all([1, 2, 3, 4].map((k) => pool.run<Squares>(jobs, "squares", [Float64Array.of(k, 2 * k)])));
    assert.deepEqual(sums.map((s) => s.total), [5, 20, 45, 80]);
    assert.deepEqual(sums.map((s) => [...s.squares]), [[1, 4], [4, 16], [9, 36], [16, 64]]);
    assert.equal(new Set(sums.map((s) => s.thread)).size, 2);
  });

  it("moves the arguments of a transfer list instead of copying them", async () => {
    await using pool = new Pool({ threads: 1 });
    const values = Float64Array.of(3);
    assert.equal((await pool.run<{ total: number }>(jobs, "squares", [values], [values.buffer])).total, 9);
    assert.equal(values.length, 0);
  });

  it("keeps the code and facts of an AppError, and says KERNEL_WORKER_FAILED for any other", async () => {
    await using pool = new Pool({ threads: 1 });
    const refusal = await pool.run(jobs, "refuse", [7]).then(() => undefined, (e: unknown) => e);
    assert.instanceOf(refusal, AppError);
    assert.deepInclude(refusal, { code: "KERNEL_RANGE", facts: { rows: 7 } });
    const failed = await pool.run(jobs, "crash", []).then(() => undefined, (e: unknown) => e);
    assert.deepInclude(failed as AppError, { code: "KERNEL_WORKER_FAILED" });
    assert.match(String((failed as AppError).cause), /RangeError/);
    assert.equal(await codeOf(pool.run(jobs, "absent", [])), "KERNEL_WORKER_FAILED");
    assert.equal(await codeOf(pool.run(jobs, "unclonable", [])), "KERNEL_WORKER_FAILED");
    assert.equal((await pool.run<{ total: number }>(jobs, "squares", [Float64Array.of(2)])).total, 4, "the thread lives on");
  });

  it("a thread that dies rejects what it owed, loses its objects, and is replaced", async () => {
    await using pool = new Pool({ threads: 1 });
    await using counter = await pool.open(0, jobs, "openCounter", [10]);
    assert.equal(await counter.call("add", [5]), 15);
    assert.equal(pool.liveHandles, 1);
    const pending = codeOf(counter.call("waitForever", []));
    assert.equal(await codeOf(pool.run(jobs, "die", [])), "KERNEL_WORKER_LOST");
    assert.equal(await pending, "KERNEL_WORKER_LOST");
    assert.equal(await codeOf(counter.call("add", [1])), "KERNEL_WORKER_LOST");
    assert.equal(pool.liveHandles, 0);
    assert.equal((await pool.run<{ total: number }>(jobs, "squares", [Float64Array.of(2)])).total, 4);
  });

  it("objects count as live until they are released, also after a failed opening", async () => {
    await using pool = new Pool({ threads: 2 });
    {
      await using first = await pool.open(0, jobs, "openCounter", [0]);
      await using second = await pool.open(3, jobs, "openCounter", [0]);
      assert.equal(pool.liveHandles, 2);
      assert.equal(await first.call<number>("add", [1]) + (await second.call<number>("add", [2])), 3);
    }
    assert.equal(pool.liveHandles, 0);
    assert.equal(await codeOf(pool.open(0, jobs, "refuse", [1])), "KERNEL_RANGE");
    assert.equal(pool.liveHandles, 0);
    const gone = await pool.open(0, jobs, "openCounter", [0]);
    await gone[Symbol.asyncDispose]();
    await gone[Symbol.asyncDispose]();
    assert.equal(await codeOf(gone.call("add", [1])), "KERNEL_DISPOSED");
  });

  it("a pool that was ended refuses work, and code comes from files only", async () => {
    const pool = new Pool({ threads: 1 });
    const data = await pool.run("data:text/javascript,export const f = () => 1", "f", []).then(() => undefined, (e: unknown) => e);
    assert.instanceOf(data, TypeError);
    const pending = codeOf(pool.run(jobs, "waitForever", []));
    await pool[Symbol.asyncDispose]();
    assert.equal(await pending, "KERNEL_WORKER_LOST");
    assert.equal(await codeOf(pool.run(jobs, "squares", [Float64Array.of(1)])), "KERNEL_DISPOSED");
  });
});

describe("kernels: a host whose threads die", () => {
  it("ends its hint with KERNEL_WORKER_LOST, even while nobody waits for the next chunk", async () => {
    await using pool = new Pool({ threads: 2 });
    const kernels = createKernels({ pool });
    // More features than are ever worked on ahead.
    const features = Array.from({ length: 40 }, () => ({ bins: 4, binOf: new Uint8Array(50) }));
    const host = await kernels.host({ crsSeed: new Uint8Array(32), columns: { kind: "bins", rows: 50, features }, rng: rngOf("die") });
    const hint = host.hint(4)[Symbol.asyncIterator]();
    assert.equal((await hint.next()).value?.firstCell, 0);
    await Promise.all([0, 1].map(() => codeOf(pool.run(jobs, "die", []))));
    const rest = async () => {
      while (!(await hint.next()).done);
    };
    assert.equal(await codeOf(rest()), "KERNEL_WORKER_LOST");
    assert.equal(await codeOf(host.answer(new Uint8Array(2 * 4096 * 13), [{ flood: rngOf("die/f") }])), "KERNEL_WORKER_LOST");
    await host[Symbol.asyncDispose]();
    assert.equal(pool.liveHandles, 0);
  });
});

describe("kernels: gram", () => {
  it("is X^T X exactly, for any number of columns and rows, at the largest codes too", async () => {
    await using kernels = createKernels({ threads: 2 });
    for (const [d, rows] of [[1, 1], [3, 7], [4, 1024], [6, 2500], [9, 4097]] as const) {
      const rng = rngOf(`gram/${d}`);
      const columns = Array.from({ length: d }, () => Int8Array.from(integers(rng, rows, 256), (x) => x - 128));
      columns[0]?.fill(-128);
      const expected = columns.flatMap((a) => columns.map((b) => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0)));
      assert.deepEqual([...(await kernels.gram(columns))], expected);
    }
    assert.equal(await codeOf(kernels.gram([])), "KERNEL_COLUMNS");
    assert.equal(await codeOf(kernels.gram([new Int8Array(2), new Int8Array(3)])), "KERNEL_COLUMNS");
  });
});
