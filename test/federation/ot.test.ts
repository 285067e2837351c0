// Oblivious transfers between two parties: correct, deterministic, and refused with the peer's name when it deviates.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { OtReceiver } from "../../federation/ot/receiver.ts";
import { OtSender } from "../../federation/ot/sender.ts";
import type { Kernels } from "../../kernels/api.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { hostileCases, withBody } from "../support/hostile.ts";
import { codeOf, createWorld, type Program, type Tamper, type World } from "../support/world.ts";

const [bank, tax] = [partyId("bank"), partyId("tax")];
const options = { label: "test", session: "test" };
type Call = { readonly picked: Uint8Array; readonly choices: number; readonly bytes: number };

describe("oblivious transfer between parties", () => {
  let kernels: Kernels;
  before(() => {
    kernels = createKernels({ threads: 2 });
  });
  after(() => kernels[Symbol.asyncDispose]());

  function programs(calls: readonly Call[]): { bank: Program<Uint8Array[]>; tax: Program<Uint8Array[]> } {
    return {
      bank: async (party) => {
        await using receiver = await OtReceiver.open(party, tax, options);
        const out: Uint8Array[] = [];
        for (const { picked, choices, bytes } of calls) out.push(await receiver.pads(picked, choices, bytes));
        return out;
      },
      tax: async (party) => {
        await using sender = await OtSender.open(party, bank, options);
        const out: Uint8Array[] = [];
        for (const { picked, choices, bytes } of calls) out.push(await sender.pads(picked.length, choices, bytes));
        return out;
      },
    };
  }
  async function run(calls: readonly Call[], seed = 1, tamper?: Tamper): Promise<{ world: World; picked: Uint8Array[]; all: Uint8Array[] }> {
    const world = createWorld({ parties: ["bank", "tax"], seed, kernels, ...(tamper && { tamper }) });
    const results = await world.run(programs(calls));
    return { world, picked: results.bank, all: results.tax };
  }
  const pick = (count: number, choices: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => (i * 37 + 11) % choices);
  const short: Call[] = [{ picked: pick(20, 4), choices: 4, bytes: 16 }];

  it("gives each side its pads over several calls, chunks and shapes", async () => {
    const calls: Call[] = [
      { picked: pick(2500, 256), choices: 256, bytes: 32 }, { picked: new Uint8Array(0), choices: 2, bytes: 1 },
      { picked: pick(70_000, 2), choices: 2, bytes: 2 }, { picked: pick(1, 200), choices: 200, bytes: 100 },
    ];
    const { world, picked, all } = await run(calls);
    for (const [i, call] of calls.entries()) {
      for (const [k, choice] of call.picked.entries()) {
        const at = (k * call.choices + choice) * call.bytes;
        const mine = Buffer.from(picked[i]?.subarray(k * call.bytes, (k + 1) * call.bytes) ?? []);
        assert.isTrue(mine.equals(all[i]?.subarray(at, at + call.bytes) ?? new Uint8Array()), `call ${i}, transfer ${k}`);
      }
    }
    assert.equal(world.sent.filter((m) => m.type === "ot/extend").length, 1 + 3 + 0 + 2 + 1);
  });
  it("shows the sender the same shapes whatever is picked, and nothing that repeats from one job to the next", async () => {
    const a = await run([{ picked: new Uint8Array(50), choices: 4, bytes: 16 }]);
    const b = await run([{ picked: new Uint8Array(50).fill(3), choices: 4, bytes: 16 }]);
    assert.deepEqual(a.world.shape("tax"), b.world.shape("tax"));
    const c = await run([{ picked: new Uint8Array(50), choices: 4, bytes: 16 }], 2);
    const columns = [a, c].map(({ world }) => world.view("tax").filter((m) => m.type === "ot/extend").map((m) => (m.body as { columns: Uint8Array }).columns)[0]);
    const equal = columns[0]?.filter((x, i) => x === columns[1]?.[i]).length ?? 0;
    // 8192 bytes: 32 are equal by accident, standard deviation 5.7.
    assert.isBelow(equal, 80);
  });
  it("is the same after a restart", async () => {
    const { world, picked, all } = await run(short);
    assert.deepEqual(await world.replay("bank", programs(short).bank), picked);
    assert.deepEqual(await world.replay("tax", programs(short).tax), all);
  });
  it("refuses a choice that there is not, before anything is sent", async () => {
    const world = createWorld({ parties: ["bank", "tax"], seed: 1, kernels });
    const outcomes = await world.settle(programs([{ picked: Uint8Array.of(1, 4), choices: 4, bytes: 16 }]));
    assert.instanceOf((outcomes["bank"] as { error: unknown }).error, RangeError);
    assert.isEmpty(world.sent.filter((m) => m.type === "ot/extend" && m.from === bank));
  });

  describe("a peer that deviates", () => {
    type Extended = { columns: Uint8Array; check: Uint8Array };
    const flip = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, (bytes[at] ?? 0) ^ 1);
    const cases: [string, string, Tamper][] = [
      ["a receiver that asks with no point", "PROTOCOL_BAD_POINT", withBody("ot/base-ask", (b: { points: Uint8Array }) => ({ points: b.points.with(31, 0xff) }))],
      ["a sender that answers with the neutral element", "PROTOCOL_BAD_POINT", withBody("ot/base-answer", (b: { points: Uint8Array }) => ({ points: b.points.slice().fill(0, 0, 32) }))],
      ["a sender whose seeds are not made of one bit each", "PROTOCOL_OT_CHECK", withBody("ot/extend", (b: Extended) => ({ ...b, columns: flip(b.columns, 100) }), "tax")],
      ["a sender that starts with a later chunk", "PROTOCOL_OUT_OF_ORDER", withBody("ot/extend", (b: Extended) => ({ ...b, index: 1 }), "tax")],
      ["a receiver that starts with a later chunk", "PROTOCOL_OUT_OF_ORDER", withBody("ot/extend", (b: Extended) => ({ ...b, index: 1 }), "bank")],
      ["a receiver that sends other columns than it checked", "PROTOCOL_OT_CHECK", withBody("ot/extend", (b: Extended) => ({ ...b, columns: flip(b.columns, 100) }), "bank")],
      ["a receiver whose check is wrong", "PROTOCOL_OT_CHECK", withBody("ot/extend", (b: Extended) => ({ ...b, check: flip(b.check, 100) }), "bank")],
      ["a receiver that sends fewer columns", "PROTOCOL_WRONG_SHAPE", withBody("ot/extend", (b: Extended) => ({ ...b, columns: b.columns.subarray(32) }), "bank")],
    ];
    for (const [name, code, tamper] of cases) {
      it(`is refused by name: ${name}`, async () => {
        const failure: unknown = await run(short, 1, tamper).then(() => undefined, (error: unknown) => error);
        assert.instanceOf(failure, AppError);
        assert.equal((failure).code, code);
        assert.include([bank, tax], (failure).facts["peer"]);
      });
    }
    for (const [type, fields] of [["ot/base-ask", ["points"]], ["ot/base-answer", ["points"]], ["ot/extend", ["index", "columns", "check"]]] as const) {
      for (const hostile of hostileCases(type, fields, type === "ot/extend" ? "bank" : undefined)) {
        it(`is refused: ${type} ${hostile.name}`, async () => {
          assert.equal(await codeOf(run(short, 1, hostile.tamper)), hostile.code);
        });
      }
    }
  });
});
