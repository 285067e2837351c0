// Changes of served models by operators: two persons where they are wanted, signatures that count, what the platform is told.
import { generateKeyPairSync } from "node:crypto";
import { assert } from "chai";
import { describe, it } from "mocha";
import { servedModelsSchema } from "../../../api/contract/outcomes.ts";
import type { JobId } from "../../../core/brand.ts";
import { digestOf, sha256Hex } from "../../../core/canonical.ts";
import { AppError } from "../../../core/errors.ts";
import { jobIdSchema } from "../../../core/names.ts";
import { systemRng } from "../../../core/rng.ts";
import type { Operator } from "../../../enclave/operators/list.ts";
import { policySchema, type Policy } from "../../../enclave/policy.ts";
import { ServingChanges, type Outcome, type Signer } from "../../../enclave/serving/changes.ts";
import { compareScores } from "../../../enclave/serving/compare.ts";
import { ServingStore } from "../../../enclave/serving/store.ts";
import { ServingReports } from "../../../enclave/serving/told.ts";
import { SecretBox } from "../../../enclave/keys/box.ts";
import { GivenScores } from "../../../enclave/outcomes/scores.ts";
import { StateDatabase } from "../../../enclave/store/database.ts";
import { monthNumber } from "../../../models/outcomes/record.ts";
import type { Change } from "../../../serving/registry/events.ts";
import { bank, planOf } from "../../support/enclave.ts";
import { keptLog } from "../../support/platform.ts";
import { seededDraw } from "../../support/draw.ts";

const now = Date.parse("2026-03-10T12:00:00Z");
const model = sha256Hex("model");
function operator(name: string): { readonly listed: Operator; readonly signer: NonNullable<Signer> } {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return { listed: { name, key: String(publicKey.export({ format: "jwk" }).x) }, signer: { operator: name, key: privateKey } };
}
const [li, wang, zhao] = ["li", "wang", "zhao"].map(operator) as [ReturnType<typeof operator>, ReturnType<typeof operator>, ReturnType<typeof operator>];

class Desk implements Disposable {
  readonly db = new StateDatabase(":memory:");
  readonly store = new ServingStore(this.db);
  operators = [li.listed, wang.listed];
  policy: Policy | undefined;
  changes(): ServingChanges {
    return new ServingChanges({ db: this.db, store: this.store, self: bank, operators: this.operators, policy: this.policy, now: () => now });
  }
  ask(change: Change, signer: Signer, expected = this.store.revisions().get("loans") ?? 0): Promise<Outcome> {
    return this.changes().ask({ deployment: "loans", expected, reason: "a test", change }, signer);
  }
  /** Version 1 in shadow, evaluated. */
  async prepare(twoPersons: boolean): Promise<void> {
    await this.ask({ type: "create", policy: { maxShare: 5_000, maxEvaluationAgeDays: 366, twoPersons } }, undefined);
    await this.ask({ type: "register", model, inputs: model }, undefined);
    await this.ask({ type: "evaluate", version: 1, evaluation: { digest: sha256Hex("r"), model, at: now, kind: "validation", rows: 100, passed: true } }, undefined);
    await this.ask({ type: "shadow", version: 1 }, undefined);
  }
  [Symbol.dispose](): void {
    this.db[Symbol.dispose]();
  }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(() => "made", (error: unknown) => (error instanceof AppError ? error.code : String(error)));
}

