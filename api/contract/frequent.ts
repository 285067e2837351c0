// Endpoints that are asked so often that an audit log has sums of them, not an entry each.
import { bankEndpoints, enclaveEndpoints } from "../contract.ts";
import type { Endpoint } from "./endpoint.ts";

const frequent: ReadonlySet<Endpoint> = new Set<Endpoint>([bankEndpoints.health, enclaveEndpoints.reportEvents, enclaveEndpoints.putRelay, enclaveEndpoints.forgetRelay]);

/** Frames of the relay, reports of progress, health checks, and long polls of whatever area. */
export function isFrequent(endpoint: Endpoint): boolean {
  return frequent.has(endpoint) || endpoint.query?.shape["wait"] !== undefined;
}
