// The life of the versions of a deployment as a pure machine: (state, event) -> state. Asking for a change and reading the record back take the same
// way through `afterEvent`, so a record that breaks a rule, misses an event or was altered is refused on reading.
import { AppError } from "../../core/errors.ts";
import { digestOf } from "../../core/canonical.ts";
import { changeRequestSchema, registryEventSchema, type Change, type ChangeRequest, type Evaluation, type RegistryEvent, type RegistryPolicy, type VersionState } from "./events.ts";
import { resized, slotCount, type SlotRange } from "./slots.ts";

const day = 86_400_000;
export const noEvent = "0".repeat(64);
export const limits = { versions: 1_000, shadows: 4, canaries: 1, challengers: 3, evaluations: 8, predecessors: 8 } as const;

export type ModelVersion = {
  readonly version: number;
  readonly model: string;
  readonly inputs: string;
  readonly state: VersionState;
  /** Of canaries and challengers; empty for all others. */
  readonly slots: readonly SlotRange[];
  /** The last ones, newest last. */
  readonly evaluations: readonly Evaluation[];
  readonly registeredAt: number;
  readonly changedAt: number;
  readonly retiredAt: number | null;
};
export type Deployment = {
  readonly name: string;
  readonly revision: number;
  /** Digest of the last event. */
  readonly head: string;
  readonly changedAt: number;
  readonly policy: RegistryPolicy;
  readonly versions: readonly ModelVersion[];
  readonly champion: number | null;
  /** Champions before this one to which one may go back, the latest last. */
  readonly predecessors: readonly number[];
};
type Body = Omit<Deployment, "revision" | "head" | "changedAt">;

export function shareOf(version: ModelVersion): number {
  return slotCount(version.slots);
}

/** Throws SERVING_UNKNOWN. */
export function versionOf({ versions }: Pick<Deployment, "versions">, version: number): ModelVersion {
  const found = versions[version - 1];
  if (found === undefined) throw new AppError("SERVING_UNKNOWN");
  return found;
}

/** The event that a request leads to, and the state after it. `state`: undefined when there is no such deployment. Throws SERVING_COMMAND, SERVING_UNKNOWN,
 *  SERVING_EXISTS, SERVING_CONFLICT, and the code of the rule that forbids it; nothing changes then. */
export function decide(state: Deployment | undefined, request: ChangeRequest, now: number): { readonly event: RegistryEvent; readonly state: Deployment } {
  const parsed = changeRequestSchema.safeParse(request);
  if (!parsed.success) throw new AppError("SERVING_COMMAND", { problems: parsed.error.issues.length });
  const { deployment, expected, by, approvedBy, reason, change } = parsed.data;
  if (change.type === "create" ? state !== undefined : state === undefined) throw new AppError(change.type === "create" ? "SERVING_EXISTS" : "SERVING_UNKNOWN");
  const revision = state?.revision ?? 0;
  if (expected !== revision) throw new AppError("SERVING_CONFLICT", { expected, revision });
  const about = aboutOf(state, change);
  const event: RegistryEvent = {
    // A clock that was set back does not turn the order of the record round.
    deployment, revision: revision + 1, at: Math.max(now, state?.changedAt ?? 0), by, ...(approvedBy !== undefined && { approvedBy }), reason,
    model: about.model, evaluation: about.evaluation, change, previous: state?.head ?? noEvent,
  };
  return { event, state: afterEvent(state, event) };
}

/** The state after all events. Throws SERVING_HISTORY, with the revision, for what does not fit. */
export function replay(events: Iterable<unknown>): Deployment | undefined {
  let state: Deployment | undefined;
  for (const event of events) {
    const parsed = registryEventSchema.safeParse(event);
    if (!parsed.success) throw damaged(state);
    try {
      state = afterEvent(state, parsed.data);
    } catch (cause) {
      throw damaged(state, { cause });
    }
  }
  return state;
}

