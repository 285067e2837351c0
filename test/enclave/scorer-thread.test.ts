// The thread of a scorer: bounded waiting, bounded time, and a new one after it was lost.
import { assert } from "chai";
import { describe, it } from "mocha";
import { ScorerThread, type ThreadOptions } from "../../enclave/live/scorers/thread.ts";
import { codeOf } from "../support/world.ts";

const slow: ThreadOptions = { module: new URL("../support/slow-remote.ts", import.meta.url), open: "openSlow", args: [] };
const limit = { ms: 1500, code: "MODEL_ONNX_TIME" } as const;

describe("the thread of a scorer", () => {
  it("ends a call that takes too long, goes on in a new thread, and does not begin a model again that never ends", async () => {
    await using thread = new ScorerThread({ ...slow, limit });
    for (let overrun = 1; overrun <= 3; overrun++) {
      assert.equal(await thread.call("busy", [1]), 1, `before overrun ${overrun}`);
      assert.equal(await codeOf(thread.call("busy", [3000])), "MODEL_ONNX_TIME");
    }
    assert.equal(await codeOf(thread.call("busy", [1])), "MODEL_ONNX_TIME");
  });
  it("counts the time of a call from its turn, not from when it was asked, and does not begin what has waited as long", async () => {
    await using thread = new ScorerThread({ ...slow, limit });
    await thread.start();
    // Together longer than the limit; each alone within it.
    const calls = [900, 900, 1].map((ms) => thread.call("busy", [ms]));
    assert.deepEqual(await Promise.all(calls.slice(0, 2)), [900, 900]);
    assert.equal(await codeOf(calls[2] as Promise<unknown>), "SERVICE_BUSY");
    assert.equal(await thread.call("busy", [1]), 1, "no thread was ended for it");
  });
  it("takes no other call along when one takes too long", async () => {
    await using thread = new ScorerThread({ ...slow, limit: { ...limit, ms: 400 } });
    await thread.start();
    const [long, next] = [codeOf(thread.call("busy", [5000])), codeOf(thread.call("busy", [1]))];
    assert.equal(await long, "MODEL_ONNX_TIME");
    assert.equal(await next, "SERVICE_BUSY");
    assert.equal(await thread.call("busy", [1]), 1);
  });
  it("says that it is busy when as many calls wait as it takes", async () => {
    await using thread = new ScorerThread({ ...slow, mostWaiting: 2 });
    await thread.start();
    const first = thread.call("busy", [50]);
    assert.isFalse(thread.isBusy);
    const second = thread.call("busy", [50]);
    assert.isTrue(thread.isBusy);
    assert.deepEqual(await Promise.all([first, second]), [50, 50]);
    assert.isFalse(thread.isBusy);
  });
  it("starts no thread again once it is over", async () => {
    const thread = new ScorerThread(slow);
    assert.equal(await thread.call("busy", [1]), 1);
    await thread[Symbol.asyncDispose]();
    assert.equal(await codeOf(thread.call("busy", [1])), "KERNEL_WORKER_LOST");
  });
  it("says why an object cannot be opened, each time", async () => {
    await using thread = new ScorerThread({ ...slow, open: "openNothing" });
    assert.equal(await codeOf(thread.start()), "KERNEL_WORKER_FAILED");
    assert.equal(await codeOf(thread.call("busy", [1])), "KERNEL_WORKER_FAILED");
  });
});
