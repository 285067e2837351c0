// The key and the folder of the platform's transparency log: made once, together, before the key has its name. A log that is gone is
// never made again beside a key that has signed for it.
import { createHash, createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "../../core/errors.ts";
import { writeDurably } from "../../core/files.ts";
import { folderDisk } from "../../receipts/disk.ts";
import { checkpointPath, createLog, logKey } from "../../receipts/log.ts";
import { verifierKey, type NoteSigner } from "../../receipts/note.ts";

const keyFile = "log.key";
/** Beside the log's folder and not in it: it holds nothing but the log. */
const lockFile = "log.lock";

export function logPaths(data: string) {
  return { folder: join(data, "log"), key: join(data, keyFile), publicKey: join(data, "log.pub"), lock: join(data, lockFile) } as const;
}

/** Makes key and empty log if there are none. A killed process leaves a start from which the next one goes on. */
export async function initialiseLog(data: string, caPem: string): Promise<void> {
  const paths = logPaths(data);
  if (existsSync(paths.key)) return;
  const fresh = `${paths.key}.new`;
  if (!existsSync(fresh)) writeDurably(fresh, generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }));
  mkdirSync(paths.folder, { recursive: true, mode: 0o700 });
  const signer = signerOf(fresh, caPem);
  if (!existsSync(join(paths.folder, checkpointPath))) await createLog({ disk: folderDisk(paths.folder), signer });
  writeDurably(paths.publicKey, `${verifierKey(logKey(signer))}\n`);
  renameSync(fresh, paths.key);
}

/** Throws PLATFORM_NOT_INITIALISED. */
export function loadLogSigner(data: string, caPem: string): NoteSigner {
  const { key } = logPaths(data);
  if (!existsSync(key)) throw new AppError("PLATFORM_NOT_INITIALISED");
  return signerOf(key, caPem);
}

/** The origin names this platform's authority: no two platforms' logs have one. */
function signerOf(path: string, caPem: string): NoteSigner {
  const fingerprint = createHash("sha256").update(new X509Certificate(caPem).raw).digest("hex");
  return { name: `yunei-log/${fingerprint.slice(0, 16)}`, key: createPrivateKey(readFileSync(path, "utf8")) };
}
