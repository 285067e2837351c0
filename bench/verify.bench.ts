// Verifications: what both sides of a blind claim cost on one core, and what a service of real processes takes from the sealed request to the sealed
// answer.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { verifyAnswerSchema, type ClaimInput } from "../api/contract/verification.ts";
import { ServiceClient } from "../cli/service-client.ts";
import { isAppError } from "../core/errors.ts";
import { jobIdSchema, partyId } from "../core/names.ts";
import { systemRng } from "../core/rng.ts";
import { GuestTransfers } from "../federation/garbled/guest.ts";
import { HostTransfers } from "../federation/garbled/host.ts";
import { inlineCurve } from "../federation/psi/curve-pool.ts";
import { blindDepth, blindOrdinal } from "../federation/verify/claims.ts";
import { askEqual, openEqual, replyEqual, type Question } from "../federation/verify/equality.ts";
import { maxClaims } from "../federation/verify/params.ts";
import { askWithin, openWithin, rangeTransfers, replyWithin } from "../federation/verify/range.ts";
import { GarbledWork } from "../kernels/oblivious/garbled.ts";
import { eventually } from "../test/support/process.ts";
import { smallTables } from "../test/support/tables.ts";
import { Topology } from "../test/support/topology.ts";
import { inlineKernels } from "../test/support/transfers.ts";
import type { Figure } from "./figures.ts";
import { timed, type Spent } from "./measure.ts";
import { watchTree } from "./run-process.ts";

const question: Question = { request: "job_0123456789abcdef01234567.0123456789abcdef", party: "tax", item: "turnover" };
const equalities = 1_000;
const ranges = 4_000;
const warm = 100;
/** Blind equalities are few for a second of a whole service: every company of the provider is asked about. */
const atOnce = 2;

export async function verifyBench(): Promise<Figure[]> {
  return [...await kernels(), ...await service()];
}

/** Both sides in one thread, so that CPU of the process is that of one core. */
async function kernels(): Promise<Figure[]> {
  const curve = await inlineCurve();
  const equal = async (i: number): Promise<boolean> => {
    const { ask, open } = await askEqual(curve, question, `${i}.5`, systemRng);
    return openEqual(curve, open, await replyEqual(curve, question, `${i}.5`, ask, systemRng));
  };
  const ends = { service: jobIdSchema.parse("job_0123456789abcdef01234567"), host: partyId("tax"), guest: partyId("bank") };
  const shared = { ends, kernels: inlineKernels, rng: systemRng, now: () => performance.now() };
  const garbled = new GarbledWork();
  /** With the transfers that it takes, as they are prepared on the way. */
  const inside = (type: "date" | "money", value: string, from: string, to: string): ((i: number) => Promise<boolean>) => {
    const depth = blindDepth(type);
    const host = new HostTransfers(shared);
    const guest = new GuestTransfers({ ...shared, port: { open: async (session) => ({ n: 0, points: await host.open(session) }), extend: async (chunk) => ({ n: 0, made: await host.extend({ base: undefined, ...chunk }) }) } });
    return async () => {
      let taken = guest.take(rangeTransfers(depth));
      while (taken === undefined) {
        await guest.more();
        taken = guest.take(rangeTransfers(depth));
      }
      const { ask, open } = askWithin(question, { from: blindOrdinal(type, from), to: blindOrdinal(type, to) }, depth, taken);
      const pads = host.take(ask.session, ask.first, rangeTransfers(depth));
      if (pads === undefined) throw new Error("a transfer is missing");
      return openWithin(garbled, open, replyWithin(garbled, question, blindOrdinal(type, value), depth, ask, pads, systemRng));
    };
  };
  const times = async (work: (i: number) => Promise<boolean>, count: number): Promise<Spent> => {
    for (let i = 0; i < warm; i++) await work(i);
    const { result, spent } = await timed(async () => {
      let right = 0;
      for (let i = 0; i < count; i++) if (await work(i)) right += 1;
      return right;
    });
    if (result !== count) throw new Error("a claim that is true was not found so");
    return spent;
  };
  const figure = (name: string, count: number, spent: Spent): Figure => ({ name, value: count / spent.cpuSeconds, unit: "/s of CPU", ...spent });
  return [
    { ...figure("Blind equality, both sides", equalities, await times(equal, equalities)), bar: { atLeast: 500 } },
    { ...figure("Blind range of amounts, both sides", ranges, await times(inside("money", "1234.56", "1000", "99999.99"), ranges)), bar: { atLeast: 500 } },
    figure("Blind range of dates, both sides", ranges, await times(inside("date", "2024-02-29", "2020-01-01", "2024-12-31"), ranges)),
  ];
}

