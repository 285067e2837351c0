// A running job of real enclaves when its bank is suspended by a supervisor: every process stops it, and the bank comes in again only by a
// new assessment and two supervisors.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { openAdmin } from "../../api/admin.ts";
import { institutionEndpoints as e } from "../../api/contract/institutions.ts";
import { ApiClient } from "../../cli/api-client.ts";
import { silentLog } from "../../core/env.ts";
import { systemRng } from "../../core/rng.ts";
import { goodAssessment } from "../support/institutions.ts";
import { eventually } from "../support/process.ts";
import { smallTables } from "../support/tables.ts";
import { Topology } from "../support/topology.ts";

describe("a running job whose bank is suspended", () => {
  let topology: Topology;
  const people: ApiClient[] = [];
  before(async () => {
    topology = await Topology.start({ tables: smallTables() });
    const admin = await openAdmin({ data: topology.platformFolder, env: { rng: systemRng, now: Date.now, log: silentLog } });
    const ca = readFileSync(join(topology.platformFolder, "ca.pem"), "utf8");
    for (const [role, holder] of [["platform-operator", "op"], ["supervisor", "ana"], ["supervisor", "bo"]] as const) {
      const { key } = await admin.addPerson({ role, holder });
      people.push(new ApiClient({ url: topology.apiUrl, ca, apiKey: key }));
    }
    await admin.close();
  });
  after(async () => {
    for (const client of people) await client[Symbol.asyncDispose]();
    await topology[Symbol.asyncDispose]();
  });

  const codeAt = (name: "bank" | "tax" | "power", job: string): unknown => topology.rows(name, "select code from jobs where job = ? and state = 'failed'", job)[0]?.["code"];

  it("ends at every provider, the bank's enclave is let in nowhere, and the next job works after re-admission", async () => {
    const [operator, ana, bo] = people;
    assert.isDefined(operator);
    assert.isDefined(ana);
    assert.isDefined(bo);
    const job = await topology.submit();
    await topology.relayed(job, 12);
    const member = (await ana.call(e.listMembers)).items.find(({ party }) => party === "bank")?.id ?? "";
    await ana.call(e.suspendMember, { params: { member }, body: { reason: "leak" } });
    for (const name of ["tax", "power"] as const) await eventually(`${name} stopped`, () => codeAt(name, job) === "JOB_MEMBER_SUSPENDED");
    const refused: unknown = await topology.api.job(job).catch((error: unknown) => error);
    assert.equal((refused as { code?: string }).code, "AUTH_SUSPENDED");
    await eventually("the bank's enclave has stopped", () => topology.log("bank").includes("AUTH_SUSPENDED"));
    assert.isEmpty(topology.rows("tax", "select 1 from jobs where job = ? and secrets is not null", job));

    const open = await operator.call(e.readmitMember, { params: { member }, body: goodAssessment("bank") });
    const body = { decision: "approve", assessment: open.assessmentDigest };
    await ana.call(e.decideMember, { params: { member }, body });
    assert.equal((await bo.call(e.decideMember, { params: { member }, body })).state, "admitted");
    await topology.kill("bank");
    await topology.launch("bank");
    // By the feed, unless the job itself had asked for something after the suspension, and had failed by that.
    await eventually("the bank learns it", () => ["JOB_MEMBER_SUSPENDED", "AUTH_SUSPENDED"].some((code) => code === codeAt("bank", job)));
    assert.equal((await topology.view(job))?.failure?.code, "JOB_MEMBER_SUSPENDED");
    await topology.until(await topology.submit(), "done");
  });
});
