// The platform as a process that keeps what it relayed after a job has ended: node keeping-platform.ts DATA API-PORT ENCLAVE-PORT
import { startPlatform } from "../../api/server.ts";
import { stderrLog } from "../../core/log.ts";
import { systemRng } from "../../core/rng.ts";
import { compilePlan } from "../../federation/plan.ts";

const [data = "", apiPort = "0", enclavePort = "0"] = process.argv.slice(2);
const running = await startPlatform({
  data, compilePlan, apiPort: Number(apiPort), enclavePort: Number(enclavePort), limits: { retentionMs: 365 * 86_400_000 },
  env: { rng: systemRng, now: Date.now, log: stderrLog("info") },
});
process.once("SIGTERM", () => void running.stop().then(() => process.exit(0)));
process.stdout.write(`${JSON.stringify({ event: "ready", apiPort: running.apiPort, enclavePort: running.enclavePort })}\n`);
