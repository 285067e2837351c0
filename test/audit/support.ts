// A log for tests: keys with certificates as the platform's authority gives them, and a disk in memory that fails where it is told to.
// First: the container inside @peculiar/x509 needs it.
import "reflect-metadata";
import { createPrivateKey, KeyObject, webcrypto } from "node:crypto";
import { cryptoProvider, Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { Authority, readRequest } from "../../api/pki/authority.ts";
import type { AuditDisk, AuditFile } from "../../audit/disk.ts";
import type { AuditEvent } from "../../audit/entry.ts";
import { signerName, type AuditSigner } from "../../audit/head.ts";
import { systemRng } from "../../core/rng.ts";

export type TestSigner = AuditSigner & { readonly ca: string };

export async function signerOf(domain: string): Promise<TestSigner> {
  cryptoProvider.set(webcrypto);
  const env = { rng: systemRng, now: Date.now };
  const authority = await Authority.open(await Authority.create("test CA", env), env);
  const keys = (await webcrypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"])) as unknown as webcrypto.CryptoKeyPair;
  const name = signerName(domain);
  const request = await Pkcs10CertificateRequestGenerator.create({ name: `CN=${name}`, keys, signingAlgorithm: { name: "Ed25519" } });
  const certificate = await authority.issueIdentity(name, await readRequest(request.toString("pem"), name, "identity"), 100);
  return { key: createPrivateKey(KeyObject.from(keys.privateKey).export({ format: "pem", type: "pkcs8" })), certificate, ca: authority.certificatePem };
}

/** dead: this call and all later ones fail; torn: a third of the write is there, then dead; once: only this call fails. */
export type Fault = { readonly call: number; readonly kind: "dead" | "torn" | "once" };

export class MemoryFolder {
  readonly files = new Map<string, Buffer>();
  fault: Fault | undefined;
  calls = 0;
  free = Infinity;

  readonly disk: AuditDisk = {
    list: () => this.#call(() => [...this.files.keys()]),
    read: (name, from = 0) => this.#read(name, from),
    size: (name) => this.#call(() => this.bytes(name).length),
    append: (name) => this.#call((): AuditFile => {
      if (!this.files.has(name)) this.files.set(name, Buffer.alloc(0));
      return {
        write: (bytes) => this.#call(() => {
          // A disk may take less than it is given.
          const taken = Math.max(1, Math.ceil(bytes.length * 0.7));
          this.#add(name, bytes.subarray(0, taken));
          return taken;
        }, () => this.#add(name, bytes.subarray(0, Math.floor(bytes.length / 3)))),
        close: () => Promise.resolve(),
      };
    }),
    truncate: (name, bytes) => this.#call(() => void this.files.set(name, this.bytes(name).subarray(0, bytes))),
    remove: (name) => this.#call(() => void this.files.delete(name)),
    put: (name, text) => this.#call(() => void this.files.set(name, Buffer.from(text))),
    free: () => Promise.resolve(this.free),
  };

  bytes(name: string): Buffer {
    return this.files.get(name) ?? Buffer.alloc(0);
  }
  text(): string {
    return this.segments().map((name) => this.bytes(name).toString("utf8")).join("");
  }
  segments(): string[] {
    return [...this.files.keys()].filter((name) => name.endsWith(".ndjson")).sort();
  }

  #add(name: string, bytes: Uint8Array): void {
    this.files.set(name, Buffer.concat([this.bytes(name), bytes]));
  }

  async *#read(name: string, from: number): AsyncGenerator<Uint8Array> {
    const bytes = await this.#call(() => {
      const found = this.files.get(name);
      if (found === undefined) throw new Error("ENOENT");
      return found.subarray(from);
    });
    for (let at = 0; at < bytes.length; at += 1000) yield new Uint8Array(bytes.subarray(at, at + 1000));
  }

  async #call<T>(work: () => T, torn: () => void = () => {}): Promise<T> {
    await Promise.resolve();
    this.calls++;
    const { fault } = this;
    if (fault !== undefined && (this.calls === fault.call || (fault.kind !== "once" && this.calls > fault.call))) {
      if (this.calls === fault.call && fault.kind === "torn") torn();
      throw new Error("ENOSPC");
    }
    return work();
  }

  /** The fault is over; a new process uses the disk. */
  repair(): void {
    this.fault = undefined;
    this.calls = 0;
  }
}

export const eventOf = (n: number): AuditEvent => ({ actor: { role: "institution", id: "inst_0" }, action: "request", route: "GET /v1/jobs/:id", objects: { job: `job_${n}` }, facts: { n } });
