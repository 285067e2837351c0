// A standing service of real processes in trouble: a provider that lies, is slow, dies and comes back in the middle of load, enclaves and platform
// that are killed, companies that did not consent or no longer do, requests that are none, a member that is suspended. Every answer is right, or
// says what is missing, or is a code; nothing needs a restart.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { assert } from "chai";
import { CompactEncrypt, importJWK } from "jose";
import { after, before, describe, it } from "mocha";
import { openAdmin } from "../../api/admin.ts";
import { institutionEndpoints as members } from "../../api/contract/institutions.ts";
import { serviceEndpoints as e, type ServiceAnswer } from "../../api/contract/services.ts";
import { ApiClient } from "../../cli/api-client.ts";
import { LocalRegistrar } from "../../cli/local-registrar.ts";
import { ServiceClient } from "../../cli/service-client.ts";
import { silentLog } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { writeDurably } from "../../core/files.ts";
import { partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { verifyApproval } from "../../enclave/job/approval.ts";
import { peerKey } from "../../enclave/keys/identity.ts";
import { lies } from "../support/lies.ts";
import { descendants, eventually } from "../support/process.ts";
import { usccOf } from "../support/subjects.ts";
import { smallTables } from "../support/tables.ts";
import { Topology } from "../support/topology.ts";

const hosts = ["tax", "power"].map(partyId);
const items = ["registry.industry", "tax.arrears", "tax.financial-filings", "utilities.electricity"];
const declared = {
  tax: { turnover: ["tax.financial-filings"], arrears: ["tax.arrears"], sector: ["registry.industry"] },
  power: { usage: ["utilities.electricity"], late_bills: ["utilities.electricity"] },
};
const tables = smallTables({ id: usccOf });
const timeoutMs = 400;
type Scored = Extract<ServiceAnswer, { status: "scored" }>;
type Said = { readonly company: string; readonly answer?: ServiceAnswer; readonly code?: string };

describe("a standing service in trouble", () => {
  let topology: Topology;
  let client: ServiceClient;
  let supervisor: ApiClient | undefined;
  const registrar = new LocalRegistrar({ rng: systemRng, now: Date.now });
  /** By company: from the training job. */
  const whole = new Map<string, number>();
  /** By who is away and company: what is right then. */
  const without = new Map<string, Map<string, number>>();
  let companies: string[] = [];
  const [silent = "", leaver = ""] = tables.bank.split("\n").slice(1, 2800).map((line) => line.slice(0, 18)).filter((id) => tables.tax.includes(`\n${id},`) && tables.power.includes(`\n${id},`)).slice(-2);

  const pids = (name: "tax" | "power"): number[] => [topology.pid(name), ...descendants(topology.pid(name)).map(({ pid }) => pid)];
  const signal = (name: "tax" | "power", what: NodeJS.Signals): void => {
    for (const pid of pids(name)) process.kill(pid, what);
  };
  const lie = (what: string): void => writeFileSync(join(topology.folder("power"), "lie"), what);
  const ask = async (company: string): Promise<Said> => {
    try {
      return { company, answer: await client.ask({ company }) };
    } catch (error) {
      return { company, code: error instanceof AppError ? error.code : "thrown" };
    }
  };
  /** Requests at a steady rate while `work` goes on. */
  const during = async (work: () => Promise<void>): Promise<Said[]> => {
    const over = new AbortController();
    const all: Promise<Said>[] = [];
    const load = (async () => {
      for (let i = 0; !over.signal.aborted; i++) {
        all.push(ask(companies[i % companies.length] ?? ""));
        await delay(10);
      }
    })();
    try {
      await work();
    } finally {
      over.abort();
      await load;
    }
    return Promise.all(all);
  };
  /** Whole and right, or partial and right for what it says is away. */
  const right = ({ company, answer }: Said): boolean => {
    if (answer?.status !== "scored") return false;
    if (!answer.partial) return Math.abs(answer.score - (whole.get(company) ?? Number.NaN)) < 0.011;
    return answer.score === without.get(answer.away.toSorted().join())?.get(company);
  };
  /** Under load a machine that has too little time says so. */
  const isFine = (said: Said): boolean => right(said) || said.code === "SERVICE_BUSY";
  const isScored = ({ answer }: Said): boolean => answer?.status === "scored";
  const allBack = (): Promise<boolean> => eventually("all are there", async () => {
    const { answer } = await ask(companies[0] ?? "");
    return answer?.status === "scored" && !answer.partial;
  });

  before(async function () {
    this.timeout(120_000);
    topology = await Topology.start({ tables, declared });
    for (const name of ["bank", ...hosts] as ("bank" | "tax" | "power")[]) {
      topology.setPolicy(name, (policy) => ({
        ...policy, registrars: registrar.policy,
        allow: policy.allow.map((rule) => ({ ...rule, kinds: ["scorecard", "serve"], singleHostTotals: true, service: { maxSetsPerCompany: 3, maxPerCompanyPerDay: 10_000 } })),
      }));
    }
    const job = await topology.submit();
    await topology.until(job, "done");
    for (const line of (await topology.scores(job)).trim().split("\n").slice(1)) {
      const [id = "", points = ""] = line.split(",");
      whole.set(id, Number(points));
    }
    companies = [...whole.keys()].filter((id) => id !== silent && id !== leaver).slice(0, 60);
    const consents = await registrar.consents([...companies, leaver], { grantee: partyId("bank"), items, purpose: "loan-approval" });
    writeDurably(join(enclavePaths(topology.folder("bank")).consents, "score.jws"), consents);
    for (const name of ["tax", "power"] as const) writeDurably(join(enclavePaths(topology.folder(name)).revocations, "registrar.jws"), registrar.revocations());
    // Whom they believe is read at their start.
    await Promise.all([topology.stop("tax"), topology.stop("power")]);
    await topology.launch("tax");
    await topology.launchWith("power", join(import.meta.dirname, "..", "support", "lying-enclave.ts"));
    const model = String(topology.rows("bank", "select model from models")[0]?.["model"]);
    const { id } = await topology.api.submit({
      kind: "serve", guest: partyId("bank"), hosts, purpose: "loan-approval", model,
      params: { setsPerCompany: 3, fallback: "missing-bin", perCompanyPerDay: 10_000, timeoutMs, receiptUses: 200 },
    });
    await topology.until(id, "running");
    client = await ServiceClient.open(topology.api, { service: id, ca: readFileSync(join(topology.platformFolder, "ca.pem"), "utf8"), now: Date.now() });
    await allBack();
    const admin = await openAdmin({ data: topology.platformFolder, env: { rng: systemRng, now: Date.now, log: silentLog } });
    const { key } = await admin.addPerson({ role: "supervisor", holder: "ana" });
    await admin.close();
    supervisor = new ApiClient({ url: topology.apiUrl, ca: readFileSync(join(topology.platformFolder, "ca.pem"), "utf8"), apiKey: key });
    for (const away of [["power"], ["tax"], ["power", "tax"]] as const) {
      for (const name of away) signal(name, "SIGSTOP");
      const scores = new Map<string, number>();
      // A busy machine may lose the other one for a moment, too.
      await eventually(`answers without ${away.join()}`, async () => {
        for (const { company, answer } of await Promise.all(companies.filter((c) => !scores.has(c)).map(ask))) {
          if (answer?.status === "scored" && answer.away.toSorted().join() === away.join()) scores.set(company, answer.score);
        }
        return scores.size === companies.length;
      });
      without.set(away.join(), scores);
      for (const name of away) signal(name, "SIGCONT");
      await allBack();
    }
  });
  after(async () => {
    await supervisor?.[Symbol.asyncDispose]();
    await topology[Symbol.asyncDispose]();
  });

  it("takes nothing that a lying provider says: its part is missing, the answer says so, and it is taken back when it is honest", async () => {
    assert.isTrue(companies.some((c) => Math.abs((whole.get(c) ?? 0) - (without.get("power")?.get(c) ?? 0)) > 1), "power has a part");
    for (const what of lies) {
      lie(what);
      const said = await Promise.all(companies.slice(0, 12).map(ask));
      assert.isTrue(said.every(right), `${what}: ${JSON.stringify(said.find((s) => !right(s)))}`);
      assert.isTrue(said.every(({ answer }) => (answer as Scored).partial), what);
    }
    assert.include(topology.log("bank"), "PROTOCOL_BAD_SEAL");
    lie("");
    await allBack();
    assert.isTrue((await Promise.all(companies.slice(0, 20).map(ask))).every(right));
  });

  it("answers all that is asked while a provider stutters, dies and comes back", async () => {
    const said = await during(async () => {
      for (let i = 0; i < 4; i++) {
        signal("power", "SIGSTOP");
        await delay(timeoutMs / 2);
        signal("power", "SIGCONT");
        await delay(timeoutMs / 2);
      }
      await topology.kill("power");
      await topology.launch("power");
    });
    assert.isTrue(said.every(isFine), JSON.stringify(said.find((s) => !isFine(s))));
    assert.isAbove(said.filter(right).length, 50);
    await allBack();
  });

  it("answers or refuses with a code while the bank's enclave and the platform are killed, and goes on by itself", async () => {
    const said = await during(async () => {
      await topology.kill("bank");
      await topology.launch("bank");
      await topology.kill("platform");
      await topology.launch("platform");
      await eventually("an answer", async () => isScored(await ask(companies[0] ?? "")));
    });
    for (const one of said) {
      if (isScored(one)) assert.isTrue(right(one), JSON.stringify(one));
      else assert.include(["SERVICE_AWAY", "SERVICE_TIMEOUT", "SERVICE_BUSY", "CLI_UNREACHABLE", "PLATFORM_INTERNAL", "SERVICE_SETS"], one.code ?? (one.answer as { code: string }).code);
    }
    await allBack();
  });

  it("refuses companies that nobody knows, that did not consent, and that no longer do, each with its code", async () => {
    const codeOf = ({ answer }: Said): string => (answer?.status === "refused" ? answer.code : "scored");
    assert.equal(codeOf(await ask(silent)), "CONSENT_MISSING");
    assert.equal(codeOf(await ask("91110108MA9999999X")), "CONSENT_MISSING");
    assert.equal(codeOf(await ask(leaver)), "scored");
    registrar.withdraw([leaver]);
    for (const name of ["tax", "power"] as const) writeDurably(join(enclavePaths(topology.folder(name)).revocations, "registrar.jws"), registrar.revocations());
    const others = await during(() => eventually("the withdrawal counts", async () => codeOf(await ask(leaver)) === "CONSENT_WITHDRAWN").then(() => undefined));
    assert.isTrue(others.every(isFine), `nobody else is disturbed: ${JSON.stringify(others.find((s) => !isFine(s)))}`);
    assert.isTrue(others.some(right));
  });

  it("refuses what is no request, and answers the same one with the same answer", async () => {
    const { view } = client;
    const company = companies[3] ?? "";
    const { serviceKey = "" } = await verifyApproval(view.approval, {
      job: view.id, party: view.guest, planDigest: view.planDigest, key: peerKey(view.identityCertificate, { party: view.guest, ca: readFileSync(join(topology.platformFolder, "ca.pem"), "utf8"), now: Date.now() }),
    });
    const seal = async (text: string, x = serviceKey): Promise<string> => new CompactEncrypt(Buffer.from(text)).setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" }).encrypt(await importJWK({ kty: "OKP", crv: "X25519", x }, "ECDH-ES"));
    const request = { version: 1, id: "request-no-1", service: view.id, at: new Date().toISOString(), answerKey: Buffer.alloc(32, 7).toString("base64url"), company };
    const post = async (jwe: unknown): Promise<string> => {
      try {
        await topology.api.call(e.askService, { params: { id: view.id }, body: { request: jwe } });
        return "ok";
      } catch (error) {
        return error instanceof AppError ? error.code : "thrown";
      }
    };
    const texts = [
      " ", "[]", "null", JSON.stringify({ ...request, version: 2 }), JSON.stringify({ ...request, company: "" }), JSON.stringify({ ...request, company: "x".repeat(129) }), JSON.stringify({ ...request, more: true }),
      JSON.stringify({ ...request, answerKey: "short" }), JSON.stringify({ ...request, columns: { amount: [1] } }), JSON.stringify({ ...request, columns: { amount: true } }),
      JSON.stringify({ ...request, columns: { amount: 0 } }).replace('"amount":0', '"amount":1e999'), JSON.stringify({ ...request, at: "yesterday" }),
    ];
    for (const text of texts) assert.equal(await post(await seal(text)), "SERVICE_REQUEST", text);
    assert.equal(await post(await seal(JSON.stringify(request), Buffer.from(createHash("sha256").update("a stranger").digest()).toString("base64url"))), "SERVICE_REQUEST");
    assert.equal(await post("a.b.c.d.e"), "SERVICE_REQUEST");
    for (const none of ["", "no jwe", 7, null, "a.b.c.d.e".repeat(20_000)]) assert.include(["REQUEST_INVALID", "REQUEST_TOO_LARGE"], await post(none));
    const sealed = await client.seal({ company }, Date.now());
    const [first, second] = [await client.send(sealed), await client.send(sealed)];
    assert.deepEqual(second, first);
    const uses = (first as Scored).receipt.use;
    const again = await topology.api.call(e.askService, { params: { id: view.id }, body: { request: sealed.jwe } });
    assert.deepEqual(await client.opened(sealed, again.answer), first, "also without the key: it is not charged twice");
    assert.equal((await client.ask({ company }) as Scored).receipt.use, uses + 1);
  });

  it("takes extreme columns for what they are, and no text for a number", async () => {
    const term = 12;
    const score = async (company: string, columns: Record<string, number | string | null>): Promise<number | string> => {
      for (;;) {
        const answer = await client.ask({ company, columns });
        if (answer.status !== "scored") return answer.code;
        // A busy machine may lose a provider for a moment.
        if (!answer.partial) return answer.score;
      }
    };
    // Of each company few: varied columns about one look like a model being probed.
    const same: [string, Record<string, number | null>, Record<string, number | null>][] = [
      ["both above the last limit", { amount: 1e308, term }, { amount: 1e6, term }], ["below the first", { amount: -1e308, term }, { amount: -5, term }],
      ["two zeros", { amount: -0, term }, { amount: 0, term }], ["the least number", { amount: 5e-324, term }, { amount: 0, term }], ["missing", { amount: null, term }, { term }],
    ];
    for (const [i, [what, a, b]] of same.entries()) {
      const first = await score(companies[i] ?? "", a);
      assert.isNumber(first, what);
      assert.equal(first, await score(companies[i] ?? "", b), what);
    }
    assert.isNumber(await score(companies[7] ?? "", {}));
    for (const text of ["12", "NaN", ""]) assert.equal(await score(companies[8] ?? "", { amount: text, term }), "SERVICE_REQUEST");
    const [company = ""] = companies;
    assert.isTrue(right(await ask(company)));
  });

  it("shows how it did, goes on without a provider that is suspended, and ends for all at once when its bank is", async () => {
    const { health, connected, away } = await topology.api.call(e.getService, { params: { id: client.view.id } });
    assert.isAbove(health.answered, 0);
    assert.isAbove(health.refused["SERVICE_REQUEST"] ?? 0, 10);
    assert.isAtLeast(health.p99Ms ?? 0, health.p50Ms ?? Infinity);
    assert.sameMembers(connected, ["bank", "tax", "power"]);
    assert.isEmpty(away);
    const admin = await openAdmin({ data: topology.platformFolder, env: { rng: systemRng, now: Date.now, log: silentLog } });
    await admin.suspendParty(partyId("power"));
    await admin.close();
    await eventually("the suspended provider is cut off", async () => (await topology.api.call(e.getService, { params: { id: client.view.id } })).away.join() === "power");
    const said = await Promise.all(companies.slice(0, 20).map(ask));
    assert.isTrue(said.every(right) && said.every(({ answer }) => (answer as Scored).partial));
    assert.isDefined(supervisor);
    const member = (await supervisor.call(members.listMembers)).items.find(({ party }) => party === "bank")?.id ?? "";
    await supervisor.call(members.suspendMember, { params: { member }, body: { reason: "leak" } });
    assert.equal((await ask(companies[0] ?? "")).code, "AUTH_SUSPENDED");
    await eventually("it has ended at the provider", () => topology.rows("tax", "select code from jobs where job = ?", client.view.id)[0]?.["code"] === "JOB_MEMBER_SUSPENDED");
  });
});
