// A private PostgreSQL cluster for tests: own folder, own port on 127.0.0.1, gone afterwards. Nothing of the machine's own
// service is touched.
import { execFileSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

export type Cluster = { readonly url: (database: string) => string; createDatabase(name: string): void; stop(): void };

/** Folder of initdb and pg_ctl, newest version first; undefined if PostgreSQL is not installed. */
export function findPostgres(): string | undefined {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(root, version, "bin")).find((bin) => existsSync(join(bin, "initdb")));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** PostgreSQL refuses to run as root: then as the user that its package made. */
function asUser(command: string, args: readonly string[]): void {
  const options = { stdio: "ignore" as const, env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" } };
  if (process.getuid?.() === 0) execFileSync("runuser", ["-u", "postgres", "--", command, ...args], options);
  else execFileSync(command, [...args], options);
}

export async function startPostgres(bin: string): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), "yunei-pg-"));
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? "postgres" : userInfo().username;
  if (isRoot) {
    const ids = ["-u", "-g"].map((flag) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }))) as [number, number];
    chownSync(folder, ...ids);
  }
  const data = join(folder, "data");
  const port = await freePort();
  asUser(join(bin, "initdb"), ["-D", data, "-A", "trust", "-E", "UTF8", "--no-sync"]);
  asUser(join(bin, "pg_ctl"), [
    "-D",
    data,
    "-o",
    `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='${folder}'`,
    "-w",
    "start",
  ]);
  return {
    url: (database) => `postgresql://${user}@127.0.0.1:${port}/${database}`,
    createDatabase: (name) => asUser(join(bin, "createdb"), ["-h", "127.0.0.1", "-p", String(port), name]),
    stop: () => {
      asUser(join(bin, "pg_ctl"), ["-D", data, "-m", "immediate", "-w", "stop"]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
