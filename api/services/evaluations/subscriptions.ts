// What institutions asked for of evaluations, and as it stands in the plan of a run.
import { AppError } from "../../../core/errors.ts";
import { bases, type Basis, type Card } from "../../../evaluation/load.ts";
import { needsAll } from "../../../evaluation/pushes.ts";
import { mostPushes, publishedCards, type PlannedPush } from "../../../federation/evaluate/params.ts";
import type { z } from "zod";
import type { evaluationEndpoints as e, EvaluationSubscriptionView } from "../../contract/evaluations.ts";
import type { InstitutionCaller } from "../../http/route.ts";
import type { Platform } from "../../platform.ts";
import { nextChange } from "../../store/database.ts";
import { addSubscription, endSubscription, listSubscriptions, type SubscriptionRow } from "../../store/evaluations.ts";
import { listInstitutions } from "../../store/parties.ts";

const listed = 200;
const mostActive = 50;

/** On which bases it gets rows by the built-in scorecard: the purpose has to need every item of that card, and a filter by section is for authorised companies alone. */
function basesOf(subscription: Pick<SubscriptionRow, "purpose" | "sectors">): Basis[] {
  return bases.filter((basis) => isFor(subscription, publishedCards[basis]));
}
function isFor({ purpose, sectors }: Pick<SubscriptionRow, "purpose" | "sectors">, card: Card): boolean {
  return needsAll(purpose, card) && (card.basis === "full" || sectors === "all");
}

function viewOf({ institution: _institution, ...row }: SubscriptionRow): EvaluationSubscriptionView {
  return { ...row, bases: basesOf(row) };
}

/** Throws CATALOGUE_UNNECESSARY for a purpose that needs no evaluation, EVALUATION_SUBSCRIPTION for a name that is taken, SUBSCRIPTION_LIMIT, also when all institutions
 *  together have as many as a run takes. */
export async function subscribe({ db, env }: Platform, { institution }: InstitutionCaller, given: z.output<typeof e.subscribeEvaluations.body>): Promise<EvaluationSubscriptionView> {
  if (basesOf(given).length === 0) throw new AppError("CATALOGUE_UNNECESSARY", {});
  const id = `esub_${Buffer.from(env.rng(12)).toString("hex")}`;
  return db.write(async (tx) => {
    await nextChange(tx);
    const active = await listSubscriptions(tx, { institution, state: "active" }, mostActive + 1);
    if (active.some((s) => s.name === given.name)) throw new AppError("EVALUATION_SUBSCRIPTION", { problems: 1 });
    if (active.length >= mostActive) throw new AppError("SUBSCRIPTION_LIMIT", { limit: mostActive });
    // A run takes no more: one beyond it would be left out of every run without a word.
    if ((await listSubscriptions(tx, { state: "active" }, mostPushes)).length >= mostPushes) throw new AppError("SUBSCRIPTION_LIMIT", { limit: mostPushes });
    return viewOf(await addSubscription(tx, { id, institution, ...given }, new Date(env.now())));
  });
}

export async function subscriptionsOf({ db }: Platform, { institution }: InstitutionCaller): Promise<EvaluationSubscriptionView[]> {
  return (await listSubscriptions(db.read, { institution }, listed)).map(viewOf);
}

/** Ending an ended one changes nothing. Throws SUBSCRIPTION_NOT_FOUND. */
export async function unsubscribe({ db, env }: Platform, { institution }: InstitutionCaller, id: string): Promise<EvaluationSubscriptionView> {
  const row = await db.write((tx) => endSubscription(tx, id, institution, new Date(env.now())));
  if (row === undefined) throw new AppError("SUBSCRIPTION_NOT_FOUND");
  return viewOf(row);
}

/** The subscriptions that a run by this scorecard answers, with the key of each institution that is let in now. */
export async function plannedPushes({ db }: Platform, card: Card): Promise<PlannedPush[]> {
  const institutions = new Map((await listInstitutions(db.read)).filter((i) => i.state === "active").map((i) => [i.id, i]));
  const active = (await listSubscriptions(db.read, { state: "active" }, mostPushes)).filter((s) => isFor(s, card));
  return active.flatMap(({ institution, name, purpose, provinces, sectors, grades }) => {
    const known = institutions.get(institution);
    if (known === undefined) return [];
    const { x } = JSON.parse(known.sealTo) as { x: string };
    return [{ institution: known.party as PlannedPush["institution"], name, purpose, provinces, sectors, grades, sealTo: x }];
  }).sort((a, b) => (`${a.institution} ${a.name}` < `${b.institution} ${b.name}` ? -1 : 1));
}
