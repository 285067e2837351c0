import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { isUscc, normaliseUscc, usccCheckCharacter } from "../../core/uscc.ts";

const alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY";
const first17 = fc.array(fc.constantFrom(...alphabet.split("")), { minLength: 17, maxLength: 17 }).map((c) => c.join(""));

describe("unified social credit codes", () => {
  // The example of GB 32100-2015 and codes that well-known companies print on their own public pages.
  for (const code of ["91350100M000100Y43", "91330100799655058B", "9144030071526726XG", "914403001922038216", "91110000802100433B"]) {
    it(`accepts the published code ${code.slice(0, 6)}...`, () => assert.isTrue(isUscc(code)));
  }

  it("computes the check character by section 4.3: the weighted sum of all 18 is a multiple of 31", () => {
    fc.assert(fc.property(first17, (head) => {
      const code = head + String(usccCheckCharacter(head));
      let sum = 0;
      let weight = 1;
      for (const c of head) {
        sum += alphabet.indexOf(c) * weight;
        weight = (weight * 3) % 31;
      }
      assert.equal((sum + alphabet.indexOf(code.charAt(17))) % 31, 0);
      assert.isTrue(isUscc(code));
    }));
  });

  it("detects every change of one character", () => {
    fc.assert(fc.property(first17, (head) => {
      const code = head + String(usccCheckCharacter(head));
      for (let at = 0; at < 18; at += 1) {
        for (const other of alphabet) {
          if (other !== code.charAt(at)) assert.isFalse(isUscc(code.slice(0, at) + other + code.slice(at + 1)));
        }
      }
    }), { numRuns: 50 });
  });

  it("detects every swap of two neighbours", () => {
    fc.assert(fc.property(first17, fc.integer({ min: 0, max: 16 }), (head, at) => {
      const code = head + String(usccCheckCharacter(head));
      const swapped = code.slice(0, at) + code.charAt(at + 1) + code.charAt(at) + code.slice(at + 2);
      assert.equal(isUscc(swapped), swapped === code);
    }));
  });

  it("normalises full-width forms, lower case and blanks around", () => {
    assert.equal(normaliseUscc("\u3000９１３５０１００ｍ０００１００ｙ４３ \n"), "91350100M000100Y43");
    assert.equal(normaliseUscc("91350100m000100y43"), "91350100M000100Y43");
    assert.isFalse(isUscc("91350100m000100y43"), "what is not normalised is not valid");
  });

  it("refuses the letters I O S V Z in every place", () => {
    for (const letter of "IOSVZ") {
      for (let at = 0; at < 18; at += 1) {
        const code = "91350100M000100Y43";
        assert.isFalse(isUscc(code.slice(0, at) + letter + code.slice(at + 1)));
      }
      assert.isUndefined(usccCheckCharacter(`${letter}1350100M000100Y4`));
    }
  });

  it("refuses other lengths, the empty text and blanks inside", () => {
    for (const text of ["", "9", "91350100M000100Y4", "91350100M000100Y430", "91350100 M00100Y43", "91350100M000100Y43\n", "0".repeat(17)]) assert.isFalse(isUscc(text), JSON.stringify(text));
    assert.isUndefined(usccCheckCharacter("0".repeat(16)));
    assert.equal(usccCheckCharacter("0".repeat(17)), "0");
  });
});
