// Properties of the job's machine over arbitrary sequences of events.
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { changeJob, hasEnded, newJob, type JobChange, type JobMachine } from "../../api/job-state.ts";
import { AppError } from "../../core/errors.ts";

const hosts = ["tax", "power"];
const party = fc.constantFrom("bank", ...hosts);
const anyChange: fc.Arbitrary<JobChange> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<JobChange>({ type: "planned" }) },
  { weight: 6, arbitrary: party.map((p): JobChange => ({ type: "approve", party: p })) },
  { weight: 1, arbitrary: party.map((p): JobChange => ({ type: "refuse", party: p })) },
  { weight: 6, arbitrary: party.map((p): JobChange => ({ type: "finish", party: p })) },
  { weight: 1, arbitrary: party.map((p): JobChange => ({ type: "fail", failure: { code: "JOB_PEER_TIMEOUT", party: p } })) },
  { weight: 1, arbitrary: fc.constantFrom<JobChange>({ type: "cancel" }, { type: "expire" }, { type: "settle" }) },
);

function tryChange(job: JobMachine, change: JobChange): JobMachine {
  try {
    return changeJob(job, change);
  } catch (error) {
    assert.instanceOf(error, AppError);
    return job;
  }
}
const run = (changes: readonly JobChange[], start = changeJob(newJob("bank", hosts), { type: "planned" })): JobMachine[] => {
  const states = [start];
  for (const change of changes) states.push(tryChange(states.at(-1) ?? start, change));
  return states;
};

describe("job states", () => {
  it("run only after every party has approved, and are done only after running", () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 40 }), (changes) => {
        const states = run(changes);
        const firstRun = states.findIndex((job) => job.at === "running");
        for (const [i, job] of states.entries()) {
          if (job.at === "running" || job.at === "done") assert.sameMembers([...job.approved], [...job.parties]);
          if (job.at === "done") assert.isTrue(firstRun >= 0 && firstRun < i && job.finished.includes("bank"));
        }
      }),
    );
  });

  it("never leave an ended state, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 60 }), (changes) => {
        let ended: JobMachine | undefined;
        for (const job of run(changes)) {
          if (ended !== undefined) assert.strictEqual(job, ended);
          else if (hasEnded(job.at)) ended = job;
        }
      }),
    );
  });

  it("of a service end well when its term is over, if it ran", () => {
    const running = run(["bank", ...hosts].map((p): JobChange => ({ type: "approve", party: p }))).at(-1) ?? newJob("bank", hosts);
    assert.equal(changeJob(running, { type: "term" }).at, "done");
    const waiting = run([{ type: "approve", party: "bank" }]).at(-1) ?? newJob("bank", hosts);
    assert.deepInclude(changeJob(waiting, { type: "term" }), { at: "failed", failure: { code: "JOB_EXPIRED" } });
  });

  it("say why they failed, and only then", () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 40 }), (changes) => {
        for (const job of run(changes)) assert.equal(job.failure !== undefined, job.at === "failed");
      }),
    );
  });

  it("do not depend on saying the same thing twice", () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 30 }), (changes) => {
        assert.deepEqual(run(changes.flatMap((change) => [change, change])).at(-1), run(changes).at(-1));
      }),
    );
  });

  it("do not depend on the order of approvals or of parties that are done", () => {
    const all = ["bank", ...hosts];
    fc.assert(
      fc.property(fc.shuffledSubarray(all, { minLength: 3 }), fc.shuffledSubarray(all, { minLength: 3 }), (approving, finishing) => {
        const states = run([
          ...approving.map((p): JobChange => ({ type: "approve", party: p })),
          ...finishing.map((p): JobChange => ({ type: "finish", party: p })),
        ]);
        assert.deepEqual(
          states.map((job) => job.at),
          ["awaiting-approval", "awaiting-approval", "awaiting-approval", "running", "running", "running", "done"],
        );
      }),
    );
  });

  it("name the party that refused", () => {
    const failed = run([
      { type: "approve", party: "bank" },
      { type: "refuse", party: "tax" },
    ]).at(-1);
    assert.deepEqual([failed?.at, failed?.failure], ["failed", { code: "JOB_REFUSED", party: "tax" }]);
  });

  it("refuse a stranger and a party that is done before the start", () => {
    const job = newJob("bank", hosts);
    assert.throws(() => changeJob(job, { type: "approve", party: "mallory" }), /JOB_NOT_FOUND/);
    assert.throws(() => changeJob(job, { type: "finish", party: "bank" }), /JOB_NOT_RUNNING/);
  });

  it("are done at expiry or settling if the guest is done, else they expire", () => {
    const running = run(["bank", ...hosts].map((p): JobChange => ({ type: "approve", party: p }))).at(-1) ?? newJob("bank", hosts);
    const guestDone = changeJob(running, { type: "finish", party: "bank" });
    assert.equal(changeJob(guestDone, { type: "settle" }).at, "done");
    assert.equal(changeJob(guestDone, { type: "expire" }).at, "done");
    assert.strictEqual(changeJob(running, { type: "settle" }), running);
    assert.equal(changeJob(running, { type: "expire" }).failure?.code, "JOB_EXPIRED");
  });
});

describe("a job that waits for a second person of its institution", () => {
  it("is not there for the parties, can be cancelled and can expire, and is planned once", () => {
    const held = newJob("bank", hosts);
    for (const type of ["approve", "refuse"] as const) assert.throws(() => changeJob(held, { type, party: "tax" }), /JOB_NOT_FOUND/);
    assert.equal(changeJob(held, { type: "cancel" }).at, "cancelled");
    assert.deepInclude(changeJob(held, { type: "expire" }), { at: "failed", failure: { code: "JOB_EXPIRED" } });
    const planned = changeJob(held, { type: "planned" });
    assert.equal(planned.at, "awaiting-approval");
    assert.strictEqual(changeJob(planned, { type: "planned" }), planned);
  });
});
