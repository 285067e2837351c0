// The messages of ONNX that we write (onnx.proto), over the wire format of @bufbuild/protobuf. Field numbers are those of
// github.com/onnx/onnx; what our models do not need is not here.
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

export type OnnxAttribute = { readonly name: string } & (
  | { readonly int: number } | { readonly float: number } | { readonly string: string }
  | { readonly ints: readonly number[] } | { readonly floats: readonly number[] } | { readonly strings: readonly string[] });
export type OnnxNode = {
  readonly op: string; readonly domain?: "ai.onnx.ml"; readonly inputs: readonly string[]; readonly outputs: readonly string[];
  readonly attributes?: readonly OnnxAttribute[];
};
export const elementTypes = { float: 1, int64: 7, string: 8, double: 11 } as const;
export type ElementType = keyof typeof elementTypes;
/** A tensor by name; a dimension is a number or the name of one that is open, like the number of rows. */
export type OnnxValue = { readonly name: string; readonly type: ElementType; readonly dims: readonly (number | string)[] };
export type OnnxConstant = { readonly name: string; readonly dims: readonly number[]; readonly floats: readonly number[] };
export type OnnxGraph = {
  readonly name: string; readonly nodes: readonly OnnxNode[]; readonly constants: readonly OnnxConstant[];
  readonly inputs: readonly OnnxValue[]; readonly outputs: readonly OnnxValue[];
};
export type OnnxFile = {
  readonly graph: OnnxGraph; readonly irVersion: number;
  /** Version of each set of operators: "" is the standard one. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer?: { readonly name: string; readonly version: string };
  readonly metadata?: Readonly<Record<string, string>>;
};

/** The bytes of a ModelProto; the same model always gives the same bytes. */
export function encodeOnnx(file: OnnxFile): Uint8Array<ArrayBuffer> {
  const w = new BinaryWriter();
  w.tag(1, WireType.Varint).int64(file.irVersion);
  if (file.producer) text(text(w, 2, file.producer.name), 3, file.producer.version);
  inside(w, 7, () => writeGraph(w, file.graph));
  for (const [domain, version] of Object.entries(file.opsets)) inside(w, 8, () => text(w, 1, domain).tag(2, WireType.Varint).int64(version));
  for (const [key, value] of Object.entries(file.metadata ?? {})) inside(w, 14, () => text(text(w, 1, key), 2, value));
  return w.finish();
}

function writeGraph(w: BinaryWriter, graph: OnnxGraph): void {
  for (const node of graph.nodes) {
    inside(w, 1, () => {
      for (const name of node.inputs) text(w, 1, name);
      for (const name of node.outputs) text(w, 2, name);
      text(w, 4, node.op);
      for (const attribute of node.attributes ?? []) inside(w, 5, () => writeAttribute(w, attribute));
      if (node.domain) text(w, 7, node.domain);
    });
  }
  text(w, 2, graph.name);
  for (const constant of graph.constants) {
    inside(w, 5, () => {
      integers(w, 1, constant.dims);
      floats(w.tag(2, WireType.Varint).int64(elementTypes.float), 4, constant.floats);
      text(w, 8, constant.name);
    });
  }
  for (const input of graph.inputs) inside(w, 11, () => writeValue(w, input));
  for (const output of graph.outputs) inside(w, 12, () => writeValue(w, output));
}

function writeValue(w: BinaryWriter, value: OnnxValue): void {
  text(w, 1, value.name);
  inside(w, 2, () => inside(w, 1, () => {
    w.tag(1, WireType.Varint).int64(elementTypes[value.type]);
    inside(w, 2, () => {
      for (const dim of value.dims) inside(w, 1, () => (typeof dim === "number" ? w.tag(1, WireType.Varint).int64(dim) : text(w, 2, dim)));
    });
  }));
}

function writeAttribute(w: BinaryWriter, a: OnnxAttribute): void {
  const type = (n: number): BinaryWriter => text(w, 1, a.name).tag(20, WireType.Varint).int64(n);
  if ("float" in a) type(1).tag(2, WireType.Bit32).float(a.float);
  else if ("int" in a) type(2).tag(3, WireType.Varint).int64(a.int);
  else if ("string" in a) text(type(3), 4, a.string);
  else if ("floats" in a) floats(type(6), 7, a.floats);
  else if ("ints" in a) integers(type(7), 8, a.ints);
  else for (const [i, s] of a.strings.entries()) text(i === 0 ? type(8) : w, 9, s);
}

function inside(w: BinaryWriter, field: number, write: () => unknown): void {
  w.tag(field, WireType.LengthDelimited).fork();
  write();
  w.join();
}

function text(w: BinaryWriter, field: number, value: string): BinaryWriter {
  return w.tag(field, WireType.LengthDelimited).string(value);
}

function floats(w: BinaryWriter, field: number, values: readonly number[]): void {
  inside(w, field, () => values.forEach((v) => w.float(v)));
}

function integers(w: BinaryWriter, field: number, values: readonly number[]): void {
  inside(w, field, () => values.forEach((v) => w.int64(v)));
}
