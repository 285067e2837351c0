// Consents that companies gave to this party, as it shows them to providers. Sealed at rest under a keyed hash of the company: the state
// database names nobody. Nothing is believed of them here but what they say: whoever relies on one verifies it.
import { createHash, createHmac } from "node:crypto";
import { createReadStream, existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { isAppError } from "../../core/errors.ts";
import { parseConsent, type Consent } from "../../consent/statement.ts";
import type { SecretBox } from "../keys/box.ts";
import type { StateDatabase } from "../store/database.ts";

export type Held = { readonly jws: string; readonly digest: Uint8Array; readonly consent: Consent };
const atATime = 256;

export class ConsentStore {
  readonly #db: StateDatabase;
  readonly #box: SecretBox;
  readonly #key: Uint8Array;

  constructor(options: { db: StateDatabase; box: SecretBox; memoryKey: Uint8Array }) {
    this.#db = options.db;
    this.#box = options.box;
    this.#key = options.memoryKey;
  }

  /** Keeps texts that can be read as consents; the same again changes nothing. Returns how many could not be read. */
  async add(texts: readonly string[]): Promise<number> {
    let unreadable = 0;
    for (let from = 0; from < texts.length; from += atATime) {
      const rows = texts.slice(from, from + atATime).flatMap((jws) => {
        const consent = readConsent(jws);
        if (consent === undefined) unreadable += 1;
        return consent === undefined ? [] : [{ jws, consent }];
      });
      this.#db.transaction(() => {
        for (const { jws, consent } of rows) {
          const digest = digestOf(jws);
          if (this.#db.get("select 1 as x from consents where digest = ?", digest) !== undefined) continue;
          const until = Math.floor(Date.parse(consent.notAfter) / 1000);
          this.#db.run("insert into consents values (?, ?, ?, ?)", digest, this.#hash(consent.subject), this.#box.seal(Buffer.from(jws)), until);
        }
      });
      await setImmediate();
    }
    return unreadable;
  }

  /** Reads `*.jws` of a folder, one consent per line, those files that changed since. Returns how many lines could not be read. */
  async addFolder(folder: string): Promise<number> {
    if (!existsSync(folder)) return 0;
    let unreadable = 0;
    for (const name of readdirSync(folder).filter((n) => n.endsWith(".jws")).sort()) {
      const path = join(folder, name);
      const { size, mtimeMs } = statSync(path);
      const stamp = `${size}:${mtimeMs}`;
      if (this.#meta(`consents|${name}`) === stamp) continue;
      let lines: string[] = [];
      for await (const line of createInterface({ input: createReadStream(path, "latin1"), crlfDelay: Infinity })) {
        if (line.trim() !== "") lines.push(line.trim());
        if (lines.length < atATime) continue;
        unreadable += await this.add(lines);
        lines = [];
      }
      unreadable += await this.add(lines);
      this.#setMeta(`consents|${name}`, stamp);
    }
    return unreadable;
  }

  /** Number of the last consent that came from the platform. */
  get cursor(): number {
    return Number(this.#meta("consents-next") ?? 0);
  }
  set cursor(next: number) {
    this.#setMeta("consents-next", String(next));
  }

  /** Number of the last consent of another feed; 0 at first. */
  placeOf(feed: string): number {
    return Number(this.#meta(`consents-next|${feed}`) ?? 0);
  }
  setPlaceOf(feed: string, next: number): void {
    this.#setMeta(`consents-next|${feed}`, String(next));
  }

  of(subject: string): Held[] {
    return this.#db.all("select digest, sealed from consents where subject = ?", this.#hash(subject)).flatMap((row) => {
      const jws = Buffer.from(this.#box.open(row["sealed"] as Uint8Array)).toString("latin1");
      const consent = readConsent(jws);
      // The hash is short: another company's is passed over.
      return consent?.subject === subject ? [{ jws, digest: row["digest"] as Uint8Array, consent }] : [];
    });
  }

  /** The text with this digest, or undefined. */
  text(digest: Uint8Array): string | undefined {
    const sealed = this.#db.get("select sealed from consents where digest = ?", digest)?.["sealed"];
    return sealed instanceof Uint8Array ? Buffer.from(this.#box.open(sealed)).toString("latin1") : undefined;
  }

  /** Removes those that ended before `before` (ms). */
  sweep(before: number): void {
    this.#db.run("delete from consents where until < ?", Math.floor(before / 1000));
  }

  #hash(subject: string): Uint8Array {
    return new Uint8Array(createHmac("sha256", this.#key).update(`yunei/consent-subject/v1|${subject}`).digest().subarray(0, 16));
  }
  #meta(key: string): string | undefined {
    const value = this.#db.get("select value from meta where key = ?", key)?.["value"];
    return typeof value === "string" ? value : undefined;
  }
  #setMeta(key: string, value: string): void {
    this.#db.run("insert or replace into meta values (?, ?)", key, value);
  }
}

function digestOf(jws: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(jws).digest());
}

function readConsent(jws: string): Consent | undefined {
  try {
    return parseConsent(jws).consent;
  } catch (error) {
    if (isAppError(error)) return undefined;
    throw error;
  }
}
