// Packed hashes of companies: order, difference, and what an earlier version's state remembered.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { hashBytes, RecordHashes } from "../../enclave/record-hashes.ts";
import { StateDatabase } from "../../enclave/store/database.ts";

const hash = fc.uint8Array({ minLength: hashBytes, maxLength: hashBytes });
const texts = (packed: Uint8Array): string[] => Array.from({ length: packed.length / hashBytes }, (_, i) => Buffer.from(packed.subarray(i * hashBytes, (i + 1) * hashBytes)).toString("hex"));
const pack = (hashes: readonly Uint8Array[]): Buffer => Buffer.concat(hashes.map((h) => Buffer.from(h)));

describe("packed hashes", () => {
  it("are in ascending order, whatever the order given", () => fc.assert(fc.property(fc.array(hash, { maxLength: 60 }), (hashes) => {
    const made = RecordHashes.of(pack(hashes));
    assert.deepEqual(texts(made.packed), texts(pack(hashes)).sort());
    assert.equal(made.count, hashes.length);
    assert.deepEqual([...made].map((h) => Buffer.from(h).toString("hex")), texts(made.packed));
  })));

  it("leave out exactly what others hold", () => fc.assert(fc.property(fc.uniqueArray(hash, { maxLength: 40, selector: String }), fc.nat(), fc.nat(), (hashes, a, b) => {
    const [from, to] = [a % (hashes.length + 1), b % (hashes.length + 1)].sort((x, y) => x - y) as [number, number];
    const others = RecordHashes.of(pack([...hashes.slice(from, to), new Uint8Array(hashBytes).fill(7)]));
    const left = RecordHashes.of(pack(hashes)).without(others.packed);
    const held = new Set(texts(others.packed));
    assert.deepEqual(texts(left.packed), texts(pack(hashes)).filter((h) => !held.has(h)).sort());
  })));

  it("of a state folder of an earlier version are not forgotten", () => {
    const folder = mkdtempSync(join(tmpdir(), "yunei-known-"));
    try {
      const file = join(folder, "state.db");
      const old = new DatabaseSync(file);
      old.exec("create table known_ids (guest text not null, record blob not null, first_job text not null, at integer not null, primary key (guest, record)) strict");
      const insert = old.prepare("insert into known_ids values (?, ?, ?, ?)");
      for (let i = 0; i < 5; i++) insert.run("bank", new Uint8Array(hashBytes).fill(9 - i), i < 3 ? "job_a" : "job_b", 100 + i);
      old.close();
      for (let again = 0; again < 2; again++) {
        using db = new StateDatabase(file);
        const rows = db.all("select guest, job, at, records from known_sets order by job");
        assert.deepEqual(rows.map((r) => [r["guest"], r["job"], r["at"]]), [["bank", "job_a", 100], ["bank", "job_b", 103]]);
        assert.deepEqual(rows.map((r) => texts(r["records"] as Uint8Array).map((t) => t.slice(0, 2))), [["07", "08", "09"], ["05", "06"]]);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
