// The plaintext reference: the same generator, its questions answered from all parties' columns. The federated run must equal it bit
// for bit; a bank alone trains its own trees with it, too.
import { AppError } from "../../core/errors.ts";
import { neutralBin } from "../binning/fine.ts";
import { grow, type Asked, type CellSums, type Given, type GrowFeature, type GrowInput, type Grown } from "./grow.ts";
import { addColumn } from "./histogram.ts";
import { rightOfCode } from "./model.ts";

export type PlainInput = Omit<GrowInput, "features"> & {
  /** All with `binOf`. */
  readonly features: readonly (GrowFeature & { readonly binOf: Uint8Array })[];
  /** Party whose columns are the guest's own; the others' are asked for. */
  readonly guest: string;
  /** Changes the sums of a node as the hosts would before they answer. `query`: number of the node since the start. */
  readonly noise?: ((sums: CellSums, query: number) => CellSums) | undefined;
  /** Sees every question, before it is answered. */
  readonly onAsked?: ((asked: Asked) => void) | undefined;
};

/** Trains on all columns in the clear. Throws as `grow`. */
export function plainTrees(input: PlainInput): Grown {
  const { features, guest, noise, onAsked, ...rest } = input;
  const asker = grow({ ...rest, features: features.map((f) => (f.party === guest ? f : { ...f, binOf: undefined })) });
  const hosts = features.filter((f) => f.party !== guest);
  let query = 0;
  let step = asker.next();
  while (step.done !== true) {
    const asked = step.value;
    onAsked?.(asked);
    let given: Given;
    if (asked.kind === "histograms") {
      const wanted = new Set(asked.wanted.map((f) => features[f]));
      given = asked.nodes.map((node) => {
        const sums = plainSums(hosts, wanted, node.g, node.h);
        return noise === undefined ? sums : noise(sums, query++);
      });
    } else if (asked.kind === "bits") given = plainBits(features[asked.cut.feature]?.binOf, asked.cut.left);
    step = asker.next(given);
  }
  return step.value;
}

/** Sums of g and h per bin of each host feature; zeros for those not wanted. */
function plainSums(hosts: readonly GrowFeature[], wanted: ReadonlySet<GrowFeature | undefined>, g: Int32Array, h: Int32Array): CellSums {
  const cells = hosts.reduce((sum, f) => sum + f.bins, 0);
  const sums = { g: new Float64Array(cells), h: new Float64Array(cells), rows: undefined };
  const rows = new Int32Array(g.length);
  let count = 0;
  for (let row = 0; row < g.length; row++) if (g[row] !== 0 || h[row] !== 0) rows[count++] = row;
  const seen = rows.subarray(0, count);
  let offset = 0;
  for (const feature of hosts) {
    if (wanted.has(feature) && feature.binOf !== undefined) addColumn(feature.binOf, seen, { g, h }, sums, offset);
    offset += feature.bins;
  }
  return sums;
}

/** Bits of a cut over all rows of a column of fine bins: 1 = right. What a host answers. */
export function plainBits(binOf: Uint8Array | undefined, left: readonly number[]): Uint8Array {
  if (binOf === undefined) throw new AppError("MODEL_SHAPE", { column: false });
  const right = rightOfCode({ feature: 0, left });
  return binOf.map((code) => right[code] ?? (right[neutralBin] as number));
}
