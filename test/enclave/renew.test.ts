// New certificates for an enclave that has enrolled: the same identity, a new key for TLS, nothing lost when it breaks off.
import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync } from "node:fs";
import { createPublicKey } from "node:crypto";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { writeDurably } from "../../core/files.ts";
import { partyId } from "../../core/names.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { enrol, renew } from "../../enclave/enrol.ts";
import { certificatesEnd, fingerprint, loadIdentity, type Identity } from "../../enclave/keys/identity.ts";
import { yunei } from "../cli/support.ts";
import { Client } from "../support/clients.ts";
import { temporaryFolder } from "../support/enclave.ts";
import { TestPlatform } from "../support/platform.ts";

const tax = partyId("tax");

describe("renewal of an enclave's certificates", () => {
  let platform: TestPlatform;
  let other: TestPlatform;
  const folder = temporaryFolder();
  const keyFolder = join(folder.path, "keys");
  before(async () => {
    [platform, other] = [await TestPlatform.start(), await TestPlatform.start()];
    await enrol({ url: url(), token: await platform.admin.createEnrolToken(tax), keyFolder });
  });
  after(async () => {
    await platform[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  const url = (): string => `https://127.0.0.1:${platform.apiPort}`;
  const renewed = (token: string, party = tax): Promise<string> =>
    renew({ url: url(), token, keyFolder, party }).then(() => "renewed", (error: unknown) => (error instanceof AppError ? error.code : String(error)));
  const statusOf = async ({ ca, tlsKey: key, tlsCertificate: cert }: Identity): Promise<number> => {
    await using client = new Client(platform.enclavePort, { ca, identity: { key, cert } });
    return (await client.get("/enclave/v1/parties")).status;
  };

  it("keeps the identity, replaces what TLS uses, and the old certificate is void", async () => {
    const old = loadIdentity(keyFolder, tax);
    assert.equal(await statusOf(old), 200);
    assert.equal(await renewed(await platform.admin.createEnrolToken(tax)), "renewed");
    const now = loadIdentity(keyFolder, tax);
    assert.equal(fingerprint(createPublicKey(now.signKey)), fingerprint(createPublicKey(old.signKey)));
    assert.notEqual(now.tlsKey, old.tlsKey);
    assert.notEqual(now.identityCertificate, old.identityCertificate);
    assert.isAtLeast(certificatesEnd(now), certificatesEnd(old));
    assert.deepEqual([await statusOf(old), await statusOf(now)], [401, 200]);
    assert.isFalse(existsSync(join(keyFolder, "renewal.json")));
  });

  it("gets the same certificates again when the answer could not be stored", async () => {
    const token = await platform.admin.createEnrolToken(tax);
    const certificate = join(keyFolder, "tls.pem");
    renameSync(certificate, `${certificate}.kept`);
    mkdirSync(certificate); // what is written there fails
    assert.notEqual(await renewed(token), "renewed");
    rmdirSync(certificate);
    renameSync(`${certificate}.kept`, certificate);
    assert.equal(await renewed(token), "renewed");
    assert.equal(await statusOf(loadIdentity(keyFolder, tax)), 200);
    assert.equal(await renewed(token), "ENROL_USED"); // done: what comes now is another request
    assert.equal(await statusOf(loadIdentity(keyFolder, tax)), 200);
  });

  it("makes its request anew from a damaged one", async () => {
    writeDurably(join(keyFolder, "renewal.json"), "{ torn");
    assert.equal(await renewed(await platform.admin.createEnrolToken(tax)), "renewed");
    assert.equal(await statusOf(loadIdentity(keyFolder, tax)), 200);
  });

  it("takes no token of another party, of another platform, or of a suspended party, and leaves its keys as they are", async () => {
    const old = readFileSync(join(keyFolder, "tls.pem"), "utf8");
    assert.equal(await renewed(await platform.admin.createEnrolToken(partyId("power"))), "ENROL_TOKEN");
    assert.equal(await renewed(await other.admin.createEnrolToken(tax)), "ENROL_TOKEN");
    assert.equal(await renewed("nonsense"), "ENROL_TOKEN");
    const spare = await platform.admin.createEnrolToken(tax);
    await platform.admin.suspendParty(tax);
    assert.equal(await renewed(spare), "AUTH_SUSPENDED");
    await platform.admin.resumeParty(tax);
    assert.equal(readFileSync(join(keyFolder, "tls.pem"), "utf8"), old);
    assert.equal(await renewed(spare), "renewed"); // the request that was kept
  });
});

describe("yunei enclave renew", () => {
  it("renews, says until when, and refuses a wrong token with its code", async () => {
    await using platform = await TestPlatform.start();
    using folder = temporaryFolder();
    const paths = enclavePaths(folder.path);
    const url = `https://127.0.0.1:${platform.apiPort}`;
    await enrol({ url, token: await platform.admin.createEnrolToken(tax), keyFolder: paths.keys });
    const config = { version: 1, party: "tax", platform: "https://127.0.0.1:1", dataFolder: folder.path, dataset: { name: "t", idColumn: "ent_id", idKind: "opaque", features: { file: "t.csv" }, columns: {} } };
    writeDurably(paths.config, JSON.stringify(config));
    const run = async (token: string) => yunei(["enclave", "renew", "--dir", folder.path, "--url", url, "--token", token, "--json"], folder.path);
    const old = loadIdentity(paths.keys, tax).tlsCertificate;
    const { status, out } = await run(await platform.admin.createEnrolToken(tax));
    assert.equal(status, 0, out);
    const said = JSON.parse(out) as { party: string; certificatesUntil: string };
    assert.deepEqual(said, { party: "tax", certificatesUntil: new Date(certificatesEnd(loadIdentity(paths.keys, tax))).toISOString() });
    assert.notEqual(loadIdentity(paths.keys, tax).tlsCertificate, old);
    const refused = await run(await platform.admin.createEnrolToken(partyId("power")));
    assert.equal((JSON.parse(refused.out) as { error: { code: string } }).error.code, "ENROL_TOKEN");
  });
});
