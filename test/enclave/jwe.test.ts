// Sealed requests and answers, held against another implementation of the same standards, and what is refused.
import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { assert } from "chai";
import { CompactEncrypt, compactDecrypt } from "jose";
import { describe, it } from "mocha";
import { z } from "zod";
import { systemRng } from "../../core/rng.ts";
import { openTo, sealUnder } from "../../enclave/live/jwe.ts";
import { releaseSealed } from "../../enclave/release.ts";
import { codeOf } from "../support/world.ts";

describe("sealed requests and answers beside jose", () => {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  const plain = new TextEncoder().encode(JSON.stringify({ company: "91110108MA0000001X", name: "域内" }));
  const seal = (header: Record<string, unknown> = {}, party: { apu?: Uint8Array; apv?: Uint8Array } = {}): Promise<string> =>
    new CompactEncrypt(plain).setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM", ...header }).setKeyManagementParameters(party).encrypt(publicKey);
  const refused = async (jwe: string): Promise<void> => assert.equal(await codeOf((async () => openTo(privateKey, jwe))()), "SERVICE_REQUEST");
  /** The same text with another header. */
  const headed = (jwe: string, change: (header: Record<string, unknown>) => void): string => {
    const [head = "", ...rest] = jwe.split(".");
    const header = JSON.parse(Buffer.from(head, "base64url").toString()) as Record<string, unknown>;
    change(header);
    return [Buffer.from(JSON.stringify(header)).toString("base64url"), ...rest].join(".");
  };

  it("opens what jose seals, with and without the names of the parties, whatever the length", async () => {
    for (let i = 0; i < 20; i++) assert.deepEqual(new Uint8Array(openTo(privateKey, await seal({ kid: "k", typ: "x" }, { apu: systemRng(i), apv: systemRng(20 - i) }))), plain);
    assert.deepEqual(new Uint8Array(openTo(privateKey, await seal())), plain);
  });
  it("seals what jose opens", async () => {
    for (const length of [0, 1, 15, 16, 17, 5000]) {
      const [key, text] = [systemRng(32), systemRng(length)];
      const opened = await compactDecrypt(sealUnder(key, systemRng(12), text), key, { keyManagementAlgorithms: ["dir"], contentEncryptionAlgorithms: ["A256GCM"] });
      assert.deepEqual(new Uint8Array(opened.plaintext), new Uint8Array(text));
    }
  });
  it("gives answers that keep no memory but their own: some are kept for minutes", async () => {
    const key = systemRng(32);
    const released = await releaseSealed({ answer: { score: 1 }, schema: z.strictObject({ score: z.number() }), key: Buffer.from(key).toString("base64url"), settled: async () => undefined });
    assert.equal(released.buffer.byteLength, released.length);
    const { plaintext } = await compactDecrypt(Buffer.from(released).toString("latin1"), key);
    assert.deepEqual(JSON.parse(new TextDecoder().decode(plaintext)), { score: 1 });
  });
  it("refuses every change of a part, another key, and keys that agree on nothing secret", async () => {
    const jwe = await seal();
    const parts = jwe.split(".");
    for (const [i, part] of parts.entries()) {
      const changed = part === "" ? "AAAA" : `${part.startsWith("A") ? "B" : "A"}${part.slice(1)}`;
      await refused(parts.with(i, changed).join("."));
      if (part !== "") await refused(parts.with(i, part.slice(0, -1)).join("."));
      await refused(parts.with(i, `${part}=`).join("."));
    }
    await refused(parts.slice(0, 4).join("."));
    await refused(`${jwe}.`);
    await refused("");
    const other = generateKeyPairSync("x25519").privateKey;
    assert.equal(await codeOf((async () => openTo(other, jwe))()), "SERVICE_REQUEST");
    const zero = Buffer.alloc(32).toString("base64url");
    await refused(headed(jwe, (header) => { header["epk"] = { kty: "OKP", crv: "X25519", x: zero }; }));
    const p256 = createPublicKey(createPrivateKey(generateKeyPairSync("ec", { namedCurve: "P-256", privateKeyEncoding: { type: "pkcs8", format: "pem" }, publicKeyEncoding: { type: "spki", format: "pem" } }).privateKey));
    await refused(headed(jwe, (header) => { header["epk"] = p256.export({ format: "jwk" }); }));
  });
  it("refuses other algorithms, compression and what it would have to understand", async () => {
    const jwe = await seal();
    for (const [name, value] of [["alg", "ECDH-ES+A256KW"], ["alg", "dir"], ["enc", "A128GCM"], ["zip", "DEF"], ["crit", ["exp"]], ["epk", undefined], ["apu", 1]] as const) {
      await refused(headed(jwe, (header) => { header[name] = value; }));
    }
    // Sealed rightly, and still not taken.
    for (const enc of ["A128GCM", "A256CBC-HS512"]) await refused(await seal({ enc }));
    await refused(await seal({ alg: "ECDH-ES+A256KW" }));
  });
});
