// A provider's half of a model of boosted trees or of cross-party tables: what it picks in each table for one company. Pure.
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import type { Feature } from "../../models/features.ts";
import { binsOf, type CrossboostHostHalf } from "../crossboost/half.ts";
import type { GbdtHostHalf } from "../gbdt/half.ts";
import { choicesOf, cutsOfGroups, sidesOf } from "../gbdt/score-host.ts";
import type { TypedBody } from "../messages.ts";
import { alignFeature } from "../rows/align.ts";
import { groupsOfTables, requireFits, tablesOfGroups, type JointTable } from "./tables.ts";

type Groups = TypedBody<"serve/trees">["groups"];
type Parties = { readonly self: PartyId; readonly guest: PartyId; /** Of the service. */ readonly hosts: readonly PartyId[] };
export type JointHost = {
  readonly model: string; readonly digest: string;
  /** Hosts of the training, none where this one has no part in the model. */
  readonly sharing: readonly PartyId[];
  readonly features: readonly string[];
  readonly tables: readonly JointTable[];
  /** By table, what it picks for the company whose record stands in these features, -1 for one that it does not hold. Throws JOB_MODEL_UNKNOWN. */
  choices(features: readonly Feature[], record: number): ReadonlyMap<number, number>;
};

/** Throws JOB_MODEL_UNKNOWN for a half of another guest, PROTOCOL_SPLIT for groups that are not the model's, SERVICE_TREES for one that does not fit. */
export function gbdtJointHost(half: GbdtHostHalf, { self, guest, hosts }: Parties, groups: Groups): JointHost {
  if (half.guest !== guest) throw new AppError("JOB_MODEL_UNKNOWN");
  const cutsOf = cutsOfGroups({ self, guest, hosts: [...hosts].sort() }, half, groups);
  const tables = tablesOfGroups(groups);
  if (tables.length > 0) requireFits(tables, hosts);
  return {
    model: half.model, digest: half.digest, sharing: half.uses.length > 0 ? half.hosts : [], features: half.features.map((f) => f.name), tables,
    choices(features, record) {
      const sides = sidesOf(half, features, Int32Array.of(record));
      return new Map([...cutsOf].map(([tree, cuts]) => [tree, choicesOf(cuts, sides, 1)[0] ?? 0]));
    },
  };
}

/** Throws as gbdtJointHost; SERVICE_TREES also for a model that opens no total. */
export function crossboostJointHost(half: CrossboostHostHalf, { self, guest, hosts }: Parties, groups: Groups): JointHost {
  if (half.guest !== guest) throw new AppError("JOB_MODEL_UNKNOWN");
  if (half.totals < 1) throw new AppError("SERVICE_TREES", { totals: half.totals });
  const tables = tablesOfGroups(groups);
  // The bank numbers tables over all providers: the own ones follow each other.
  const own = half.columns.map(({ definition }, j): JointTable => ({ table: (tables[0]?.table ?? 0) + j, hosts: [{ host: self, choices: definition.bins + 1 }] }));
  if (canonicalJson(groupsOfTables(own, self)) !== canonicalJson(groups)) throw new AppError("PROTOCOL_SPLIT", { party: guest, tables: tables.length });
  if (tables.length > 0) requireFits(tables, hosts);
  return {
    model: half.model, digest: half.digest, sharing: half.columns.length > 0 ? half.hosts : [], features: half.columns.map((c) => c.name), tables,
    choices(features, record) {
      const bins = binsOf(half.columns, features.map((f) => alignFeature(f, Int32Array.of(record))), self);
      return new Map(tables.map((t, j) => [t.table, Math.min(bins[j]?.[0] ?? Infinity, (t.hosts[0]?.choices ?? 1) - 1)]));
    },
  };
}
