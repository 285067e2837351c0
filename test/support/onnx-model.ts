// A model of one node: sum = a + b, three floats each.
import { encodeOnnx, type OnnxValue } from "../../models/files/onnx-proto.ts";

export function sumModel(): Uint8Array<ArrayBuffer> {
  const three = (name: string): OnnxValue => ({ name, type: "float", dims: [3] });
  return encodeOnnx({
    irVersion: 8, opsets: { "": 13 },
    graph: {
      name: "g", constants: [], inputs: [three("a"), three("b")], outputs: [three("sum")],
      nodes: [{ op: "Add", inputs: ["a", "b"], outputs: ["sum"] }],
    },
  });
}
