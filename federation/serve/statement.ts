// What a service may send over its whole term: per request and period as the plan bounds it.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { mostTableProviders, sealedForOneBytes, tableKeyBytes } from "../../kernels/linear/params.ts";
import { encryptedModelAttacks, jointTreesAttacks, wholeModelAttacks } from "../attacks.ts";
import { mostConsentText } from "../consents/messages.ts";
import { labelFrameBytes } from "../score/messages.ts";
import type { KindStatement } from "../leakage.ts";
import type { MessageType } from "../messages.ts";
import { chunks, type Add, type Sizes } from "../statement.ts";
import { modelPieceBytes, mostEncryptedPartBytes, mostPlaces, mostTablesFrameBytes } from "./messages.ts";
import { requireProviders } from "./own-model.ts";
import { explainOf, serveJobSchema, type ServeJobParams } from "./params.ts";

/** CBOR of the names in one question, at most. */
const askBytes = 1024;
/** One column of the bank in a question: a number, or a text of 256 UTF-16 units. */
const columnBytes = 800;
/** Which trees have splits of whom, at most. */
const treeGroupsBytes = 2 * 2 ** 20;
/** Seal of a model that lies in an inbox. */
const modelSealBytes = 64;

/** A whole model on its way. */
export function addWholeModel(add: Add, from: PartyId, to: PartyId, bytes: number): void {
  // The whole file is the number of numbers in it.
  add(from, to, "serve/whole-model", chunks(bytes + modelSealBytes, modelPieceBytes), bytes + modelSealBytes, bytes);
}

type Wire = { readonly ask: MessageType; readonly askBytes: number; readonly part: MessageType; readonly partBytes: number };

export function serveStatement({ guest, hosts, datasets, params: plan }: Sizes, add: Add): KindStatement {
  const params = serveJobSchema.parse(plan);
  const { days, requestsPerDay, setsPerCompany } = params;
  if (explainOf(params).hosts.some((h) => !hosts.includes(h))) throw new AppError("JOB_PARAMS", { hosts: explainOf(params).hosts.length });
  if (params.protection === "joint-trees" && hosts.length > mostTableProviders) throw new AppError("JOB_PARAMS", { hosts: hosts.length });
  if (params.protection === "encrypted-model" || params.protection === "whole-model") requireProviders(params.protection === "encrypted-model" ? params : {}, hosts);
  const wire = wireOf(params);
  // A request is asked again at most once for each further set of providers; a term touches one calendar day more than it has days.
  const asks = (days + 1) * requestsPerDay * (params.protection === "whole-model" ? 1 : setsPerCompany);
  for (const host of hosts) {
    const consent = datasets[host]?.consents === true ? mostConsentText : 0;
    if (params.protection === "encrypted-model") add(guest, host, "serve/encrypted-model", 1, sealedForOneBytes, 0);
    if (params.protection === "whole-model") addWholeModel(add, guest, host, params.bytes);
    if (params.protection === "joint-trees") {
      // Each group counts as a number.
      add(guest, host, "serve/trees", 1, tableKeyBytes + treeGroupsBytes, 10_000);
      add(guest, host, "serve/tables", asks, bounded(asks * mostTablesFrameBytes), 0);
      // The total; whether the provider holds the company stands beside its places.
      add(host, guest, "serve/tree-part", asks, bounded(asks * mostEncryptedPartBytes), asks);
    }
    // The company and which providers take part; the columns that go along.
    const columns = params.protection === "whole-model" ? params.columns.length : 0;
    add(guest, host, wire.ask, asks, bounded(asks * (wire.askBytes + consent)), (2 + columns) * asks);
    // The total, and whether the provider holds the company.
    const explain = explainOf(params);
    if (!explain.hosts.includes(host)) add(host, guest, wire.part, asks, bounded(asks * wire.partBytes), params.protection === "joint-trees" ? asks : 2 * asks);
    // A name and a size for each reason.
    else add(host, guest, "serve/part-explained", asks, bounded(asks * (wire.partBytes + explain.reasons * labelFrameBytes)), (2 + 2 * explain.reasons) * asks);
    // A question of trees has two parts, each of which may be refused.
    const refusals = params.protection === "joint-trees" ? 2 * asks : asks;
    add(host, guest, "serve/refused", refusals, refusals * 64, refusals);
  }
  return { answered: [], attacks: attacksOf(params) };
}

function attacksOf(params: ServeJobParams): KindStatement["attacks"] {
  if (params.protection === "joint-trees") return jointTreesAttacks(params.questionsPerCompany);
  if (params.protection === "masked-points") return [];
  return params.protection === "encrypted-model" ? encryptedModelAttacks : wholeModelAttacks;
}

function wireOf(params: ServeJobParams): Wire {
  if (params.protection === "encrypted-model") return { ask: "serve/ask", askBytes, part: "serve/encrypted-part", partBytes: mostEncryptedPartBytes };
  if (params.protection === "joint-trees") return { ask: "serve/ask", askBytes, part: "serve/places", partBytes: mostPlaces + 64 };
  if (params.protection === "masked-points" || params.columns.length === 0) return { ask: "serve/ask", askBytes, part: params.protection === "masked-points" ? "serve/part" : "serve/odds", partBytes: 64 };
  return { ask: "serve/ask-columns", askBytes: askBytes + params.columns.length * columnBytes, part: "serve/odds", partBytes: 64 };
}

/** A service of millions of requests a day for a year may send more bytes than a number holds exactly: then the number of messages bounds it. */
function bounded(bytes: number): number {
  return Math.min(bytes, Number.MAX_SAFE_INTEGER / 4);
}
