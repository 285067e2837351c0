// Counts that may be published: a two-way table of companies in which nothing about a small group can be worked out.
// Method: Hundepool et al., Handbook on Statistical Disclosure Control (2nd ed.), chapters 4 and 5: global recoding so that every total is large, the threshold
// rule for cells (primary suppression), complementary suppression, rounding to a base. What is left is audited exactly: the bounds that
// the published figures put on a hidden cell are a maximum flow (Gusfield, SIAM J. Comput. 17(3), 1988).

/** A cell of fewer companies is hidden. As the catalogue wants of figures of its `sensitive` grade (catalogue/grades.ts). */
export const leastCompanies = 20;
/** Published counts are multiples of it, so that two runs do not tell one company that came, left or moved. */
export const roundingBase = 5;

export type Counts = { readonly rows: readonly string[]; readonly columns: readonly string[]; readonly cells: readonly (readonly number[])[] };
export type Published = {
  /** Each row or column stands for these labels: small ones are put together, those without companies left out. */
  readonly rows: readonly (readonly string[])[];
  readonly columns: readonly (readonly string[])[];
  /** All counts rounded. null: hidden. */
  readonly cells: readonly (readonly (number | null)[])[];
  readonly rowTotals: readonly number[];
  readonly columnTotals: readonly number[];
  readonly total: number;
  readonly hidden: { readonly primary: number; readonly complementary: number };
};
export type Merging = "rest" | "neighbour";
export type Protection = {
  /** rest: small labels become one. neighbour: a small label joins the smaller one beside it (grades have an order). */
  readonly rows: Merging;
  readonly columns: Merging;
  /** The columns are a trait that must not be learnt: a row of companies in one column alone is hidden as well. */
  readonly trait: boolean;
  readonly least?: number;
  readonly base?: number;
};

