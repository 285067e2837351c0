// The log of the state database is moved into the main file beside the event loop; where the thread is lost SQLite does it within a commit again.
import { assert } from "chai";
import { describe, it } from "mocha";
import { setTimeout as delay } from "node:timers/promises";
import { silentLog } from "../../core/env.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { startLogCheckpoints } from "../../enclave/store/log-checkpoints.ts";
import { temporaryFolder } from "../support/enclave.ts";

const put = (db: StateDatabase, key: string) => (): void => void db.run("insert into meta values (?, 'x')", key);

describe("the log of the state database", () => {
  it("is moved into the main file beside the event loop", async () => {
    using folder = temporaryFolder();
    const file = `${folder.path}/state.db`;
    using db = new StateDatabase(file);
    const logged = (): number => Number(db.get("pragma wal_checkpoint(noop)")?.["checkpointed"] ?? -1);
    await using held = new AsyncDisposableStack();
    held.use(startLogCheckpoints(db, silentLog));
    for (let i = 0; i < 64; i++) db.transaction(put(db, String(i)));
    const before = logged();
    for (let i = 0; i < 100 && logged() <= before; i++) await delay(50);
    assert.isAbove(logged(), before);
    assert.equal(Number(db.get("select count(*) as n from meta")?.["n"]), 64);
  });
});
