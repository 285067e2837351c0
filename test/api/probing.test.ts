// Signs of probing that an enclave tells: an alert for the platform's operator and the supervisor, and for nobody else; nothing in it names a company.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { assertCode, type Client } from "../support/clients.ts";
import { newWorld, TestClock, type World } from "../support/platform.ts";
import { person } from "../support/subjects.ts";

const uscc = "91110108MA01A1B2C3";

describe("signs of probing at the platform", () => {
  let world: World;
  let operator: Client;
  let supervisor: Client;
  let analyst: Client;
  const clock = new TestClock();
  before(async () => {
    world = await newWorld({ now: clock.now });
    operator = await person(world.platform, "platform-operator", "operator 1", {});
    supervisor = await person(world.platform, "supervisor", "supervisor 1", {});
    analyst = await person(world.platform, "analyst", "analyst 1", { institution: world.bank.institution });
  });
  after(() => world.platform[Symbol.asyncDispose]());

  const sign = (more: object = {}): object => ({ at: new Date(clock.ms).toISOString(), party: "bank", signal: "repeats", verdict: "slow", company: "a1".repeat(16), measured: 121, ...more });
  const put = (...signs: object[]) => world.tax.client.put("/enclave/v1/probing", { version: 1, signs });
  type Alerts = { alerts: { kind: string; about: string; count: number }[] };
  const alerts = async (client: Client): Promise<Alerts["alerts"]> => ((await client.get("/v1/alerts")).json() as Alerts).alerts.filter((a) => a.kind === "probing");

  it("raise an alert by bank and kind for the operator and the supervisor, once for many signs", async () => {
    assert.equal((await put(sign(), sign({ company: "b2".repeat(16) }), sign({ signal: "claim-spread", verdict: "alert", measured: 10.5 }))).status, 200);
    assert.equal((await put(sign({ verdict: "refuse" }))).status, 200);
    for (const client of [operator, supervisor]) assert.sameMembers((await alerts(client)).map((a) => a.about), ["repeats.bank", "claim-spread.bank"]);
    assertCode(await analyst.get("/v1/alerts"), "AUTH_ROLE");
  });

  it("have no room for the code of a company, a text, or a verdict of another kind", async () => {
    for (const bad of [{ company: uscc }, { signal: uscc }, { verdict: "allow" }, { note: "x" }, { measured: "121" }, { party: "../x" }]) assertCode(await put(sign(bad)), "REQUEST_INVALID");
    assertCode(await put(), "REQUEST_INVALID");
    assertCode(await put(...Array.from({ length: 101 }, () => sign())), "REQUEST_INVALID");
  });
});
