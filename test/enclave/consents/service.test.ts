// Consents of single questions of a service: a limited one is looked at without using it up, and claimed once the question is answered.
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { ItemId } from "../../../core/brand.ts";
import { registrarsSchema } from "../../../enclave/consents/trust.ts";
import { ServiceConsents } from "../../../enclave/live/consents.ts";
import type { JobPlan } from "../../../federation/plan-schema.ts";
import { bank, company, granted, job, plan as planDigest } from "../../consent/support.ts";
import { DeskWorld } from "../../support/desk.ts";
import { codeOf } from "../../support/world.ts";

describe("consents of a service's questions", () => {
  let world: DeskWorld;
  let consents: ServiceConsents;
  const open = (): ServiceConsents => new ServiceConsents({
    desk: world.desk, plan: { job, kind: "serve", purpose: "loan-approval", guest: bank.party } as JobPlan, planDigest, guestUscc: undefined, now: () => world.now,
    items: { authorised: ["tax.payment" as ItemId], open: [] },
  });
  beforeEach(async () => {
    world = new DeskWorld();
    await world.desk.refresh(0);
    consents = open();
  });
  afterEach(() => world[Symbol.dispose]());

  it("of one use are there until one is claimed, also after a restart", async () => {
    const single = granted();
    for (const n of [1, 2, 3]) assert.isUndefined(consents.check(company, single, n), "looking uses nothing up");
    consents.claim(company, single, 3);
    assert.equal(consents.check(company, single, 4), "CONSENT_USED");
    assert.equal(await codeOf((async () => consents.claim(company, single, 4))()), "CONSENT_USED");
    world.restart();
    assert.equal(open().check(company, single, 5), "CONSENT_USED");
  });
  it("of several uses are counted use by use, and those without a limit not at all", () => {
    const [twice, any] = [granted({ use: { kind: "repeated", atMost: 2 } }), granted({ id: "consent_000000000000000000000002", use: { kind: "repeated" } })];
    for (const n of [1, 2]) {
      assert.isUndefined(consents.check(company, twice, n));
      consents.claim(company, twice, n);
      consents.claim(company, any, n);
    }
    assert.equal(consents.check(company, twice, 3), "CONSENT_USED");
    assert.isUndefined(consents.check(company, any, 3));
    assert.equal(Number(world.db.get("select count(*) as n from consent_uses")?.["n"]), 2);
  });
  it("of a registrar that the operator believes no longer stop counting while the service runs", async () => {
    const any = granted({ use: { kind: "repeated" } });
    assert.isUndefined(consents.check(company, any, 1));
    world.policy = registrarsSchema.parse({ platform: false });
    world.now += 2_000;
    using held = new DisposableStack();
    held.use(consents.keepFresh());
    await new Promise(setImmediate);
    assert.equal(consents.check(company, any, 2), "CONSENT_ISSUER");
  });
});