describe("changes of served models", () => {
  it("that change answers take two different operators where the deployment wants it; who they were stands in the record", async () => {
    using desk = new Desk();
    await desk.prepare(true);
    const promote = { type: "promote", version: 1 } as const;
    assert.equal(await codeOf(desk.ask(promote, undefined)), "OPERATOR_REQUIRED");
    const asked = await desk.ask(promote, li.signer);
    assert.deepInclude(asked as object, { state: "waits", signedBy: ["li"] });
    assert.deepInclude(await desk.ask(promote, li.signer) as object, { state: "waits", signedBy: ["li"] }, "the same person twice is one person");
    assert.lengthOf(desk.changes().waiting(), 1);
    assert.isNull(desk.changes().state("loans").champion);
    // Another one's key under a listed name, and one who is not on the list.
    assert.equal(await codeOf(desk.changes().approve(1, { operator: "wang", key: li.signer.key })), "OPERATOR_UNKNOWN");
    assert.equal(await codeOf(desk.changes().approve(1, zhao.signer)), "OPERATOR_UNKNOWN");
    assert.deepEqual(await Promise.all(desk.changes().waiting().map((w) => desk.changes().signedBy(w))), [["li"]]);
    const made = await desk.changes().approve(1, wang.signer);
    assert.equal(made.state === "made" && made.deployment.champion, 1);
    assert.deepInclude(desk.store.events("loans").at(-1) as object, { by: "li", approvedBy: "wang", reason: "a test" });
    assert.isEmpty(desk.changes().waiting());
    assert.equal(await codeOf(desk.changes().approve(1, wang.signer)), "SERVING_UNKNOWN");
    // Switching off waits for nobody.
    assert.equal((await desk.ask({ type: "retire", version: 1 }, undefined)).state, "made");
  });

  it("take two where the enclave's own policy has four eyes on services, whatever the deployment says", async () => {
    using desk = new Desk();
    await desk.prepare(false);
    desk.policy = policySchema.parse({ version: 1, allow: [{ guest: "bank", kinds: ["serve"], purposes: ["loan-approval"], approve: "four-eyes" }] });
    assert.equal(await codeOf(desk.ask({ type: "promote", version: 1 }, undefined)), "OPERATOR_REQUIRED");
    desk.policy = undefined;
    assert.equal((await desk.ask({ type: "promote", version: 1 }, li.signer)).state, "made");
    assert.deepInclude(desk.store.events("loans").at(-1) as object, { by: "li" });
  });

  it("let one person alone put no other service behind a version that answers", async () => {
    using desk = new Desk();
    const half = { weights: [1] };
    const service = (n: number, of: object = half): JobId => {
      const [job, name] = [jobIdSchema.parse(`job_000000000000000${n}`), `model_${digestOf(of as never).slice(0, 24)}`];
      desk.db.run("insert or ignore into models (model, job, created_at, kind, half) values (?, 'job_0000000000000000', 1, 'scorecard-guest', ?)", name, JSON.stringify(of));
      desk.db.run("insert into jobs (job, state, plan, digest, created_at) values (?, 'approved', ?, '', 1)", job, JSON.stringify(planOf({ kind: "serve", purpose: "loan-approval", model: name, params: { days: 1 } }, { job })));
      return job;
    };
    const [first, second, third, strange] = [service(1), service(2), service(3), service(4, { weights: [2] })];
    const served = digestOf(half);
    await desk.ask({ type: "create", policy: { maxShare: 5_000, maxEvaluationAgeDays: 366, twoPersons: false } }, undefined);
    await desk.ask({ type: "register", model: served, inputs: served }, undefined);
    desk.store.bind({ service: first, deployment: "loans", model: served }, now);
    const stand = (job: JobId): Change => ({ type: "stand", version: 1, service: job });
    const bound = (): readonly string[] => desk.store.services().map((s) => s.service);
    assert.equal((await desk.ask(stand(second), undefined)).state, "made", "a candidate answers nobody");
    await desk.ask({ type: "evaluate", version: 1, evaluation: { digest: sha256Hex("r"), model: served, at: now, kind: "validation", rows: 100, passed: true } }, undefined);
    await desk.ask({ type: "shadow", version: 1 }, undefined);
    await desk.ask({ type: "promote", version: 1 }, li.signer);
    desk.policy = policySchema.parse({ version: 1, allow: [{ guest: "bank", kinds: ["serve"], purposes: ["loan-approval"], approve: "four-eyes" }] });
    assert.equal(await codeOf(desk.ask(stand(third), undefined)), "OPERATOR_REQUIRED");
    assert.equal(await codeOf(desk.ask(stand(strange), li.signer)), "SERVING_SERVICE", "another model");
    assert.equal((await desk.ask(stand(third), li.signer)).state, "waits");
    assert.deepEqual(bound(), [first, second]);
    assert.equal((await desk.changes().approve(desk.changes().waiting()[0]?.id ?? 0, wang.signer)).state, "made");
    assert.deepEqual(bound(), [first, second, third]);
    assert.deepInclude(desk.store.events("loans").at(-1) as object, { by: "li", approvedBy: "wang", model: served, change: { service: third, type: "stand", version: 1 } });
  });

  it("do not happen by a signature of somebody who was taken off the list, nor after another change came first", async () => {
    using desk = new Desk();
    await desk.prepare(true);
    await desk.ask({ type: "promote", version: 1 }, li.signer);
    desk.operators = [wang.listed, zhao.listed];
    assert.deepInclude(await desk.changes().approve(1, wang.signer) as object, { state: "waits", signedBy: ["wang"] });
    desk.operators = [li.listed, wang.listed];
    using other = new Desk();
    await other.prepare(true);
    await other.ask({ type: "promote", version: 1 }, li.signer);
    await other.ask({ type: "demote", version: 1 }, undefined);
    assert.equal(await codeOf(other.changes().approve(1, wang.signer)), "SERVING_CONFLICT");
    assert.isEmpty(other.changes().waiting(), "it must be asked for anew");
    assert.isNull(other.changes().state("loans").champion);
    assert.equal(await codeOf(other.ask({ type: "promote", version: 1 }, li.signer)), "SERVING_STATE", "what cannot be is refused before a second person is asked");
    assert.equal(await codeOf(other.ask({ type: "shadow", version: 1 }, undefined, 3)), "SERVING_CONFLICT");
    assert.equal(await codeOf(other.ask({ type: "shadow", version: 7 }, undefined)), "SERVING_UNKNOWN");
  });

  it("are told to the platform as digests and states, once per revision, again after a refusal", async () => {
    using desk = new Desk();
    await desk.prepare(false);
    const sent: unknown[] = [];
    let fault: AppError | undefined = new AppError("JOB_PLATFORM_UNREACHABLE");
    const reports = new ServingReports({ db: desk.db, env: { rng: systemRng, now: () => now, log: keptLog([]) }, desk: { send: (kind, body) => (fault === undefined ? Promise.resolve(void sent.push([kind, body])) : Promise.reject(fault)) } });
    await reports.tick();
    fault = undefined;
    await reports.tick();
    await reports.tick();
    assert.lengthOf(sent, 1);
    const [, body] = sent[0] as [string, unknown];
    assert.deepInclude(servedModelsSchema.parse(body).versions[0] as object, { version: 1, model, state: "shadow", share: 0, evaluation: sha256Hex("r") });
    assert.notMatch(JSON.stringify(body), /a test|operator|li/);
    await desk.ask({ type: "promote", version: 1 }, undefined);
    await reports.tick();
    assert.lengthOf(sent, 2);
  });
});

