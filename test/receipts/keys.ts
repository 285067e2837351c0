// Fixed Ed25519 keys for tests and vectors: from labels, so that every run signs the same bytes.
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { noteKey, type NoteKey, type NoteSigner } from "../../receipts/note.ts";

const prefix = Buffer.from("302e020100300506032b657004220420", "hex");

export function testKey(label: string): KeyObject {
  return createPrivateKey({ key: Buffer.concat([prefix, createHash("sha256").update(`test key ${label}`).digest()]), format: "der", type: "pkcs8" });
}

export function publicOf(key: KeyObject): KeyObject {
  return createPublicKey(key.export({ format: "pem", type: "pkcs8" }));
}

export function testSigner(name: string): NoteSigner {
  return { name, key: testKey(name) };
}

export function witnessKey(name: string): NoteKey {
  return noteKey(name, 4, publicOf(testKey(name)));
}
