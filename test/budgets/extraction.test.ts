// Extraction of a model: how often honest scoring is told of, and how soon attacks are, both simulated at fixed seeds under the default policy.
import { assert } from "chai";
import { describe, it } from "mocha";
import { KeyedHashes, type KeyedHash, type VectorHash } from "../../budgets/hashes.ts";
import { platformProbing } from "../../budgets/probing/policy.ts";
import type { Judgement } from "../../budgets/probing/verdict.ts";
import { seededDraw, type Draw } from "../support/draw.ts";
import { bank, day, fakeHash, fakeVector, geometric, insist, minute, note, probingWorld, tallyOf, type ProbingWorld, type Tally } from "../support/probing.ts";

const hashes = new KeyedHashes(new Uint8Array(32).fill(3));

describe("probing: extraction of a model", () => {
  const features = 20;
  const model = "m.3";
  const freedom = 80;
  const base = (draw: Draw): number[] => Array.from({ length: features }, () => draw.int(1000));

  /** Of the companies 70 % are scored once, 15 % again with new figures (half of the features change), 15 % asked "what if" about amount, term and collateral. */
  function honest(w: ProbingWorld, draw: Draw, companies: number, tally: Tally): void {
    for (let c = 0; c < companies; c++) {
      const values = base(draw);
      const kind = draw.uniform();
      const ask = (): void => {
        w.clock.now += minute * draw.int(20);
        note(tally, w.vectors.ask({ institution: bank, company: fakeHash(c), model, vector: fakeVector(values), degreesOfFreedom: freedom }).verdict);
      };
      ask();
      if (kind < 0.15) {
        for (let f = 0; f < features; f++) if (draw.uniform() < 0.5) values[f] = draw.int(1000);
        ask();
      } else if (kind < 0.3) {
        for (let n = 1 + geometric(draw, 0.5); n > 0; n--) {
          values[draw.int(3)] = draw.int(1000);
          ask();
        }
      }
    }
  }

  it("honest scoring with corrections and what-ifs is hardly told of, and never refused: 20 institutions, 1,000 companies each", function () {
    this.timeout(120_000);
    const tally = tallyOf();
    let told = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const before = tally.alert + tally.slow + tally.refuse;
      honest(probingWorld(), seededDraw(seed), 1000, tally);
      if (tally.alert + tally.slow + tally.refuse > before) told++;
    }
    assert.isAtMost((tally.alert + tally.slow) / tally.requests, 1e-3);
    assert.equal(tally.refuse, 0);
  });

  type Attack = (draw: Draw, ask: (company: number, values: readonly number[]) => Judgement) => void;
  function attacked(seed: number, background: number, attack: Attack): { toldAt: number; answered: number; refused: number } {
    const w = probingWorld();
    const draw = seededDraw(seed);
    honest(w, draw, background, tallyOf());
    let asked = 0;
    let toldAt = 0;
    let answered = 0;
    let refused = 0;
    attack(draw, (company, values) => {
      asked++;
      w.clock.now += minute;
      const judgement = insist(w, () => w.vectors.ask({ institution: bank, company: fakeHash(900_000 + company), model, vector: fakeVector(values), degreesOfFreedom: freedom }));
      if (toldAt === 0 && judgement.verdict !== "allow") toldAt = asked;
      if (judgement.admitted) answered++;
      if (judgement.verdict === "refuse") refused++;
      return judgement;
    });
    return { toldAt, answered, refused };
  }
  const attacks: Record<string, { attack: Attack; background: number; toldBy: number; answeredAtMost: number }> = {
    // One coordinate after the other, five values each, about one company (Tramèr et al., equation solving).
    "stepping one company": { background: 300, toldBy: 13, answeredAtMost: 24, attack: (draw, ask) => {
      const values = base(draw);
      for (let f = 0; f < features; f++) for (let k = 0; k < 5; k++) ask(0, values.map((v, i) => (i === f ? 2000 + k : v)));
    } },
    // One coordinate through its range, to find the edges of its bins.
    "sweeping one coordinate": { background: 300, toldBy: 9, answeredAtMost: 16, attack: (draw, ask) => {
      const values = base(draw);
      for (let k = 0; k < 100; k++) ask(0, [2000 + k, ...values.slice(1)]);
    } },
    // Random vectors about one company: as many as the model has free numbers solve for them.
    "random vectors about one company": { background: 300, toldBy: 13, answeredAtMost: 24, attack: (draw, ask) => {
      for (let k = 0; k < freedom + 1; k++) ask(0, base(draw));
    } },
    // Five steps about each of many companies: below every threshold of a company.
    "steps spread over 160 companies": { background: 300, toldBy: 500, answeredAtMost: 800, attack: (draw, ask) => {
      for (let c = 0; c < 160; c++) {
        const values = base(draw);
        for (let k = 0; k < 6; k++) ask(c, k === 0 ? values : values.map((v, i) => (i === (5 * c + k) % features ? 2000 + k : v)));
      }
    } },
  };
  for (const [name, { attack, background, toldBy, answeredAtMost }] of Object.entries(attacks)) {
    it(`${name}: told of in every one of 20 runs`, function () {
      this.timeout(60_000);
      const runs = Array.from({ length: 20 }, (_, i) => attacked(201 + i, background, attack));
      assert.isTrue(runs.every((r) => r.toldAt > 0 && r.toldAt <= toldBy));
      assert.isTrue(runs.every((r) => r.answered <= answeredAtMost));
    });
  }

  it("as few steps as a scorecard has bins, spread over 20 companies: told of alone, hidden by 300 honest companies (README)", function () {
    this.timeout(60_000);
    const detected = (background: number): number => Array.from({ length: 20 }, (_, i) => attacked(401 + i, background, (draw, ask) => {
      for (let c = 0; c < 20; c++) {
        const values = base(draw);
        for (let k = 0; k < 5; k++) ask(c, k === 0 ? values : values.map((v, f) => (f === c ? 2000 + k : v)));
      }
    })).filter((run) => run.toldAt > 0).length;
    assert.deepEqual([detected(0), detected(300)], [20, 0]);
  });

  it("a small model is protected by its own degrees of freedom", () => {
    const w = probingWorld();
    const draw = seededDraw(5);
    let answered = 0;
    for (let k = 0; k < 30; k++) {
      w.clock.now += 2 * 3_600_000;
      if (insist(w, () => w.vectors.ask({ institution: bank, company: fakeHash(1), model, vector: fakeVector(base(draw)), degreesOfFreedom: 6 })).admitted) answered++;
    }
    assert.equal(answered, 6, "one fewer than a linear model of six numbers and an offset needs");
  });

  it("sees equal and unequal coordinates through keyed hashes, of one company and model only", () => {
    const w = probingWorld();
    const company = hashes.company("c");
    const values = ["1", "2", "3"];
    const vector = (c: KeyedHash, changed: readonly string[], m = model): VectorHash => hashes.vector(c, m, changed);
    const coordinates = (v: VectorHash): string[] => Buffer.from(v, "base64").toString("hex").match(/.{8}/g) ?? [];
    const a = coordinates(vector(company, values));
    const b = coordinates(vector(company, ["1", "9", "3"]));
    assert.deepEqual(a.map((x, i) => x === b[i]), [true, false, true]);
    assert.isTrue(coordinates(vector(hashes.company("d"), values)).every((x, i) => x !== a[i]));
    assert.isTrue(coordinates(vector(company, values, "m.4")).every((x, i) => x !== a[i]));
    const ask = (changed: readonly string[]): Judgement => {
      w.clock.now += 3_600_000;
      return w.vectors.ask({ institution: bank, company, model, vector: vector(company, changed), degreesOfFreedom: 50 });
    };
    ask(values);
    for (let k = 0; k < 7; k++) assert.equal(ask(["1", `${100 + k}`, "3"]).verdict, "allow");
    assert.deepEqual(ask(["1", "200", "3"]).findings.map((f) => f.signal), ["sweep"]);
    assert.equal(ask(values).verdict, "allow", "an earlier vector again is free");
    assert.throws(() => ask(["1", "2"]), /BUDGET_ASK/);
    assert.throws(() => w.vectors.ask({ institution: bank, company, model, vector: vector(company, values), degreesOfFreedom: 0 }), /BUDGET_ASK/);
    // Monthly scores of a watched borrower never add up to a signal.
    for (let month = 0; month < 24; month++) {
      w.clock.now += 31 * day;
      assert.equal(ask([`${month}`, "2", "3"]).verdict, "allow");
    }
  });

  it("keeps bounded memory per company, also where the policy refuses nothing", () => {
    const w = probingWorld({ ...platformProbing, variants: { alert: 10 }, steps: { alert: 8 }, sweep: {}, extraction: { ...platformProbing.extraction, excess: { alert: 1 } } });
    const ask = (k: number): Judgement => w.vectors.ask({ institution: bank, company: fakeHash(1), model, vector: fakeVector([k, 2, 3]), degreesOfFreedom: 500 });
    for (let k = 0; k < 100; k++) ask(k);
    const bytes = w.store.bytes;
    for (let k = 100; k < 1000; k++) assert.equal(ask(k).verdict, "alert");
    assert.isBelow(w.store.bytes, bytes + 200);
  });
});
