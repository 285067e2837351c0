// How often each consent was used at this enclave, in its state database: claims are durable before anything leaves.
import type { Use, UseBook, UseVerdict } from "../../consent/uses.ts";
import type { StateDatabase } from "../store/database.ts";

/** The book of consent/README.md. A consent is the 32 bytes of its digest: the database names nobody. */
export class StateUseBook implements UseBook {
  readonly #db: StateDatabase;

  constructor(db: StateDatabase) {
    this.#db = db;
  }

  claim(uses: readonly Use[]): readonly UseVerdict[] {
    return this.#db.transaction(() => uses.map((use) => {
      const verdict = this.#verdict(use);
      if (verdict === "claimed") this.#db.run("insert into consent_uses values (?, ?, ?, ?, ?)", bytesOf(use.consent), use.job, use.plan, use.at, use.until);
      return verdict;
    }));
  }

  foresee(uses: readonly Use[]): readonly UseVerdict[] {
    return uses.map((use) => this.#verdict(use));
  }

  count(consent: string): number {
    return Number(this.#db.get("select count(*) as n from consent_uses where consent = ?", bytesOf(consent))?.["n"] ?? 0);
  }

  forget(before: number): number {
    // What a job claimed is kept as long as any use of the same consent may still count.
    const over = this.#db.all("select consent from consent_uses group by consent having max(until) < ?", before);
    for (const { consent } of over) this.#db.run("delete from consent_uses where consent = ?", consent as Uint8Array);
    return over.length;
  }

  #verdict({ consent, job, plan, atMost }: Use): UseVerdict {
    const known = this.#db.get("select plan from consent_uses where consent = ? and job = ?", bytesOf(consent), job)?.["plan"];
    if (known !== undefined) return known === plan ? "again" : "conflict";
    return atMost !== undefined && this.count(consent) >= atMost ? "used-up" : "claimed";
  }
}

function bytesOf(digest: string): Uint8Array {
  return new Uint8Array(Buffer.from(digest, "hex"));
}
