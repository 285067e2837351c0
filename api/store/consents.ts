// Rows of consents, withdrawals and the registrar's lists: the store behind consent/book.ts, and what enclaves and companies read of it.
import type { PartyId } from "../../core/brand.ts";
import type { ConsentRecord, ConsentStore } from "../../consent/book.ts";
import type { RevokedEntry } from "../../consent/revocation.ts";
import { parseConsent } from "../../consent/statement.ts";
import { partyIdSchema } from "../../core/names.ts";
import { isTaken, nextChange, type Database, type Tx } from "./database.ts";
import { markGrantee } from "./objections.ts";

export type ConsentSource = "online" | "written" | "own-key";
/** Where a consent came from. The same requester and key give the same consent. */
export type Origin = {
  readonly source: ConsentSource; readonly at: number; readonly requester?: string | undefined; readonly idempotencyKey?: string | undefined; readonly requestDigest?: string | undefined;
};
export type StoredConsent = ConsentRecord & { readonly source: ConsentSource };

const keptLists = 3;
const date = (seconds: number): Date => new Date(seconds * 1000);
const seconds = (at: Date): number => Math.floor(at.getTime() / 1000);

type Row = {
  id: string; digest: string; subject: string; grantee: string; registrar: string; jws: string; source: string; notBefore: Date; notAfter: Date; withdrawnAt: Date | null;
};

function readRow(row: Row): StoredConsent {
  return {
    id: row.id, digest: row.digest, subject: row.subject, grantee: partyIdSchema.parse(row.grantee), registrar: partyIdSchema.parse(row.registrar), jws: row.jws,
    notBefore: seconds(row.notBefore), notAfter: seconds(row.notAfter), withdrawnAt: row.withdrawnAt === null ? undefined : seconds(row.withdrawnAt),
    source: row.source === "written" || row.source === "own-key" ? row.source : "online",
  };
}

export class ConsentRows implements ConsentStore {
  readonly #db: Database;
  readonly #origin: Origin | undefined;

  /** origin: what `insert` notes of where a consent came from. */
  constructor(db: Database, origin?: Origin) {
    this.#db = db;
    this.#origin = origin;
  }

  async insert(record: ConsentRecord): Promise<boolean> {
    const { source = "online", at = 0, requester = null, idempotencyKey = null, requestDigest = null } = this.#origin ?? {};
    try {
      await this.#db.write(async (tx) => {
        const n = await nextChange(tx);
        const { withdrawnAt: _, notBefore, notAfter, ...rest } = record;
        await tx.consent.create({
          data: { ...rest, n, source, notBefore: date(notBefore), notAfter: date(notAfter), requester, idempotencyKey, requestDigest, createdAt: new Date(at) },
          select: { id: true },
        });
        // Who may use an item that is under objection has to mark it.
        await markGrantee(tx, n, { subject: record.subject, grantee: record.grantee, items: parseConsent(record.jws).consent.items }, new Date(at));
      });
      return true;
    } catch (error) {
      if (isTaken(error)) return false;
      throw error;
    }
  }

  async get(id: string): Promise<StoredConsent | undefined> {
    const row = await this.#db.read.consent.findUnique({ where: { id } });
    return row === null ? undefined : readRow(row);
  }

  async ofSubject(subject: string, page: { readonly after?: string | undefined; readonly limit: number }): Promise<StoredConsent[]> {
    const where = { subject, ...(page.after === undefined ? {} : { id: { gt: page.after } }) };
    return (await this.#db.read.consent.findMany({ where, orderBy: { id: "asc" }, take: page.limit })).map(readRow);
  }

  async withdraw(id: string, at: number): Promise<number> {
    return this.#db.write(async (tx) => {
      await nextChange(tx);
      await tx.consent.updateMany({ where: { id, withdrawnAt: null }, data: { withdrawnAt: date(at) } });
      const row = await tx.consent.findUniqueOrThrow({ where: { id }, select: { withdrawnAt: true } });
      return row.withdrawnAt === null ? at : seconds(row.withdrawnAt);
    });
  }

  async withdrawKey(registrar: PartyId, [digest, at, until]: RevokedEntry): Promise<void> {
    await this.#db.write((tx) => tx.withdrawnKey.upsert({
      where: { digest }, create: { digest, registrar, at: date(at), until: date(until) }, update: {}, select: { digest: true },
    }));
  }

  async withdrawn(registrar: PartyId, after: number): Promise<RevokedEntry[]> {
    const { read } = this.#db;
    const consents = await read.consent.findMany({
      where: { registrar, withdrawnAt: { not: null }, notAfter: { gt: date(after) } }, select: { digest: true, withdrawnAt: true, notAfter: true },
    });
    const keys = await read.withdrawnKey.findMany({ where: { registrar, until: { gt: date(after) } } });
    return [
      ...consents.map((row): RevokedEntry => [row.digest, seconds(row.withdrawnAt ?? row.notAfter), seconds(row.notAfter)]),
      ...keys.map((row): RevokedEntry => [row.digest, seconds(row.at), seconds(row.until)]),
    ];
  }

  async lastList(registrar: PartyId): Promise<{ sequence: number; issuedAt: number; jws: string } | undefined> {
    const row = await this.#db.read.revocationList.findFirst({ where: { registrar }, orderBy: { sequence: "desc" } });
    return row === null ? undefined : { sequence: row.sequence, issuedAt: seconds(row.issuedAt), jws: row.jws };
  }

  async putList(registrar: PartyId, list: { sequence: number; issuedAt: number; jws: string }): Promise<boolean> {
    return this.#db.write(async (tx) => {
      await nextChange(tx);
      const last = await tx.revocationList.findFirst({ where: { registrar }, orderBy: { sequence: "desc" }, select: { sequence: true } });
      if (list.sequence !== (last?.sequence ?? 0) + 1) return false;
      await tx.revocationList.create({ data: { registrar, sequence: list.sequence, issuedAt: date(list.issuedAt), jws: list.jws }, select: { sequence: true } });
      await tx.revocationList.deleteMany({ where: { registrar, sequence: { lte: list.sequence - keptLists } } });
      return true;
    });
  }
}

