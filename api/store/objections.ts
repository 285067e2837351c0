// Rows of objections and credit repair, their steps, and which parties have to know. Applied under the change counter's lock.
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson } from "../../core/canonical.ts";
import { parseConsent } from "../../consent/statement.ts";
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import type { ObjectionNotice, objectionGrounds, objectionKinds, objectionTargets } from "../contract/subject.ts";
import { isMarked, type ObjectionMachine, type ObjectionState } from "../objection-state.ts";
import type { Tx } from "./database.ts";

export type ObjectionRow = {
  readonly id: string; readonly kind: (typeof objectionKinds)[number]; readonly subject: string; readonly party: PartyId; readonly target: (typeof objectionTargets)[number];
  readonly item: string | null; readonly ground: (typeof objectionGrounds)[number]; readonly evidence: string | null; readonly state: ObjectionState;
  readonly reason: string | null; readonly reply: string | null; readonly overdue: boolean; readonly lodgedAt: Date; readonly acceptBy: Date; readonly dueAt: Date;
  readonly endedAt: Date | null; readonly idempotencyKey: string; readonly requestDigest: string;
};
type Stored = NonNullable<Awaited<ReturnType<Tx["objection"]["findUnique"]>>>;
/** States, kinds and grounds are written by this program alone; replies check them again. */
function read(stored: Stored): ObjectionRow {
  const { partyId, outcome, ...row } = stored;
  if (outcome !== null && outcome !== row.state) throw new AppError("PLATFORM_INTERNAL", { objection: false });
  return { ...row, party: partyIdSchema.parse(partyId) } as ObjectionRow;
}

export function machineOf(row: ObjectionRow): ObjectionMachine {
  return { at: row.state, overdue: row.overdue, acceptBy: row.acceptBy.getTime(), dueAt: row.dueAt.getTime(), reason: row.reason };
}

export async function addObjection(tx: Tx, row: ObjectionRow): Promise<void> {
  const { party, ...rest } = row;
  await tx.objection.create({ data: { ...rest, partyId: party, outcome: null }, select: { id: true } });
}

export async function findObjection(tx: Tx, id: string): Promise<ObjectionRow | undefined> {
  const row = await tx.objection.findUnique({ where: { id } });
  return row === null ? undefined : read(row);
}

export async function findObjectionByKey(tx: Tx, subject: string, idempotencyKey: string): Promise<ObjectionRow | undefined> {
  const row = await tx.objection.findUnique({ where: { subject_idempotencyKey: { subject, idempotencyKey } } });
  return row === null ? undefined : read(row);
}

const open: ObjectionState[] = ["lodged", "accepted", "examining"];

export async function hasOpenObjection(tx: Tx, same: { subject: string; kind: string; target: string; partyId: string; item: string | null }): Promise<boolean> {
  return (await tx.objection.count({ where: { ...same, state: { in: open } } })) > 0;
}

export type ObjectionFilter = { readonly subject?: string | undefined; readonly state?: string | undefined; readonly overdue?: boolean | undefined };

/** Newest first, after the one with the id `cursor`. */
export async function listObjections(tx: Tx, filter: ObjectionFilter, limit: number, cursor?: string): Promise<ObjectionRow[]> {
  const { subject, state, overdue } = filter;
  const where = { ...(subject === undefined ? {} : { subject }), ...(state === undefined ? {} : { state }), ...(overdue === undefined ? {} : { overdue }) };
  return (await tx.objection.findMany({
    where, orderBy: [{ lodgedAt: "desc" }, { id: "desc" }], take: limit, ...(cursor === undefined ? {} : { cursor: { id: cursor }, skip: 1 }),
  })).map(read);
}

/** Those for which the clock has something to say. */
export async function findDueObjections(tx: Tx, now: Date, limit: number): Promise<string[]> {
  const rows = await tx.objection.findMany({
    where: { OR: [{ state: "lodged", acceptBy: { lte: now } }, { state: { in: open }, overdue: false, dueAt: { lte: now } }] }, take: limit, select: { id: true },
  });
  return rows.map((row) => row.id);
}

export async function storeObjection(tx: Tx, id: string, next: ObjectionMachine, given: { endedAt: Date | null; reply?: string | undefined }): Promise<void> {
  const outcome = ["corrected", "rejected", "unconfirmed"].includes(next.at) ? next.at : null;
  const reply = given.reply === undefined ? {} : { reply: given.reply };
  await tx.objection.update({ where: { id }, data: { state: next.at, overdue: next.overdue, reason: next.reason, outcome, endedAt: given.endedAt, ...reply }, select: { id: true } });
}

export type Step = { readonly type: string; readonly actor: string; readonly reason: string | null };

export async function addStep(tx: Tx, id: string, step: Step, at: Date): Promise<void> {
  const n = (await tx.objectionStep.count({ where: { objectionId: id } })) + 1;
  await tx.objectionStep.create({ data: { objectionId: id, n, at, type: step.type, actor: step.actor, body: canonicalJson({ reason: step.reason }) }, select: { n: true } });
}

export async function listSteps(tx: Tx, id: string): Promise<(Step & { n: number; at: Date })[]> {
  const rows = await tx.objectionStep.findMany({ where: { objectionId: id }, orderBy: { n: "asc" } });
  return rows.map(({ n, at, type, actor, body }) => ({ n, at, type, actor, reason: (JSON.parse(body) as { reason: string | null }).reason }));
}

type Role = "decide" | "mark";

async function addNotice(tx: Tx, partyId: string, id: string, role: Role, change: number, at: Date): Promise<void> {
  const key = { partyId, objectionId: id, role };
  await tx.objectionNotice.upsert({
    where: { partyId_objectionId_role: key }, create: { ...key, change, createdAt: at }, update: { change }, select: { change: true },
  });
}

