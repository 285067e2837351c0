// Batch scoring by boosted trees, host: it picks by the bits of its own cuts, tree by tree, and never sees a leaf or a score.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { applyFine } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";
import { rightOfCode } from "../../models/trees/model.ts";
import { alignHost, type AlignHostInput } from "../align/host.ts";
import type { MakeReceipt } from "../finish/end.ts";
import type { HostGuard } from "../guards.ts";
import { lookupHost, type LookupHostGroup } from "../lookup/host.ts";
import type { TypedBody } from "../messages.ts";
import type { Party } from "../party.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { alignFeature } from "../rows/align.ts";
import type { GbdtHostHalf } from "./half.ts";
import { maxDepth } from "./messages.ts";

export type ScoreTreesHostInput = {
  readonly guest: PartyId; readonly hosts: readonly PartyId[]; readonly half: GbdtHostHalf;
  readonly ids: readonly EntityId[]; readonly features: readonly Feature[];
  readonly guard: HostGuard; readonly intersection: SetIntersection; readonly receipt: MakeReceipt; readonly consents?: AlignHostInput["consents"];
};

/** Throws JOB_MODEL_UNKNOWN when data or guest do not fit the model, PROTOCOL_SPLIT naming the guest for groups that are not the model's. */
export async function scoreTreesHost(party: Party, input: ScoreTreesHostInput): Promise<void> {
  const { guest, guard, half, hosts } = input;
  if (half.guest !== guest) throw new AppError("JOB_MODEL_UNKNOWN");
  if (half.uses.length > 0) guard.admitCompany(hosts.filter((h) => half.hosts.includes(h)).length);
  const { rowOf } = await alignHost(party, input, "score");
  await party.phase("score", async () => {
    const sides = sidesOf(half, input.features, rowOf);
    const { groups } = await party.receive(guest, "lookup/groups");
    const cutsOf = cutsOfGroups({ self: party.self, guest, hosts }, half, groups);
    const picks = groups.map((g): LookupHostGroup => ({ group: g.group, hosts: g.hosts, tables: g.tables.length, picked: g.tables.map((tree) => choicesOf(cutsOf.get(tree) ?? [], sides, rowOf.length)) }));
    await guard.chargeScores(half.model, hosts);
    await lookupHost(party, { guest, rows: rowOf.length, label: "score", round: 0, present: hosts, groups: picks });
    await party.send(guest, "finish/receipt", await input.receipt({ id: half.model, digest: half.digest }));
  });
}

/** Per cut and row: 1 = right. Throws JOB_MODEL_UNKNOWN when the data lack a feature of the model. */
export function sidesOf(half: GbdtHostHalf, features: readonly Feature[], rowOf: Int32Array): Uint8Array[] {
  const codes = half.features.map(({ name, definition }) => {
    const feature = features.find((f) => f.name === name);
    if (feature === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
    return applyFine(definition, alignFeature(feature, rowOf));
  });
  return half.cuts.map((cut) => {
    const right = rightOfCode({ feature: 0, left: cut.left });
    return (codes[cut.feature] ?? new Uint8Array(rowOf.length)).map((code) => right[code] as number);
  });
}

type Groups = TypedBody<"lookup/groups">["groups"];

/** By tree, the cuts of this host in it, once the groups are found to be its model's: each tree of its uses stands in one group, once, with as many choices as
 *  its cuts there give; and of the groups' hosts each is one of this job, in its order, so that this host's pads go to no one else. Throws PROTOCOL_SPLIT. */
export function cutsOfGroups(
  { self, guest, hosts }: { readonly self: PartyId; readonly guest: PartyId; readonly hosts: readonly PartyId[] }, half: Pick<GbdtHostHalf, "uses">, groups: Groups,
): ReadonlyMap<number, readonly number[]> {
  const cutsOf = new Map<number, number[]>();
  for (const use of half.uses) cutsOf.set(use.tree, [...(cutsOf.get(use.tree) ?? []), use.cut]);
  const seen = new Set<number>();
  for (const [i, g] of groups.entries()) {
    const choices = g.hosts.find((h) => h.host === self)?.choices;
    const inOrder = i === 0 || g.group > (groups[i - 1]?.group ?? 0);
    const fits = inOrder && isTable(g.hosts, hosts);
    for (const tree of g.tables) {
      const cuts = cutsOf.get(tree);
      if (cuts === undefined || seen.has(tree) || choices !== 2 ** cuts.length || !fits) throw new AppError("PROTOCOL_SPLIT", { party: guest, tree });
      seen.add(tree);
    }
  }
  if (seen.size !== cutsOf.size) throw new AppError("PROTOCOL_SPLIT", { party: guest, trees: seen.size });
  return cutsOf;
}

/** What this host picks in each row of a tree: the side of its first cut there is the lowest bit. */
export function choicesOf(cuts: readonly number[], sides: readonly Uint8Array[], rows: number): Uint8Array {
  const choice = new Uint8Array(rows);
  for (const [bit, cut] of cuts.entries()) {
    const side = sides[cut] as Uint8Array;
    for (let row = 0; row < rows; row++) choice[row] = (choice[row] as number) | ((side[row] as number) << bit);
  }
  return choice;
}

/** Hosts of the job in its order, and together no more choices than a tree has leaves. */
function isTable(group: LookupHostGroup["hosts"], hosts: readonly PartyId[]): boolean {
  const places = group.map((h) => hosts.indexOf(h.host));
  const inOrder = places.every((place, i) => place > (places[i - 1] ?? -1));
  return inOrder && group.reduce((leaves, h) => leaves * h.choices, 1) <= 2 ** maxDepth;
}
