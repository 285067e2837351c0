// Alignment of a training job at the guest: intersection with every host (left join), split, secret row order.
import { createHash } from "node:crypto";
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { consentsGuest, type GuestConsents, type HostRefusals } from "../consents/guest.ts";
import type { RefusalCode } from "../consents/messages.ts";
import { floors } from "../guards.ts";
import type { Party } from "../party.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { secretPermutation } from "../psi/permutation.ts";
import { rowsGuest } from "../rows/guest.ts";
import { stratified, type Split } from "./split.ts";

export type MatchInput = {
  readonly hosts: readonly PartyId[]; readonly ids: readonly EntityId[];
  readonly setSecret: (host: PartyId) => Uint8Array; readonly intersection: SetIntersection;
  /** Where hosts of the plan check the companies' consents. */
  readonly consents?: GuestConsents | undefined;
};
export type AlignInput = MatchInput & { readonly split: Split; readonly label: Uint8Array; readonly trainOf: Uint8Array | undefined };
export type GuestAlignment = {
  /** Row -> own record; the training part first. */
  readonly rows: Int32Array;
  readonly trainRows: number;
  readonly byHost: ReadonlyMap<PartyId, { readonly matched: number; readonly hostSize: number }>;
  readonly refused: Refused;
  readonly rowOrder: Uint8Array;
  /** Names the training set for budgets: the same companies give the same digest. */
  readonly rowSetDigest: string;
};

/** Companies that are left out because a host did not accept their consent, by own record: the code of the first such host of the plan, and all. */
export type Refused = ReadonlyMap<number, { readonly code: RefusalCode; readonly hosts: readonly PartyId[] }>;

/** The row order of a training job. Throws FLOOR_ROWS below the floor and JOB_ONE_CLASS when a part lacks a class, also once those who did not
 *  consent are left out. */
export async function alignGuest(party: Party, input: AlignInput): Promise<GuestAlignment> {
  const { ids, label } = input;
  const trainOf = input.trainOf ?? stratified(label, input.split);
  const all = secretOrder(party, trainOf);
  checkParts(all, label);
  const matches = await matchAll(party, input);
  const refused = refusedBy(matches);
  const rows = withoutRefused(all.rows, refused);
  const trainRows = rows.length === all.rows.length ? all.trainRows : withoutRefused(all.rows.subarray(0, all.trainRows), refused).length;
  checkParts({ rows, trainRows }, label);
  const { commitment } = await rowsGuest(party, { ids, rows, trainRows, hosts: matches });
  const trainIds = Array.from(rows.subarray(0, trainRows), (record) => ids[record] ?? "").sort();
  return {
    rows, trainRows, byHost: countMatches(matches), refused, rowOrder: commitment, rowSetDigest: createHash("sha256").update(JSON.stringify(trainIds)).digest("hex"),
  };
}

function checkParts({ rows, trainRows }: Pick<GuestAlignment, "rows" | "trainRows">, label: Uint8Array): void {
  if (trainRows < floors.minTrainRows) throw new AppError("FLOOR_ROWS", { rows: trainRows, floor: floors.minTrainRows });
  for (const part of [rows.subarray(0, trainRows), rows.subarray(trainRows)]) {
    const bads = part.reduce((sum, record) => sum + (label[record] ?? 0), 0);
    if (bads === 0 || bads === part.length) throw new AppError("JOB_ONE_CLASS", { rows: part.length, bads });
  }
}

/** Row -> own record, of the companies that are scored. */
export type BatchRows = Pick<GuestAlignment, "rows" | "byHost" | "refused">;

/** Alignment of a batch that is only scored: all records whose consents hold, in a secret order. When none is left it throws the code by which all
 *  were refused, or CONSENT_MISSING where there are several. */
export async function alignBatch(party: Party, input: MatchInput): Promise<BatchRows> {
  const all = secretPermutation(input.ids.length, party.rng("score/rows"));
  const matches = await matchAll(party, input);
  const refused = refusedBy(matches);
  const rows = withoutRefused(all, refused);
  if (rows.length === 0) throw new AppError(onlyCode(refused) ?? "CONSENT_MISSING", { companies: refused.size });
  await rowsGuest(party, { ids: input.ids, rows, trainRows: 0, hosts: matches });
  return { rows, byHost: countMatches(matches), refused };
}

type Match = { readonly host: PartyId; readonly matched: Int32Array; readonly hostSize: number; readonly refused: HostRefusals };

function refusedBy(matches: readonly Match[]): Refused {
  const refused = new Map<number, { code: RefusalCode; hosts: PartyId[] }>();
  for (const match of matches) {
    for (const [record, code] of match.refused) {
      const known = refused.get(record);
      if (known === undefined) refused.set(record, { code, hosts: [match.host] });
      else known.hosts.push(match.host);
    }
  }
  return refused;
}

function onlyCode(refused: Refused): RefusalCode | undefined {
  const [code, ...others] = new Set([...refused.values()].map((one) => one.code));
  return others.length === 0 ? code : undefined;
}

function withoutRefused(rows: Int32Array, refused: Refused): Int32Array {
  return refused.size === 0 ? rows : rows.filter((record) => !refused.has(record));
}

/** The intersection with every host, all at once, and behind it the consents where the host checks them. */
async function matchAll(party: Party, { hosts, ids, consents, ...input }: MatchInput): Promise<Match[]> {
  const done = new Map(hosts.map((h) => [h, 0]));
  return Promise.all(hosts.map(async (host) => {
    const { matched, hostSize } = await input.intersection.guest(party, host, ids, {
      setSecret: input.setSecret(host),
      progress: (at, of) => {
        done.set(host, at / of);
        party.progress([...done.values()].reduce((a, b) => a + b, 0), hosts.length);
      },
    });
    const refused = consents?.hosts.includes(host) === true ? await consentsGuest(party, host, matched, consents) : none;
    return { host, matched, hostSize, refused };
  }));
}

const none: HostRefusals = new Map();

function countMatches(matches: readonly Match[]): GuestAlignment["byHost"] {
  return new Map(matches.map(({ host, matched, hostSize }) => [host, { matched: matched.reduce((n, at) => n + (at < 0 ? 0 : 1), 0), hostSize }]));
}

function secretOrder(party: Party, trainOf: Uint8Array): { rows: Int32Array; trainRows: number } {
  const records = (part: number): Int32Array => Int32Array.from([...trainOf.keys()].filter((r) => trainOf[r] === part));
  const shuffled = (part: Int32Array, label: string): Int32Array => {
    const order = secretPermutation(part.length, party.rng(label));
    return Int32Array.from(order, (at) => part[at] ?? 0);
  };
  const train = shuffled(records(1), "rows/train");
  const test = shuffled(records(0), "rows/test");
  const rows = new Int32Array(train.length + test.length);
  rows.set(train);
  rows.set(test, train.length);
  return { rows, trainRows: train.length };
}
