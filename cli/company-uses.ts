// A company's look at its uses: a fresh key, a request to all enclaves through the platform, and the answers opened here.
import { join } from "node:path";
import { mkdirSync } from "node:fs";
import { z } from "zod";
import { subjectEndpoints } from "../api/contract/subject.ts";
import { usesAnswerSchema } from "../consent/uses-answer.ts";
import type { PartyId } from "../core/brand.ts";
import { isAppError } from "../core/errors.ts";
import { writeDurably } from "../core/files.ts";
import type { ApiClient } from "./api-client.ts";
import { createInstitutionKey, openSealed } from "./institution-key.ts";

/** One use; `file`: its receipt bundle for `yunei verify`, when the receipt is in the log. */
export type CompanyUse = {
  readonly party: string; readonly job: string; readonly grantee: string; readonly items: readonly string[]; readonly file: string | undefined;
  readonly at: string | undefined; readonly kind: string | undefined; readonly purpose: string | undefined;
};
export type Looked = { readonly id: string; readonly answered: readonly string[]; readonly unread: readonly string[]; readonly omitted: number; readonly uses: readonly CompanyUse[] };

const statement = z.looseObject({ at: z.string(), kind: z.string(), purpose: z.string() });
const pollMs = 500;

/** Waits `waitMs` for answers, or until all that were asked have answered, or as many as are wanted. Bundles are written to `out`. */
export async function lookAtUses(api: ApiClient, options: { waitMs: number; atLeast: number; out: string; say: (answered: number, asked: number) => void }): Promise<Looked> {
  const key = createInstitutionKey();
  const { id } = await api.call(subjectEndpoints.askUses, { body: { key: key.publicJwk.x } });
  const until = Date.now() + options.waitMs;
  let answers: readonly { readonly party: PartyId }[] = [];
  for (let told = -1; ; ) {
    const { asked, answers: now } = await api.call(subjectEndpoints.getUses, { params: { id } });
    answers = now;
    if (now.length > told) {
      told = now.length;
      options.say(told, asked);
    }
    if (now.length >= Math.min(options.atLeast, asked) || Date.now() >= until) break;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  mkdirSync(options.out, { recursive: true, mode: 0o700 });
  const uses: CompanyUse[] = [];
  const unread: string[] = [];
  let omitted = 0;
  for (const { party } of answers) {
    const text = await api.text(subjectEndpoints.getUsesAnswer, { params: { id, party } });
    const answer = usesAnswerSchema.safeParse(await opened(() => openSealed(text, key)));
    // Another party's answer, or one to another request, is none.
    if (!answer.success || answer.data.party !== party || answer.data.request !== id) {
      unread.push(party);
      continue;
    }
    omitted += answer.data.omitted;
    for (const [i, use] of answer.data.uses.entries()) uses.push(keep(use, `${party}-${use.job}-${i + 1}.json`, party, options.out));
  }
  return { id, answered: answers.map((a) => a.party), unread, omitted, uses };
}

function keep(use: z.output<typeof usesAnswerSchema>["uses"][number], name: string, party: string, out: string): CompanyUse {
  const { job, grantee, items, bundle } = use;
  const said = statement.safeParse(statementIn(bundle)).data;
  const hasBundle = typeof bundle === "object" && bundle !== null && /^[a-zA-Z0-9_.-]{1,120}$/.test(name);
  const file = hasBundle ? join(out, name) : undefined;
  if (file !== undefined) writeDurably(file, `${JSON.stringify(bundle)}\n`);
  return { party, job, grantee, items, file, at: said?.at, kind: said?.kind, purpose: said?.purpose };
}

/** What the receipt of a bundle says, for the list; `yunei verify` checks it. */
function statementIn(bundle: unknown): unknown {
  try {
    const receipt = String((bundle as { receipt?: unknown }).receipt);
    return JSON.parse(Buffer.from(receipt.split(".")[1] ?? "", "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}

async function opened(open: () => Promise<string>): Promise<unknown> {
  try {
    return JSON.parse(await open());
  } catch (error) {
    if (isAppError(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
