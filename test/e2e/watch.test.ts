// Monitoring of borrowers through real processes: consents, a list at two providers, new data, alerts in the API and by signed webhook, a provider
// and the bank's enclave killed in between, withdrawal, the end.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { openAdmin } from "../../api/admin.ts";
import { monitoringEndpoints } from "../../api/contract/monitoring.ts";
import { openedAlertSchema, watchAnswerSchema, type OpenedAlert, type WatchEntry } from "../../api/contract/watch.ts";
import { serviceEndpoints } from "../../api/contract/services.ts";
import { webhookEndpoints } from "../../api/contract/webhooks.ts";
import { writeSettings } from "../../api/settings.ts";
import { openSealed } from "../../cli/institution-key.ts";
import { ownModelRequest } from "../../cli/own-model.ts";
import { LocalRegistrar } from "../../cli/local-registrar.ts";
import { ServiceClient } from "../../cli/service-client.ts";
import { silentLog } from "../../core/env.ts";
import { writeDurably } from "../../core/files.ts";
import { jobIdSchema, partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { readWebhookBody } from "../../monitoring/webhooks/body.ts";
import { readVerifyingKey } from "../../monitoring/webhooks/keys.ts";
import { receiveWebhook } from "../../monitoring/webhooks/signature.ts";
import { publishedTriggers } from "../../monitoring/triggers/published.ts";
import { json } from "../cli/support.ts";
import { eventually } from "../support/process.ts";
import { Receiver } from "../support/receiver.ts";
import { usccOf } from "../support/subjects.ts";
import { Topology } from "../support/topology.ts";

const hosts = ["tax", "power"].map(partyId);
const companies = Array.from({ length: 40 }, (_, i) => usccOf(i));
const [first = "", second = "", third = "", fourth = "", silent = "", stranger = ""] = companies;
/** The data of one provider: arrears of these companies. The stranger is in nobody's. */
const arrearsOf = (column: string, inArrears: readonly string[]): string =>
  `ent_id,${column}\n${companies.filter((c) => c !== stranger).map((c) => `${c},${inArrears.includes(c) ? "5000" : "0"}`).join("\n")}\n`;
const tables = {
  bank: `ent_id,y,amount\n${companies.map((c, i) => `${c},${i % 2},${i * 100}`).join("\n")}\n`,
  // The second one is in arrears from the beginning: that is the basis, and no event.
  tax: arrearsOf("tax_arrears_open", [second]), power: arrearsOf("ut_electricity_arrears", []),
};
const declared = { tax: { tax_arrears_open: ["tax.arrears"] }, power: { ut_electricity_arrears: ["utilities.electricity"] } };
const items = ["tax.arrears", "utilities.electricity"];
const triggerOf = (id: string): unknown => publishedTriggers.find((t) => t.id === id);

describe("monitoring of borrowers, over real processes", () => {
  let topology: Topology;
  let receiver: Receiver;
  let service = "";
  let client: ServiceClient;
  const registrar = new LocalRegistrar({ rng: systemRng, now: Date.now });
  const lists = (): void => {
    const text = registrar.revocations();
    for (const name of ["tax", "power"] as const) writeDurably(join(enclavePaths(topology.folder(name)).revocations, "registrar.jws"), text);
  };
  const consents = async (file: string, subjects: readonly string[]): Promise<void> =>
    writeDurably(join(enclavePaths(topology.folder("bank")).consents, file), await registrar.consents(subjects, { grantee: partyId("bank"), items, purpose: "post-loan-monitoring", kinds: ["monitor", "score"] }));
  /** Its enclave finds new files by itself. */
  const write = (name: "tax" | "power", table: string): void => writeFileSync(join(readConfig(topology.folder(name)).dataFolder, `${name}.csv`), table);
  /** The same at once, by an operator's command; it goes on as the same process. */
  const rewrite = (name: "tax" | "power", table: string): void => {
    write(name, table);
    const pid = topology.pid(name);
    topology.cli(["enclave", "refresh", "--dir", topology.folder(name)]);
    assert.equal(topology.pid(name), pid);
  };
  const list = async (): Promise<Map<string, string>> => {
    const answer = await client.exchange({ ask: { do: "list" } }, watchAnswerSchema).catch(() => undefined);
    const entries: readonly WatchEntry[] = answer?.status === "list" ? answer.entries : [];
    return new Map(entries.flatMap((e) => e.providers.map((p) => [`${e.company} ${p.party}`, `${p.state}${p.code === null ? "" : ` ${p.code}`}`])));
  };
  const alerts = async (): Promise<OpenedAlert[]> => {
    const { items: found } = await topology.api.call(monitoringEndpoints.listMonitoringAlerts, { query: { limit: "100" } });
    return Promise.all(found.map(async ({ sealed }) => openedAlertSchema.parse(JSON.parse(await openSealed(sealed, topology.key)))));
  };
  const told = async (): Promise<string[]> => (await alerts()).map((a) => `${a.company} ${a.party} ${"ended" in a ? a.ended : a.trigger}`);

  before(async function () {
    this.timeout(240_000);
    topology = await Topology.start({ tables, declared, refresh: { everySeconds: 1, settleSeconds: 1 } });
    receiver = await Receiver.start();
    await topology.stop("platform");
    writeSettings(topology.platformFolder, { webhooks: { allow: ["127.0.0.0/8"], ports: [receiver.port], plainHttp: true } });
    await topology.launch("platform");
    for (const name of ["bank", "tax", "power"] as const) {
      topology.setPolicy(name, (policy) => ({
        ...policy, registrars: registrar.policy,
        allow: policy.allow.map((rule) => ({ ...rule, kinds: ["watch", "serve"], purposes: ["post-loan-monitoring"], encryptedModel: {}, singleHostTotals: true, watch: { triggers: ["arrears-begun"], maxCompanies: 100 } })),
      }));
    }
    topology.writeProfile(join(topology.work, "profile.json"));
    lists();
    await consents("watch.jws", companies.filter((c) => c !== silent));
    await topology.api.call(webhookEndpoints.createWebhook, { body: { url: `http://127.0.0.1:${receiver.port}/alerts`, events: ["alert.new"] } });
  });
  after(async () => {
    await topology[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  });

  it("is refused by a provider whose policy does not watch such triggers, and by one whose data do not have them", async () => {
    const codeAtTax = async (triggers: Record<string, unknown>): Promise<unknown> => {
      const { id } = await topology.api.submit({ kind: "watch", guest: partyId("bank"), hosts, purpose: "post-loan-monitoring", params: { companies: 100, triggers } });
      await topology.until(id, "failed");
      return eventually("its word", () => topology.rows("tax", "select code from jobs where job = ? and code is not null", id)[0]?.["code"]);
    };
    const power = [triggerOf("electricity-arrears")];
    assert.equal(await codeAtTax({ tax: [triggerOf("tax-filings-gone")], power }), "POLICY_WATCH");
    assert.equal(await codeAtTax({ tax: [triggerOf("social-insurance-arrears")], power }), "MONITOR_SOURCE");
  });

  it("takes the bank's list to every provider, each company under its consent, and tells nothing of how it finds them", async () => {
    const { id } = await topology.api.submit({
      kind: "watch", guest: partyId("bank"), hosts, purpose: "post-loan-monitoring", params: { days: 30, companies: 100, receiptUses: 5, triggers: { tax: [triggerOf("tax-arrears")], power: [triggerOf("electricity-arrears")] } },
    });
    service = id;
    await topology.until(id, "running");
    client = await ServiceClient.open(topology.api, { service: id, ca: readFileSync(join(topology.platformFolder, "ca.pem"), "utf8"), now: Date.now() });
    await eventually("the bank's enclave is there", async () => (await client.exchange({ ask: { do: "list" } }, watchAnswerSchema).catch(() => undefined))?.status === "list");
    const watched = [first, second, third, fourth, silent, stranger];
    assert.deepInclude(await client.exchange({ ask: { do: "add", companies: watched } }, watchAnswerSchema), { status: "changed", companies: watched.length });
    assert.deepInclude(await client.exchange({ ask: { do: "add", companies: [first] } }, watchAnswerSchema), { status: "changed", companies: 0 });
    assert.deepInclude(await client.exchange({ ask: { do: "add", companies: ["91310000000000001X"] } }, watchAnswerSchema), { status: "refused", code: "WATCH_REQUEST" });
    const states = await eventually("all are answered", async () => {
      const now = await list();
      return now.size === 2 * watched.length && [...now.values()].every((s) => !s.startsWith("wanted")) ? now : undefined;
    });
    for (const company of watched) for (const host of hosts) assert.equal(states.get(`${company} ${host}`), company === silent ? "refused CONSENT_MISSING" : "watched");
    assert.deepEqual(await alerts(), []);
    // Nobody's name is in the clear in what the provider keeps.
    const kept = JSON.stringify(topology.rows("tax", "select id, consent, cast(sealed as text) as s, cast(state as text) as t from watches"));
    assert.notInclude(kept, first);
  });

  it("tells the bank of arrears that begin in new data, without a restart, in the API and by a webhook whose signature holds", async () => {
    rewrite("tax", arrearsOf("tax_arrears_open", [first, second]));
    await receiver.come(1);
    const [got] = receiver.at("/alerts");
    const { keys } = await topology.api.call(webhookEndpoints.webhookKeys);
    const body = Buffer.from(got?.body ?? "");
    const received = receiveWebhook(got?.headers ?? {}, body, { keys: keys.map(readVerifyingKey), now: Date.now(), seen: { claim: () => "new" } });
    assert.equal(received.status, "new");
    const event = readWebhookBody(body);
    if (event.type !== "alert.new") assert.fail(event.type);
    assert.notInclude(got?.body ?? "", first);
    const alert = openedAlertSchema.parse(JSON.parse(await openSealed(event.data.sealed ?? "", topology.key)));
    assert.deepInclude(alert, { service: jobIdSchema.parse(service), party: partyId("tax"), company: first, trigger: "tax-arrears", severity: "major" });
    assert.notInclude(JSON.stringify(alert), "5000", "never the value");
    assert.deepEqual(await told(), [`${first} tax tax-arrears`]);
    const shown = await json<{ id: string; alert: OpenedAlert; acknowledgedBy: string | null }[]>(["alerts", "--profile", "profile.json"], topology.work);
    assert.deepEqual(shown.map((s) => [s.id, s.alert.company]), [[event.data.alert, first]]);
    await json(["alerts", "acknowledge", event.data.alert, "--profile", "profile.json"], topology.work);
    assert.lengthOf(await json<unknown[]>(["watch", "alerts", service, "--state", "open", "--profile", "profile.json"], topology.work), 0);
  });

  it("loses no alert and tells none twice when the bank's enclave is away and the provider is killed before it could tell", async () => {
    await topology.kill("bank");
    write("tax", arrearsOf("tax_arrears_open", [first, second, third]));
    await eventually("it has something to tell", () => topology.rows("tax", "select 1 from watch_news").length === 1);
    await topology.kill("tax");
    await topology.launch("tax");
    await topology.launch("bank");
    await receiver.come(2);
    await eventually("it was acknowledged", () => topology.rows("tax", "select 1 from watch_news").length === 0);
    assert.sameMembers(await told(), [`${first} tax tax-arrears`, `${third} tax tax-arrears`]);
    assert.lengthOf(receiver.got, 2);
  });

  it("ends with a withdrawal, without a restart: the bank hears of that and of nothing afterwards", async () => {
    registrar.withdraw([fourth]);
    lists();
    const gone = await eventually("ended", async () => {
      const now = await list();
      return hosts.every((host) => now.get(`${fourth} ${host}`)?.startsWith("ended") === true) ? now : undefined;
    });
    assert.equal(gone.get(`${fourth} tax`), "ended CONSENT_WITHDRAWN");
    assert.equal(gone.get(`${third} tax`), "watched");
    const pid = topology.pid("power");
    write("power", arrearsOf("ut_electricity_arrears", [fourth, first]));
    await receiver.come(5);
    assert.equal(topology.pid("power"), pid);
    assert.sameMembers(await told(), [
      `${first} tax tax-arrears`, `${third} tax tax-arrears`, `${fourth} tax CONSENT_WITHDRAWN`, `${fourth} power CONSENT_WITHDRAWN`, `${first} power electricity-arrears`,
    ]);
  });

  it("watches who consents later, and no longer who is taken off the list", async () => {
    await consents("later.jws", [silent]);
    assert.deepInclude(await client.exchange({ ask: { do: "remove", companies: [stranger] } }, watchAnswerSchema), { status: "changed", companies: 1 });
    await json(["watch", "add", service, "--company", silent, "--profile", "profile.json"], topology.work);
    await eventually("both are done", async () => {
      const now = await list();
      return now.get(`${silent} tax`) === "watched" && !now.has(`${stranger} tax`) && !now.has(`${stranger} power`);
    });
    const [row] = topology.rows("tax", "select count(*) as n from watches where service = ?", service);
    assert.equal(row?.["n"], 4, "first, second, third and silent");
  });

  it("scores borrowers anew with a service of the bank, and tells a drop of the whole score as an alert of the bank's own enclave", async () => {
    const features = [
      { name: "tax_arrears_open", provider: "tax", centre: 0, scale: 1000, missing: 0, weight: 2000 }, { name: "ut_electricity_arrears", provider: "power", centre: 0, scale: 1000, missing: 0, weight: 2000 },
    ];
    const file = join(topology.work, "linear.json");
    writeFileSync(file, JSON.stringify({ version: 1, intercept: -1, unit: 0.0002, features }));
    const imported = JSON.parse(topology.cli(["enclave", "own-models", "import-linear", "--dir", topology.folder("bank"), "--file", file, "--json"])) as { id: string };
    const { params } = ownModelRequest(topology.folder("bank"), { ownModel: imported.id });
    const { id: scoring } = await topology.api.submit({ kind: "serve", guest: partyId("bank"), hosts, purpose: "post-loan-monitoring", params: { ...params, timeoutMs: 5000 } });
    await topology.until(scoring, "running");
    const start = async (by: string): Promise<string> => {
      const triggers = { tax: [triggerOf("tax-arrears")], power: [triggerOf("electricity-arrears")] };
      return (await topology.api.submit({ kind: "watch", guest: partyId("bank"), hosts, purpose: "post-loan-monitoring", params: { days: 30, companies: 100, triggers, jointScore: { service: by, drop: 20 } } })).id;
    };
    const wrong = await start(service);
    await topology.until(wrong, "failed");
    assert.equal(await eventually("its word", () => topology.rows("bank", "select code from jobs where job = ? and code is not null", wrong)[0]?.["code"]), "SERVING_SERVICE");
    const id = await start(scoring);
    await topology.until(id, "running");
    const own = await ServiceClient.open(topology.api, { service: id, ca: readFileSync(join(topology.platformFolder, "ca.pem"), "utf8"), now: Date.now() });
    const borrower = companies[10] ?? "";
    await eventually("it is on the list", async () => (await own.exchange({ ask: { do: "add", companies: [borrower] } }, watchAnswerSchema).catch(() => undefined))?.status === "changed");
    const scoredAt = async (): Promise<string | undefined> => {
      const answer = await own.exchange({ ask: { do: "list" } }, watchAnswerSchema);
      return answer.status === "list" ? answer.entries[0]?.score?.at ?? undefined : undefined;
    };
    const begun = await eventually("the first score", scoredAt);
    rewrite("tax", arrearsOf("tax_arrears_open", [borrower]));
    // A month later.
    using db = new StateDatabase(enclavePaths(topology.folder("bank")).state);
    db.run("update watch_scores set due_at = 0 where service = ?", id);
    await eventually("the second score", async () => await scoredAt() !== begun);
    const dropped = await eventually("the alert", async () => (await alerts()).find((a) => a.service === id && a.party === partyId("bank")));
    if (!("drop" in dropped)) assert.fail("no drop");
    assert.deepInclude(dropped, { company: borrower, kind: "score-drop", trigger: "joint-score-drop", severity: "major", scoredBy: jobIdSchema.parse(scoring) });
    // 5,000 over 1,000, by 2000 * 0.0002, in points of 20 / ln 2 for each unit of log odds.
    assert.closeTo(dropped.drop, 5 * 0.4 * 20 / Math.LN2, 0.051);
    const shown = await json<{ alert: OpenedAlert }[]>(["watch", "alerts", id, "--profile", "profile.json"], topology.work);
    assert.deepInclude(shown.map((s) => s.alert), dropped);
    assert.include((await json<WatchEntry[]>(["watch", "list", id, "--profile", "profile.json"], topology.work))[0]?.score, { code: null });
    assert.lengthOf(topology.rows("bank", "select 1 from outcome_scores"), 0, "nothing was decided by it");
    for (const job of [id, scoring]) await topology.api.cancel(job);
  });

  it("goes on without a provider that is suspended, and hears what that has to tell once it is let in again", async () => {
    const admin = await openAdmin({ data: topology.platformFolder, env: { rng: systemRng, now: Date.now, log: silentLog } });
    const isAway = async (): Promise<boolean> => (await topology.api.call(serviceEndpoints.getService, { params: { id: service } })).away.includes(partyId("power"));
    const ofThis = async (): Promise<string[]> => (await alerts()).filter((a) => a.service === service).map((a) => `${a.company} ${a.party}`);
    await admin.suspendParty(partyId("power"));
    await eventually("it is cut off", isAway);
    await eventually("its enclave has stopped", () => topology.log("power").includes("AUTH_SUSPENDED"));
    write("power", arrearsOf("ut_electricity_arrears", [fourth, first, third]));
    write("tax", arrearsOf("tax_arrears_open", [first, second, third, silent]));
    await eventually("the other provider is heard", async () => (await ofThis()).includes(`${silent} tax`));
    assert.notInclude(await ofThis(), `${third} power`);
    await admin.resumeParty(partyId("power"));
    await admin.close();
    await topology.kill("power");
    await topology.launch("power");
    await eventually("it is heard", async () => (await ofThis()).includes(`${third} power`), 60_000);
    assert.lengthOf((await ofThis()).filter((a) => a === `${third} power`), 1);
  });

  it("has receipts of its uses, and leaves nothing behind at its end", async () => {
    await eventually("a receipt of the provider's uses", () => topology.rows("tax", "select 1 from receipts where job like ? and job <> ?", `${service}%`, service).length > 0);
    await topology.api.cancel(service);
    await eventually("stopped", () => topology.rows("tax", "select 1 from jobs where job = ? and state = 'cancelled'", service).length === 1);
    await topology.stop("tax");
    await topology.launch("tax");
    await eventually("erased", () => topology.rows("tax", "select 1 from watches").length === 0);
  });
});
