// Signed notes against published vectors; witnesses that refuse a log which forks or goes back.
import { assert } from "chai";
import { describe, it } from "mocha";
import { createPrivateKey, sign } from "node:crypto";
import { checkWitnesses, openCheckpoint, parseCheckpoint, signCheckpoint, witnessPolicy } from "../../receipts/checkpoint.ts";
import { createLog, ReceiptLog } from "../../receipts/log.ts";
import { consistencyRanges, leafHash, rootOf, type Hash } from "../../receipts/merkle.ts";
import { cosign, noteKey, parseNote, parseVerifierKey, signatureOf, signNote, toBase64, verifierKey, withSignatures } from "../../receipts/note.ts";
import { fileWitnessStore, formatAddCheckpoint, parseAddCheckpoint, Witness, type WitnessStore } from "../../receipts/witness.ts";
import { codeOf } from "./codes.ts";
import { publicOf, testKey, testSigner, witnessKey } from "./keys.ts";
import { MemoryDisk } from "./memory-disk.ts";

const origin = "log.test/witnessed";
const signer = testSigner(origin);
const logKey = noteKey(origin, 1, publicOf(signer.key));
const leaves = (n: number, mark = ""): Hash[] => Array.from({ length: n }, (_, i) => leafHash(Buffer.from(`${i >= 10 ? mark : ""}${i}`)));
const headOf = (tree: readonly Hash[]): string => signCheckpoint({ size: tree.length, root: rootOf(tree) }, signer);
const proofOf = (tree: readonly Hash[], first: number): Hash[] => consistencyRanges(first, tree.length).map(([from, to]) => rootOf(tree.slice(from, to)));

function newWitness(name = "witness.test/w1", memory = new MemoryDisk()): { witness: Witness; memory: MemoryDisk; store: WitnessStore } {
  const store = fileWitnessStore(memory.disk);
  return { witness: new Witness({ signer: testSigner(name), logs: [logKey], store, now: () => 1_800_000_000_500 }), memory, store };
}

