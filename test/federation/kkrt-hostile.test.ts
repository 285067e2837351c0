// What the two sides of the set intersection by oblivious transfer refuse from each other.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { EntityId } from "../../core/brand.ts";
import { encodeFrame } from "../../core/codec.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { kkrtIntersection } from "../../federation/kkrt/kkrt.ts";
import type { Kernels } from "../../kernels/api.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { hostileCases, onFirst, withBody } from "../support/hostile.ts";
import { codeOf, createWorld, isPeerFailure, type Tamper } from "../support/world.ts";

const [bank, tax] = [partyId("bank"), partyId("tax")];
const ids = Array.from({ length: 5 }, (_, i) => `company-${i}` as EntityId);

describe("the set intersection by oblivious transfer: a peer that deviates", () => {
  let kernels: Kernels;
  before(() => {
    kernels = createKernels({ threads: 2 });
  });
  after(() => kernels[Symbol.asyncDispose]());

  const psi = kkrtIntersection();
  // All companies match, so that a repeated tag is a repeated match.
  const both = {
    bank: (party: Parameters<typeof psi.guest>[0]) => psi.guest(party, tax, ids, { setSecret: new Uint8Array(32) }),
    tax: (party: Parameters<typeof psi.host>[0]) => psi.host(party, bank, ids, { admit: () => {} }),
  };
  const worldOf = (tamper: Tamper) => createWorld({ parties: ["bank", "tax"], seed: 1, kernels, tamper });

  type Open = { size: number; salt: Uint8Array };
  type Extended = { index: number; columns: Uint8Array; check: Uint8Array };
  type Tags = { table: number; index: number; tags: Uint8Array };
  const cases: [string, string, string, Tamper][] = [
    ["a guest that declares another size than its table has", "tax", "PROTOCOL_WRONG_SHAPE", withBody("kkrt/open", (b: Open) => ({ ...b, size: 600 }))],
    ["a guest whose matrix is not made of code words", "tax", "PROTOCOL_OT_CHECK", withBody("ot/extend", (b: Extended) => ({ ...b, columns: b.columns.toReversed() }), "bank")],
    ["a guest that skips a chunk", "tax", "PROTOCOL_OUT_OF_ORDER", withBody("ot/extend", (b: Extended) => ({ ...b, index: 1 }), "bank")],
    ["a guest that sends one chunk in place of the next", "tax", "PROTOCOL_OT_CHECK", replayed()],
    ["a host whose seeds are not made of one bit each", "bank", "PROTOCOL_OT_CHECK", withBody("ot/extend", (b: Extended) => ({ ...b, columns: b.columns.toReversed() }), "tax")],
    ["a host that begins with another table", "bank", "PROTOCOL_OUT_OF_ORDER", withBody("kkrt/tags", (b: Tags) => ({ ...b, table: 1 }))],
    ["a host that begins with a later chunk", "bank", "PROTOCOL_OUT_OF_ORDER", withBody("kkrt/tags", (b: Tags) => ({ ...b, index: 1 }))],
    ["a host that lists fewer tags than its size", "bank", "PROTOCOL_WRONG_SHAPE", withBody("kkrt/tags", (b: Tags) => ({ ...b, tags: b.tags.subarray(11) }))],
    ["a host that declares more ids than it lists", "bank", "PROTOCOL_WRONG_SHAPE", withBody("kkrt/ready", () => ({ size: 6 }))],
    ["a host that lists every company twice", "bank", "PROTOCOL_DUPLICATE_ELEMENT", doubled()],
  ];
  for (const [name, by, code, tamper] of cases) {
    it(`is refused by name: ${name}`, async () => {
      const outcomes = await worldOf(tamper).settle(both);
      const outcome = outcomes[by] as { error: unknown };
      assert.instanceOf(outcome.error, AppError);
      const { code: given, facts } = outcome.error;
      assert.equal(given, code);
      assert.equal(facts["peer"], by === "bank" ? tax : bank);
      for (const [other, ending] of Object.entries(outcomes)) if (other !== by) assert.isTrue(isPeerFailure(ending) || "value" in ending);
    });
  }
  it("is refused: sets beyond the limit", async () => {
    for (const type of ["kkrt/open", "kkrt/ready"]) {
      assert.equal(await codeOf(worldOf(withBody(type, (b: object) => ({ ...b, size: 2 ** 24 + 1 }))).run(both)), "PROTOCOL_SCHEMA");
    }
  });
  it("is refused: a host that speaks as the guest", async () => {
    const open = encodeFrame("kkrt/open", { size: 5, setDigest: new Uint8Array(32), salt: new Uint8Array(16) });
    assert.equal(await codeOf(worldOf(onFirst("kkrt/ready", () => [open])).run(both)), "PROTOCOL_WRONG_PARTY");
  });
  const fields: Readonly<Record<string, readonly string[]>> = {
    "kkrt/open": ["size", "setDigest", "salt"], "kkrt/ready": ["size"], "kkrt/tags": ["table", "index", "tags"], "ot/extend": ["index", "columns", "check"],
  };
  for (const [type, names] of Object.entries(fields)) {
    for (const hostile of hostileCases(type, names, type === "ot/extend" ? "bank" : undefined)) {
      it(`is refused: ${type} ${hostile.name}`, async () => {
        assert.equal(await codeOf(worldOf(hostile.tamper).run(both)), hostile.code);
      });
    }
  }
});

/** The second chunk of the guest replaced by its first, under the right index. */
function replayed(): Tamper {
  let first: object | undefined;
  return (message) => {
    if (message.type !== "ot/extend" || message.from !== bank) return undefined;
    if (first !== undefined) return [encodeFrame(message.type, { ...first, index: (message.body as { index: number }).index })];
    first = message.body as object;
    return undefined;
  };
}

/** Every tag of the host's first list made equal to one that matches. */
function doubled(): Tamper {
  return (message) => {
    if (message.type !== "kkrt/tags") return undefined;
    const body = message.body as { tags: Uint8Array };
    const tags = body.tags.slice();
    for (let at = 11; at < tags.length; at += 11) tags.copyWithin(at, 0, 11);
    return [encodeFrame(message.type, { ...body, tags })];
  };
}
