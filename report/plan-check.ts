// Compares what was sent with what the approved plan allows, line by line.

export type FlowLine = {
  readonly from: string;
  readonly to: string;
  readonly type: string;
  readonly messages: number;
  readonly bytes: number;
  readonly numbers: number;
};

/** A planned flow beside what was sent; one of them may be absent. */
export type Flow<T extends FlowLine> = { readonly planned: T | undefined; readonly sent: T | undefined; readonly inside: boolean };

/** Adds up the lines of the same (from, to, type), so that two halves below a bound cannot exceed it together. */
function byKey<T extends FlowLine>(lines: readonly T[]): Map<string, T> {
  const sums = new Map<string, T>();
  for (const line of lines) {
    const key = JSON.stringify([line.from, line.to, line.type]);
    const sum = sums.get(key);
    sums.set(key, sum === undefined ? line : {
      ...sum, messages: sum.messages + line.messages, bytes: sum.bytes + line.bytes, numbers: sum.numbers + line.numbers,
    });
  }
  return sums;
}

/**
 * Joins the lines of a statement (upper bounds) and of a ledger (what was sent) by (from, to, type), in the order of
 * the statement, unplanned flows last. A flow is inside if the statement has it and no bound is exceeded.
 */
export function joinFlows<T extends FlowLine>(statement: readonly T[], ledger: readonly T[]): Flow<T>[] {
  const [bounds, sums] = [byKey(statement), byKey(ledger)];
  const flows: Flow<T>[] = [];
  for (const [key, planned] of bounds) {
    const sent = sums.get(key);
    const inside = sent === undefined
      || (sent.messages <= planned.messages && sent.bytes <= planned.bytes && sent.numbers <= planned.numbers);
    flows.push({ planned, sent, inside });
  }
  for (const [key, sent] of sums) if (!bounds.has(key)) flows.push({ planned: undefined, sent, inside: false });
  return flows;
}

/** Whether everything that was sent is inside the statement. */
export function insidePlan(statement: readonly FlowLine[], ledger: readonly FlowLine[]): boolean {
  return joinFlows(statement, ledger).every((flow) => flow.inside);
}
