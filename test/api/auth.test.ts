// Institutions: API keys, client certificates, what one may see of another, and what the logs hold.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { FailureLimit } from "../../api/http/auth.ts";
import { partyId } from "../../core/names.ts";
import { assertCode, certificateRequest, newKeys, privatePem, type Client } from "../support/clients.ts";
import { jobRequest, keptLog, newWorld, submit, summaryOf, TestClock, type Bank, type World } from "../support/platform.ts";

describe("authentication of institutions", () => {
  let world: World;
  let rival: Bank;
  let job: string;
  const lines: string[] = [];
  const clock = new TestClock();
  clock.ms = Date.now();

  before(async () => {
    world = await newWorld({ log: keptLog(lines), now: clock.now, limits: { authFailures: 5 } });
    const enclave = await world.platform.enrol("rival");
    await enclave.client.put("/enclave/v1/dataset", summaryOf("loans", true));
    rival = await world.platform.addBank("rival");
    job = await submit(world);
  });
  after(() => world.platform[Symbol.asyncDispose]());

  const withKey = (apiKey: string): Client => world.platform.apiClient({ apiKey });

  it("asks for a key, and says how", async () => {
    const reply = await world.platform.apiClient().get("/v1/jobs");
    assertCode(reply, "AUTH_REQUIRED");
    assert.equal(reply.headers["www-authenticate"], "Bearer");
  });

  it("refuses keys that are wrong in any part", async () => {
    const [prefix = "", id = "", secret = ""] = world.bank.apiKey.split(".");
    const flipped = `${secret.slice(0, -2)}${secret.at(-2) === "A" ? "B" : "A"}${secret.slice(-1)}`;
    const wrong = [
      `${prefix}.${id}.${flipped}`,
      `${prefix}.${rival.institution}.${secret}`,
      `${prefix}.inst_${"0".repeat(24)}.${secret}`,
      secret,
      `${world.bank.apiKey} `.repeat(2),
    ];
    for (const key of wrong.slice(0, 5)) assertCode(await withKey(key).get("/v1/jobs"), "AUTH_INVALID");
  });

  it("refuses everything from an address with too many failures, for a while", async () => {
    assertCode(await world.bank.client.get("/v1/jobs"), "AUTH_RATE_LIMITED");
    assertCode(
      await world.platform.apiClient().post("/v1/enrol", { token: "x", csrTls: "x".repeat(70), csrIdentity: "x".repeat(70) }),
      "AUTH_RATE_LIMITED",
    );
    assert.equal((await world.platform.apiClient().get("/healthz")).status, 200);
    clock.ms += 61_000;
    assert.equal((await world.bank.client.get("/v1/jobs")).status, 200);
  });

  it("forgets the oldest addresses instead of growing without bound", () => {
    const limit = new FailureLimit(clock.now, 1, 60_000);
    for (let i = 0; i < 10_050; i += 1) limit.record(`10.0.${i >> 8}.${i & 255}`);
    assert.doesNotThrow(() => limit.check("10.0.0.0"));
    assert.throws(() => limit.check("10.0.39.65"), /AUTH_RATE_LIMITED/);
  });

  it("shows an institution nothing of another's jobs and labelled data", async () => {
    const plan = `/v1/jobs/${job}/plan`;
    for (const path of [`/v1/jobs/${job}`, plan, `/v1/jobs/${job}/events`, `/v1/jobs/${job}/report`, `/v1/jobs/${job}/scores`]) {
      assertCode(await rival.client.get(path), "JOB_NOT_FOUND");
    }
    assertCode(await rival.client.post(`/v1/jobs/${job}/cancel`), "JOB_NOT_FOUND");
    assert.deepEqual((await rival.client.get("/v1/jobs")).json(), { items: [], next: null });
    assertCode(await rival.client.get(`/v1/jobs?cursor=${job}`), "REQUEST_INVALID");
    assertCode(await rival.client.post("/v1/jobs", jobRequest()), "JOB_WRONG_GUEST");
    const { datasets } = (await rival.client.get("/v1/datasets")).json() as { datasets: { party: string }[] };
    assert.deepEqual(
      datasets.map((row) => row.party),
      ["power", "rival", "tax"],
    );
    assert.equal((await world.bank.client.get(plan)).status, 200);
  });

  it("accepts a client certificate in place of a key, but not a party's", async () => {
    const keys = await newKeys("P-256");
    const { institution, certificate } = await world.platform.admin.addInstitution({
      name: "Third Bank",
      guest: partyId("third"),
      sealTo: rival.sealTo,
      certificateRequest: await certificateRequest("Third Bank", keys),
    });
    const identity = { key: await privatePem(keys), cert: certificate ?? "" };
    assert.equal((await world.platform.apiClient({ identity }).get("/v1/jobs")).status, 200);
    assertCode(await world.platform.apiClient({ identity: world.tax.identity }).get("/v1/jobs"), "AUTH_INVALID");
    await world.platform.admin.suspendInstitution(institution);
    assertCode(await world.platform.apiClient({ identity }).get("/v1/jobs"), "AUTH_SUSPENDED");
  });

  it("gives one guest party to one institution", async () => {
    let code: unknown;
    await world.platform.admin
      .addInstitution({ name: "Twin", guest: partyId("bank"), sealTo: rival.sealTo })
      .catch((error: { code: string }) => (code = error.code));
    assert.equal(code, "PARTY_EXISTS");
  });

  it("stores digests of keys and tokens only, and writes neither to its logs", async () => {
    const token = await world.platform.admin.createEnrolToken(partyId("gas"));
    const secrets = [world.bank.apiKey, rival.apiKey, token].map((text) => text.split(".").find((part) => part.length === 43) ?? "none");
    await world.bank.client.get("/v1/jobs");
    assert.isAbove(lines.length, 20);
    const stored = ["platform.db", "platform.db-wal"]
      .map((name) => readFileSync(join(world.platform.data, name)).toString("latin1"))
      .join("");
    assert.include(stored, job); // the search would find it
    for (const secret of secrets) {
      assert.notInclude(stored, secret);
      assert.notInclude(lines.join("\n"), secret);
    }
    assert.notInclude(lines.join("\n"), "Bank of");
  });
});
