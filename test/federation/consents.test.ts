// Consents between the guest and its hosts: who is left out, what each side sees, that nobody can leave the check out, and that a withdrawal in
// the middle of a job stops it.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { AppError, type Code } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import type { GuestConsents } from "../../federation/consents/guest.ts";
import type { HostConsents } from "../../federation/consents/host.ts";
import { consentsPerChunk, refusalCodes } from "../../federation/consents/messages.ts";
import { consentHosts } from "../../federation/consents/needed.ts";
import { floors } from "../../federation/guards.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import type { BatchScores } from "../../federation/score/guest.ts";
import type { HostHalf } from "../../federation/scorecard/half.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { hostileCases, withBody } from "../support/hostile.ts";
import { assertWithin, generatedJob, holding, idOf, namesOf, openHostGuard, planOf, refusal, scorePrograms, trainPrograms, type ScoreOptions, type Trained } from "../support/joint.ts";
import { createWorld, partyWith, type Tamper, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());

const job = generatedJob({ rows: 3100, trainRows: 2400, seed: 33, guest: 2, hosts: [2, 2], absent: 0.2 });
const hosts = ["host_a", "host_b"].map(partyId);
type Body = Readonly<Record<string, unknown>>;
/** What a company agreed to: its own name, or the code by which a host refuses the text. */
const textOf = (record: number): string => `signed by ${idOf(record)}`;

/** Shows a text for every company; `instead` says otherwise for some. */
function shows(instead: ReadonlyMap<number, string> = new Map(), batch?: readonly number[]): GuestConsents & { readonly shown: Map<string, number> } {
  const shown = new Map<string, number>();
  return {
    hosts, shown,
    choose: async (host, chunk, records) => {
      shown.set(`${host}|${chunk}`, records.length);
      return Array.from(records, (r) => batch?.[r] ?? r).map((record) => instead.get(record) ?? textOf(record));
    },
  };
}

type Watched = HostConsents & { readonly admitted: number[]; readonly subjects: string[]; held: number };
/** Accepts a company's own text, refuses the names of codes, and holds as long as `still` does. */
function checks(still: (held: number) => Code | undefined = () => undefined): Watched {
  const watched: Watched = {
    admitted: [], subjects: [], held: 0,
    check: async (_, shown) => shown.map(({ subject, jws }) => {
      watched.subjects.push(subject);
      if (jws === `signed by ${subject}`) return undefined;
      return refusalCodes.find((code) => code === jws) ?? (jws === "" ? "CONSENT_MISSING" : "CONSENT_SUBJECT");
    }),
    admit: (records) => void watched.admitted.push(...records),
    hold: async () => {
      const code = still(++watched.held);
      if (code !== undefined) throw new AppError(code, { companies: 1 });
    },
  };
  return watched;
}

let trained: Trained;
let halves: Record<string, HostHalf>;
before(async () => {
  const results = await createWorld({ parties: namesOf(job), seed: 1, kernels }).run(trainPrograms(job));
  trained = results["bank"] as Trained;
  halves = results as Record<string, HostHalf>;
});

type Run = { world: World; scores: BatchScores; programs: ReturnType<typeof scorePrograms>; at: Record<string, Watched> };
async function score(options: Partial<ScoreOptions> & { instead?: ReadonlyMap<number, string>; tamper?: Tamper; still?: Parameters<typeof checks>[0] } = {}): Promise<Run> {
  const at: Record<string, Watched> = { host_a: checks(options.still), host_b: checks() };
  const world = createWorld({ parties: namesOf(job), seed: 2, job: "job_scoring000000000", kernels, ...(options.tamper && { tamper: options.tamper }) });
  const programs = scorePrograms(job, {
    half: trained.half, hostHalves: halves, guestConsents: shows(options.instead, options.records), hostConsents: (host) => at[host], ...options,
  });
  return { world, programs, at, scores: (await world.run(programs))["bank"] as BatchScores };
}

const held = (host: number): Set<number> => new Set(holding(job, host).ids.flatMap((id) => (id.startsWith("company-") ? [Number(id.slice(8))] : [])));
const [atA, atB] = [held(0), held(1)];
const both = [...atA].filter((r) => atB.has(r)).sort((a, b) => a - b);
const onlyB = [...atB].filter((r) => !atA.has(r)).sort((a, b) => a - b);
const nowhere = [...job.label.keys()].filter((r) => !atA.has(r) && !atB.has(r));

