// Which protections around this process are in force. Asked at start-up, printed, and shown in the report.
export type ActiveLayer = { readonly name: string; readonly active: boolean };

type PermissionHost = { permission?: { has(scope: string, reference?: string): boolean } };

/** The layers that this process can see about itself. */
export function activeLayers(): ActiveLayer[] {
  const { permission } = process as unknown as PermissionHost;
  return [
    { name: "node-permission-model", active: permission !== undefined && !permission.has("child") && !permission.has("fs.write", "/") },
    // In a process namespace of its own bubblewrap is number 1 and this process its child, whatever the environment says.
    { name: "bubblewrap", active: process.env["YUNEI_BUBBLEWRAP"] === "1" && process.ppid === 1 && process.pid < 10 },
    // By construction, not by the machine: without the lock no data are loaded and the process ends, nothing in it listens, and
    // secrets are written sealed only (tests look at each from outside).
    { name: "data-engine-locked", active: true },
    { name: "outgoing-only", active: true },
    { name: "state-sealed-at-rest", active: true },
  ];
}