/** A bank and a provider as processes, budgets and ledgers durable before each answer; opaque names, so no consents. */
async function service(): Promise<Figure[]> {
  const tables = smallTables();
  await using topology = await Topology.start({ tables, verification: { tax: { turnover: { column: "turnover", type: "money" } } } });
  for (const name of ["bank", "tax"] as const) {
    // Blind equalities come first: each company is asked about three times over, which else would be taken for probing, and is told of as such.
    topology.setPolicy(name, (policy) => ({ ...policy, budgets: { probing: { action: "alert" } }, allow: policy.allow.map((rule) => ({ ...rule, kinds: [...rule.kinds, "verify"], verification: { maxPerCompanyPerDay: 1000, fields: { turnover: "any" } } })) }));
  }
  const fields = [{ party: "tax", field: "turnover", clear: ["equals"], blind: ["equals", "within"] }];
  const { id } = await topology.api.submit({ kind: "verify", guest: partyId("bank"), hosts: [partyId("tax")], purpose: "loan-approval", params: { fields, perCompanyPerDay: 1000, timeoutMs: 30_000 } });
  await topology.until(id, "running");
  const client = await ServiceClient.open(topology.api, { service: id, ca: readFileSync(join(topology.platformFolder, "ca.pem"), "utf8"), now: Date.now() });
  const rows = tables.tax.trim().split("\n").slice(1).map((line) => line.split(",")).filter(([, turnover]) => turnover !== "");
  const ask = async (claims: readonly ClaimInput[]): Promise<number> => {
    const sealed = await client.sealAs({ claims }, Date.now());
    for (let tries = 1; ; tries++) {
      try {
        const answer = await client.sendAs(sealed, verifyAnswerSchema);
        return answer.status === "verified" ? answer.results.filter((result) => "answer" in result && result.answer === "match").length : 0;
      } catch (error) {
        // On a busy machine one request may take longer than the platform waits; its answer is there soon.
        if (!isAppError(error) || error.code !== "SERVICE_TIMEOUT" || tries > 8) throw error;
      }
    }
  };
  const claimOf = (row: readonly string[], how: "clear" | "equal" | "within"): ClaimInput => {
    const [company = "", value = ""] = row;
    return { company, provider: "tax", field: "turnover", predicate: how === "within" ? { kind: "within", from: value, to: value } : { kind: "equals", value }, blind: how !== "clear" };
  };
  await eventually("the service answers", async () => (await ask([claimOf(rows[0] ?? [], "equal")]).catch(() => 0)) === 1);
  const figures: Figure[] = [];
  for (const [name, how, count, bar] of [["Blind equality", "equal", 2_600, 500], ["Claims in the clear", "clear", 2_600, undefined], ["Blind range of amounts", "within", 2_600, 500]] as const) {
    const claims = rows.slice(1, count + 1).map((row) => claimOf(row, how));
    const requests = Array.from({ length: Math.ceil(claims.length / maxClaims) }, (_, i) => claims.slice(i * maxClaims, (i + 1) * maxClaims));
    const watches = (["bank", "tax"] as const).map((party) => watchTree(topology.pid(party)));
    const cpu = (): number => watches.flatMap((watch) => Object.values(watch.cpuSeconds())).reduce((sum, s) => sum + s, 0);
    const before = cpu();
    let next = 0;
    let right = 0;
    const { spent } = await timed(() => Promise.all(Array.from({ length: atOnce }, async () => {
      for (let at = next++; at < requests.length; at = next++) {
        const found = await ask(requests[at] ?? []);
        right += found;
      }
    })));
    const cpuSeconds = cpu() - before;
    for (const watch of watches) watch.stop();
    if (right !== claims.length) throw new Error("a claim that is true was not found so");
    const figure = { name: `${name} through a service, requests of ${maxClaims}`, value: claims.length / cpuSeconds, unit: "/s of CPU of both enclaves", wallSeconds: spent.wallSeconds, cpuSeconds };
    figures.push({ ...figure, ...(bar === undefined ? {} : { bar: { atLeast: bar } }) });
  }
  return figures;
}
