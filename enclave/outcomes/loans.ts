// Loans whose outcomes came back, as they lie in the bank's enclave: under a keyed hash of the loan, everything else sealed. The state database names
// neither loan nor company.
import { createHmac } from "node:crypto";
import { z } from "zod";
import { AppError } from "../../core/errors.ts";
import type { SecretBox } from "../keys/box.ts";
import type { StateDatabase } from "../store/database.ts";

const loanSchema = z.strictObject({
  company: z.string().optional(),
  /** Month number. */
  originated: z.int(),
  amount: z.number().optional(),
  /** Digest of the model version and the probability of bad that it gave. from: the bank's own row, or where the enclave found it. */
  model: z.string().optional(),
  score: z.number().optional(),
  from: z.enum(["row", "service", "batch"]).optional(),
  /** An application that was turned down: no loan, and no history. */
  rejected: z.literal(true).optional(),
  /** base64 of one byte a month on book (models/outcomes/book.ts). */
  history: z.string(),
});
export type KeptLoan = Omit<z.output<typeof loanSchema>, "history"> & { readonly history: Uint8Array };
export type LoanKey = Uint8Array;

export class LoanStore {
  readonly #db: StateDatabase;
  readonly #box: SecretBox;
  readonly #memoryKey: Uint8Array;

  constructor(options: { readonly db: StateDatabase; readonly box: SecretBox; readonly memoryKey: Uint8Array }) {
    this.#db = options.db;
    this.#box = options.box;
    this.#memoryKey = options.memoryKey;
  }

  keyOf(loan: string): LoanKey {
    return new Uint8Array(createHmac("sha256", this.#memoryKey).update(`yunei/loan/v1|${loan}`).digest().subarray(0, 16));
  }

  get(key: LoanKey): KeptLoan | undefined {
    const sealed = this.#db.get("select sealed from outcome_loans where loan = ?", key)?.["sealed"];
    return sealed instanceof Uint8Array ? this.#open(sealed) : undefined;
  }

  /** Within a transaction of the caller. */
  put(key: LoanKey, { history, ...loan }: KeptLoan): void {
    const sealed = this.#box.seal(Buffer.from(JSON.stringify({ ...loan, history: Buffer.from(history).toString("base64") })));
    this.#db.run("insert or replace into outcome_loans values (?, ?)", key, sealed);
  }

  /** In the order of their keys, a page at a time: writing while one reads is fine. */
  *all(): Generator<{ readonly key: LoanKey; readonly loan: KeptLoan }> {
    let after: Uint8Array = new Uint8Array(0);
    for (;;) {
      const page = this.#db.all("select loan, sealed from outcome_loans where loan > ? order by loan limit 1000", after);
      for (const { loan: key, sealed } of page) if (key instanceof Uint8Array && sealed instanceof Uint8Array) yield { key, loan: this.#open(sealed) };
      const last = page.at(-1)?.["loan"];
      if (!(last instanceof Uint8Array)) return;
      after = last;
    }
  }

  get count(): number {
    return Number(this.#db.get("select count(*) as n from outcome_loans")?.["n"] ?? 0);
  }

  #open(sealed: Uint8Array): KeptLoan {
    const parsed = loanSchema.safeParse(JSON.parse(Buffer.from(this.#box.open(sealed)).toString("utf8")));
    if (!parsed.success) throw new AppError("ENCLAVE_STATE");
    return { ...parsed.data, history: new Uint8Array(Buffer.from(parsed.data.history, "base64")) };
  }
}
