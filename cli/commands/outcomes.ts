// `yunei outcomes` and `yunei served-models`: what banks told of their loans and of their models in service, as the platform shows it to a person in a role.
import type { Command } from "commander";
import { outcomeEndpoints as e } from "../../api/contract/outcomes.ts";
import { partyName } from "../arguments.ts";
import { asRole, withRole, type RoleOptions } from "../role-client.ts";
import { outcomesLines, servedModelLines } from "../show-outcomes.ts";
import { printJson, printLines } from "../terminal.ts";

type Options = RoleOptions & { party?: string };
const query = (o: Options): Record<string, string> => (o.party === undefined ? {} : { party: o.party });

export function addOutcomes(program: Command): void {
  asRole(program.command("outcomes").description("counts of finished loans that banks told: by model version, cohort and score band (supervisor, platform-operator, institutions their own) / 贷款表现计数"))
    .option("--party <party>", "of this bank alone", partyName)
    .action((o: Options) => withRole(o, async ({ api, json, language }) => {
      const found = await api.call(e.listOutcomes, { query: query(o) });
      if (json) printJson(found);
      else printLines(outcomesLines(found, language));
    }));
}

export function addServedModels(program: Command): void {
  asRole(program.command("served-models").description("versions of the models that banks serve, with states and shares (supervisor, platform-operator, institutions their own) / 在线模型版本"))
    .option("--party <party>", "of this bank alone", partyName)
    .action((o: Options) => withRole(o, async ({ api, json }) => {
      const found = await api.call(e.listServedModels, { query: query(o) });
      if (json) printJson(found);
      else printLines(servedModelLines(found));
    }));
}
