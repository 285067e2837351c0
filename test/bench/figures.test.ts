import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { isMissed, markdownTable, median, medians, textTable, type Figure } from "../../bench/figures.ts";
import { writeWideData } from "../../bench/wide-data.ts";

const figure = (value: number, bar?: number): Figure => ({ section: "s", name: "n", value, unit: "s", ...(bar === undefined ? {} : { bar }) });

describe("figures of the bench", () => {
  it("take the median of several runs, name by name", () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1]), 2.5);
    const runs = [5, 1, 9].map((value) => [figure(value, 10), { ...figure(value * 2), name: "other" }]);
    assert.deepEqual(medians(runs), [figure(5, 10), { ...figure(10), name: "other" }]);
  });

  it("miss a bar above it and without a number, and say so in both tables", () => {
    assert.isFalse(isMissed(figure(40, 40)));
    assert.isTrue(isMissed(figure(40.1, 40)));
    assert.isTrue(isMissed(figure(Number.NaN, 40)));
    assert.isFalse(isMissed(figure(1e9)));
    for (const table of [textTable, markdownTable]) {
      assert.include(table([figure(50, 40)]), "MISSED");
      assert.include(table([figure(50, 40)]), "125 %");
      assert.notInclude(table([figure(30, 40), figure(50)]), "MISSED");
    }
  });
});

describe("the generated table of the large case", () => {
  it("is the same for the same seed, holds the same companies on both sides, and both classes", () => {
    const folder = mkdtempSync(join(tmpdir(), "yunei-test-"));
    try {
      const shape = { rows: 2000, guestColumns: 6, hostColumns: 12 };
      const read = (name: string, seed: string): string[] => {
        const files = writeWideData(join(folder, name), shape, seed);
        return [files.guest, files.host].map((file) => readFileSync(file, "utf8"));
      };
      const first = read("a", "one");
      assert.deepEqual(read("b", "one"), first);
      assert.notDeepEqual(read("c", "two"), first);
      const [guest = [], host = []] = first.map((text) => text.trimEnd().split("\n").map((line) => line.split(",")));
      assert.deepEqual([guest.length, host.length], [2001, 2001]);
      assert.isTrue(guest.every((cells) => cells.length === 8) && host.every((cells) => cells.length === 13));
      const idsOf = (lines: readonly string[][]): string[] => lines.slice(1).map((cells) => cells[0] ?? "");
      assert.notDeepEqual(idsOf(guest), idsOf(host));
      assert.deepEqual(idsOf(guest).sort(), idsOf(host).sort());
      const bads = guest.slice(1).filter((cells) => cells[1] === "1").length;
      assert.isAbove(bads, 60);
      assert.isBelow(bads, 600);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
