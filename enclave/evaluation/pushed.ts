// Which companies the `full` parts of a run tell of: a file in its folder. The run on the basis `open` of the same round leaves them out.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readBytes, writeDurably } from "../../core/files.ts";

const pushedFile = "pushed.json";

/** By group, the companies of each part in their order. */
export type Pushed = ReadonlyMap<string, readonly (readonly string[])[]>;

export function writePushed(folder: string, pushed: Pushed): void {
  writeDurably(join(folder, pushedFile), JSON.stringify(Object.fromEntries(pushed)));
}

/** Empty for a run on the basis `open`. */
export function readPushed(folder: string): Pushed {
  const path = join(folder, pushedFile);
  return new Map(existsSync(path) ? Object.entries(JSON.parse(Buffer.from(readBytes(path)).toString("utf8")) as Record<string, string[][]>) : []);
}
