// Loaded before an enclave's program (node --import): what it seals for its peers is changed as the file `lie` in its folder says. For tests
// against a provider whose keys are right and whose frames are not.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeFrame, encodeFrame } from "../../core/codec.ts";
import { LiveEpoch } from "../../enclave/live/epoch.ts";
import type { Lie } from "./lies.ts";

const folder = process.argv.at(-1) ?? "";
const longBytes = 80 * 1024;
type Seal = (frame: Uint8Array) => Uint8Array;
// oxlint-disable-next-line typescript/unbound-method
const { seal } = LiveEpoch.prototype;
let before: Uint8Array | undefined;

LiveEpoch.prototype.seal = function lying(this: LiveEpoch, frame: Uint8Array): Uint8Array {
  const honest: Seal = (bytes) => seal.call(this, bytes);
  const sealed = told(frame, honest);
  before ??= sealed;
  return sealed;
};

function told(frame: Uint8Array, honest: Seal): Uint8Array {
  const { type, body } = decodeFrame(frame) as { type: string; body: Record<string, unknown> };
  const changed = (change: Record<string, unknown>): Uint8Array => honest(encodeFrame(type, { ...body, ...change }));
  switch (lie() as Lie | "") {
    case "wrong-key":
      return honest(frame).map((byte, i, all) => (i === all.length - 1 ? byte ^ 1 : byte));
    case "unknown-type":
      return honest(encodeFrame("serve/secret", body));
    case "other-direction":
      return honest(encodeFrame("serve/ask", { n: 1, present: ["power"], company: "x", consent: "" }));
    case "value-out-of-range":
      return changed({ part: 300 });
    case "no-frame":
      return honest(Uint8Array.of(255, 255, 255));
    case "short":
      return honest(frame).subarray(0, 20);
    case "long":
      return changed({ padding: new Uint8Array(longBytes) });
    case "of-another-question":
      return changed({ n: Number(body["n"]) + 1_000_000 });
    case "said-before":
      return before ?? honest(frame);
    default:
      return honest(frame);
  }
}

function lie(): string {
  try {
    return readFileSync(join(folder, "lie"), "utf8");
  } catch {
    return "";
  }
}