describe("the comparison of two versions by the scores that were kept", () => {
  it("pairs companies of the same month and gives the figures of the pairs", () => {
    using db = new StateDatabase(":memory:");
    const scores = new GivenScores({ db, box: new SecretBox(new Uint8Array(32), systemRng), memoryKey: new Uint8Array(32) });
    const draw = seededDraw(3);
    const other = sha256Hex("other");
    const shift = 0.9;
    for (let i = 0; i < 300; i++) {
      const odds = draw.normal() - 2;
      const of = (z: number): number => 1 / (1 + Math.exp(-z));
      const given = { company: `C${i}`, at: now, service: "job_0000000000000001" };
      scores.note({ ...given, model, probability: of(odds + shift), role: "shadow" });
      if (i < 250) scores.note({ ...given, model: other, probability: of(odds), role: "champion" });
      else scores.note({ ...given, model: other, probability: of(odds), role: "champion", at: now - 40 * 86_400_000 });
    }
    scores.write();
    const month = monthNumber("2026-03");
    const found = compareScores(scores, { model, against: other, from: month - 2, to: month });
    assert.equal(found.pairs, 250, "those of another month are no pairs");
    for (const value of [found.meanDifference, found.meanDistance, found.rootMeanSquare]) assert.closeTo(value, shift, 1e-9);
    assert.closeTo(found.rankCorrelation, 1, 1e-12);
    assert.equal(found.apartRate, 1);
    assert.isAbove(found.stability ?? 0, 0.25);
    assert.throws(() => compareScores(scores, { model, against: sha256Hex("third"), from: 0, to: month }), /OUTCOME_NONE/);
  });
});
