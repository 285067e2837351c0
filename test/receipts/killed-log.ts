// A process that appends to a log on a real disk and dies by SIGKILL at one call of the file system: `node killed-log.ts FOLDER CALL`. A write dies
// with half of its bytes written. Says on stdout how many entries were acknowledged, as soon as they were; how many calls there are, at the end.
import { writeSync } from "node:fs";
import { folderDisk, type Disk } from "../../receipts/disk.ts";
import { createLog, ReceiptLog } from "../../receipts/log.ts";
import { testSigner } from "./keys.ts";

export const killedSigner = testSigner("log.test/killed");
export const killedBatches = [2, 255];

function mortal(disk: Disk, last: number): { disk: Disk; calls: () => number } {
  let calls = 0;
  const isLast = (): boolean => ++calls === last;
  const die = (): never => {
    process.kill(process.pid, "SIGKILL");
    throw new Error("dead");
  };
  /** Dies in place of the call, which is right behind the one before it. */
  const wrap = <A extends unknown[], T>(call: (...args: A) => Promise<T>) => async (...args: A): Promise<T> => {
    if (isLast()) die();
    return call(...args);
  };
  return {
    calls: () => calls,
    disk: {
      read: wrap((path) => disk.read(path)), list: wrap((folder) => disk.list(folder)), makeFolder: wrap((folder) => disk.makeFolder(folder)),
      rename: wrap((from, to) => disk.rename(from, to)), remove: wrap((path) => disk.remove(path)), removeFolder: wrap((folder) => disk.removeFolder(folder)),
      syncFolder: wrap((folder) => disk.syncFolder(folder)),
      create: async (path) => {
        const file = await wrap((name: string) => disk.create(name))(path);
        return {
          write: async (bytes) => {
            if (isLast()) {
              await file.write(bytes.subarray(0, bytes.length >> 1));
              die();
            }
            return file.write(bytes);
          },
          sync: wrap(() => file.sync()), close: wrap(() => file.close()),
        };
      },
    },
  };
}

if (import.meta.main) {
  const [folder = "", last = "0"] = process.argv.slice(2);
  const { disk, calls } = mortal(folderDisk(folder), Number(last));
  await createLog({ disk, signer: killedSigner });
  const log = await ReceiptLog.open({ disk, signer: killedSigner });
  let made = 0;
  for (const count of killedBatches) {
    const from = made;
    await Promise.all(Array.from({ length: count }, (_, i) => log.append(Buffer.from(`entry ${from + i}`))));
    made += count;
    writeSync(1, `acknowledged ${made}\n`);
  }
  await log.close();
  writeSync(1, `calls ${calls()}\n`);
}
