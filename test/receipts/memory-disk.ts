// A disk in memory that knows what is durable: content that was synchronised, names whose folder was. It can fail at any
// call, cut writes short, and then be what a killed process or a power cut leaves behind.
import { dirname } from "node:path";
import type { Disk, DiskFile } from "../../receipts/disk.ts";
import type { Draw } from "../support/draw.ts";

type Inode = { data: Buffer; synced: Buffer };
type Names = Map<string, Inode | "folder">;
export type Fault = { readonly call: number; readonly kind: "dead" | "torn" | "once" };

const parent = (path: string): string => (dirname(path) === "." ? "" : dirname(path));

export class MemoryDisk {
  calls = 0;
  fault: Fault | undefined;
  #now: Names = new Map([["", "folder"]]);
  #durable: Names = new Map([["", "folder"]]);

  /** The operations; after a fault of kind dead or torn every later one fails as well. */
  readonly disk: Disk = {
    read: (path) => this.#call(() => {
      const found = this.#now.get(path);
      return found === undefined || found === "folder" ? undefined : new Uint8Array(found.data);
    }),
    list: (folder) => this.#call(() => [...this.#now.keys()].filter((path) => path !== "" && parent(path) === folder).map((path) => path.slice(folder === "" ? 0 : folder.length + 1))),
    makeFolder: (folder) => this.#call(() => {
      this.#needFolder(parent(folder));
      if (!this.#now.has(folder)) this.#now.set(folder, "folder");
    }),
    create: (path) => this.#call(() => {
      this.#needFolder(parent(path));
      const inode: Inode = { data: Buffer.alloc(0), synced: Buffer.alloc(0) };
      this.#now.set(path, inode);
      return this.#file(inode);
    }),
    rename: (from, to) => this.#call(() => {
      const inode = this.#now.get(from);
      if (inode === undefined) throw new Error("ENOENT");
      this.#now.delete(from);
      this.#now.set(to, inode);
    }),
    remove: (path) => this.#call(() => void this.#now.delete(path)),
    removeFolder: (folder) => this.#call(() => {
      if ([...this.#now.keys()].some((path) => path !== "" && parent(path) === folder)) throw new Error("ENOTEMPTY");
      this.#now.delete(folder);
    }),
    syncFolder: (folder) => this.#call(() => {
      this.#needFolder(folder);
      for (const path of this.#durable.keys()) if (path !== "" && parent(path) === folder && !this.#now.has(path)) this.#durable.delete(path);
      for (const [path, inode] of this.#now) if (path !== "" && parent(path) === folder) this.#durable.set(path, inode);
    }),
  };

  #file(inode: Inode): DiskFile {
    return {
      write: (bytes) => this.#call(() => {
        // A disk may take less than it is given, also without an error.
        const taken = Math.max(1, Math.ceil(bytes.length * 0.7));
        inode.data = Buffer.concat([inode.data, bytes.subarray(0, taken)]);
        return taken;
      }, () => void (inode.data = Buffer.concat([inode.data, bytes.subarray(0, Math.floor(bytes.length / 3))]))),
      sync: () => this.#call(() => void (inode.synced = inode.data)),
      close: () => Promise.resolve(),
    };
  }

  #needFolder(folder: string): void {
    if (this.#now.get(folder) !== "folder") throw new Error("ENOENT");
  }

  async #call<T>(work: () => T, torn: () => void = () => {}): Promise<T> {
    await Promise.resolve();
    this.calls++;
    const { fault } = this;
    if (fault !== undefined && (this.calls === fault.call || (fault.kind !== "once" && this.calls > fault.call))) {
      if (this.calls === fault.call && fault.kind === "torn") torn();
      throw new Error("EIO");
    }
    return work();
  }

  /** The disk after a power cut: synchronised content and names; of the rest, what `draw` keeps (nothing without it). */
  loseUnsynced(draw?: Draw): void {
    const keeps = (): boolean => draw !== undefined && draw.uniform() < 0.5;
    const kept: Names = new Map(this.#durable);
    for (const path of new Set([...this.#now.keys(), ...this.#durable.keys()])) {
      const now = this.#now.get(path);
      if (now === this.#durable.get(path) || !keeps()) continue;
      if (now === undefined) kept.delete(path);
      else kept.set(path, now);
    }
    // What lies in a folder that is gone is gone.
    const isThere = (path: string): boolean => path === "" || (kept.has(path) && isThere(parent(path)));
    const left = new Map([...kept].filter(([path]) => isThere(path)));
    for (const [path, inode] of left) {
      if (inode === "folder") continue;
      const more = draw === undefined ? 0 : Math.floor(draw.uniform() * (inode.data.length - inode.synced.length + 1));
      const data = inode.data.subarray(0, inode.synced.length + more);
      left.set(path, { data, synced: data });
    }
    this.#now = left;
    this.#durable = new Map(left);
    this.repair();
  }

  /** The fault is over; a new process uses the disk. */
  repair(): void {
    this.fault = undefined;
    this.calls = 0;
  }

  /** Changes a file behind the log's back. */
  put(path: string, data: Uint8Array | undefined): void {
    const inode = { data: Buffer.from(data ?? []), synced: Buffer.from(data ?? []) };
    if (data === undefined) {
      this.#now.delete(path);
      this.#durable.delete(path);
    } else {
      this.#now.set(path, inode);
      this.#durable.set(path, inode);
    }
  }

  files(): string[] {
    return [...this.#now].filter(([, inode]) => inode !== "folder").map(([path]) => path).sort();
  }

  bytes(path: string): Buffer {
    const inode = this.#now.get(path);
    if (inode === undefined || inode === "folder") throw new Error("no such file");
    return inode.data;
  }
}
