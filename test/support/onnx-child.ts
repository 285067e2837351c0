// A process that does nothing but run a model: its caller looks for what it leaves behind.
import { setTimeout as delay } from "node:timers/promises";
import { openModel } from "../../enclave/onnx.ts";
import { sumModel } from "./onnx-model.ts";
import { openSockets } from "./sockets.ts";

const before = openSockets();
const three = (data: number[]) => ({ type: "float32", data: Float32Array.from(data), dims: [3] }) as const;
let sum: number[] = [];
const seen = new Set<string>();
{
  await using model = await openModel(sumModel());
  for (let i = 0; i < 20; i++) {
    const out = await model.run({ a: three([1, 2, 3]), b: three([4, 5, 6]) });
    sum = [...(out["sum"]?.data ?? [])].map(Number);
    for (const socket of openSockets()) seen.add(socket);
    await delay(25);
  }
}
process.stdout.write(JSON.stringify({ sum, setting: process.env["ORT_DISABLE_TELEMETRY"] ?? null, newSockets: [...seen].filter((s) => !before.has(s)).length }));
