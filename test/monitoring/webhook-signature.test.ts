// Signing and receiving webhooks, against the vector of the Standard Webhooks libraries and RFC 8032.
import { generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import * as fc from "fast-check";
import { assert } from "chai";
import { describe, it } from "mocha";
import { CompactEncrypt, compactDecrypt } from "jose";
import { readWebhookBody, webhookBody, type WebhookBody } from "../../monitoring/webhooks/body.ts";
import { readSigningKey, readVerifyingKey, rotate, signingKeys, verifyingKeyText, verifyingKeys, type KeyRing } from "../../monitoring/webhooks/keys.ts";
import { receiveWebhook, signWebhook, type ReceiverOptions, type SeenWebhooks } from "../../monitoring/webhooks/signature.ts";
import { codeOf } from "./support.ts";

class MemorySeen implements SeenWebhooks {
  readonly #attempts = new Map<string, Set<number>>();

  claim(id: string, timestamp: number): "new" | "duplicate" | "replayed" {
    const known = this.#attempts.get(id);
    if (known?.has(timestamp) === true) return "replayed";
    this.#attempts.set(id, (known ?? new Set()).add(timestamp));
    return known === undefined ? "new" : "duplicate";
  }
}

// The vector of the specification's Go library (libraries/go/webhook_asymmetric_test.go, TestAsymmetricWebhookSign).
const vector = {
  seed: "VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=", id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: '{"test": 2432232314}',
  signature: "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==",
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const pair = (): { privateKey: KeyObject; publicKey: KeyObject } => generateKeyPairSync("ed25519");
const body = bytes(vector.body);
const message = { id: vector.id, timestamp: vector.timestamp, body };
const key = readSigningKey(`whsk_${vector.seed}`);
const publicKey = readVerifyingKey(verifyingKeyText(key));
const options = (more: Partial<ReceiverOptions> = {}): ReceiverOptions => ({ keys: [publicKey], now: vector.timestamp * 1000, seen: new MemorySeen(), ...more });
const signed = signWebhook(message, [key]);

describe("a signed webhook", () => {
  it("is the specification's vector, to the last character", () => {
    assert.deepEqual(signed, { "webhook-id": vector.id, "webhook-timestamp": "1614265330", "webhook-signature": vector.signature });
    assert.deepEqual(receiveWebhook(signed, body, options()), { id: vector.id, timestamp: vector.timestamp, status: "new" });
  });

  it("has keys in the specification's form: RFC 8032, 7.1, test 1", () => {
    const seed = Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex");
    const text = verifyingKeyText(readSigningKey(`whsk_${seed.toString("base64")}`));
    assert.equal(text, `whpk_${Buffer.from("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "hex").toString("base64")}`);
    assert.equal(sign(null, Buffer.alloc(0), readSigningKey(`whsk_${seed.toString("base64")}`)).toString("hex"),
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
    for (const bad of ["", vector.seed, `whsk_${vector.seed}=`, `whpk_${vector.seed}`, "whsk_AAAA", `whsk_${vector.seed.replace("=", "")}`, `whsec_${vector.seed}`]) {
      assert.equal(codeOf(() => readSigningKey(bad)), "WEBHOOK_KEY", bad);
    }
    assert.equal(codeOf(() => readVerifyingKey(`whsk_${vector.seed}`)), "WEBHOOK_KEY");
    assert.equal(codeOf(() => verifyingKeyText(generateKeyPairSync("x25519").privateKey)), "WEBHOOK_KEY");
  });

  it("is refused after any change of one character of headers or body", () => {
    fc.assert(fc.property(fc.constantFrom("webhook-id", "webhook-timestamp", "webhook-signature", "body"), fc.nat(), fc.nat(255), (where, at, put) => {
      const change = (text: string): string => text.slice(0, at % text.length) + String.fromCodePoint(put) + text.slice((at % text.length) + 1);
      const headers = where === "body" ? signed : { ...signed, [where]: change(signed[where as keyof typeof signed]) };
      const sent = where === "body" ? Uint8Array.from(body, (b, i) => (i === at % body.length ? put : b)) : body;
      if (JSON.stringify(headers) === JSON.stringify(signed) && Buffer.from(sent).equals(body)) return;
      // A tolerance without end: it is the signature that has to notice.
      assert.match(codeOf(() => receiveWebhook(headers, sent, options({ tolerance: 1e15 }))), /^WEBHOOK_(HEADERS|SIGNATURE)$/);
    }), { numRuns: 2000 });
  });

  it("cannot have its borders moved between id, time and body", () => {
    const moved = { ...signed, "webhook-id": `${vector.id}.1614265330`, "webhook-timestamp": "1" };
    assert.equal(codeOf(() => receiveWebhook(moved, body, options({ tolerance: 1e15 }))), "WEBHOOK_HEADERS");
    for (const id of ["msg_a.b", "", "msg_", "evt_p5jXN8AQM9LWM0D4loKWxJek", `msg_${"a".repeat(65)}`]) {
      assert.equal(codeOf(() => signWebhook({ ...message, id }, [key])), "WEBHOOK_HEADERS", id);
    }
    for (const timestamp of [-1, 1.5, Number.NaN]) assert.equal(codeOf(() => signWebhook({ ...message, timestamp }, [key])), "WEBHOOK_HEADERS");
  });

  it("is refused without, with doubled and with malformed headers", () => {
    for (const name of ["webhook-id", "webhook-timestamp", "webhook-signature"] as const) {
      const { [name]: value, ...rest } = signed;
      assert.equal(codeOf(() => receiveWebhook(rest, body, options())), "WEBHOOK_HEADERS");
      assert.equal(codeOf(() => receiveWebhook({ ...rest, [name]: [value, value] }, body, options())), "WEBHOOK_HEADERS");
    }
    for (const time of ["hello", "", " 1614265330", "1614265330.0", "+1614265330", "01614265330", "1e9", "0x5"]) {
      assert.equal(codeOf(() => receiveWebhook({ ...signed, "webhook-timestamp": time }, body, options())), "WEBHOOK_HEADERS", time);
    }
    const many = Array.from({ length: 9 }, () => vector.signature).join(" ");
    assert.equal(codeOf(() => receiveWebhook({ ...signed, "webhook-signature": many }, body, options())), "WEBHOOK_HEADERS");
  });

  it("is refused five minutes and a second too early or late", () => {
    const at = (seconds: number): string => codeOf(() => receiveWebhook(signed, body, options({ now: (vector.timestamp + seconds) * 1000 })));
    assert.deepEqual([-301, -300, 0, 300, 301].map(at), ["WEBHOOK_TIMESTAMP", "fine", "fine", "fine", "WEBHOOK_TIMESTAMP"]);
  });

  it("is found among others, and other versions prove nothing", () => {
    const other = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
    const put = (...list: readonly string[]): string => codeOf(() => receiveWebhook({ ...signed, "webhook-signature": list.join(" ") }, body, options()));
    assert.equal(put(other, other.replace("v1", "v2"), vector.signature, other), "fine");
    for (const bad of [[""], [other], ["v1a,"], [vector.signature.slice(0, -4)], [vector.signature.replace("v1a", "v1")], [vector.signature.slice(4)], [`${vector.signature}=`]]) {
      assert.equal(put(...bad), "WEBHOOK_SIGNATURE", bad.join());
    }
  });

  it("does not verify under a key of another kind, a private one or none", () => {
    for (const keys of [[], [pair().publicKey], [key], [generateKeyPairSync("ed448").publicKey]]) {
      assert.equal(codeOf(() => receiveWebhook(signed, body, options({ keys }))), "WEBHOOK_SIGNATURE");
    }
    assert.equal(codeOf(() => signWebhook(message, [])), "WEBHOOK_KEY");
    assert.equal(codeOf(() => signWebhook(message, [generateKeyPairSync("ed448").privateKey])), "WEBHOOK_KEY");
  });
});

describe("a receiver", () => {
  it("processes a webhook once, answers a retry, and refuses the very request again", () => {
    const seen = new MemorySeen();
    const receive = (timestamp: number): string => {
      const headers = signWebhook({ ...message, timestamp }, [key]);
      return receiveWebhook(headers, body, options({ seen, now: timestamp * 1000 })).status;
    };
    assert.equal(receive(vector.timestamp), "new");
    assert.equal(codeOf(() => receive(vector.timestamp)), "WEBHOOK_REPLAYED");
    assert.equal(receive(vector.timestamp + 60), "duplicate");
    assert.equal(codeOf(() => receive(vector.timestamp + 60)), "WEBHOOK_REPLAYED");
  });
  it("remembers nothing of a forgery: it must not keep the true one out", () => {
    const seen = new MemorySeen();
    assert.equal(codeOf(() => receiveWebhook(signed, bytes("{}"), options({ seen }))), "WEBHOOK_SIGNATURE");
    assert.equal(receiveWebhook(signed, body, options({ seen })).status, "new");
  });
});

describe("the rotation of keys", () => {
  const [a, b, c] = [pair(), pair(), pair()];
  const day = 86_400_000;
  const ring: KeyRing = { current: a.privateKey };
  const rotated = rotate(ring, b.privateKey, 0);
  const receives = (holder: KeyObject, from: KeyRing, now: number): string =>
    codeOf(() => receiveWebhook(signWebhook(message, signingKeys(from, now)), body, options({ keys: [holder] })));

  it("signs with both while they overlap: a receiver with either key is served, later only with the new one", () => {
    assert.deepEqual([receives(a.publicKey, rotated, 7 * day - 1), receives(b.publicKey, rotated, 0)], ["fine", "fine"]);
    assert.deepEqual([receives(a.publicKey, rotated, 7 * day), receives(b.publicKey, rotated, 7 * day)], ["WEBHOOK_SIGNATURE", "fine"]);
    assert.deepEqual(verifyingKeys(rotated, 0), [verifyingKeyText(b.publicKey), verifyingKeyText(a.publicKey)]);
    assert.deepEqual(verifyingKeys(rotated, 7 * day), [verifyingKeyText(b.publicKey)]);
  });
  it("waits for the last one to end, unless a key is compromised, which stops at once", () => {
    assert.equal(codeOf(() => rotate(rotated, c.privateKey, 6 * day)), "WEBHOOK_ROTATION");
    assert.equal(codeOf(() => rotate(rotated, c.privateKey, 7 * day)), "fine");
    const replaced = rotate(rotated, c.privateKey, day, { compromised: true });
    assert.deepEqual(verifyingKeys(replaced, day), [verifyingKeyText(c.publicKey)]);
  });
  it("wants another key, a private one, of this kind", () => {
    assert.equal(codeOf(() => rotate(ring, a.privateKey, 0)), "WEBHOOK_ROTATION");
    assert.equal(codeOf(() => rotate(ring, a.privateKey, 0, { compromised: true })), "WEBHOOK_ROTATION");
    assert.equal(codeOf(() => rotate(ring, b.publicKey, 0)), "WEBHOOK_KEY");
    assert.equal(codeOf(() => rotate(ring, generateKeyPairSync("x25519").privateKey, 0)), "WEBHOOK_KEY");
  });
});

describe("the body of a webhook", () => {
  const bank = generateKeyPairSync("x25519");
  const seal = (text: string, header: object = {}): Promise<string> =>
    new CompactEncrypt(bytes(text)).setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM", ...header }).encrypt(bank.publicKey);
  const alert = "alert_0123456789abcdef";
  const bodyOf = (sealed: string, more: object = {}): WebhookBody => ({ type: "alert.new", timestamp: "2025-06-01T00:00:00Z", sequence: 1, data: { alert, sealed }, ...more });

  it("carries a sealed payload, and what is sealed comes out at the bank", async () => {
    const text = webhookBody(bodyOf(await seal("an alert", { cty: "json" })));
    assert.notInclude(text, "an alert");
    const read = readWebhookBody(bytes(text));
    const payload = read.type === "alert.new" ? (read.data.sealed ?? "") : "";
    assert.equal(Buffer.from((await compactDecrypt(payload, bank.privateKey)).plaintext).toString(), "an alert");
  });
  it("names ids in the open, each type its own, and no company fits in", () => {
    const put = (type: string, data: object): string => codeOf(() => webhookBody({ type, timestamp: "2025-06-01T00:00:00Z", sequence: 1, data } as WebhookBody));
    const job = "job_0123456789abcdef";
    assert.equal(put("job.done", { job, kind: "score" }), "fine");
    assert.equal(put("job.failed", { job, kind: "score", code: "JOB_PEER_TIMEOUT" }), "fine");
    assert.equal(put("service.ended", { service: job, kind: "serve", code: null }), "fine");
    assert.equal(put("model.drift", { model: "model_0123456789abcdef", month: "2025-05" }), "fine");
    assert.equal(put("webhook.test", { webhook: "hook_0123456789abcdef" }), "fine");
    for (const [type, data] of [
      ["job.done", { job, kind: "score", score: 512 }], ["job.done", { job: "91310000000000001X", kind: "score" }], ["job.failed", { job, kind: "score", code: "BECAUSE" }], ["job.done", { job }],
      ["alert.new", { alert: "alert_91310000MA1FL0Q34A" }], ["alert.new", { alert: "91310000MA1FL0Q34A" }], ["job.done", { alert, kind: "score" }], ["evaluation.push", { evaluation: "grades: A, B" }],
    ] as const) assert.equal(put(type, data), "WEBHOOK_BODY", type);
  });
  it("takes nothing else", async () => {
    const sealed = await seal("x");
    const [header = "", ...rest] = sealed.split(".");
    const withHeader = (change: object): string => {
      const fields = { ...(JSON.parse(Buffer.from(header, "base64url").toString()) as object), ...change };
      return [Buffer.from(JSON.stringify(fields)).toString("base64url"), ...rest].join(".");
    };
    const other = await new CompactEncrypt(bytes("x")).setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM" }).encrypt(bank.publicKey);
    const changed = (part: number, to: string): string => sealed.split(".").with(part, to).join(".");
    const plain = ["plain text", JSON.stringify({ uscc: "1" }), "a.b.c.d.e", `${sealed}.x`, sealed.replace("..", ".eA."), other, changed(2, "AA"), changed(3, ""), changed(4, "AA"), changed(0, ""), changed(0, "bnVsbA"),
      withHeader({ zip: "DEF" }), withHeader({ uscc: "91310000000000001X" }), withHeader({ enc: "A128GCM" }), withHeader({ kid: "91310000000000001X" }), await seal("x".repeat(20_000))];
    for (const text of plain) assert.equal(codeOf(() => webhookBody(bodyOf(text))), "WEBHOOK_BODY", text.slice(0, 40));
    assert.equal(codeOf(() => webhookBody(bodyOf(withHeader({})))), "fine");
    for (const more of [{ type: "gossip" }, { sequence: 0 }, { company: "x" }, { timestamp: "today" }, { data: { alert, sealed, more: 1 } }, { data: { sealed } }]) {
      assert.equal(codeOf(() => webhookBody(bodyOf(sealed, more))), "WEBHOOK_BODY", JSON.stringify(more));
    }
  });
  it("is refused at its receiver when it is no such body", () => {
    for (const text of ["", "{", "[]", "{}", "x".repeat(20_001)]) assert.equal(codeOf(() => readWebhookBody(bytes(text))), "WEBHOOK_BODY");
  });
});
