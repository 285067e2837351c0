// Sets up one party of a sandbox: enrols it, writes its configuration and an explicit policy.
import { basename, dirname, join, resolve } from "node:path";
import { partyId } from "../../core/names.ts";
import type { PartyId } from "../../core/brand.ts";
import { enclavePaths, type EnclaveConfig } from "../../enclave/config.ts";
import { registrarsSchema, type RegistrarsPolicy } from "../../enclave/consents/trust.ts";
import type { DatasetDefinition } from "../../enclave/data/definition.ts";
import { enrol } from "../../enclave/enrol.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { Policy } from "../../enclave/policy.ts";
import { writeDurably } from "../../core/files.ts";

export type SandboxParty = {
  readonly name: PartyId; readonly dataFolder: string; readonly definition: DatasetDefinition;
  /** The files are the user's own, no information of the sharing lists. */
  readonly ownData?: boolean;
  readonly splitFile?: string | undefined; readonly splitIdColumn?: string | undefined;
};

/** A ready-made feature table in one file. */
export function fileParty(name: string, file: string, idColumn: string, options: { label?: string | undefined; idKind: "uscc" | "opaque" }): SandboxParty {
  const path = resolve(file);
  return {
    name: partyId(name), dataFolder: dirname(path), ownData: true,
    definition: {
      name, idColumn, idKind: options.idKind, features: { file: basename(path) }, columns: {},
      missingTokens: ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"], ...(options.label === undefined ? {} : { labelColumn: options.label }),
    },
  };
}

/** Enrols the party and writes its folder: a policy of its own that names the kinds of jobs it takes (scorecards without `kinds`). All parties of a sandbox are on this machine, so the policy names this guest. */
export async function setUpParty(party: SandboxParty, options: {
  folder: string; apiUrl: string; enclaveUrl: string; token: string; guest: PartyId; sealTo: string; hosts: number; kinds?: readonly JobPlan["kind"][]; experiments?: boolean; network?: EnclaveConfig["network"]; workers: number; peerTimeoutSeconds: number;
  /** Whose word on companies' consents counts; the platform's registrars unless given. */
  registrars?: RegistrarsPolicy;
}): Promise<void> {
  const paths = enclavePaths(options.folder);
  await enrol({ url: options.apiUrl, token: options.token, keyFolder: paths.keys });
  const config: EnclaveConfig = {
    version: 1, party: party.name, platform: options.enclaveUrl, dataset: party.definition, dataFolder: party.dataFolder,
    workers: options.workers, ...(options.experiments === true ? { experiments: true } : {}), ...(party.ownData === true ? { ownData: true } : {}), ...(options.network === undefined ? {} : { network: options.network }), peerTimeoutSeconds: options.peerTimeoutSeconds,
    ...(party.splitFile === undefined ? {} : { splitFile: party.splitFile, splitIdColumn: party.splitIdColumn }),
  };
  const policy: Policy = {
    version: 1, pinned: {}, consents: "required", outcomes: "nothing", registrars: options.registrars ?? registrarsSchema.parse({}),
    allow: [{
      guest: options.guest, kinds: [...(options.kinds ?? ["scorecard", "score"])], purposes: ["model-development", "loan-approval"], approve: "auto",
      ...(party.name === options.guest ? { sealTo: options.sealTo } : {}), maxModelsPerCompany: 6, maxSetsPerCompany: 1, maxBitsPerCompany: 60,
      singleHostTotals: options.hosts === 1, maxSetSize: 5_000_000, maxNewIdsPerMonth: 5_000_000, maxScoresPerSetAndMonth: 31, explain: "nothing", consentedOnly: false, feedback: "bands",
    }],
  };
  writeDurably(paths.config, `${JSON.stringify(config, undefined, 2)}\n`);
  writeDurably(paths.policy, `${JSON.stringify(policy, undefined, 2)}\n`);
}

export function partyFolder(root: string, name: string): string {
  return join(root, "parties", name);
}
