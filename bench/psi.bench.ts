// The set intersection of two parties in one process: no sockets and no files, the curve work on two threads.
import type { EntityId } from "../core/brand.ts";
import { CurvePool } from "../federation/psi/curve-pool.ts";
import { ecdhIntersection } from "../federation/psi/ecdh.ts";
import { createWorld } from "../test/support/world.ts";
import { medians, type Figure } from "./figures.ts";

const sizes = [10_000, 30_000];
const section = "set intersection";

/** Both parties hold `size` ids, half of them in common. */
export async function psiBench(runs: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const size of sizes) {
    const measured: Figure[][] = [];
    for (let i = 0; i < runs; i++) measured.push(await once(size));
    figures.push(...medians(measured));
  }
  return figures;
}

async function once(size: number): Promise<Figure[]> {
  const idsFrom = (first: number): EntityId[] => Array.from({ length: size }, (_, i) => String(1_000_000_000 + first + i) as EntityId);
  const [guestIds, hostIds] = [idsFrom(0), idsFrom(size / 2)];
  await using curve = new CurvePool({ workers: 2 });
  const psi = ecdhIntersection(curve);
  const world = createWorld({ parties: ["bank", "host"], seed: size });
  const [guest, host] = world.names;
  if (guest === undefined || host === undefined) throw new Error("two parties");
  const cpu = process.cpuUsage();
  const began = performance.now();
  const { bank } = await world.run({
    bank: (party) => psi.guest(party, host, guestIds, { setSecret: new Uint8Array(32).fill(7) }),
    host: (party) => psi.host(party, guest, hostIds, { admit: () => {} }),
  });
  const wallSeconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const plainBegan = performance.now();
  const known = new Set(hostIds);
  const common = guestIds.filter((id) => known.has(id)).length;
  const plainMs = performance.now() - plainBegan;
  const matched = bank.matched.reduce((sum, at) => sum + (at < 0 ? 0 : 1), 0);
  if (matched !== common) throw new Error(`${matched} ids matched instead of ${common}`);
  const cpuSeconds = (user + system) / 1e6;
  const of = `${size} ids a side`;
  return [
    { section, name: `${of}: wall`, value: wallSeconds, unit: "s" },
    { section, name: `${of}: CPU of both parties`, value: cpuSeconds, unit: "s" },
    { section, name: `${of}: CPU for one id at both parties`, value: (cpuSeconds / size) * 1e6, unit: "us" },
    { section, name: `${of}: the same in the clear`, value: plainMs, unit: "ms" },
  ];
}
