// What lets long polls sleep.
import { assert } from "chai";
import { describe, it } from "mocha";
import { Wakeups } from "../../api/wakeups.ts";

const never = new AbortController().signal;

describe("wake-ups", () => {
  it("look again when woken, not only when time has passed", async () => {
    const wakeups = new Wakeups();
    let looks = 0;
    let isThere = false;
    const waiting = wakeups.until("a", 60_000, never, async () => {
      looks += 1;
      return isThere ? "found" : undefined;
    });
    await new Promise((resolve) => setImmediate(resolve));
    wakeups.wake("another key");
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(looks, 1);
    isThere = true;
    wakeups.wake("a");
    assert.equal(await waiting, "found");
    assert.equal(looks, 2);
  });

  it("do not lose a wake-up that comes during a look", async () => {
    const wakeups = new Wakeups();
    const looks: string[] = [];
    const found = await wakeups.until("a", 60_000, never, async () => {
      looks.push("look");
      if (looks.length === 2) return "found";
      wakeups.wake("a"); // something changed just after this look read the old state
      return undefined;
    });
    assert.equal(found, "found");
    assert.lengthOf(looks, 2);
  });

  it("end when the caller goes and when the process stops, and give their room back", async () => {
    const wakeups = new Wakeups(1);
    const gone = new AbortController();
    const waiting = wakeups.until("a", 60_000, gone.signal, async () => undefined);
    await new Promise((resolve) => setImmediate(resolve));
    assert.isFalse(wakeups.hasRoom);
    gone.abort();
    assert.isUndefined(await waiting);
    assert.isTrue(wakeups.hasRoom);
    const second = wakeups.until("a", 60_000, never, async () => undefined);
    await new Promise((resolve) => setImmediate(resolve));
    wakeups.close();
    assert.isUndefined(await second);
    assert.isUndefined(await wakeups.until("a", 60_000, never, async () => undefined));
  });
});
