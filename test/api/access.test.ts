// Every endpoint, called by everybody, on objects of another institution: let in or refused as the table in api/README.md says.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { Client, sha256 } from "../support/clients.ts";
import { callers, mayCall, withAccessTable, type Caller } from "../../api/contract/access.ts";
import { buildBankApp } from "../../api/bank-app.ts";
import { endpoints } from "../../api/contract.ts";
import type { Endpoint } from "../../api/contract/endpoint.ts";
import { buildEnclaveApp } from "../../api/enclave-app.ts";
import { roles } from "../../api/contract/roles.ts";
import { addSession } from "../../api/store/sessions.ts";
import { partyId } from "../../core/names.ts";
import type { MemberView } from "../../api/contract/institutions.ts";
import { personOf, said, staffOf } from "../support/institutions.ts";
import { jobRequest, keptLog, newWorld, summaryOf, type World } from "../support/platform.ts";

const day = 86_400_000;
/** What says that the caller is not let in. */
const refusals: ReadonlySet<string> = new Set(["AUTH_REQUIRED", "AUTH_INVALID", "AUTH_ROLE"]);
/** Documentation, and the transparency log's files: for everybody. */
const publicFiles = ["get /openapi.json", "get /docs", "get /v1/log/checkpoint", "get /v1/log/witnessed", "get /v1/log/tile/*name"];
/** Bodies that fit, where the object is judged behind them. */
const bodies: Readonly<Record<string, object>> = {
  releaseJob: { planDigest: "0".repeat(64) }, approve: { jws: "a.b.c" }, refuse: { code: "POLICY_REFUSED" }, reportState: { state: "done" },
  reportEvents: { events: [{ type: "phase-started", phase: "load" }] }, putModel: { model: "model_0123456789abcdef", kind: "x", digests: {} },
  rotateKey: {}, forgetRelay: { first: 0, below: 1 },
};
/** Bound to one institution or party: another one's objects do not exist for them. */
const bound: ReadonlySet<Caller> = new Set<Caller>(["program", "bank-submitter", "bank-approver", "analyst", "provider-operator", "provider-owner", "enclave"]);
/** Endpoints that address an object of an institution or job, and what is said of another's. */
const ofOthers = (name: string, { path }: Endpoint): readonly string[] | undefined => {
  if (/^\/(enclave\/)?v1\/(jobs|relay)\/:/.test(path)) return ["JOB_NOT_FOUND", ...(name === "putResult" || name === "putRelay" ? ["REQUEST_LENGTH", "REQUEST_MEDIA_TYPE"] : [])];
  if (path.startsWith("/v1/models/:")) return ["MODEL_NOT_FOUND"];
  if (path.startsWith("/v1/members/:")) return ["MEMBER_NOT_FOUND"];
  return path.startsWith("/v1/keys/:") ? ["CREDENTIAL_UNKNOWN"] : undefined;
};

