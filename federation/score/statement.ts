// What batch scoring may send, by the kind of the model, for the leakage statement.
import { AppError } from "../../core/errors.ts";
import type { KindStatement } from "../leakage.ts";
import { addLookups } from "../lookup/statement.ts";
import { chunks, featuresOf, jobRows, type Add, type Sizes } from "../statement.ts";
import { rowsPerChunk } from "../totals/messages.ts";
import { linearAnswerBytes, linearDegree, sealedBatchBytes } from "../../kernels/linear/params.ts";
import { encryptedModelAttacks, wholeModelAttacks } from "../attacks.ts";
import { modelPieceBytes } from "../serve/messages.ts";
import { requireProviders } from "../serve/own-model.ts";
import { addWholeModel } from "../serve/statement.ts";
import { labelFrameBytes, reasonBytes, reasonRowsPerChunk, unitRowsPerChunk } from "./messages.ts";
import { isOwnShape, scoreJobSchema } from "./params.ts";

/** Adds the messages of batch scoring. Throws JOB_PARAMS when a host shall explain that is not in the job. */
export function scoreStatement(plan: Sizes, add: Add): KindStatement {
  const n = jobRows(plan);
  const { guest, hosts } = plan;
  const { shape, explain } = scoreJobSchema.parse(plan.params);
  if (isOwnShape(shape)) requireProviders(shape.kind === "encrypted-model" ? shape : {}, hosts);
  if (explain.hosts.some((h) => !hosts.includes(h))) throw new AppError("JOB_PARAMS", { hosts: explain.hosts.length });
  for (const host of hosts) {
    if (shape.kind === "scorecard") add(host, guest, "totals/masked", chunks(n, rowsPerChunk), n, n);
    if (shape.kind === "gbdt") add(guest, host, "lookup/groups", 1, shape.trees * (hosts.length + 1) * 64 + 1024, shape.trees);
    if (shape.kind === "encrypted-model") {
      const sealed = sealedBatchBytes(shape.features.filter((f) => f.party === host).length);
      add(guest, host, "serve/encrypted-model", chunks(sealed, modelPieceBytes), sealed, 0);
      add(host, guest, "score/encrypted-part", chunks(n, linearDegree), chunks(n, linearDegree) * linearAnswerBytes, n);
    }
    if (shape.kind === "whole-model") {
      addWholeModel(add, guest, host, shape.bytes);
      add(host, guest, "score/odds", chunks(n, unitRowsPerChunk), n, n);
    }
    if (explain.hosts.includes(host)) {
      const features = featuresOf(plan, host);
      add(host, guest, "score/labels", 1, features * labelFrameBytes, features);
      // Of each reason two numbers: which one, and how much.
      add(host, guest, "score/reasons", chunks(n, reasonRowsPerChunk), n * explain.reasons * reasonBytes, 2 * n * explain.reasons);
    }
    add(host, guest, "finish/receipt", 1, 256 * 1024, 0);
  }
  if (shape.kind === "gbdt") {
    const size = { groups: shape.trees, tables: shape.trees, entries: 2 ** shape.depth, choices: 2 ** shape.depth };
    addLookups(add, { guest, hosts, rows: n, of: () => size, joint: hosts.length > 1 });
  }
  if (shape.kind === "crossboost") {
    const of = (host: (typeof hosts)[number]) => ({ groups: featuresOf(plan, host), tables: featuresOf(plan, host), entries: shape.bins, choices: shape.bins });
    for (const host of hosts) add(guest, host, "cells/next", shape.totals + 1, (shape.totals + 1) * 1024, shape.totals + 1);
    for (let total = 0; total < shape.totals; total++) addLookups(add, { guest, hosts, rows: n, of, joint: false });
  }
  return { answered: [], attacks: shape.kind === "encrypted-model" ? encryptedModelAttacks : shape.kind === "whole-model" ? wholeModelAttacks : [] };
}