/** Throws SERVING_HISTORY where the event does not follow the state, and the code of the rule that it breaks. */
export function afterEvent(state: Deployment | undefined, event: RegistryEvent): Deployment {
  const { change } = event;
  const follows = event.revision === (state?.revision ?? 0) + 1 && event.previous === (state?.head ?? noEvent) && event.at >= (state?.changedAt ?? 0)
    && (state === undefined || state.name === event.deployment) && (change.type === "create") === (state === undefined);
  if (!follows) throw damaged(state);
  const about = aboutOf(state, change);
  if (about.model !== event.model || about.evaluation !== event.evaluation) throw damaged(state);
  const before: Body = state ?? { name: event.deployment, policy: (change as Extract<Change, { type: "create" }>).policy, versions: [], champion: null, predecessors: [] };
  if (before.policy.twoPersons && needsTwo(change, before) && (event.approvedBy === undefined || event.approvedBy === event.by)) throw new AppError("SERVING_TWO_PERSONS");
  const { name, policy, versions, champion, predecessors } = changed(before, change, event.at);
  return { name, policy, versions, champion, predecessors, revision: event.revision, head: digestOf(event), changedAt: event.at };
}

function damaged(state: Deployment | undefined, options?: ErrorOptions): AppError {
  return new AppError("SERVING_HISTORY", { revision: (state?.revision ?? 0) + 1 }, options);
}

/** What changes the answers to requests, or who may change them. Shadow scores answer nobody; going back and switching off must not wait. */
export function needsTwo(change: Change, state: Pick<Deployment, "versions" | "predecessors"> | undefined): boolean {
  const { type } = change;
  // A version on the way back answers as soon as one person says so.
  if (type === "stand") return state !== undefined && (answering.has(versionOf(state, change.version).state) || state.predecessors.includes(change.version));
  return type === "configure" || type === "canary" || type === "challenger" || type === "promote";
}
const answering: ReadonlySet<VersionState> = new Set(["canary", "challenger", "champion"]);

function aboutOf(state: Deployment | undefined, change: Change): { readonly model: string | null; readonly evaluation: string | null } {
  if (change.type === "register") return { model: change.model, evaluation: null };
  const number = "version" in change ? change.version : change.type === "rollback" ? state?.predecessors.at(-1) : undefined;
  if (state === undefined || number === undefined) return { model: null, evaluation: null };
  const found = versionOf(state, number);
  const evaluation = change.type === "evaluate" ? change.evaluation : found.evaluations.at(-1);
  return { model: found.model, evaluation: evaluation?.digest ?? null };
}

function changed(body: Body, change: Change, at: number): Body {
  switch (change.type) {
    case "create":
      return body;
    case "configure":
      return { ...body, policy: change.policy };
    case "register":
      return registered(body, change, at);
    case "evaluate":
      return evaluated(body, change.version, change.evaluation, at);
    case "shadow":
      return shadowed(body, change.version, at);
    case "canary":
      return shared(body, change.version, "canary", change.share, at);
    case "challenger":
      return shared(body, change.version, "challenger", change.share, at);
    case "promote":
      return promoted(body, change.version, at);
    case "demote":
      return demoted(body, change.version, at);
    case "rollback":
      return rolledBack(body, at);
    case "retire":
      return retired(body, change.version, at);
    case "reinstate":
      return reinstated(body, change.version, at);
    case "stand":
      return body;
    default:
      return change satisfies never;
  }
}

function registered(body: Body, { model, inputs }: Extract<Change, { type: "register" }>, at: number): Body {
  const same = body.versions.find((v) => v.model === model);
  if (same !== undefined) throw new AppError("SERVING_DUPLICATE_MODEL", { version: same.version });
  if (body.versions.length >= limits.versions) throw new AppError("SERVING_LIMIT", { most: limits.versions });
  const added: ModelVersion = {
    version: body.versions.length + 1, model, inputs, state: "candidate", slots: [], evaluations: [], registeredAt: at, changedAt: at, retiredAt: null,
  };
  return { ...body, versions: [...body.versions, added] };
}

function evaluated(body: Body, number: number, evaluation: Evaluation, at: number): Body {
  const version = versionOf(body, number);
  if (evaluation.model !== version.model || evaluation.at > at) throw new AppError("SERVING_EVALUATION");
  return replaced(body, { ...version, evaluations: [...version.evaluations, evaluation].slice(-limits.evaluations) });
}

/** The last evaluation decides: one that failed undoes one that passed before it. */
function mustBeEvaluated({ policy }: Body, { evaluations, model, retiredAt }: ModelVersion, at: number): void {
  const last = evaluations.at(-1);
  const holds = last !== undefined && last.passed && last.model === model && at - last.at <= policy.maxEvaluationAgeDays * day && (retiredAt === null || last.at > retiredAt);
  if (!holds) throw new AppError("SERVING_EVALUATION");
}

