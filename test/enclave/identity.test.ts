// Whose word counts: certificates of peers, pinned keys, signed approvals, and the enclave's own key files.
import { createHmac, createPublicKey, generateKeyPairSync } from "node:crypto";
import { copyFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { CompactSign } from "jose";
import { before, describe, it } from "mocha";
import { canonicalJson } from "../../core/canonical.ts";
import { systemRng } from "../../core/rng.ts";
import { signApproval, signStatement, verifyApproval, type Approval } from "../../enclave/job/approval.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { createKeys, fingerprint, loadIdentity, peerKey, type Identity } from "../../enclave/keys/identity.ts";
import { bank, Ca, job, tax, temporaryFolder } from "../support/enclave.ts";
import { codeOf } from "../support/world.ts";

const dayMs = 86_400_000;
const thrown = (work: () => unknown): Promise<string> => codeOf(Promise.resolve().then(work));

describe("the identity of a peer", () => {
  let ca: Ca;
  let identity: Identity;
  before(async () => {
    using folder = temporaryFolder();
    ca = await Ca.create();
    identity = await ca.enrol(folder.path, tax);
  });
  const check = (change: Partial<Parameters<typeof peerKey>[1]> & { pem?: string } = {}): Promise<string> =>
    thrown(() => peerKey(change.pem ?? identity.identityCertificate, { party: tax, ca: ca.stored.certificatePem, now: Date.now(), ...change }));

  it("is the key in a valid certificate of the platform's CA for that party", () => {
    const key = peerKey(identity.identityCertificate, { party: tax, ca: identity.ca, now: Date.now() });
    assert.equal(fingerprint(key), fingerprint(createPublicKey(identity.signKey)));
    assert.equal(key.asymmetricKeyType, "ed25519");
  });

  it("is refused for another party, out of its dates, from another CA, or when it is no certificate", async () => {
    assert.equal(await check({ party: bank }), "APPROVAL_INVALID");
    assert.equal(await check({ now: Date.now() + 11 * dayMs }), "APPROVAL_INVALID");
    assert.equal(await check({ now: Date.now() - 11 * dayMs }), "APPROVAL_INVALID");
    assert.equal(await check({ ca: (await Ca.create()).stored.certificatePem }), "APPROVAL_INVALID");
    assert.equal(await check({ pem: "no certificate" }), "APPROVAL_INVALID");
  });

  it("is not the TLS certificate of the same party, nor the CA's own", async () => {
    assert.equal(await check({ pem: identity.tlsCertificate }), "APPROVAL_INVALID");
    assert.equal(await check({ pem: ca.stored.certificatePem }), "APPROVAL_INVALID");
  });

  it("is not in a certificate for TLS, even over a key of the right kind", async () => {
    using folder = temporaryFolder();
    assert.equal(await check({ pem: await ca.tlsOverIdentityKey(join(folder.path, "other"), tax) }), "APPROVAL_INVALID");
  });

  it("is refused when it was issued in the past and has run out", async () => {
    using folder = temporaryFolder();
    const past = await Ca.open(ca.stored, () => Date.now() - 20 * dayMs);
    const old = await past.enrol(folder.path, tax);
    assert.equal(await check({ pem: old.identityCertificate }), "APPROVAL_INVALID");
  });

  it("is refused when the policy pins another key, even if the platform's CA vouches for it", async () => {
    using folder = temporaryFolder();
    const impostor = await ca.enrol(folder.path, tax);
    const pinned = fingerprint(createPublicKey(identity.signKey));
    assert.equal(await check({ pem: impostor.identityCertificate, pinned }), "POLICY_UNPINNED_PEER");
    assert.doesNotThrow(() => peerKey(identity.identityCertificate, { party: tax, ca: identity.ca, now: Date.now(), pinned }));
  });
});

describe("an approval", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const approval: Approval = { job, party: tax, planDigest: "1".repeat(64), snapshotDigest: "2".repeat(64), channelKey: "A".repeat(43), at: "2026-01-01T00:00:00Z" };
  const expected = { job, party: tax, planDigest: approval.planDigest, key: publicKey };
  const payload = new TextEncoder().encode(canonicalJson(approval));
  const typ = "yunei-approval+jws";

  it("counts when its party signed it for this job and plan", async () => {
    assert.deepEqual(await verifyApproval(await signApproval(approval, privateKey), expected), approval);
  });

  it("does not count for another job, party or plan, nor by another key", async () => {
    const jws = await signApproval(approval, privateKey);
    const changes = [{ job: "job_fedcba9876543210" as typeof job }, { party: bank }, { planDigest: "3".repeat(64) }, { key: generateKeyPairSync("ed25519").publicKey }];
    for (const change of changes) assert.equal(await codeOf(verifyApproval(jws, { ...expected, ...change })), "APPROVAL_INVALID");
  });

  it("does not count under another algorithm, type or shape", async () => {
    const hs256 = (secret: Uint8Array | string): string => {
      const head = Buffer.from(JSON.stringify({ alg: "HS256", typ })).toString("base64url");
      const body = Buffer.from(payload).toString("base64url");
      return `${head}.${body}.${createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url")}`;
    };
    const none = `${Buffer.from(JSON.stringify({ alg: "none", typ })).toString("base64url")}.${Buffer.from(payload).toString("base64url")}.`;
    const es256 = await new CompactSign(payload).setProtectedHeader({ alg: "ES256", typ }).sign(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
    const good = await signApproval(approval, privateKey);
    const [head = "", body = "", signature = ""] = good.split(".");
    const forged = [
      hs256(publicKey.export({ format: "der", type: "spki" })), hs256(publicKey.export({ format: "pem", type: "spki" })),
      hs256(Buffer.from(String(publicKey.export({ format: "jwk" }).x), "base64url")), none, es256,
      await signStatement(approval, "yunei-receipt+jws", privateKey), await signStatement({ ...approval, extra: 1 }, typ, privateKey),
      await signStatement({ ...approval, channelKey: "short" }, typ, privateKey), `${head}.${Buffer.from(payload).toString("base64url").slice(0, -4)}AAAA.${signature}`,
      `${head}.${body}.`, `${head}.${body}`, "", "a.b.c",
    ];
    for (const jws of forged) assert.equal(await codeOf(verifyApproval(jws, expected)), "APPROVAL_INVALID", jws.slice(0, 60));
  });
});

describe("an enclave's keys", () => {
  it("are files for their owner only, made once", async () => {
    using folder = temporaryFolder();
    const ca = await Ca.create();
    await ca.enrol(folder.path, tax);
    for (const name of ["identity.key", "tls.key", "identity.pem", "tls.pem", "ca.pem"]) assert.equal(statSync(join(folder.path, name)).mode & 0o777, 0o600, name);
    assert.equal(await codeOf(createKeys(folder.path, tax)), "ENCLAVE_KEYS");
  });

  it("are refused when they are missing, damaged or belong to another certificate", async () => {
    using mine = temporaryFolder();
    using theirs = temporaryFolder();
    const ca = await Ca.create();
    assert.equal(await thrown(() => loadIdentity(mine.path, tax)), "ENCLAVE_NOT_ENROLLED");
    await ca.enrol(mine.path, tax);
    await ca.enrol(theirs.path, tax);
    assert.equal(loadIdentity(mine.path, tax).party, tax);
    copyFileSync(join(theirs.path, "identity.key"), join(mine.path, "identity.key"));
    assert.equal(await thrown(() => loadIdentity(mine.path, tax)), "ENCLAVE_KEYS");
    writeFileSync(join(mine.path, "identity.key"), "no key");
    assert.equal(await thrown(() => loadIdentity(mine.path, tax)), "ENCLAVE_KEYS");
  });

  it("keep secrets so that another box, or a changed byte, does not open them", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "state.key");
    const box = SecretBox.open(path, systemRng);
    const sealed = box.seal(new TextEncoder().encode("a seed"));
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(SecretBox.open(path, systemRng).open(sealed), new TextEncoder().encode("a seed"));
    assert.notDeepEqual(box.seal(new TextEncoder().encode("a seed")), sealed);
    assert.equal(await thrown(() => new SecretBox(systemRng(32), systemRng).open(sealed)), "ENCLAVE_KEYS");
    for (const at of [0, 12, sealed.length - 1]) assert.equal(await thrown(() => box.open(sealed.with(at, (sealed[at] ?? 0) ^ 1))), "ENCLAVE_KEYS");
    assert.equal(await thrown(() => box.open(new Uint8Array(3))), "ENCLAVE_KEYS");
    writeFileSync(path, "short");
    assert.equal(await thrown(() => SecretBox.open(path, systemRng)), "ENCLAVE_KEYS");
  });
});
