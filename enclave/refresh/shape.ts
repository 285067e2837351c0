// What of a new version is for a person to say: another form of the data, which ends services and changes what is published, and far fewer companies, which is
// what a file looks like that was cut at the end of a line.
import { canonicalJson } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import type { Version } from "./versions.ts";

type Described = Pick<Version, "summary"> & { readonly dataset: Pick<Version["dataset"], "features"> };

/** Throws DATA_REFRESH_SHAPE, DATA_REFRESH_ROWS. leastRowsPercent: of the companies in service. */
export function checkExpected(before: Described, next: Described, leastRowsPercent: number): void {
  const [was, is] = [shapeOf(before), shapeOf(next)];
  if (was !== is) {
    const known = new Set(columnsOf(before));
    const columns = columnsOf(next);
    const still = columns.filter((c) => known.has(c)).length;
    throw new AppError("DATA_REFRESH_SHAPE", { gone: known.size - still, added: columns.length - still });
  }
  if (next.summary.rows * 100 < before.summary.rows * leastRowsPercent) throw new AppError("DATA_REFRESH_ROWS", { rows: next.summary.rows, before: before.summary.rows });
}

/** Columns by name and kind, whatever their order, and all that is published but size and digest. */
function shapeOf(version: Described): string {
  const { rows: _rows, snapshotDigest: _digest, ...published } = version.summary;
  return canonicalJson({ published, columns: columnsOf(version) });
}

function columnsOf({ dataset }: Described): string[] {
  return dataset.features.map(({ kind, name }) => `${kind} ${name}`).toSorted();
}