/** The consent that this requester asked for under this key, and the digest of what was asked. */
export async function findByRequest(tx: Tx, requester: string, idempotencyKey: string): Promise<{ record: StoredConsent; requestDigest: string | null } | undefined> {
  const row = await tx.consent.findUnique({ where: { requester_idempotencyKey: { requester, idempotencyKey } } });
  return row === null ? undefined : { record: readRow(row), requestDigest: row.requestDigest };
}

/** Consents in favour of a party after number `after` that still run and are not withdrawn. */
export async function consentsFor(tx: Tx, grantee: PartyId, after: number, now: Date, limit: number): Promise<{ n: number; jws: string }[]> {
  return tx.consent.findMany({
    where: { grantee, n: { gt: after }, withdrawnAt: null, notAfter: { gt: now } }, orderBy: { n: "asc" }, take: limit, select: { n: true, jws: true },
  });
}

/** The same for several parties. */
export async function consentsForAny(tx: Tx, grantees: readonly PartyId[], after: number, now: Date, limit: number): Promise<{ n: number; jws: string }[]> {
  return tx.consent.findMany({
    where: { grantee: { in: [...grantees] }, n: { gt: after }, withdrawnAt: null, notAfter: { gt: now } }, orderBy: { n: "asc" }, take: limit, select: { n: true, jws: true },
  });
}

/** How many consents of a company have not ended: each of them may stand in the list of withdrawals. */
export async function countRunning(tx: Tx, subject: string, now: Date): Promise<number> {
  return tx.consent.count({ where: { subject, notAfter: { gt: now } } });
}

/** Whether an active institution calculates under this name. */
export async function isGrantee(tx: Tx, party: PartyId): Promise<boolean> {
  return (await tx.institution.count({ where: { partyId: party, state: "active" } })) > 0;
}

export type SubjectKeyRow = { kid: string; subject: string; registrar: PartyId; statement: string; notAfter: Date; createdAt: Date; withdrawnAt: Date | null };

/** Keeps a statement; the first one of a key stays and is returned. */
export async function keepSubjectKey(tx: Tx, row: Omit<SubjectKeyRow, "withdrawnAt">): Promise<SubjectKeyRow> {
  await tx.subjectKey.upsert({ where: { kid: row.kid }, create: row, update: {}, select: { kid: true } });
  return readKey(await tx.subjectKey.findUniqueOrThrow({ where: { kid: row.kid } }));
}

export async function findSubjectKey(tx: Tx, kid: string): Promise<SubjectKeyRow | undefined> {
  const row = await tx.subjectKey.findUnique({ where: { kid } });
  return row === null ? undefined : readKey(row);
}

export async function listSubjectKeys(tx: Tx, subject: string): Promise<SubjectKeyRow[]> {
  return (await tx.subjectKey.findMany({ where: { subject }, orderBy: { createdAt: "asc" } })).map(readKey);
}

/** Ends a key and all consents that it signed. */
export async function endSubjectKey(tx: Tx, { kid, subject }: Pick<SubjectKeyRow, "kid" | "subject">, at: Date): Promise<void> {
  await nextChange(tx);
  await tx.subjectKey.updateMany({ where: { kid, withdrawnAt: null }, data: { withdrawnAt: at } });
  const rows = await tx.consent.findMany({ where: { subject, source: "own-key", withdrawnAt: null }, select: { id: true, jws: true } });
  const signed = rows.filter(({ jws }) => parseConsent(jws).sealed.kid === kid).map(({ id }) => id);
  await tx.consent.updateMany({ where: { id: { in: signed } }, data: { withdrawnAt: at } });
}

function readKey(row: Omit<SubjectKeyRow, "registrar"> & { registrar: string }): SubjectKeyRow {
  return { ...row, registrar: partyIdSchema.parse(row.registrar) };
}
