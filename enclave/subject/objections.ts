// Objections (异议申诉, 信用修复) at this enclave: those that its operator decides, and those that mark an item whose scores it makes. They name
// companies, so that they lie sealed in the state database. The operator's command writes the decision; this brings it to the platform.
import { z } from "zod";
import { answerSchema, objectionNoticeSchema, type ObjectionAnswer, type ObjectionNotice } from "../../api/contract/subject.ts";
import type { PartyId } from "../../core/brand.ts";
import type { Env } from "../../core/env.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import type { SecretBox } from "../keys/box.ts";
import type { StateDatabase } from "../store/database.ts";
import { reach } from "../transport/reach.ts";
import type { SubjectPlatform } from "../transport/subject.ts";

/** Short: an answer that the operator has just given waits for it. */
const waitSeconds = 3;
/** While an objection stands here, scores that rest on the item are marked. unconfirmed: the dispute stays on record. */
const marked: ReadonlySet<string> = new Set(["accepted", "examining", "unconfirmed"]);
const decidable: ReadonlySet<string> = new Set(["accepted", "examining"]);

export type KeptObjection = ObjectionNotice & { readonly answer: ObjectionAnswer | undefined; /** Code of the platform's refusal of the answer. */ readonly refused: string | undefined };

export class ObjectionBook {
  readonly #db: StateDatabase;
  readonly #box: SecretBox;

  constructor(options: { db: StateDatabase; box: SecretBox }) {
    this.#db = options.db;
    this.#box = options.box;
  }

  /** The last change that was kept. */
  get cursor(): number {
    return Number(this.#db.get("select max(change) as last from objections")?.["last"] ?? 0);
  }

  /** Keeps what is new; of one objection and role the latest. Durable on return. */
  keep(notices: readonly ObjectionNotice[]): void {
    this.#db.transaction(() => {
      for (const notice of notices) {
        const sealed = this.#box.seal(Buffer.from(JSON.stringify(notice)));
        this.#db.run(
          "insert into objections (id, role, change, sealed) values (?, ?, ?, ?) on conflict (id, role) do update set change = excluded.change, sealed = excluded.sealed where excluded.change >= change",
          notice.id, notice.role, notice.change, sealed,
        );
      }
    });
  }

  /** Latest change first. */
  list(): KeptObjection[] {
    return this.#db.all("select sealed, answer, refused from objections order by change desc, id").map((row) => this.#read(row));
  }

  /** One that this party decides. Throws OBJECTION_NOT_FOUND. */
  toDecide(id: string): KeptObjection {
    const row = this.#db.get("select sealed, answer, refused from objections where id = ? and role = 'decide'", id);
    if (row === undefined) throw new AppError("OBJECTION_NOT_FOUND");
    return this.#read(row);
  }

  /** The operator's decision. Throws OBJECTION_NOT_FOUND, OBJECTION_STATE when it has ended or was decided otherwise. */
  decide(id: string, answer: ObjectionAnswer): void {
    const kept = this.toDecide(id);
    if (kept.answer !== undefined && isSame(kept.answer, answer)) return;
    if ((kept.answer !== undefined && kept.refused === undefined) || !decidable.has(kept.state)) throw new AppError("OBJECTION_STATE");
    this.#db.run("update objections set answer = ?, sent = 0, refused = null where id = ? and role = 'decide'", JSON.stringify(answerSchema.parse(answer)), id);
  }

  /** Decisions that the platform has not heard. */
  unsent(): { readonly id: string; readonly answer: ObjectionAnswer }[] {
    return this.#db.all("select id, answer from objections where answer is not null and sent = 0 order by change")
      .map((row) => ({ id: String(row["id"]), answer: answerSchema.parse(JSON.parse(String(row["answer"]))) }));
  }

  sent(id: string, refused?: string): void {
    this.#db.run("update objections set sent = 1, refused = ? where id = ? and role = 'decide'", refused ?? null, id);
  }

  /** By company: the items of these providers that are under objection, and "score" where the own score is. */
  marks(providers: readonly PartyId[]): ReadonlyMap<string, readonly string[]> {
    const found = new Map<string, Set<string>>();
    for (const { subject, item, party, state, target } of this.list()) {
      const what = target === "score" ? "score" : providers.includes(party) ? item : null;
      if (!marked.has(state) || what === null) continue;
      found.set(subject, (found.get(subject) ?? new Set()).add(what));
    }
    return new Map([...found].map(([subject, items]) => [subject, [...items].sort()]));
  }

  #read(row: Readonly<Record<string, unknown>>): KeptObjection {
    const notice = objectionNoticeSchema.parse(JSON.parse(Buffer.from(this.#box.open(row["sealed"] as Uint8Array)).toString("utf8")));
    const answer = typeof row["answer"] === "string" ? answerSchema.parse(JSON.parse(row["answer"])) : undefined;
    return { ...notice, answer, refused: z.string().safeParse(row["refused"]).data };
  }
}

/** Who has used the item may have grown meanwhile; the decision is the same. */
function isSame(a: ObjectionAnswer, b: ObjectionAnswer): boolean {
  return a.outcome === b.outcome && a.reason === b.reason && a.reply === b.reply;
}

export type Following = {
  readonly book: ObjectionBook; readonly platform: SubjectPlatform; readonly env: Env;
  /** Marks scores that were made before; may be called again with the same. */
  readonly mark: (notice: ObjectionNotice) => Promise<void>;
};

/** Follows the platform's news and brings decisions to it, until the signal aborts. */
export async function followObjections(parts: Following, signal: AbortSignal): Promise<void> {
  const { book, platform, env } = parts;
  while (!signal.aborted) {
    for (const { id, answer } of book.unsent()) await send(parts, id, answer, signal);
    const { notices } = await reach(() => platform.objections(book.cursor, waitSeconds, signal), { signal, log: env.log });
    if (notices.length === 0) continue;
    const toMark = notices.filter(({ role, target }) => role === "mark" || target === "score");
    // Before they are kept: what is cut off here is told again. And after: scores that were just being made did not know of it.
    for (const notice of toMark) await parts.mark(notice);
    book.keep(notices);
    for (const notice of toMark) await parts.mark(notice);
    env.log.info("objections", { changed: notices.length });
  }
}

async function send({ book, platform, env }: Following, id: string, answer: ObjectionAnswer, signal: AbortSignal): Promise<void> {
  try {
    await reach(() => platform.answerObjection(id, answer, signal), { signal, log: env.log });
    book.sent(id);
    env.log.info("objection-answered", { outcome: answer.outcome });
  } catch (error) {
    if (signal.aborted || !isAppError(error)) throw error;
    // It has ended meanwhile: the operator sees it in the list.
    book.sent(id, error.code);
    env.log.warn("objection-not-answered", { code: error.code });
  }
}