/** Who has to know: who decides, and every institution that has used the item, as far as the platform can know: those with a consent for it, past or
 *  present, and, of a public item, those that took a credit report on the company or were given the record. Returns the parties. */
export async function addNotices(tx: Tx, row: ObjectionRow, change: number, at: Date): Promise<PartyId[]> {
  await addNotice(tx, row.party, row.id, "decide", change, at);
  const { item, subject } = row;
  if (item === null) return [row.party];
  const consents = await tx.consent.findMany({ where: { subject }, select: { grantee: true, jws: true } });
  const grantees = consents.filter(({ jws }) => parseConsent(jws).consent.items.includes(item)).map(({ grantee }) => partyIdSchema.parse(grantee));
  return [row.party, ...(await addMarks(tx, row.id, [...grantees, ...(await readersOf(tx, subject, item))], change, at))];
}

/** Of a company's public records of an item: parties of institutions with a credit report on the company, and of those that a subscription gave them to. */
async function readersOf(tx: Tx, subject: string, item: string): Promise<PartyId[]> {
  const records = await tx.publicItem.findMany({ where: { subject, item }, select: { id: true } });
  if (records.length === 0) return [];
  const reports = await tx.creditReport.findMany({ where: { subject, institutionId: { not: null } }, select: { institutionId: true }, distinct: ["institutionId"] });
  const given = await tx.publicDelivered.findMany({ where: { subject }, select: { subscriptionId: true, recordId: true }, distinct: ["subscriptionId", "recordId"] });
  const isOne = new Set(records.map(({ id }) => id));
  const subscriptions = await tx.publicSubscription.findMany({
    where: { id: { in: [...new Set(given.filter(({ recordId }) => isOne.has(recordId)).map(({ subscriptionId }) => subscriptionId))] } }, select: { institutionId: true },
  });
  const ids = new Set([...reports, ...subscriptions].flatMap(({ institutionId }) => institutionId ?? []));
  const institutions = await tx.institution.findMany({ where: { id: { in: [...ids] } }, select: { partyId: true } });
  return institutions.map((row) => partyIdSchema.parse(row.partyId));
}

/** Tells institutions to mark what is objected to; those that were told before stay as they are. Returns those that are new. */
export async function addMarks(tx: Tx, id: string, parties: readonly PartyId[], change: number, at: Date): Promise<PartyId[]> {
  const told = new Set(await listMarking(tx, id));
  const known = await tx.party.findMany({ where: { id: { in: [...new Set(parties)].filter((party) => !told.has(party)) } }, select: { id: true }, orderBy: { id: "asc" } });
  const fresh = known.map((row) => partyIdSchema.parse(row.id));
  for (const party of fresh) await addNotice(tx, party, id, "mark", change, at);
  return fresh;
}

/** Who was told to mark. */
export async function listMarking(tx: Tx, objectionId: string): Promise<PartyId[]> {
  return (await tx.objectionNotice.findMany({ where: { objectionId, role: "mark" }, select: { partyId: true }, orderBy: { partyId: "asc" } })).map((row) => partyIdSchema.parse(row.partyId));
}

/** A fresh consent for an item that is under objection: its grantee has to know as well. */
export async function markGrantee(tx: Tx, change: number, consent: { subject: string; grantee: PartyId; items: readonly string[] }, at: Date): Promise<void> {
  const rows = await tx.objection.findMany({ where: { subject: consent.subject, item: { in: [...consent.items] } }, select: { id: true, state: true } });
  for (const row of rows) if (isMarked(row.state as ObjectionState)) await addNotice(tx, consent.grantee, row.id, "mark", change, at);
}

/** Puts an objection's notices into the feeds again, after a change. Returns the parties. */
export async function touchNotices(tx: Tx, id: string, change: number): Promise<PartyId[]> {
  await tx.objectionNotice.updateMany({ where: { objectionId: id }, data: { change } });
  return (await tx.objectionNotice.findMany({ where: { objectionId: id }, select: { partyId: true } })).map((row) => partyIdSchema.parse(row.partyId));
}

/** A party's notices after a change number, in their order. */
export async function noticesFor(tx: Tx, partyId: PartyId, after: number, limit: number): Promise<ObjectionNotice[]> {
  const notices = await tx.objectionNotice.findMany({ where: { partyId, change: { gt: after } }, orderBy: [{ change: "asc" }, { objectionId: "asc" }], take: limit });
  const rows = new Map((await tx.objection.findMany({ where: { id: { in: notices.map((n) => n.objectionId) } } })).map((row) => [row.id, read(row)]));
  return notices.flatMap(({ objectionId, role, change }) => {
    const row = rows.get(objectionId);
    if (row === undefined) return [];
    const { id, kind, target, subject, party, item, ground, evidence, state, reason } = row;
    const decides = role === "decide";
    return [{
      id, role: decides ? "decide" as const : "mark" as const, change, kind, target, subject, party, item, ground, state, reason, evidence: decides ? evidence : null,
      lodgedAt: row.lodgedAt.toISOString(), dueAt: row.dueAt.toISOString(),
    }];
  });
}

export async function isDecider(tx: Tx, partyId: PartyId, id: string): Promise<boolean> {
  return (await tx.objectionNotice.count({ where: { partyId, objectionId: id, role: "decide" } })) > 0;
}

/** Notes that a party's enclave has what it decides; false if that was noted before. */
export async function takeNotice(tx: Tx, partyId: PartyId, id: string, at: Date): Promise<boolean> {
  return (await tx.objectionNotice.updateMany({ where: { partyId, objectionId: id, role: "decide", takenAt: null }, data: { takenAt: at } })).count === 1;
}