describe("consents of a scored batch", () => {
  let plain: BatchScores;
  before(async () => {
    const world = createWorld({ parties: namesOf(job), seed: 2, job: "job_scoring000000000", kernels });
    plain = (await world.run(scorePrograms(job, { half: trained.half, hostHalves: halves })))["bank"] as BatchScores;
  });

  it("change nothing where all hold", async () => {
    const { scores, at } = await score();
    assert.equal(scores.refused.size, 0);
    assert.deepEqual(scores.odds, plain.odds);
    assert.sameMembers(at["host_a"]?.admitted.map((r) => holding(job, 0).ids[r] as string) ?? [], [...atA].map(idOf));
  });

  it("leave out the companies that any host refuses, with the code, and score all others as before", async () => {
    const [one = 0, two = 0, three = 0, four = 0] = both;
    const [alone = 0] = onlyB;
    const [absent = 0] = nowhere;
    const instead = new Map<number, string>([[one, ""], [two, "CONSENT_WITHDRAWN"], [three, "CONSENT_SIGNATURE"], [four, textOf(one)], [alone, "CONSENT_EXPIRED"], [absent, ""]]);
    const { scores } = await score({ instead });
    const codes = [...scores.refused].map(([record, { code, hosts: by }]) => [record, code, [...by]]);
    assert.sameDeepMembers(codes, [
      [one, "CONSENT_MISSING", hosts], [two, "CONSENT_WITHDRAWN", hosts], [three, "CONSENT_SIGNATURE", hosts], [four, "CONSENT_SUBJECT", hosts], [alone, "CONSENT_EXPIRED", [partyId("host_b")]],
    ]);
    for (const [record, odds] of scores.odds.entries()) {
      if (scores.refused.has(record)) assert.isNaN(odds);
      else assert.closeTo(odds, plain.odds[record] ?? 1, 1e-12, "also one that no host holds and that nobody was asked about");
    }
  });

  it("of which none holds end the job, with the code if all were refused for the same", async () => {
    const records = both.slice(0, 5);
    const instead = new Map(records.map((r) => [r, "CONSENT_LIST_STALE"]));
    assert.deepEqual(await refusal(score({ records, instead })), { code: "CONSENT_LIST_STALE", party: undefined });
    instead.set(records[0] ?? 0, "");
    assert.deepEqual(await refusal(score({ records, instead })), { code: "CONSENT_MISSING", party: undefined });
  });

  it("are shown to a host for its own companies alone, and in the order of its own list", async () => {
    const { world, at } = await score();
    for (const [i, host] of ["host_a", "host_b"].entries()) {
      const texts = world.view(host).filter((m) => m.type === "consents/texts").flatMap((m) => (m.body as { texts: string[] }).texts);
      assert.sameMembers(texts, [...held(i)].map(textOf));
      assert.deepEqual(at[host]?.subjects, holding(job, i).ids.filter((id) => id.startsWith("company-")));
    }
    assert.notInclude(world.view("host_a").map((m) => m.type).join(), "totals");
  });

  it("tell the guest a byte per company and nothing else, and no host about another's refusals but by rows that are not there", async () => {
    const [one = 0] = both;
    const { world } = await score({ instead: new Map([[one, "CONSENT_WITHDRAWN"]]) });
    const answers = world.view("bank").filter((m) => m.type === "consents/answer" && m.from === "host_a").map((m) => m.body as { codes: Uint8Array });
    const codes = answers.flatMap((a) => [...a.codes]);
    assert.lengthOf(codes, atA.size);
    assert.sameMembers([...new Set(codes)], [0, refusalCodes.indexOf("CONSENT_WITHDRAWN") + 1]);
    assert.isFalse(world.sent.some((m) => m.type.startsWith("consents/") && m.from !== "bank" && m.to !== "bank"));
  });

  it("stay inside the leakage statement, which has them for hosts alone that check consents", async () => {
    const params = { batch: "0".repeat(64), rows: job.label.length };
    const plan = planOf(job, "score", params);
    const checking = { ...plan, datasets: Object.fromEntries(Object.entries(plan.datasets).map(([p, d]) => [p, p === "bank" ? d : { ...d, consents: true as const }])) };
    const { world } = await score({ instead: new Map([[both[0] ?? 0, ""]]) });
    assertWithin(compileLeakage(checking), world);
    assert.throws(() => assertWithin(compileLeakage(plan), world), /consents\/texts is not in the statement/);
    assert.deepEqual(consentHosts(checking), hosts);
    assert.deepEqual(consentHosts({ ...checking, kind: "scorecard" }), []);
    assert.deepEqual(consentHosts({ ...checking, kind: "scorecard", params: { consentedOnly: true } }), hosts);
    assert.deepEqual(consentHosts({ ...checking, kind: "export", params: { consentedOnly: true } }), []);
    const training = planOf(job, "scorecard", { split: { kind: "file" }, consentedOnly: true });
    assert.throws(() => compileLeakage(training), /JOB_PARAMS/, "nobody could tell who consented");
  });

  it("are the same after a restart of any party at any message", async () => {
    const run = await score({ instead: new Map([[both[1] ?? 0, "CONSENT_EXPIRED"]]) });
    for (const name of namesOf(job)) {
      assert.deepEqual(await run.world.replay(name, run.programs[name] as never), name === "bank" ? run.scores : undefined);
      for (const frames of [1, 2, 3]) await run.world.replay(name, run.programs[name] as never, frames);
    }
  });

  describe("that a guest does not heed", () => {
    const swapped = (into: readonly number[]): Partial<ScoreOptions> => ({
      records: both.slice(0, 50),
      // The guest believes what it likes: it takes refused companies into the rows.
      wrap: (party) => (party.self !== "bank" ? party : partyWith(party, {
        receive: async (from, type) => {
          const body = await party.receive(from, type);
          if (type !== "consents/answer") return body;
          const { codes, ...rest } = body as { index: number; codes: Uint8Array };
          return { ...rest, codes: codes.map((c) => (into.includes(c) ? 0 : c)) } as never;
        },
      })),
    });
    it("stop the job at the host before anything of its data leaves", async () => {
      const every = refusalCodes.map((_, i) => i + 1);
      const at: World[] = [];
      const wrapped = score({ instead: new Map([[both[3] ?? 0, "CONSENT_WITHDRAWN"]]), ...swapped(every), tamper: (m) => {
        at.push(m as never);
        return undefined;
      } });
      assert.deepEqual(await refusal(wrapped), { code: "CONSENT_MISSING", party: "bank" });
      assert.isFalse((at as unknown as { type: string }[]).some((m) => /^(totals|score|lookup|finish)\//.test(m.type)));
    });
    it("by leaving companies out of the check are refused just the same", async () => {
      const tamper = withBody("consents/texts", (b: Body) => ({ ...b, places: (b["places"] as Uint8Array).subarray(4), texts: (b["texts"] as string[]).slice(1) }));
      assert.include(["CONSENT_MISSING", "PROTOCOL_WRONG_SHAPE"], (await refusal(score({ records: both.slice(0, 20), tamper }))).code);
    });
  });

  it("that is withdrawn after the check stops the host's part before it leaves, with the code", async () => {
    const sent: string[] = [];
    const run = score({ still: () => "CONSENT_WITHDRAWN", tamper: (m) => {
      sent.push(`${m.from} ${m.type}`);
      return undefined;
    } });
    assert.equal((await refusal(run)).code, "CONSENT_WITHDRAWN");
    assert.notInclude(sent, "host_a totals/masked");
    assert.include(sent, "host_a rows/confirm");
  });

  it("are asked again before every message about companies, and not after the last", async () => {
    const { at, world } = await score();
    const outputs = world.sent.filter((m) => m.from === "host_a" && m.type === "totals/masked").length;
    assert.equal(at["host_a"]?.held, outputs);
  });

  for (const { type, fields } of [{ type: "consents/texts", fields: ["index", "last", "places", "texts"] }, { type: "consents/answer", fields: ["index", "codes"] }]) {
    for (const hostile of hostileCases(type, fields, type === "consents/texts" ? "bank" : "host_b")) {
      // A text may be any text, and the last chunk may come early: then companies are missing from the check, and from the rows.
      if (/as texts|as last/.test(hostile.name)) continue;
      it(`refuses ${type} ${hostile.name}`, async () => {
        assert.include([hostile.code, "CONSENT_MISSING", "PROTOCOL_DUPLICATE_ELEMENT"], (await refusal(score({ records: both.slice(0, 3), tamper: hostile.tamper }))).code);
      });
    }
  }
  it("refuses an answer with a code that there is not, and one for another number of companies", async () => {
    const answering = (codes: (c: Uint8Array) => Uint8Array): Promise<unknown> => score({ records: both.slice(0, 4), tamper: withBody("consents/answer", (b: Body) => ({ ...b, codes: codes(b["codes"] as Uint8Array) })) });
    for (const change of [(c: Uint8Array) => c.map(() => 255), (c: Uint8Array) => c.subarray(1), (c: Uint8Array) => Uint8Array.of(...c, 0)]) {
      assert.equal((await refusal(answering(change))).code, "PROTOCOL_WRONG_SHAPE");
    }
  });
  it("refuses a place that is outside the list, named twice or out of order, and a guest that shows nothing for ever", async () => {
    const places = (change: (p: Int32Array) => void): Tamper => withBody("consents/texts", (b: Body) => {
      const copy = Int32Array.from(new Int32Array((b["places"] as Uint8Array).slice().buffer));
      change(copy);
      return { ...b, places: new Uint8Array(copy.buffer) };
    });
    const records = both.slice(0, 4);
    const code = async (tamper: Tamper): Promise<string> => (await refusal(score({ records, tamper }))).code;
    assert.equal(await code(places((p) => void (p[0] = 1_000_000))), "PROTOCOL_WRONG_SHAPE");
    assert.equal(await code(places((p) => void (p[0] = -2))), "PROTOCOL_WRONG_SHAPE");
    assert.equal(await code(places((p) => void (p[1] = p[0] as number))), "PROTOCOL_DUPLICATE_ELEMENT");
    assert.equal(await code(places((p) => p.set(p.toReversed()))), "PROTOCOL_DUPLICATE_ELEMENT");
    assert.equal(await code(withBody("consents/texts", (b: Body) => ({ ...b, last: false, places: new Uint8Array(0), texts: [] }))), "PROTOCOL_WRONG_SHAPE");
  });
});

describe("training on consented companies alone", () => {
  it("takes those out of the rows before anything is summed, so that budgets and floors see who is left", async () => {
    const refused = both.slice(0, 120);
    const admitted: { rows: number; trainRows: number }[] = [];
    const at: Record<string, Watched> = { host_a: checks(), host_b: checks() };
    const world = createWorld({ parties: namesOf(job), seed: 4, kernels });
    const programs = trainPrograms(job, {
      guestConsents: shows(new Map(refused.map((r) => [r, "CONSENT_KIND"]))), hostConsents: (host) => at[host],
      hostGuard: () => ({ ...openHostGuard, admitRows: (rowOf, trainRows) => void admitted.push({ rows: rowOf.length, trainRows }) }),
    });
    const results = await world.run(programs);
    const { result: { alignment } } = results["bank"] as Trained;
    assert.equal(alignment.rows.length, job.label.length - refused.length);
    assert.isTrue(refused.every((r) => !alignment.rows.includes(r) && alignment.refused.get(r)?.code === "CONSENT_KIND"));
    const trainRows = job.trainRows - refused.filter((r) => r < job.trainRows).length;
    assert.equal(alignment.trainRows, trainRows);
    assert.deepEqual(admitted, [{ rows: alignment.rows.length, trainRows }, { rows: alignment.rows.length, trainRows }]);
    assert.isAbove(at["host_a"]?.held ?? 0, 5, "every output waits");
    assert.isAbove(Math.ceil(atA.size / consentsPerChunk), 1, "more than one chunk");
  });

  it("ends when too few are left", async () => {
    const refused = both.filter((r) => r < job.trainRows).slice(0, job.trainRows - floors.minTrainRows + 1);
    const world = createWorld({ parties: namesOf(job), seed: 5, kernels });
    const run = world.run(trainPrograms(job, { guestConsents: shows(new Map(refused.map((r) => [r, ""]))), hostConsents: () => checks() }));
    assert.equal((await refusal(run)).code, "FLOOR_ROWS");
    assert.isFalse(world.sent.some((m) => m.type === "rows/open"));
  });

  it("stops in the middle of its sums when a consent is withdrawn", async () => {
    const world = createWorld({ parties: namesOf(job), seed: 6, kernels });
    const run = world.run(trainPrograms(job, { guestConsents: shows(), hostConsents: (h) => (h === "host_b" ? checks((n) => (n > 3 ? "CONSENT_KEY_WITHDRAWN" : undefined)) : checks()) }));
    assert.equal((await refusal(run)).code, "CONSENT_KEY_WITHDRAWN");
    assert.isFalse(world.sent.some((m) => m.type === "finish/receipt"));
  });
});
