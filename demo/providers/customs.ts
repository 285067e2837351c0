// Customs: registration, credit grade and what was paid on imports, for companies that import under their own name.
import { logistic } from "../draws.ts";
import { anyOf, defineProvider, yuan } from "../provider.ts";

const dutyRate = 0.06;
const vatRate = 0.13;

export const customs = defineProvider({
  folder: "customs",
  coverage: (_, traits) => (traits.imports ? 1 : 0),
  population: "customs_registrations",
  tables: {
    customs_registrations: { customs_code: "categorical", business_category: "categorical", registration_flag: "categorical", registered_on: "date" },
    customs_grades: { credit_grade: "categorical", applies_from: "date" },
    customs_payments: {
      month: "date", dutiable_value: "numeric", duty: "numeric", import_vat: "numeric", due_on: "date", paid_on: "date",
    },
  },
  write({ company, path, calendar }, draws, out) {
    const { uscc, region, index } = company;
    const registered = Math.min(calendar.snapshotDay - 1, company.established + 30 + Math.floor(draws.exponential(300)));
    const category = anyOf(["consignee_consignor", "customs_broker", "processing_trade"], draws);
    const code = `${region.code.slice(0, 4)}D${`${index}`.padStart(7, "0")}`;
    out.customs_registrations.row(`${uscc},${code},${category},valid,${calendar.dayText(registered)}`);
    out.customs_grades.row(`${uscc},registered,${calendar.dayText(registered)}`);
    const standing = 0.5 * path.discipline + 0.4 * path.healthNow + (company.size === "medium" ? 0.4 : 0) + 0.6 * draws.normal();
    const decided = Math.max(registered + 1, calendar.snapshotDay - 30 - draws.integer(900));
    if (decided < calendar.snapshotDay && standing > 0.9) out.customs_grades.row(`${uscc},advanced_certified,${calendar.dayText(decided)}`);
    if (decided < calendar.snapshotDay && standing < -1.2) out.customs_grades.row(`${uscc},dishonest,${calendar.dayText(decided)}`);
    const share = 0.05 + 0.25 * draws.uniform();
    const often = 0.35 + 0.6 * draws.uniform();
    for (let t = company.start; t < path.months; t += 1) {
      const health = path.health[t] ?? 0;
      const due = calendar.firstDay(t) + 20 + draws.integer(15);
      const late = draws.bernoulli(logistic(-2.3 - 0.6 * path.discipline - 0.4 * health));
      const paid = late ? due + Math.ceil(draws.exponential(8)) : due - draws.integer(10);
      if (calendar.firstDay(t) < registered || !draws.bernoulli(often) || paid >= calendar.snapshotDay || due >= calendar.snapshotDay) continue;
      const value = ((path.revenue[t] ?? 0) * share / often) * draws.lognormal(0, 0.3);
      const duty = value * dutyRate;
      const amounts = `${yuan(value)},${yuan(duty)},${yuan((value + duty) * vatRate)}`;
      out.customs_payments.row(`${uscc},${calendar.monthText(t)},${amounts},${calendar.dayText(due)},${calendar.dayText(paid)}`);
    }
  },
});
