// Which of the 10,000 slots of a deployment belong to which version. A company falls into one slot for good, so moving as few slots as a change
// of shares needs moves as few companies: raising a share takes slots from the champion only, lowering it gives its own back.
import { wholeShare } from "./events.ts";

/** Half-open interval of slots. */
export type SlotRange = readonly [from: number, to: number];

export function slotCount(ranges: readonly SlotRange[]): number {
  return ranges.reduce((sum, [from, to]) => sum + to - from, 0);
}

/** The slots of a version after its share became `share`. `taken`: those of the other versions but the champion. A new one begins at a place that
 *  its model decides, so that not always the same companies meet what is new. Throws a RangeError when there are not so many free slots. */
export function resized(own: readonly SlotRange[], share: number, taken: readonly SlotRange[], model: string): SlotRange[] {
  const start = own[0]?.[0] ?? Number.parseInt(model.slice(0, 8), 16) % wholeShare;
  const mine = mask(own);
  const others = mask(taken);
  let missing = share - slotCount(own);
  for (let i = wholeShare - 1; i >= 0 && missing < 0; i--) {
    const slot = (start + i) % wholeShare;
    if (mine[slot] !== 1) continue;
    mine[slot] = 0;
    missing++;
  }
  for (let i = 0; i < wholeShare && missing > 0; i++) {
    const slot = (start + i) % wholeShare;
    if (mine[slot] === 1 || others[slot] === 1) continue;
    mine[slot] = 1;
    missing--;
  }
  if (missing !== 0) throw new RangeError("fewer free slots than asked for");
  return fromStart(rangesOf(mine), start);
}

function mask(ranges: readonly SlotRange[]): Uint8Array {
  const out = new Uint8Array(wholeShare);
  for (const [from, to] of ranges) out.fill(1, from, to);
  return out;
}

function rangesOf(slots: Uint8Array): SlotRange[] {
  const out: SlotRange[] = [];
  for (let slot = 0; slot < wholeShare; slot++) {
    if (slots[slot] !== 1) continue;
    const from = slot;
    while (slot < wholeShare && slots[slot] === 1) slot++;
    out.push([from, slot]);
  }
  return out;
}

/** The range that holds `start` first and cut there: the next change finds the beginning again. */
function fromStart(ranges: readonly SlotRange[], start: number): SlotRange[] {
  const cut = ranges.flatMap(([from, to]): SlotRange[] => (from < start && start < to ? [[start, to], [from, start]] : [[from, to]]));
  return cut.sort(([a], [b]) => ((a - start + wholeShare) % wholeShare) - ((b - start + wholeShare) % wholeShare));
}
