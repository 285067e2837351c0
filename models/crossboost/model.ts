// The guest's half of a crossboost model: its own trees, per opened total its cells and tables, and the layers on top. Hosts keep
// their bin definitions and nothing else. Tables never leave the guest but as entries of an oblivious lookup.
import { z } from "zod";
import { fineShapeSchema } from "../binning/fine.ts";
import { treeModelSchema } from "../trees/model.ts";
import { cellColumnSchema, guestCells } from "./cells.ts";
import type { Prepared, Stage } from "./guest.ts";
import { crossboostParamsSchema } from "./params.ts";
import type { Lookup } from "./total.ts";

const offeredColumnSchema = z.strictObject({ shape: fineShapeSchema, rows: z.array(z.int().min(0)).min(1).max(254) });
const layerSchema = z.strictObject({
  intercept: z.number(), slope: z.number(), weight: z.number(),
  totalEdges: z.array(z.array(z.number()).max(63)).min(1).max(2), trees: treeModelSchema.nullable(),
});
const stageSchema = z.strictObject({
  cells: z.array(cellColumnSchema).min(1).max(16),
  unit: z.number().positive(),
  hosts: z.array(z.strictObject({ party: z.string().min(1).max(200), columns: z.array(offeredColumnSchema), table: z.array(z.int()) })).max(16),
  layer: layerSchema,
});
export const crossboostModelSchema = z
  .strictObject({
    kind: z.literal("crossboost"),
    params: crossboostParamsSchema,
    trainRows: z.int().positive(),
    /** The guest's trees alone; base only (no features) when it has no column. */
    own: z.strictObject({ base: z.number(), trees: treeModelSchema.nullable() }),
    /** Totals in use: none when the joint part was of no use. */
    stages: z.array(stageSchema).max(2),
  })
  .refine((m) => m.stages.every((s) => {
    const { total } = guestCells(s.cells);
    return s.hosts.every((h) => h.table.length === total * h.columns.reduce((sum, c) => sum + c.shape.bins, 0));
  }), "a table does not fit its cells and bins");
export type CrossboostModel = z.output<typeof crossboostModelSchema>;

/** The model of a finished training: the stages whose totals are used. `hosts`: names in the order of the lookups. */
export function modelOf(prepared: Prepared, stages: readonly Stage[], hosts: readonly string[]): CrossboostModel {
  const { own, params, trainRows } = prepared;
  const used = stages.filter((s) => s.decision.layer !== null);
  return crossboostModelSchema.parse({
    kind: "crossboost", params, trainRows,
    own: { base: own.model.base, trees: own.model.features.length > 0 ? own.model : null },
    stages: used.map(({ lookup, decision }) => ({
      cells: lookup.cells.columns, unit: lookup.unit, layer: decision.layer,
      hosts: lookup.hosts.map((h, i) => ({ party: hosts[i], columns: h.columns, table: Array.from(h.tables.at(-1) ?? []) })),
    })),
  });
}

/** The lookup of a stage for new rows: one set of tables. */
export function lookupOf(model: CrossboostModel, stage: number): Lookup | undefined {
  const s = model.stages[stage];
  return s && { cells: guestCells(s.cells), unit: s.unit, hosts: s.hosts.map((h) => ({ columns: h.columns, tables: [Int32Array.from(h.table)] })) };
}