/** What may be published of a table; null where all of it is too small. */
export function publishable(counts: Counts, protection: Protection): Published | null {
  const { least = leastCompanies, base = roundingBase, trait } = protection;
  const rows = groups(counts.cells.map(sum), protection.rows, least);
  const columns = groups(counts.columns.map((_, c) => sum(counts.cells.map((row) => row[c] as number))), protection.columns, least);
  const cells = rows.map((r) => columns.map((c) => sum(r.map((i) => sum(c.map((j) => (counts.cells[i] as readonly number[])[j] as number))))));
  const total = sum(cells.map(sum));
  if (total < least) return null;
  const { hidden, primary, complementary } = hide(cells, least, trait);
  const rounded = (n: number): number => Math.round(n / base) * base;
  return {
    rows: rows.map((r) => r.map((i) => counts.rows[i] as string)),
    columns: columns.map((c) => c.map((j) => counts.columns[j] as string)),
    cells: cells.map((row, i) => row.map((n, j) => (hidden[i]?.[j] === true ? null : rounded(n)))),
    rowTotals: cells.map((row) => rounded(sum(row))),
    columnTotals: columns.map((_, j) => rounded(sum(cells.map((row) => row[j] as number)))),
    total: rounded(total),
    hidden: { primary, complementary },
  };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Positions of labels put together until each group has enough; labels without companies are left out. One group too small if all are. */
function groups(totals: readonly number[], merging: Merging, least: number): number[][] {
  const found = totals.flatMap((n, i) => (n > 0 ? [{ labels: [i], n }] : []));
  if (merging === "rest") {
    const rising = found.toSorted((a, b) => a.n - b.n);
    const rest = { labels: [] as number[], n: 0 };
    while (rising.length > 0 && ((rising[0]?.n ?? 0) < least || (rest.n > 0 && rest.n < least))) {
      const next = rising.shift();
      rest.labels.push(...(next?.labels ?? []));
      rest.n += next?.n ?? 0;
    }
    const kept = rising.map((g) => g.labels).sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
    return rest.n === 0 ? kept : [...kept, rest.labels.sort((a, b) => a - b)];
  }
  for (;;) {
    const at = found.findIndex((g) => g.n < least && g.n === Math.min(...found.map((o) => o.n)));
    if (at < 0 || found.length < 2) return found.map((g) => g.labels);
    const other = (found[at - 1]?.n ?? Infinity) <= (found[at + 1]?.n ?? Infinity) ? at - 1 : at;
    const [left, right] = [found[other], found[other + 1]];
    found.splice(other, 2, { labels: [...(left?.labels ?? []), ...(right?.labels ?? [])], n: (left?.n ?? 0) + (right?.n ?? 0) });
  }
}

type Cell = readonly [row: number, column: number];

function hide(cells: readonly (readonly number[])[], least: number, trait: boolean): { hidden: boolean[][]; primary: number; complementary: number } {
  const width = cells[0]?.length ?? 0;
  const hidden = cells.map((row) => row.map((n) => n > 0 && n < least));
  // Everybody of the row is in one column: its total tells the trait of each. With one row or column the totals tell it anyway.
  if (trait && width > 1 && cells.length > 1) {
    for (const [i, row] of cells.entries()) if (row.filter((n) => n > 0).length === 1) hidden[i]?.fill(true);
  }
  const sensitive: Cell[] = hidden.flatMap((row, i) => row.flatMap((is, j) => (is ? [[i, j] as const] : [])));
  const lines: Cell[][] = [
    ...cells.map((row, i) => row.map((_, j) => [i, j] as const)), ...Array.from({ length: width }, (_, j) => cells.map((_row, i) => [i, j] as const)),
  ];
  const count = ([i, j]: Cell): number => (cells[i] as readonly number[])[j] as number;
  const isHidden = ([i, j]: Cell): boolean => hidden[i]?.[j] === true;
  let complementary = 0;
  /** Hides the smallest cell with companies that is still shown in these lines, else one without. False when there is none. */
  const add = (places: readonly Cell[]): boolean => {
    const shown = places.filter((cell) => !isHidden(cell)).toSorted((a, b) => (count(a) || Infinity) - (count(b) || Infinity));
    const [cell] = shown;
    if (cell === undefined) return false;
    (hidden[cell[0]] as boolean[])[cell[1]] = true;
    complementary++;
    return true;
  };
  // Each pass hides a cell or ends. When all is hidden, the bounds of a cell are as far apart as the smallest total, which is enough.
  for (let again = true; again;) {
    again = false;
    for (const line of lines) {
      const inside = line.filter(isHidden);
      if (inside.length > 0 && (inside.length < 2 || sum(inside.map(count)) < least) && add(line)) again = true;
    }
    if (again) continue;
    for (const cell of sensitive) {
      if (spread(cells, hidden, cell, least) >= least) continue;
      if (add([...(lines[cell[0]] ?? []), ...(lines[cells.length + cell[1]] ?? [])]) || add(lines.flat())) again = true;
    }
  }
  return { hidden, primary: sensitive.length, complementary };
}

/**
 * How far apart the least and the greatest value of a hidden cell are that fit the published figures, exactly (whole numbers, none below
 * 0); at most `enough`. Exported for tests.
 */
export function spread(cells: readonly (readonly number[])[], hidden: readonly (readonly boolean[])[], [row, column]: Cell, enough: number): number {
  // Rows, then columns, are nodes. From row i to column j: x_ij may rise without end; back: it may fall to 0. The cell itself is out.
  const size = cells.length + (cells[0]?.length ?? 0);
  const capacity = (): Float64Array[] => {
    const c = Array.from({ length: size }, () => new Float64Array(size));
    for (const [i, line] of cells.entries()) {
      for (const [j, n] of line.entries()) {
        if (hidden[i]?.[j] !== true || (i === row && j === column)) continue;
        (c[i] as Float64Array)[cells.length + j] = Infinity;
        (c[cells.length + j] as Float64Array)[i] = n;
      }
    }
    return c;
  };
  const own = (cells[row] as readonly number[])[column] as number;
  const down = Math.min(own, maximumFlow(capacity(), row, cells.length + column, own));
  return down >= enough ? enough : Math.min(enough, down + maximumFlow(capacity(), cells.length + column, row, enough - down));
}

/** Edmonds and Karp's maximum flow, at most `enough`. Changes the capacities. */
function maximumFlow(capacity: readonly Float64Array[], from: number, to: number, enough: number): number {
  let flow = 0;
  while (flow < enough) {
    const before = new Int32Array(capacity.length).fill(-1);
    before[from] = from;
    const queue = [from];
    for (let head = 0; head < queue.length && before[to] === -1; head++) {
      const node = queue[head] as number;
      for (const [next, c] of (capacity[node] as Float64Array).entries()) {
        if (c > 0 && before[next] === -1) {
          before[next] = node;
          queue.push(next);
        }
      }
    }
    if (before[to] === -1) return flow;
    let step = enough - flow;
    for (let node = to; node !== from; node = before[node] as number) step = Math.min(step, capacity[before[node] as number]?.[node] ?? 0);
    for (let node = to; node !== from; node = before[node] as number) {
      const previous = before[node] as number;
      (capacity[previous] as Float64Array)[node] = (capacity[previous] as Float64Array)[node] as number - step;
      (capacity[node] as Float64Array)[previous] = (capacity[node] as Float64Array)[previous] as number + step;
    }
    flow += step;
  }
  return flow;
}