function shadowed(body: Body, number: number, at: number): Body {
  const version = versionOf(body, number);
  if (version.state !== "candidate") throw new AppError("SERVING_STATE");
  // Shadow scores answer nobody, but they too use companies' data.
  mustBeEvaluated(body, version, at);
  return within(replaced(body, { ...version, state: "shadow", changedAt: at }), "shadow", limits.shadows);
}

function shared(body: Body, number: number, state: "canary" | "challenger", share: number, at: number): Body {
  const version = versionOf(body, number);
  if (!["shadow", "canary", "challenger"].includes(version.state) || body.champion === null) throw new AppError("SERVING_STATE");
  // Less of what is there already needs no fresh evaluation.
  if (version.state !== state || share > shareOf(version)) mustBeEvaluated(body, version, at);
  const taken = body.versions.filter((v) => v.version !== number).flatMap((v) => v.slots);
  const total = slotCount(taken) + share;
  if (total > body.policy.maxShare && share > shareOf(version)) throw new AppError("SERVING_SHARE", { asked: total, most: body.policy.maxShare });
  const next = replaced(body, { ...version, state, slots: resized(version.slots, share, taken, version.model), changedAt: at });
  return within(within(next, "canary", limits.canaries), "challenger", limits.challengers);
}

function within(body: Body, state: VersionState, most: number): Body {
  if (body.versions.filter((v) => v.state === state).length > most) throw new AppError("SERVING_LIMIT", { most });
  return body;
}

function promoted(body: Body, number: number, at: number): Body {
  const version = versionOf(body, number);
  // The first champion has nobody to share requests with: it comes from shadow.
  const from: readonly VersionState[] = body.champion === null ? ["shadow", "canary", "challenger"] : ["canary", "challenger"];
  if (!from.includes(version.state)) throw new AppError("SERVING_STATE");
  mustBeEvaluated(body, version, at);
  const before = body.champion;
  const stepped = before === null ? body : { ...replaced(body, out(versionOf(body, before), at)), predecessors: [...body.predecessors, before].slice(-limits.predecessors) };
  return { ...replaced(stepped, { ...version, state: "champion", slots: [], changedAt: at, retiredAt: null }), champion: number };
}

function demoted(body: Body, number: number, at: number): Body {
  const version = versionOf(body, number);
  const to: Partial<Record<VersionState, VersionState>> = { canary: "shadow", challenger: "shadow", shadow: "candidate" };
  const state = to[version.state];
  if (state === undefined) throw new AppError("SERVING_STATE");
  return within(replaced(body, { ...version, state, slots: [], changedAt: at }), "shadow", limits.shadows);
}

function rolledBack(body: Body, at: number): Body {
  const back = body.predecessors.at(-1);
  if (back === undefined) throw new AppError("SERVING_ROLLBACK");
  const without = body.champion === null ? body : replaced(body, out(versionOf(body, body.champion), at));
  const champion: ModelVersion = { ...versionOf(without, back), state: "champion", changedAt: at, retiredAt: null };
  return { ...replaced(without, champion), champion: back, predecessors: body.predecessors.slice(0, -1) };
}

function retired(body: Body, number: number, at: number): Body {
  const version = versionOf(body, number);
  const isOnTheWayBack = body.predecessors.includes(number);
  if (version.state === "retired" && !isOnTheWayBack) throw new AppError("SERVING_STATE");
  const predecessors = body.predecessors.filter((p) => p !== number);
  const champion = body.champion === number ? null : body.champion;
  return { ...replaced(body, out(version, at)), predecessors, champion };
}

function reinstated(body: Body, number: number, at: number): Body {
  const version = versionOf(body, number);
  if (version.state !== "retired") throw new AppError("SERVING_STATE");
  mustBeEvaluated(body, version, at);
  const next = replaced(body, { ...version, state: "candidate", changedAt: at, retiredAt: null });
  return { ...next, predecessors: next.predecessors.filter((p) => p !== number) };
}

function out(version: ModelVersion, at: number): ModelVersion {
  return { ...version, state: "retired", slots: [], changedAt: at, retiredAt: version.state === "retired" ? version.retiredAt : at };
}

function replaced<T extends Pick<Body, "versions">>(body: T, version: ModelVersion): T {
  return { ...body, versions: body.versions.map((v) => (v.version === version.version ? version : v)) };
}
