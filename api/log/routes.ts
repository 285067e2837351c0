// The log's endpoints: public reading, the institution's bundles, the enclaves' receipts and witnesses.
import type { Express, NextFunction, Request, Response } from "express";
import { AppError } from "../../core/errors.ts";
import { batchDigits, partyIdSchema } from "../../core/names.ts";
import { toBase64, verifierKey } from "../../receipts/note.ts";
import { logPrefix, receiptBankEndpoints as b, receiptEnclaveEndpoints as e, type ReceiptLine } from "../contract/receipts.ts";
import { openGuard } from "../http/auth.ts";
import { route, type Guard, type InstitutionCaller, type PartyCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { findJob } from "../store/jobs.ts";
import { findInChain, findIssuer, findReceipt, listReceiptsOf, type LogRow } from "../store/receipts.ts";

/** Full tiles and bundles never change; the rest does. */
const forever = "public, max-age=31536000, immutable";

export function addLogRoutes(app: Express, platform: Platform, guard: Guard<InstitutionCaller>): void {
  const { log: transparency } = platform;
  route(app, b.getLog, openGuard, async () => {
    const { log, witnesses } = transparency;
    return {
      key: verifierKey(log.key), size: log.size, checkpoint: log.checkpoint, witnessed: log.witnessed ?? null,
      caCertificate: platform.authority.certificatePem, witnesses: await witnesses.list(), registrars: [...platform.registrar.certificates],
    };
  });
  route(app, b.getInclusion, openGuard, async ({ params: { index }, query: { size = transparency.log.size } }) => (
    { index, size, path: (await transparency.log.inclusion(index, size)).map(toBase64) }
  ));
  route(app, b.getConsistency, openGuard, async ({ query: { first, second = transparency.log.size } }) => (
    { first, second, path: (await transparency.log.consistency(first, second)).map(toBase64) }
  ));
  addStaticLog(app, platform);
  route(app, b.listReceipts, guard, async ({ caller, query }) => {
    if (query.cursor !== undefined && !/^(0|[1-9]\d{0,14})$/.test(query.cursor)) throw new AppError("REQUEST_INVALID");
    const before = query.cursor === undefined ? undefined : Number(query.cursor);
    const rows = await listReceiptsOf(platform.db, caller.institution, { limit: query.limit, before, job: query.job });
    return { items: rows.map(lineOf), next: rows.length < query.limit ? null : String(rows.at(-1)?.entry ?? "") };
  });
  route(app, b.getReceipt, guard, async ({ caller, params }) => bundleOf(platform, await ownReceipt(platform, caller, params.id)));
}

/** The static API of C2SP tlog-tiles: any monitor can follow the log by it. */
function addStaticLog(app: Express, platform: Platform): void {
  app.get([`${logPrefix}checkpoint`, `${logPrefix}witnessed`, `${logPrefix}tile/*name`], (request: Request, response: Response, next: NextFunction) => {
    const path = request.path.slice(logPrefix.length);
    response.locals["route"] = logPrefix;
    const send = (bytes: Uint8Array | undefined): void => {
      if (bytes === undefined) return next(new AppError("LOG_RANGE"));
      const isNote = !path.startsWith("tile/");
      if (!isNote) response.setHeader("Cache-Control", forever);
      response.status(200).setHeader("Content-Type", isNote ? "text/plain; charset=utf-8" : "application/octet-stream").end(bytes);
    };
    platform.log.log.resource(path).then(send, next);
  });
}

function lineOf(row: LogRow): ReceiptLine {
  const { digest: id, jobId: job, kind, purpose, sequence, entry: index } = row;
  return { id, job, kind, party: partyIdSchema.parse(row.partyId), purpose, at: row.at.toISOString(), sequence, index };
}

/** A receipt of one of the institution's jobs; any other does not exist for it. Throws RECEIPT_NOT_FOUND. */
async function ownReceipt(platform: Platform, caller: InstitutionCaller, id: string): Promise<LogRow> {
  const row = await findReceipt(platform.db.read, id);
  const job = row === undefined ? undefined : ((await findJob(platform.db.read, row.jobId)) ?? await findJob(platform.db.read, row.jobId.slice(0, -batchDigits)));
  if (row === undefined || job?.institution !== caller.institution) throw new AppError("RECEIPT_NOT_FOUND");
  return row;
}

/** What proves one receipt, without any company's use: only the enclave can open these. */
async function bundleOf(platform: Platform, row: LogRow) {
  const { log } = platform.log;
  const issuer = await findIssuer(platform.db.read, row.certificate);
  if (issuer === undefined) throw new AppError("PLATFORM_INTERNAL");
  const before = row.sequence === 0 ? undefined : await findInChain(platform.db.read, row.issuer, row.sequence - 1);
  const textAt = async (index: number): Promise<string> => Buffer.from(await log.entry(index)).toString("utf8");
  return {
    format: "yunei-receipt-bundle" as const, version: 1 as const, receipt: await textAt(row.entry), issuer: { certificate: issuer.pem },
    log: await platform.log.place(row.entry, platform.log.checkpointFor(row.entry)), ...(before === undefined ? {} : { previous: await textAt(before.entry) }),
  };
}

export function addWitnessRoutes(app: Express, platform: Platform, guard: Guard<PartyCaller>): void {
  const { log: transparency } = platform;
  const { witnesses } = transparency;
  route(app, e.putReceipt, guard, ({ caller, body }) => transparency.take(caller.party, body.receipt));
  route(app, e.getPlace, guard, async ({ caller, params }) => {
    const row = await findReceipt(platform.db.read, params.id);
    if (row === undefined || row.partyId !== caller.party) throw new AppError("RECEIPT_NOT_FOUND");
    return transparency.place(row.entry, transparency.checkpointFor(row.entry));
  });
  route(app, e.putWitness, guard, async ({ caller, body }) => {
    await witnesses.publish(caller.party, body.statement);
    return { party: caller.party };
  });
  route(app, e.getOffer, guard, async ({ caller, query, signal }) => {
    if (query.wait > 0 && !platform.wakeups.hasRoom) throw new AppError("PLATFORM_BUSY");
    const offer = await platform.wakeups.until("log", query.wait * 1000, signal, () => witnesses.offer(caller.party, query.old));
    return { key: verifierKey(transparency.log.key), offer: offer ?? null };
  });
  route(app, e.putCosignature, guard, async ({ caller, body }) => ({ taken: await witnesses.take(caller.party, body.checkpoint, body.line) }));
  route(app, e.putRefusal, guard, async ({ caller, body }) => {
    await witnesses.refuse(caller.party, body);
    return { party: caller.party };
  });
}