describe("signed notes", () => {
  // golang.org/x/mod/sumdb/note, note_test.go.
  const peter = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
  const text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
  const note = `${text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;

  it("verify and sign as the reference implementation does", () => {
    const key = parseVerifierKey(peter);
    assert.deepEqual(signatureOf(parseNote(note), key), { seconds: 0 });
    assert.equal(verifierKey(key), peter);
    const secret = Buffer.from("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz", "base64").subarray(1);
    const privateKey = createPrivateKey({ key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), secret]), format: "der", type: "pkcs8" });
    assert.equal(signNote(text, { name: "PeterNeumann", key: privateKey }), note);
  });

  it("know the keys of witnesses, type 4, by their published form", () => {
    // github.com/transparency-dev/formats, note/note_cosigv1_test.go.
    const vkey = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";
    assert.equal(verifierKey(parseVerifierKey(vkey)), vkey);
    assert.equal(parseVerifierKey(vkey).type, 4);
  });

  it("refuse keys with a wrong id, another kind, or broken base64", async () => {
    for (const wrong of [peter.replace("c74f20a3", "c74f20a4"), peter.slice(0, -1), peter.replace("+AR", "+Ag"), "a b+c74f20a3+AR", "PeterNeumann", ""]) {
      assert.equal(await codeOf(() => parseVerifierKey(wrong)), "CHECKPOINT_FORMAT", wrong);
    }
  });

  it("are refused as a whole when a known key's signature is wrong, and unknown signers are passed over", async () => {
    const key = parseVerifierKey(peter);
    assert.equal(await codeOf(() => signatureOf(parseNote(note.replace("answer", "Answer")), key)), "CHECKPOINT_SIGNATURE");
    assert.isUndefined(signatureOf(parseNote(note), logKey));
    const two = `${note}${signNote(text, testSigner("other")).slice(text.length + 1)}`;
    assert.deepEqual(signatureOf(parseNote(two), key), { seconds: 0 });
  });

  it("are refused when they are not in form", async () => {
    const forms = [text, `${text}\n`, note.slice(0, -1), note.replace("— Peter", "- Peter"), note.replace("— PeterNeumann ", "— "), note.replace("x08go", "x08g!"), `${note}\t\n`,
      `${text}\n${"— a AAAAAAA=\n".repeat(65)}`, `\ud800${note}`];
    for (const wrong of forms) assert.equal(await codeOf(() => parseNote(wrong)), "CHECKPOINT_FORMAT", wrong.slice(-60));
  });
});

describe("checkpoints", () => {
  it("hold origin, size and root, in one spelling each", async () => {
    const root = toBase64(leafHash(Buffer.from("a")));
    assert.equal(parseCheckpoint(`${origin}\n12\n${root}\n`).size, 12);
    for (const wrong of [`${origin}\n012\n${root}\n`, `${origin}\n-1\n${root}\n`, `${origin}\n1e3\n${root}\n`, `${origin}\n12\n${root}`, `\n12\n${root}\n`, `${origin}\n12\n${root}\nextension\n`,
      `${origin}\n12\nAAAA\n`, `${origin}\n9007199254740993\n${root}\n`]) {
      assert.equal(await codeOf(() => parseCheckpoint(wrong)), "CHECKPOINT_FORMAT", wrong);
    }
  });

  it("count for the log whose key has signed them and whose origin they carry", async () => {
    const note = headOf(leaves(5));
    assert.equal(openCheckpoint(note, logKey).size, 5);
    assert.equal(await codeOf(() => openCheckpoint(note, noteKey(origin, 1, publicOf(testKey("other"))))), "CHECKPOINT_SIGNATURE");
    const elsewhere = signNote(note.slice(0, note.indexOf("\n\n") + 1).replace(origin, "log.test/else"), signer);
    assert.equal(await codeOf(() => openCheckpoint(elsewhere, logKey)), "CHECKPOINT_SIGNATURE");
    assert.equal(await codeOf(() => openCheckpoint(note, noteKey(origin, 4, publicOf(signer.key)))), "CHECKPOINT_SIGNATURE");
  });

  it("are co-signed over the header, the time and the body", () => {
    const note = headOf(leaves(5));
    const { text } = parseNote(note);
    const line = cosign(text, testSigner("w"), 1_679_315_147);
    const bytes = Buffer.from(line.split(" ")[2] ?? "", "base64");
    assert.equal(bytes.readBigUInt64BE(4), 1_679_315_147n);
    assert.deepEqual(bytes.subarray(12), sign(null, Buffer.from(`cosignature/v1\ntime 1679315147\n${text}`), testKey("w")));
    assert.deepEqual(signatureOf(parseNote(withSignatures(note, [line])), witnessKey("w")), { seconds: 1_679_315_147 });
  });

  it("meet a policy of k of n different witnesses, each counted once", async () => {
    const keys = ["w1", "w2", "w3"].map(witnessKey);
    const note = headOf(leaves(5));
    const { text } = parseNote(note);
    const lines = ["w1", "w3", "w4", "w1"].map((name, i) => cosign(text, testSigner(name), 100 + i));
    const parsed = parseNote(withSignatures(note, lines));
    assert.deepEqual(checkWitnesses(parsed, witnessPolicy(2, keys)), [{ name: "w1", seconds: 103 }, { name: "w3", seconds: 101 }]);
    assert.equal(await codeOf(() => checkWitnesses(parsed, witnessPolicy(3, keys))), "CHECKPOINT_WITNESSES");
    for (const wrong of [() => witnessPolicy(4, keys), () => witnessPolicy(1, [keys[0]!, keys[0]!]), () => witnessPolicy(1, [logKey]), () => witnessPolicy(-1, keys),
      () => witnessPolicy(2, [keys[0]!, noteKey("alias", 4, publicOf(testKey("w1")))])]) {
      assert.equal(await codeOf(wrong), "WITNESS_POLICY");
    }
  });
});

describe("a witness", () => {
  it("co-signs what continues the tree that it has seen, from the empty tree on", async () => {
    const { witness } = newWitness();
    const first = headOf(leaves(10));
    const line = await witness.add({ old: 0, proof: [], checkpoint: first });
    assert.deepEqual(signatureOf(parseNote(withSignatures(first, [line])), witnessKey("witness.test/w1")), { seconds: 1_800_000_000 });
    const tree = leaves(37);
    assert.match(await witness.add({ old: 10, proof: proofOf(tree, 10), checkpoint: headOf(tree) }), /^— witness\.test\/w1 /u);
    assert.match(await witness.add({ old: 37, proof: [], checkpoint: headOf(tree) }), /^— /u, "the same again");
  });

  it("says from which size it wants the proof", async () => {
    const { witness } = newWitness();
    await witness.add({ old: 0, proof: [], checkpoint: headOf(leaves(10)) });
    const tree = leaves(20);
    const error: unknown = await witness.add({ old: 5, proof: proofOf(tree, 5), checkpoint: headOf(tree) }).catch((e: unknown) => e);
    assert.deepInclude(error, { code: "WITNESS_OLD_SIZE", facts: { size: 10 } });
  });

  it("refuses a log that forks or goes back, also after a restart, and keeps both checkpoints", async () => {
    const { witness, memory } = newWitness();
    const seen = headOf(leaves(20));
    await witness.add({ old: 0, proof: [], checkpoint: seen });
    const forked = leaves(20, "other ");
    const longer = leaves(30, "other ");
    memory.loseUnsynced();
    const { witness: again } = newWitness("witness.test/w1", memory);
    for (const w of [witness, again]) {
      assert.equal(await codeOf(() => w.add({ old: 20, proof: [], checkpoint: headOf(forked) })), "WITNESS_FORKED");
      assert.equal(await codeOf(() => w.add({ old: 0, proof: [], checkpoint: headOf(forked) })), "WITNESS_FORKED");
      assert.equal(await codeOf(() => w.add({ old: 20, proof: proofOf(longer, 20), checkpoint: headOf(longer) })), "WITNESS_INCONSISTENT");
      assert.equal(await codeOf(() => w.add({ old: 12, proof: [], checkpoint: headOf(leaves(12)) })), "WITNESS_REWOUND");
    }
    const evidence = memory.files().filter((path) => path.startsWith("evidence/")).map((path) => JSON.parse(memory.bytes(path).toString()) as { seen: string; offered: string });
    assert.sameMembers(evidence.map((e) => e.offered), [headOf(forked), headOf(longer), headOf(leaves(12))]);
    for (const e of evidence) assert.equal(openCheckpoint(e.seen, logKey).size, 20);
  });

  it("refuses logs that it does not know and signatures that are not theirs", async () => {
    const { witness } = newWitness();
    const foreign = signCheckpoint({ size: 1, root: leafHash(Buffer.from("a")) }, testSigner("log.test/foreign"));
    assert.equal(await codeOf(() => witness.add({ old: 0, proof: [], checkpoint: foreign })), "WITNESS_UNKNOWN_LOG");
    const forged = signCheckpoint({ size: 1, root: leafHash(Buffer.from("a")) }, { name: origin, key: testKey("thief") });
    assert.equal(await codeOf(() => witness.add({ old: 0, proof: [], checkpoint: forged })), "CHECKPOINT_SIGNATURE");
  });

  it("signs nothing that it could not write down first", async () => {
    const { witness, memory } = newWitness();
    memory.fault = { call: 4, kind: "dead" };
    assert.equal(await codeOf(() => witness.add({ old: 0, proof: [], checkpoint: headOf(leaves(10)) })), "DISK_FAILED");
    memory.loseUnsynced();
    await witness.add({ old: 0, proof: [], checkpoint: headOf(leaves(9)) });
  });

  it("takes one request after the other, so that none makes it forget", async () => {
    const { witness } = newWitness();
    const requests = [30, 10, 20].map((n) => witness.add({ old: 0, proof: [], checkpoint: headOf(leaves(n)) }));
    const codes = await Promise.all(requests.map((request) => codeOf(() => request)));
    assert.deepEqual(codes, ["none", "WITNESS_REWOUND", "WITNESS_REWOUND"]);
  });

  it("understands the request's text, and no other", async () => {
    const tree = leaves(20);
    const request = { old: 7, proof: proofOf(tree, 7), checkpoint: headOf(tree) };
    const body = formatAddCheckpoint(request);
    assert.deepEqual(parseAddCheckpoint(body), request);
    for (const wrong of [body.replace("old 7", "old 07"), body.replace("old ", "new "), body.slice(10), "old 1", `old 1\n${"AAAA\n".repeat(64)}\nx`]) {
      assert.equal(await codeOf(() => parseAddCheckpoint(wrong)), "CHECKPOINT_FORMAT", wrong.slice(0, 30));
    }
  });

  it("works with the log's own proofs", async () => {
    const memory = new MemoryDisk();
    await createLog({ disk: memory.disk, signer });
    const log = await ReceiptLog.open({ disk: memory.disk, signer });
    const { witness } = newWitness();
    let seen = 0;
    for (const count of [3, 1, 300]) {
      await Promise.all(Array.from({ length: count }, (_, i) => log.append(Buffer.from(`e${i}`))));
      const line = await witness.add({ old: seen, proof: await log.consistency(seen), checkpoint: log.checkpoint });
      seen = log.size;
      await log.saveWitnessed(withSignatures(log.checkpoint, [line]));
    }
    assert.lengthOf(checkWitnesses(parseNote(log.witnessed ?? ""), witnessPolicy(1, [witnessKey("witness.test/w1")])), 1);
  });
});
