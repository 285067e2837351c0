// Batch scoring by crossboost, host: it picks from hidden tables by its own bins, once per total of the model.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Feature } from "../../models/features.ts";
import { alignHost, type AlignHostInput } from "../align/host.ts";
import type { MakeReceipt } from "../finish/end.ts";
import type { HostGuard } from "../guards.ts";
import { lookupHost } from "../lookup/host.ts";
import type { Party } from "../party.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { alignFeature } from "../rows/align.ts";
import { binsOf, type CrossboostHostHalf } from "./half.ts";
import { ownGroups } from "./lookup.ts";

export type ScoreCellsHostInput = {
  readonly guest: PartyId; readonly hosts: readonly PartyId[]; readonly half: CrossboostHostHalf;
  readonly ids: readonly EntityId[]; readonly features: readonly Feature[];
  readonly guard: HostGuard; readonly intersection: SetIntersection; readonly receipt: MakeReceipt; readonly consents?: AlignHostInput["consents"];
};

/** Throws JOB_MODEL_UNKNOWN when data or guest do not fit the model, PROTOCOL_OUT_OF_ORDER for more totals than the model has. */
export async function scoreCellsHost(party: Party, input: ScoreCellsHostInput): Promise<void> {
  const { guest, guard, half, hosts } = input;
  if (half.guest !== guest) throw new AppError("JOB_MODEL_UNKNOWN");
  const { rowOf } = await alignHost(party, input, "score");
  await party.phase("score", async () => {
    const bins = binsOf(half.columns, input.features.map((f) => alignFeature(f, rowOf)), party.self);
    const choices = half.columns.map((c) => c.definition.bins + 1);
    const picked = bins.map((of, j) => of.map((bin) => Math.min(bin, (choices[j] ?? 1) - 1)));
    for (let stage = 0; ; stage++) {
      const next = await party.receive(guest, "cells/next");
      if (next.step === "end") break;
      const { present } = next;
      if (stage >= half.totals) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: guest, totals: stage });
      const known = present.every((h) => hosts.includes(h)) && new Set(present).size === present.length && present.includes(party.self);
      if (!known) throw new AppError("PROTOCOL_WRONG_PARTY", { party: guest });
      guard.admitCompany(present.filter((h) => half.hosts.includes(h)).length);
      await guard.chargeScores(half.model, present);
      await lookupHost(party, { guest, rows: rowOf.length, label: `total/${stage}`, round: stage, present, groups: ownGroups(party.self, choices, picked) });
    }
    await party.send(guest, "finish/receipt", await input.receipt({ id: half.model, digest: half.digest }));
  });
}
