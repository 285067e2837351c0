// Civil affairs: marital status of legal representatives, the sharpest personal information in the lists. Verification alone, never an
// indicator. Persons and numbers are made up: the region code of the numbers, 000000, belongs to nobody.
import type { Shares } from "../draws.ts";
import { defineProvider } from "../provider.ts";

const statuses: Shares<string> = [["married", 0.74], ["unmarried", 0.14], ["divorced", 0.1], ["widowed", 0.02]];

export const civilAffairs = defineProvider({
  folder: "civil_affairs",
  coverage: () => 0.88,
  population: "marital_statuses",
  tables: { marital_statuses: { legal_representative: "categorical", identity_number: "categorical", marital_status: "categorical" } },
  write({ company, traits }, draws, out) {
    out.marital_statuses.row(`${company.uscc},${traits.representative},${traits.certificate},${draws.pick(statuses, ([, weight]) => weight)[0]}`);
  },
});
