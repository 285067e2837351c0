// The only door to ONNX Runtime. From 1.29 on its Linux build reports usage to its maker unless ORT_DISABLE_TELEMETRY is set
// before the library is loaded: so it is loaded here alone, after that. Inside an enclave no model leaves and none is fetched.
import { AppError } from "../core/errors.ts";

export type OnnxTensor =
  | { readonly type: "float32"; readonly data: Float32Array; readonly dims: readonly number[] }
  | { readonly type: "int64"; readonly data: BigInt64Array; readonly dims: readonly number[] };

export interface OnnxModel extends AsyncDisposable {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** One tensor per input name; the outputs by name. Throws MODEL_ONNX when they do not fit the model. */
  run(inputs: Readonly<Record<string, OnnxTensor>>): Promise<Readonly<Record<string, OnnxTensor>>>;
}

type Runtime = typeof import("onnxruntime-node");

/** Opens a model from its bytes, on the CPU. threads: of one run. Throws MODEL_ONNX when the bytes are not a model. */
export async function openModel(bytes: Uint8Array, options: { readonly threads?: number } = {}): Promise<OnnxModel> {
  const runtime = await loadRuntime();
  const session = await runtime.InferenceSession.create(bytes, {
    executionProviders: ["cpu"], intraOpNumThreads: options.threads ?? 1, interOpNumThreads: 1, logSeverityLevel: 4,
  }).catch((cause: unknown) => {
    throw new AppError("MODEL_ONNX", {}, { cause });
  });
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run(inputs) {
      try {
        const feeds = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, tensorOf(runtime, t)]));
        const results = await session.run(feeds);
        return Object.fromEntries(Object.entries(results).map(([name, t]) => [name, { type: t.type, data: t.data, dims: t.dims } as OnnxTensor]));
      } catch (cause) {
        throw new AppError("MODEL_ONNX", {}, { cause });
      }
    },
    [Symbol.asyncDispose]: () => session.release(),
  };
}

async function loadRuntime(): Promise<Runtime> {
  process.env["ORT_DISABLE_TELEMETRY"] = "1";
  return import("onnxruntime-node");
}

function tensorOf(runtime: Runtime, tensor: OnnxTensor): InstanceType<Runtime["Tensor"]> {
  return tensor.type === "float32"
    ? new runtime.Tensor("float32", tensor.data, [...tensor.dims])
    : new runtime.Tensor("int64", tensor.data, [...tensor.dims]);
}
