// Process entry: node api/main.ts --data DIR [--api-port P] [--enclave-port P] [--listen ADDRESS] [--host NAME]... [--database URL]
import { compilePlan } from "../federation/plan.ts";
import { runPlatformProcess } from "./process.ts";

await runPlatformProcess(process.argv.slice(2), compilePlan);
