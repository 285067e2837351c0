// Which protections around this process are in force. Asked at start-up, printed, and shown in the report.
import { existsSync } from "node:fs";

export type ActiveLayer = { readonly name: string; readonly active: boolean };

type PermissionHost = { permission?: { has(scope: string, reference?: string): boolean } };

/** The layers that this process can see about itself. */
export function activeLayers(): ActiveLayer[] {
  const { permission } = process as unknown as PermissionHost;
  return [
    { name: "node-permission-model", active: permission !== undefined && !permission.has("child") && !permission.has("fs.write", "/") },
    { name: "bubblewrap", active: process.env["YUNEI_BUBBLEWRAP"] === "1" && !existsSync("/home") },
    { name: "data-engine-locked", active: true },
    { name: "outgoing-only", active: true },
    { name: "state-sealed-at-rest", active: true },
  ];
}