describe("who may call what", () => {
  let world: World;
  const clients = new Map<Caller, { bank: Client; enclave: Client }>();
  const others: Record<string, string> = {};
  let sessions = 0;
  let renewSession = async (): Promise<void> => {};

  before(async function () {
    this.timeout(60_000);
    world = await newWorld({ log: keptLog([]), limits: { authFailures: 1e6 } });
    const { platform } = world;
    const staff = await staffOf(platform);
    const rival = await platform.enrol("rival");
    await rival.client.put("/enclave/v1/dataset", summaryOf("loans", true));
    const other = await platform.addBank("rival");
    const { items } = await said<{ items: MemberView[] }>(staff.ana.client.get("/v1/members"));
    others["member"] = items.find((item) => item.institution === other.institution)?.id ?? "";
    others["key"] = (await personOf(platform, staff.operator, "analyst", "theirs", { institution: other.institution })).id;
    others["job"] = (await said<{ id: string }>(other.client.post("/v1/jobs", { ...jobRequest(["power"]), guest: "rival" }), 201)).id;
    for (const enclave of [rival, world.power]) await said(enclave.client.post(`/enclave/v1/jobs/${others["job"]}/approval`, { jws: "aGVhZA.Ym9keQ.c2ln" }));
    others["model"] = "model_00000000000000aa";
    await said(rival.client.put(`/enclave/v1/jobs/${others["job"]}/results/model`, { model: others["model"], kind: "scorecard", digests: { rival: "a".repeat(64) } }));
    assert.equal((await other.client.get(`/v1/models/${others["model"]}`)).status, 200);

    clients.set("nobody", withKey()).set("program", withKey(world.bank.apiKey)).set("enclave", { bank: platform.apiClient({ identity: world.tax.identity }), enclave: world.tax.client });
    for (const role of roles) clients.set(role, withKey(await keyOf(role, staff)));
    renewSession = async () => {
      await clients.get("subject")?.enclave[Symbol.asyncDispose]();
      clients.set("subject", withKey(await keyOf("subject", staff)));
    };
  });
  after(async () => {
    for (const { enclave } of clients.values()) await enclave[Symbol.asyncDispose]();
    await world.platform[Symbol.asyncDispose]();
  });

  const withKey = (apiKey?: string): { bank: Client; enclave: Client } => ({
    bank: world.platform.apiClient(apiKey === undefined ? {} : { apiKey }), enclave: new Client(world.platform.enclavePort, { ca: world.platform.ca, apiKey }),
  });

  async function keyOf(role: (typeof roles)[number], staff: Awaited<ReturnType<typeof staffOf>>): Promise<string> {
    if (role === "supervisor") return staff.ana.key;
    if (role === "platform-operator") return staff.operator.key;
    if (role !== "subject") {
      const owner = role.startsWith("provider-") ? { party: "tax" } : { institution: world.bank.institution };
      return (await personOf(world.platform, staff.operator, role, role, owner)).key;
    }
    sessions += 1;
    const id = `ses_${String(sessions).padStart(24, "0")}`;
    const key = `ys1.${id}.${"A".repeat(43)}`;
    const at = new Date();
    await world.platform.running?.platform.db.write((tx) => addSession(tx, {
      id, subject: "91310000MA1FL0Q34A", keyDigest: sha256(key), provider: partyId("registrar"), assurance: "substantial", authority: "legal-representative", person: "p", realNameAt: at,
      createdAt: at, expiresAt: new Date(at.getTime() + day), revokedAt: null,
    }));
    return key;
  }

  const pathWith = (path: string): string => path.replaceAll(/:([a-z]+)/g, (_, name: string) => {
    if (name === "id" || name === "job") return others["job"] ?? "";
    return others[name] ?? ({ to: "power", from: "power", seq: "0", name: "report" } as Record<string, string>)[name] ?? "0".repeat(24);
  });

  /** The code of a refusal, or "in". */
  async function call(name: string, endpoint: Endpoint, caller: Caller): Promise<string> {
    const client = clients.get(caller)?.[endpoint.listener];
    assert.isDefined(client);
    const body = endpoint.body === undefined ? undefined : JSON.stringify(bodies[name] ?? {});
    const type: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
    try {
      const reply = await client.pool.request({
        method: endpoint.method.toUpperCase(), path: pathWith(endpoint.path), body: body ?? null, headers: { ...client.headers, ...type }, signal: AbortSignal.timeout(3000),
      });
      const text = await reply.body.text();
      return reply.statusCode < 400 ? "in" : (JSON.parse(text) as { code: string }).code;
    } catch (error) {
      // The enclaves' listener ends the connection of whoever has no certificate; a long poll that waits has let the caller in.
      return error instanceof Error && error.name === "TimeoutError" ? "in" : "AUTH_INVALID";
    }
  }

  it("is what the document says", () => {
    const document = readFileSync(join(import.meta.dirname, "..", "..", "api", "README.md"), "utf8");
    assert.equal(withAccessTable(document), document, "run node scripts/access-table.ts");
  });

  it("has no other endpoints than those of the contract, but for what is public", () => {
    const parts = world.platform.running?.platform;
    assert.isDefined(parts);
    for (const [listener, app] of [["bank", buildBankApp(parts, "0.0.0")], ["enclave", buildEnclaveApp(parts)]] as const) {
      const stack = app.router.stack as unknown as { route?: { path: string | string[]; methods: Record<string, boolean> } }[];
      const there = stack.flatMap(({ route }) => (route === undefined ? [] : Object.keys(route.methods).flatMap((method) => [route.path].flat().map((path) => `${method} ${path}`))));
      const inContract = (Object.values(endpoints) as Endpoint[]).filter((endpoint) => endpoint.listener === listener).map(({ method, path }) => `${method} ${path}`);
      assert.sameMembers(there, [...inContract, ...(listener === "bank" ? publicFiles : [])]);
    }
  });

  for (const [name, endpoint] of Object.entries(endpoints) as [string, Endpoint][]) {
    it(`${name}: lets in whom the table names, and nobody else`, async function () {
      this.timeout(60_000);
      for (const caller of callers) {
        const code = await call(name, endpoint, caller);
        assert.notEqual(code, "REQUEST_NO_ROUTE");
        assert.equal(!refusals.has(code), mayCall(endpoint, caller), `${caller}: ${code}`);
        const theirs = ofOthers(name, endpoint);
        if (mayCall(endpoint, caller) && bound.has(caller) && theirs !== undefined) assert.include(theirs, code, caller);
        if (name === "logout" && caller === "subject") {
          assert.equal(await call(name, endpoint, caller), "AUTH_INVALID"); // over
          await renewSession();
        }
      }
    });
  }
});
