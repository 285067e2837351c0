// Parts of an enclave for tests in one process: identities from a small CA, a compiled plan, sealed channels between its
// parties, and one valid body for every message type.
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authority, readRequest, type KeyAndCertificate } from "../../api/pki/authority.ts";
import type { PartyId } from "../../core/brand.ts";
import { jobIdSchema, partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { createEphemeralKey, Session, transcriptHash, type EphemeralKey } from "../../enclave/channel/session.ts";
import { signApproval } from "../../enclave/job/approval.ts";
import { createKeys, loadIdentity, storeCertificates, type Identity } from "../../enclave/keys/identity.ts";
import { chunkBytes } from "../../federation/garbled/messages.ts";
import { baseTransfers, pointBytes } from "../../federation/ot/messages.ts";
import type { MessageType, TypedBody } from "../../federation/messages.ts";
import { compilePlan } from "../../federation/plan.ts";
import { planDigest, type DatasetSummary, type JobPlan, type JobRequest } from "../../federation/plan-schema.ts";
import { hintBytesPerCell, queryBytesPerCoefficient } from "../../kernels/params.ts";

export const [bank, tax, power] = [partyId("bank"), partyId("tax"), partyId("power")];
export const job = jobIdSchema.parse("job_0123456789abcdef");

/** A folder that goes away with the scope; in memory where there is such a place, since every write is a synchronous one. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "yunei-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A CA and identities that it issued, as at enrolment. */
export class Ca {
  readonly stored: KeyAndCertificate;
  readonly #authority: Authority;

  private constructor(stored: KeyAndCertificate, authority: Authority) {
    this.stored = stored;
    this.#authority = authority;
  }

  /** now: the CA's clock, to issue certificates of another time. */
  static async create(now: () => number = Date.now): Promise<Ca> {
    return Ca.open(await Authority.create("test CA", { rng: systemRng, now: Date.now }), now);
  }
  static async open(stored: KeyAndCertificate, now: () => number): Promise<Ca> {
    return new Ca(stored, await Authority.open(stored, { rng: systemRng, now }));
  }

  /** A certificate for TLS over a key that could sign as an identity: only its usage tells the two apart. */
  async tlsOverIdentityKey(folder: string, party: PartyId): Promise<string> {
    const { csrIdentity } = await createKeys(folder, party);
    return this.#authority.issueClient("party", party, await readRequest(csrIdentity, party, "identity"), 10);
  }

  /** Keys in `folder` with certificates of this CA. */
  async enrol(folder: string, party: PartyId, days = 10): Promise<Identity> {
    const { csrTls, csrIdentity } = await createKeys(folder, party);
    storeCertificates(folder, {
      tlsCertificate: await this.#authority.issueClient("party", party, await readRequest(csrTls, party, "tls"), days),
      identityCertificate: await this.#authority.issueIdentity(party, await readRequest(csrIdentity, party, "identity"), days),
      caCertificate: this.stored.certificatePem,
    });
    return loadIdentity(folder, party);
  }
}

export const summaryOf = (name: string, labelled: boolean, rows = 3000): DatasetSummary => (
  { name, rows, features: 3, labelled, snapshotDigest: "a".repeat(64) });
export const datasets: Readonly<Record<string, DatasetSummary>> = { bank: summaryOf("loans", true), tax: summaryOf("filings", false), power: summaryOf("usage", false) };
export const sealTo = { kty: "OKP", crv: "X25519", x: String(generateKeyPairSync("x25519").publicKey.export({ format: "jwk" }).x) } as const;

/** A plan as the platform compiles it. */
export function planOf(change: Partial<JobRequest> = {}, more: { job?: string; datasets?: Readonly<Record<string, DatasetSummary>>; expiresAt?: string } = {}): JobPlan {
  return compilePlan({
    request: { kind: "scorecard", guest: bank, hosts: [tax, power], purpose: "model-development", params: {}, ...change },
    job: jobIdSchema.parse(more.job ?? job), createdAt: new Date().toISOString(), expiresAt: more.expiresAt ?? new Date(Date.now() + 3_600_000).toISOString(),
    datasets: more.datasets ?? datasets, sealTo,
  });
}

/** What the parties of a plan agreed on, and the channels that follow from it. */
export class Channels {
  readonly plan: JobPlan;
  readonly transcript: Uint8Array;
  readonly #ephemeral: ReadonlyMap<PartyId, EphemeralKey>;

  private constructor(plan: JobPlan, ephemeral: ReadonlyMap<PartyId, EphemeralKey>, transcript: Uint8Array) {
    this.plan = plan;
    this.#ephemeral = ephemeral;
    this.transcript = transcript;
  }

  static async open(plan: JobPlan, identities: ReadonlyMap<PartyId, Identity>): Promise<Channels> {
    const digest = planDigest(plan);
    const ephemeral = new Map([...identities.keys()].map((party) => [party, createEphemeralKey()]));
    const approvals = new Map<PartyId, string>();
    for (const [party, identity] of identities) {
      const channelKey = ephemeral.get(party)?.publicX ?? "";
      approvals.set(party, await signApproval({ job: plan.job, party, planDigest: digest, snapshotDigest: "a".repeat(64), channelKey, at: "2026-01-01T00:00:00Z" }, identity.signKey));
    }
    return new Channels(plan, ephemeral, transcriptHash(digest, approvals));
  }

  /** One end of a channel; with another transcript when given. */
  session(self: PartyId, peer: PartyId, transcript = this.transcript): Session {
    const [own, theirs] = [this.#ephemeral.get(self), this.#ephemeral.get(peer)];
    if (own === undefined || theirs === undefined) throw new Error("no such party");
    return new Session({ self, peer, ephemeral: own, peerPublicX: theirs.publicX, transcript });
  }
}

const filled = (length: number, value = 7): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(value);
const hint = { index: 0, last: true, firstCell: 0, bytes: filled(hintBytesPerCell) };
const query = { index: 0, last: true, query: 0, commitments: filled(32), bytes: filled(4 * queryBytesPerCoefficient, 0) };
const answer = { index: 0, last: true, query: 0, bytes: filled(64) };
const agreed = { rows: 3000, trainRows: 2100, commitment: filled(32) };

/** One valid body of every type. A new message type does not compile until it has one. */
export const sampleBodies: { readonly [T in MessageType]: TypedBody<T> } = {
  "psi/open": { size: 3000, setDigest: filled(32) },
  "psi/ready": { size: 3000 },
  "psi/blinded": { index: 0, points: filled(3 * 32) },
  "psi/twice": { index: 0, points: filled(3 * 32) },
  "psi/own": { index: 0, tags: filled(3 * 16) },
  "psi/reuse-open": { size: 3000, setDigest: filled(32), have: filled(32) },
  "psi/reuse-ready": { size: 3000, digest: filled(32) },
  "psi/reuse-tags": { index: 0, tags: filled(3 * 16) },
  "kkrt/open": { size: 3000, setDigest: filled(32), salt: filled(16) },
  "kkrt/ready": { size: 3000 },
  "kkrt/tags": { table: 0, index: 0, tags: filled(3 * 11) },
  "ot/base-ask": { points: filled(2 * pointBytes * baseTransfers) },
  "ot/base-answer": { points: filled(pointBytes * baseTransfers) },
  "ot/extend": { index: 0, columns: filled(64), check: filled(64) },
  "consents/texts": { index: 0, last: true, places: filled(8, 0), texts: ["aGVhZA.Ym9keQ.c2ln", ""] },
  "consents/answer": { index: 0, codes: filled(2, 1) },
  "rows/open": { ...agreed, matchedDigest: filled(32) },
  "rows/order": { index: 0, positions: filled(12) },
  "rows/confirm": agreed,
  "watch/ask": { n: 1, ask: { what: "register", companies: [{ company: "a", consent: "aGVhZA.Ym9keQ.c2ln" }] } },
  "watch/answer": { n: 1, answer: { what: "registered", verdicts: [{ watch: `watch_${"0".repeat(32)}` }] } },
  "watch/refused": { n: 1, code: "SERVICE_BUSY" },
  "watch/news": { news: [{ id: `alert_${"0".repeat(32)}`, watch: `watch_${"0".repeat(32)}`, trigger: "arrears", kind: "arrears-begun", severity: "major", asOf: "2026-01-01" }] },
  "watch/acknowledge": { ids: [`alert_${"0".repeat(32)}`] },
  "evaluate/offer": { indicators: ["rg_age_months"] },
  "evaluate/part": { index: 0, last: true, points: filled(6), covered: filled(6) },
  "seeds/commit": { commitment: filled(32) },
  "seeds/reveal": { nonce: filled(32) },
  "binning/offer": { features: [{ shape: { kind: "numeric", bins: 2, orderedBins: 2, missingBin: -1 }, totals: [1000, 1100] }] },
  "binning/hint": hint,
  "binning/query": query,
  "binning/answer": answer,
  "binning/merged": {
    labelCommitment: filled(32), queries: 3, selected: [{ party: tax, columns: 1 }], features: [{ feature: 0, mergedOf: [0, 1], codes: [-12, 90] }],
  },
  "moments/own": { index: 0, last: true, values: filled(16) },
  "moments/hint": hint,
  "moments/query": query,
  "moments/answer": answer,
  "cross/hint": hint,
  "cross/query": query,
  "cross/answer": answer,
  "cross/opened": { peer: power, column: 0, values: filled(8) },
  "cross/masks": { peer: power, column: 0, values: filled(8) },
  "cells/offer": { features: [{ shape: { kind: "numeric", bins: 2, orderedBins: 2, missingBin: -1 }, totals: [1000, 1100] }] },
  "cells/gram": { index: 0, last: true, counts: filled(16) },
  "cells/hint": hint,
  "cells/query": query,
  "cells/answer": answer,
  "cells/next": { step: "stage", vectors: 2, present: [tax, power] },
  "trees/offer": { features: [{ shape: { kind: "numeric", bins: 2, orderedBins: 2, missingBin: -1 }, totals: [1000, 1100] }] },
  "trees/hint": hint,
  "trees/query": query,
  "trees/answer": answer,
  "trees/next": { step: "histograms", vectors: 2 },
  "trees/bits": { cut: 0, index: 0, last: true, bytes: filled(375) },
  "trees/uses": { uses: [{ tree: 0, level: 0, cut: 0 }] },
  "lookup/groups": { groups: [{ group: 0, hosts: [{ host: tax, choices: 2 }], tables: [0] }] },
  "lookup/tables": { group: 0, block: 0, index: 0, bytes: filled(64) },
  "lookup/shares": { group: 0, block: 0, index: 0, places: filled(4), pads: filled(32) },
  "totals/weights": { round: 0, plan: { clip: 60, fractionBits: 20, offset: 0, weights: [12, -7] } },
  "totals/masked": { round: 0, index: 0, last: true, bytes: filled(3000) },
  "score/labels": { labels: [{ feature: "overdue_12m", group: "tax arrears" }, {}] },
  "score/encrypted-part": { index: 0, last: true, text: filled(1000) },
  "score/odds": { index: 0, last: true, units: filled(3) },
  "score/reasons": { index: 0, last: true, labels: filled(12, 0), sizes: filled(6, 0) },
  "export/open": { model: "model_0123456789abcdef", digest: "b".repeat(64) },
  "export/half": { index: 0, last: true, bytes: filled(64) },
  "finish/next": { step: "weights" },
  "finish/model": { model: "model_0123456789abcdef", digest: "b".repeat(64) },
  "feedback/usage": { uplift: 9, features: [{ feature: 0, band: "medium" }] },
  "serve/ask": { n: 1, present: [tax], company: "company-1", consent: "" },
  "serve/part": { n: 1, part: 7, held: true },
  "serve/part-explained": { n: 1, part: 7, held: true, reasons: [{ feature: "arrears", group: "tax.payment", size: 12 }, { size: 3 }] },
  "serve/refused": { n: 1, code: "SERVICE_BUDGET" },
  "serve/ask-columns": { n: 1, present: [tax], company: "company-1", consent: "", columns: [3.5, "text", null] },
  "serve/encrypted-part": { n: 1, text: filled(1000), held: true },
  "serve/places": { n: 1, places: filled(3), held: true },
  "serve/tables": { n: 2, asked: 1, text: filled(1000) },
  "serve/tree-part": { n: 2, text: filled(1000) },
  "serve/trees": { key: filled(64), groups: [{ group: 0, hosts: [{ host: tax, choices: 4 }], tables: [0, 3] }] },
  "serve/odds": { n: 1, odds: -7, held: true },
  "serve/encrypted-model": { index: 0, of: 1, bytes: filled(64) },
  "verify/ask": { n: 1, company: "company-1", consent: "", claims: [{ field: "capital", predicate: { kind: "within", from: "10" } }] },
  "verify/ask-equal": { n: 1, company: "company-1", consent: "", field: "capital", nonce: "0123456789abcdef", blinded: filled(32) },
  "verify/ask-within": { n: 1, company: "company-1", consent: "", field: "capital", session: "0123456789abcdef", first: 80, flips: filled(10) },
  "verify/answer": { n: 1, answers: filled(1, 2) },
  "verify/equal": { n: 1, held: true, point: filled(32), tag: filled(16) },
  "verify/within": { n: 1, held: false, tables: filled(81 * 48), results: filled(32) },
  "garbled/open": { n: 1, session: "0123456789abcdef" },
  "garbled/base": { n: 1, points: filled(8192) },
  "garbled/extend": { n: 1, session: "0123456789abcdef", index: 0, columns: filled(chunkBytes.columns), check: filled(chunkBytes.check) },
  "garbled/extended": { n: 1, made: 6400 },
  "verify/refused": { n: 1, code: "VERIFY_LOCKED" },
  "serve/whole-model": { index: 0, of: 1, bytes: filled(64) },
  "finish/receipt": { receipt: "aGVhZA.Ym9keQ.c2ln", account: { phases: [], sent: [], peakRssMb: 100, layers: [] } },
};
