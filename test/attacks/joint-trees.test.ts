// What a bank gets from providers by tables that are made to read data: as much as federation/attacks.ts says, and no more.
import { createHmac } from "node:crypto";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { jobIdSchema, partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { ringMaskOf, type MaskedAsk } from "../../federation/serve/masks.ts";
import { answerOf, sealable, totalOf, type FilledTable } from "../../federation/serve/tables.ts";
import { tablePrimeBits } from "../../kernels/linear/params.ts";
import { LinearEngine } from "../../kernels/linear/seal.ts";
import { TableSelector } from "../../kernels/linear/selector.ts";
import { TableOwner, type TableKeys } from "../../kernels/linear/tables.ts";
import { seededDraw } from "../support/draw.ts";

const [power, tax] = [partyId("power"), partyId("tax")];
const hosts = [power, tax];
const service = jobIdSchema.parse("job_0123456789abcdef");
const keyOf = (a: PartyId) => (b: PartyId): Uint8Array => new Uint8Array(createHmac("sha256", "keys").update([a, b].sort().join()).digest());

describe("tables that are made to read data", () => {
  let engine: LinearEngine;
  let owner: TableOwner;
  let selector: TableSelector;
  let keys: TableKeys;
  before(async () => {
    engine = await LinearEngine.load(tablePrimeBits);
    keys = TableOwner.create(engine);
    owner = new TableOwner(engine, keys);
    selector = new TableSelector(engine, keys.publicKey, systemRng);
  });
  after(() => {
    for (const held of [selector, owner, engine]) held[Symbol.dispose]();
  });
  /** 20 tables of one cut each, in turn of either provider; the entries of the first `read` of them are powers of two. */
  const tablesOf = (read: number): FilledTable[] => Array.from({ length: 20 }, (_, table) => ({ table, hosts: [{ host: hosts[table % 2] ?? tax, choices: 2 }], entries: Int32Array.of(0, table < read ? 2 ** table : 0) }));
  const ask = (n: number, company = "a") => ({ n, present: hosts, company });
  const maskOf = (self: PartyId, of: MaskedAsk): bigint[] => ringMaskOf(self, service, of, { keyOf: keyOf(self), primes: tablePrimeBits.length - 1 });
  const answer = (self: PartyId, tables: readonly FilledTable[], sides: readonly number[], n: number): Uint8Array => {
    const own = tables.filter((t) => t.hosts[0]?.host === self);
    const { picks } = answerOf({ self, service, ask: ask(n), keyOf: keyOf(self), tables: own, choices: new Map(own.map((t) => [t.table, sides[t.table] ?? 0])) });
    const { entries } = sealable(tables, new Map(hosts.map((h) => [h, new Uint8Array(0)])));
    return selector.select(owner.seal(entries.get(self) ?? new Int32Array(0)), picks, { mask: maskOf(self, ask(n)), providers: hosts.length });
  };

  it("read 12 cuts of both providers exactly by one question, and not one more", () => {
    const draw = seededDraw(4);
    for (let n = 0; n < 10; n++) {
      const sides = Array.from({ length: 20 }, () => draw.int(2));
      const total = totalOf(owner.open(hosts.map((h) => answer(h, tablesOf(12), sides, n))), { first: 0 });
      assert.deepEqual(Array.from({ length: 12 }, (_, i) => (total >> i) & 1), sides.slice(0, 12));
      // What would be further bits is gone: 2^12 is 0.
      const more = owner.open(hosts.map((h) => answer(h, tablesOf(20), sides, 100 + n)));
      assert.equal(more, total);
    }
  });
  it("read one provider's cuts alone where the others' tables hold zeros: its policy on single totals does not hold against that", () => {
    const draw = seededDraw(5);
    const sides = Array.from({ length: 24 }, () => draw.int(2));
    const tables: FilledTable[] = sides.map((_, table) => ({ table, hosts: [{ host: hosts[table % 2] ?? tax, choices: 2 }], entries: Int32Array.of(0, table % 2 === 1 ? 2 ** ((table - 1) / 2) : 0) }));
    const total = owner.open(hosts.map((h) => answer(h, tables, sides, 500)));
    assert.deepEqual(Array.from({ length: 12 }, (_, i) => (total >> i) & 1), sides.filter((_, table) => table % 2 === 1));
  });
  it("read nothing from the answer of one provider where both answer, or of a question that each got about another company", () => {
    const sides = Array.from({ length: 20 }, () => 0);
    const alone = Array.from({ length: 60 }, (_, n) => owner.open([answer(tax, tablesOf(0), sides, n)]));
    assert.isAtLeast(new Set(alone).size, 50, "of 4,096 values");
    const mixed = Array.from({ length: 20 }, (_, n) => {
      const masks = [maskOf(power, ask(n, "a")), maskOf(tax, ask(n, "b"))];
      return owner.open(masks.map((mask) => selector.select(owner.seal(new Int32Array(1)), [], { mask, providers: 2 })));
    });
    assert.isAtLeast(new Set(mixed).size, 18);
  });
  it("read the others' choices where the last provider of a table tells the bank how they were moved", () => {
    const joint = [{ table: 0, hosts: [{ host: power, choices: 8 }, { host: tax, choices: 2 }] }];
    const hits = Array.from({ length: 200 }, (_, n) => {
      const { places } = answerOf({ self: power, service, ask: ask(n), keyOf: keyOf(power), tables: joint, choices: new Map([[0, 5]]) });
      const [known] = answerOf({ self: tax, service, ask: ask(n), keyOf: keyOf(tax), tables: joint, choices: new Map([[0, 0]]) }).picks;
      // What tax picks of the table over moves and its own choice stands for the move.
      const move = known === undefined ? 0 : (known + 1) / 2;
      return { together: ((places[0] ?? 0) + 8 - move) % 8 === 5, bankAlone: places[0] === 5 };
    });
    assert.isTrue(hits.every((h) => h.together), "stated: the bank and the last provider must not collude");
    assert.approximately(hits.filter((h) => h.bankAlone).length / 200, 1 / 8, 0.08);
  });
});
