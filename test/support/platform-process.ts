// The platform's process entry with the tests' own plan compiler.
import { runPlatformProcess } from "../../api/process.ts";
import { plainPlan } from "./platform.ts";

await runPlatformProcess(process.argv.slice(2), plainPlan);
