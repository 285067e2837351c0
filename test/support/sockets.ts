// The sockets that this process has open, as the system sees them.
import { readdirSync, readlinkSync } from "node:fs";

/** Names of open sockets ("socket:[inode]"); empty where there is no /proc. */
export function openSockets(): Set<string> {
  try {
    return new Set(readdirSync("/proc/self/fd").map(target).filter((name) => name.startsWith("socket:")));
  } catch {
    return new Set();
  }
}

function target(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // the folder's own descriptor
  }
}
