// What may be declared as a trigger.
import { assert } from "chai";
import { describe, it } from "mocha";
import { mostAlerts } from "../../monitoring/triggers/bound.ts";
import { declareTriggers } from "../../monitoring/triggers/declare.ts";
import { publishedTriggers } from "../../monitoring/triggers/published.ts";
import { triggerKinds, type TriggerInput } from "../../monitoring/triggers/schema.ts";
import { arrears, codeOf, collapse, declared, drift, drop, gone, listing, scores } from "./support.ts";

const verdict = (...triggers: readonly object[]): string => codeOf(() => declareTriggers(triggers, { scores }));

describe("a declaration of triggers", () => {
  it("takes each kind, with its defaults", () => {
    const set = declared(arrears(), listing(), collapse(), drift(), gone(), drop());
    assert.sameMembers(set.triggers.map((t) => t.kind), [...triggerKinds]);
    assert.deepInclude(set.triggers[0], { confirm: 1, settle: 1, above: 0, atStart: "baseline" });
    assert.throws(() => ((set.triggers as unknown as { id: string }[])[0] as { id: string }).id = "x", TypeError);
  });

  it("is taken as published, over items of the catalogue that may be used so", () => {
    const set = declareTriggers(publishedTriggers);
    assert.lengthOf(set.triggers, publishedTriggers.length);
    assert.includeMembers([...set.items], ["judicial.dishonest-debtors", "tax.arrears", "utilities.electricity"]);
    assert.includeMembers([...set.authorised], ["tax.arrears"]);
    assert.notInclude<string>(set.authorised, "judicial.dishonest-debtors", "published by the courts, open to everybody");
  });

  const refused: readonly [string, readonly object[], string][] = [
    ["nothing", [], "MONITOR_TRIGGERS"],
    ["an unknown kind", [arrears({ kind: "gossip" })], "MONITOR_TRIGGERS"],
    ["an unknown field", [arrears({ value: 3 })], "MONITOR_TRIGGERS"],
    ["one id twice", [arrears(), listing({ id: "arrears" })], "MONITOR_TRIGGERS"],
    ["one rule twice under two ids", [arrears(), arrears({ id: "again", severity: "info" })], "MONITOR_TRIGGERS"],
    ["a ladder of four thresholds on one source", [1, 2, 3, 4].map((n) => arrears({ id: `a-${n}`, above: n })), "MONITOR_TRIGGERS"],
    ["33 triggers", Array.from({ length: 33 }, (_, i) => arrears({ id: `a-${i}` })), "MONITOR_TRIGGERS"],
    ["a text with a threshold", [arrears({ text: { zh: "欠税超过100元", en: "Arrears" } })], "MONITOR_TRIGGERS"],
    ["a text with a full-width digit", [arrears({ text: { zh: "欠税超过１元", en: "Arrears" } })], "MONITOR_TRIGGERS"],
    ["a text to be filled in", [arrears({ text: { zh: "欠税", en: "Owes {amount}" } })], "MONITOR_TRIGGERS"],
    ["a text in one language", [arrears({ text: { zh: "Arrears", en: "Arrears" } })], "MONITOR_TRIGGERS"],
    ["no cool-down", [arrears({ coolDownDays: 0 })], "MONITOR_TRIGGERS"],
    ["recovery beyond the limit", [drop({ drop: { in: "points", limit: 20, recover: 20 } })], "MONITOR_TRIGGERS"],
    ["recovery at the collapse", [collapse({ recover: 0.5 })], "MONITOR_TRIGGERS"],
    ["more known months than months", [collapse({ known: 7 })], "MONITOR_TRIGGERS"],
    ["NaN as a limit", [arrears({ above: Number.NaN })], "MONITOR_TRIGGERS"],
    ["no such indicator", [arrears({ indicator: "tax_gossip" })], "MONITOR_SOURCE"],
    ["a name of an object's own", [arrears({ indicator: "constructor" })], "MONITOR_SOURCE"],
    ["no such score", [drop({ score: "other" })], "MONITOR_SOURCE"],
    ["a score named like an object's own", [drop({ score: "constructor" })], "MONITOR_SOURCE"],
    ["a listing of what is no count", [listing({ indicator: "tax_revenue_12m" })], "MONITOR_SOURCE"],
    ["arrears of what is better higher", [arrears({ indicator: "tax_revenue_12m" })], "MONITOR_SOURCE"],
    ["worse, of what has no direction", [drift({ indicator: "ut_kwh_12m" })], "MONITOR_SOURCE"],
    ["drift of a category", [drift({ indicator: "rg_sector", way: "either" })], "MONITOR_SOURCE"],
  ];
  for (const [name, triggers, code] of refused) it(`refuses ${name}`, () => assert.equal(verdict(...triggers), code));

  it("takes three thresholds on one source, and the same source by another kind", () => {
    assert.equal(verdict(arrears({ id: "a", above: 1 }), arrears({ id: "b", above: 2 }), arrears({ id: "c", above: 3 }), gone({ indicator: "tax_arrears_open" })), "fine");
  });

  it("refuses a score whose items are shared by verification alone", () => {
    const check = (items: readonly string[]): string => codeOf(() => declareTriggers([drop()], { scores: { "loan-model": items } }));
    assert.equal(check(["social-insurance.payment"]), "CATALOGUE_MODE");
    assert.equal(check(["gossip.talk"]), "MONITOR_SOURCE");
    assert.equal(check([]), "MONITOR_SOURCE");
  });

  it("has another digest for another declaration, and the same for defaults written out", () => {
    const digest = (...triggers: readonly TriggerInput[]): string => declared(...triggers).digest;
    assert.equal(digest(arrears()), digest(arrears({ confirm: 1, settle: 1, above: 0, atStart: "baseline" })));
    assert.notEqual(digest(arrears()), digest(arrears({ above: 1 })));
  });

  it("states the most alerts about one company in a time", () => {
    assert.equal(mostAlerts(declared(arrears({ coolDownDays: 30 })), 30), 1);
    assert.equal(mostAlerts(declared(arrears({ coolDownDays: 30 })), 31), 2);
    assert.equal(mostAlerts(declared(arrears({ coolDownDays: 30 }), listing({ coolDownDays: 1 })), 31), 33);
  });
});
