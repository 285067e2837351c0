// What drives the providers beside the first five: facts of a company that its turnover does not say. Drawn once from a stream of their
// own, so that all providers see the same company, and so that the tables of the others stay as they were.
import type { Company } from "./company.ts";
import type { Draws } from "./draws.ts";
import { logistic } from "./draws.ts";

export type Traits = {
  /** Drive to innovate: about standard normal among companies, higher in technical sectors. */
  readonly innovation: number;
  /** Whether it imports under its own name. */
  readonly imports: boolean;
  /** Name of the legal representative: made up, the same at every provider. */
  readonly representative: string;
  /** A certificate number whose region code, 000000, is nobody's. */
  readonly certificate: string;
};

const technical: Readonly<Record<string, number>> = { I: 1.3, M: 1.1, C: 0.5, B: -0.2, Q: -0.3 };
const trading: Readonly<Record<string, number>> = { C: 0, F: -0.4, M: -1.6, I: -1.9, A: -2, L: -2 };

export function drawTraits(company: Company, draws: Draws): Traits {
  const { sector, sizeFacts, index } = company;
  const innovation = (technical[sector.code] ?? -0.8) + (sizeFacts.form === 2 ? 0 : -1.5) + 0.2 * (company.logRevenue - 15) + draws.normal();
  const scale = 0.6 * (company.logRevenue - 15.5);
  const imports = draws.bernoulli(sizeFacts.form === 2 ? logistic(-1.3 + (trading[sector.code] ?? -3) + scale) : 0.003);
  const born = 1955 + draws.integer(45);
  const certificate = `000000${born}${`${1 + draws.integer(12)}`.padStart(2, "0")}${`${1 + draws.integer(28)}`.padStart(2, "0")}${`${draws.integer(10_000)}`.padStart(4, "0")}`;
  return { innovation, imports, representative: `演示人${`${index + 1}`.padStart(6, "0")}`, certificate };
}
