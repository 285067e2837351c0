// Identity and version of all files that the party's data are loaded from.
import { sha256Hex } from "../../core/canonical.ts";
import { isAppError } from "../../core/errors.ts";
import type { OwnData } from "../data/remote.ts";
import { defaultLimits, locate } from "../data/source.ts";
import { locateTables } from "../quality/tables.ts";

/** Reads none of them. Throws DATA_FILE_*. */
export async function filesStamp({ dataset, dataFolder, splitFile }: OwnData): Promise<string> {
  const files = await locateTables(dataset, dataFolder, defaultLimits);
  if (splitFile !== undefined) files.push(await locate({ file: splitFile }, dataFolder, defaultLimits, {}));
  return sha256Hex(files.map((file) => file.stamp).join("\n"));
}

/** As `filesStamp`, where files that cannot be looked at are a version of their own. */
export async function stampNow(config: OwnData): Promise<string> {
  try {
    return await filesStamp(config);
  } catch (error) {
    if (!isAppError(error)) throw error;
    return `${error.code} ${JSON.stringify(error.facts)}`;
  }
}
