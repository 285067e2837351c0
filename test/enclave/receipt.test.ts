// Receipts of peers: what the guest's enclave accepts as a host's signature under a job.
import { generateKeyPairSync } from "node:crypto";
import { CompactSign } from "jose";
import { assert } from "chai";
import { describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { signStatement } from "../../enclave/job/approval.ts";
import { signReceipt, verifyReceipt } from "../../enclave/job/receipt.ts";
import { Ledger } from "../../enclave/ledger.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { planDigest } from "../../federation/plan-schema.ts";
import { planOf, power, tax } from "../support/enclave.ts";

describe("a host's receipt", () => {
  const plan = planOf();
  const { privateKey: key, publicKey } = generateKeyPairSync("ed25519");
  const model = { id: "model_0123456789abcdef", digest: "b".repeat(64) };
  const expected = { plan, planDigest: planDigest(plan), party: tax, model, key: publicKey };
  const receipt = async (): Promise<string> => {
    using db = new StateDatabase(":memory:");
    return signReceipt({ plan, planDigest: planDigest(plan), self: tax, model, ledger: new Ledger(db, plan, tax), key, now: Date.parse("2026-03-01T00:00:00Z") });
  };
  const verdict = async (jws: string, change: Partial<typeof expected> = {}): Promise<string> => {
    try {
      await verifyReceipt(jws, { ...expected, ...change });
      return "accepted";
    } catch (error) {
      if (error instanceof AppError) return `${error.code} ${String(error.facts["party"])}`;
      throw error;
    }
  };

  it("is accepted for the plan, data and model that it was signed for", async () => {
    assert.equal(await verdict(await receipt()), "accepted");
  });

  it("is refused, naming the party, for anything else", async () => {
    const jws = await receipt();
    const other = planOf({}, { job: "job_fedcba9876543210" });
    const changes: readonly Partial<typeof expected>[] = [
      { planDigest: "c".repeat(64) }, { model: { ...model, digest: "c".repeat(64) } }, { model: { ...model, id: "model_fedcba9876543210" } },
      { plan: other }, { plan: { ...plan, datasets: { ...plan.datasets, tax: { name: "filings", rows: 3000, features: 3, labelled: false, snapshotDigest: "d".repeat(64) } } } },
      { key: generateKeyPairSync("ed25519").publicKey },
    ];
    for (const change of changes) assert.equal(await verdict(jws, change), "RECEIPT_INVALID tax");
    assert.equal(await verdict(jws, { party: power }), "RECEIPT_INVALID power");
  });

  it("is refused with another type, another algorithm, a changed or an unreadable text", async () => {
    const jws = await receipt();
    const payload = Buffer.from(jws.split(".")[1] ?? "", "base64url");
    assert.equal(await verdict(await signStatement(JSON.parse(payload.toString("utf8")), "yunei-approval+jws", key)), "RECEIPT_INVALID tax");
    const secret = Buffer.from(publicKey.export({ format: "der", type: "spki" }));
    const confused = await new CompactSign(payload).setProtectedHeader({ alg: "HS256", typ: "yunei-receipt+jws" }).sign(secret);
    const unsigned = `${Buffer.from(JSON.stringify({ alg: "none", typ: "yunei-receipt+jws" })).toString("base64url")}.${payload.toString("base64url")}.`;
    const [head = "", , signature = ""] = jws.split(".");
    const changed = [head, Buffer.from(payload.toString("utf8").replace('"party":"tax"', '"party":"pow"')).toString("base64url"), signature].join(".");
    for (const bad of [confused, unsigned, changed, "", "a.b.c"]) assert.equal(await verdict(bad), "RECEIPT_INVALID tax");
  });
});
