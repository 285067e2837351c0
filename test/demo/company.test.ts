// The codes of the demo's companies.
import { assert } from "chai";
import { describe, it } from "mocha";
import { isUscc } from "../../core/uscc.ts";
import { calendarOf } from "../../demo/calendar.ts";
import { codeBook, drawCompany, organisationCheckCharacter } from "../../demo/company.ts";
import { streamsOf } from "../../demo/draws.ts";
import { regions, seasonOf, sectors } from "../../demo/sectors.ts";

describe("companies", () => {
  const stream = streamsOf(11);
  const book = codeBook(stream("codes"));
  const calendar = calendarOf(24);
  const draws = stream("companies");
  const companies = Array.from({ length: 5000 }, (_, i) => drawCompany(i, book, calendar, draws));

  it("have unified social credit codes with a right check character, none twice", () => {
    for (const { uscc } of companies) assert.isTrue(isUscc(uscc), "check character");
    assert.strictEqual(new Set(companies.map((c) => c.uscc)).size, companies.length);
  });

  it("have codes that say their kind, region and organisation code rightly", () => {
    const prefixes = { individual: "92", cooperative: "93", micro: "91", small: "91", medium: "91" };
    const october2015 = Date.UTC(2015, 9, 1) / 86_400_000;
    for (const { uscc, size, region, established } of companies) {
      assert.strictEqual(uscc.slice(0, 2), prefixes[size]);
      assert.strictEqual(uscc.slice(2, 8), region.code);
      assert.match(uscc.slice(8, 16), established < october2015 ? /^\d{8}$/ : /^MA/);
      assert.strictEqual(uscc.charAt(16), organisationCheckCharacter(uscc.slice(8, 16)));
    }
  });

  it("have the organisation check character of GB 11714, known examples", () => {
    // Tencent 91440300708461136T, ICBC 91100000100003962T, Alibaba (China) 91330100799655058B.
    assert.strictEqual(organisationCheckCharacter("70846113"), "6");
    assert.strictEqual(organisationCheckCharacter("10000396"), "2");
    assert.strictEqual(organisationCheckCharacter("79965505"), "8");
    for (const code of ["91440300708461136T", "91100000100003962T", "91330100799655058B"]) assert.isTrue(isUscc(code));
  });

  it("come in all sizes with skewed turnover", () => {
    const share = (size: string): number => companies.filter((c) => c.size === size).length / companies.length;
    assert.closeTo(share("micro"), 0.38, 0.03);
    assert.closeTo(share("individual"), 0.3, 0.03);
    assert.closeTo(share("medium"), 0.05, 0.015);
    const revenues = companies.map((c) => Math.exp(c.logRevenue)).sort((a, b) => a - b);
    const mean = revenues.reduce((a, b) => a + b, 0) / revenues.length;
    assert.isAbove(mean, 3 * (revenues[2500] ?? 0));
    assert.isTrue(companies.filter((c) => c.size === "cooperative").every((c) => c.sector.code === "A"));
  });

  it("lie in sectors of GB/T 4754 and regions of GB/T 2260, seasons average out", () => {
    for (const sector of sectors) {
      assert.match(sector.code, /^[A-T]$/);
      assert.closeTo(seasonOf(sector).reduce((a, b) => a + b, 0), 0, 1e-9);
    }
    for (const { code } of regions) assert.match(code, /^[1-6]\d{5}$/);
    assert.strictEqual(new Set(sectors.map((s) => s.code)).size, sectors.length);
    assert.strictEqual(new Set(regions.map((r) => r.code)).size, regions.length);
  });
});
