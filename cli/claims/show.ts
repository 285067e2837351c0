// Fields that a verification service asks about, for a person who reads or approves its plan.
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { AskedField } from "../../federation/verify/fields.ts";
import { verifyJobSchema } from "../../federation/verify/params.ts";
import type { Language } from "../terminal.ts";

/** clear: the provider sees what is claimed; blind: it does not. */
export function fieldLines(fields: readonly AskedField[], language: Language): string[] {
  const [clear, blind] = language === "zh" ? ["明文", "盲核验"] : ["clear", "blind"];
  const part = (word: string | undefined, kinds: readonly string[]): string => (kinds.length === 0 ? "" : `  ${word ?? ""}: ${kinds.join(" ")}`);
  return fields.map((asked) => `${asked.party}.${asked.field}${part(clear, asked.clear)}${part(blind, asked.blind)}`);
}

/** Of one provider, or of all; none for plans of other kinds, or with parameters that this version cannot read. */
export function askedFields({ kind, params }: Pick<JobPlan, "kind" | "params">, provider?: string): readonly AskedField[] {
  const parsed = kind === "verify" ? verifyJobSchema.safeParse(params) : undefined;
  return parsed?.success === true ? parsed.data.fields.filter(({ party }) => provider === undefined || party === provider) : [];
}
