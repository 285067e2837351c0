// What an ONNX file says about itself, read before any runtime sees it: operators, where its weights lie, what goes in and out.
// The wire format is read by @bufbuild/protobuf; fields that do not matter here are skipped.
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

export type OnnxOutline = {
  readonly opsets: readonly { readonly domain: string; readonly version: number }[];
  readonly operators: readonly { readonly domain: string; readonly op: string }[];
  /** Whether an operator holds a graph of its own: branches and loops. */
  readonly subgraphs: boolean;
  /** Whether the file defines operators itself, or holds steps of a training. */
  readonly functions: boolean;
  /** Whether weights lie in another file. */
  readonly external: boolean;
  readonly constants: readonly string[];
  readonly inputs: readonly OutlineValue[];
  readonly outputs: readonly OutlineValue[];
};
/** `element`: TensorProto.DataType; 0 for what is no tensor. `dims`: undefined without a stated rank; -1 is an open dimension. */
export type OutlineValue = { readonly name: string; readonly element: number; readonly dims: readonly number[] | undefined };

type Draft = { -readonly [K in keyof OnnxOutline]: OnnxOutline[K] extends readonly (infer T)[] ? T[] : boolean };
type Reader = readonly [WireType, () => void];
const externalLocation = 1;

/** Throws a RangeError, or another Error of the wire format, when the bytes are not one ModelProto with one graph. */
export function outlineOnnx(bytes: Uint8Array): OnnxOutline {
  const r = new BinaryReader(bytes);
  const outline: Draft = { opsets: [], operators: [], subgraphs: false, functions: false, external: false, constants: [], inputs: [], outputs: [] };
  let graphs = 0;
  const refused = inside(() => {
    outline.functions = true;
    r.bytes();
  });
  readFields(r, r.len, {
    7: inside(() => {
      graphs++;
      readGraph(r, outline);
    }),
    8: inside(() => {
      const set = { domain: "", version: 0 };
      readMessage(r, { 1: inside(() => (set.domain = r.string())), 2: varint(() => (set.version = Number(r.int64()))) });
      outline.opsets.push(set);
    }),
    20: refused,
    25: refused,
  });
  if (graphs !== 1) throw new RangeError("one graph is expected");
  return outline;
}

function readGraph(r: BinaryReader, outline: Draft): void {
  readMessage(r, {
    1: inside(() => readNode(r, outline)),
    5: inside(() => outline.constants.push(readTensor(r, outline))),
    11: inside(() => outline.inputs.push(readValue(r))),
    12: inside(() => outline.outputs.push(readValue(r))),
    15: inside(() => readSparse(r, outline)),
  });
}

function readNode(r: BinaryReader, outline: Draft): void {
  const node = { domain: "", op: "" };
  readMessage(r, {
    4: inside(() => (node.op = r.string())),
    5: inside(() => readAttribute(r, outline)),
    7: inside(() => (node.domain = r.string())),
  });
  outline.operators.push(node);
}

function readAttribute(r: BinaryReader, outline: Draft): void {
  const graph = inside(() => {
    outline.subgraphs = true;
    r.bytes();
  });
  const tensor = inside(() => readTensor(r, outline));
  const sparse = inside(() => readSparse(r, outline));
  readMessage(r, { 5: tensor, 6: graph, 10: tensor, 11: graph, 22: sparse, 23: sparse });
}

/** The name of a tensor; notes when its numbers are elsewhere. */
function readTensor(r: BinaryReader, outline: Draft): string {
  let name = "";
  readMessage(r, {
    8: inside(() => (name = r.string())),
    13: inside(() => {
      outline.external = true;
      r.bytes();
    }),
    14: varint(() => {
      if (r.int32() === externalLocation) outline.external = true;
    }),
  });
  return name;
}

function readSparse(r: BinaryReader, outline: Draft): void {
  readMessage(r, { 1: inside(() => outline.constants.push(readTensor(r, outline))), 2: inside(() => readTensor(r, outline)) });
}

function readValue(r: BinaryReader): OutlineValue {
  let name = "";
  let element = 0;
  let dims: number[] | undefined;
  const dimension = (): void => {
    let size = -1;
    readMessage(r, { 1: varint(() => (size = Number(r.int64()))) });
    dims?.push(size);
  };
  const shape = (): void => {
    dims = [];
    readMessage(r, { 1: inside(dimension) });
  };
  const tensorType = (): void => readMessage(r, { 1: varint(() => (element = r.int32())), 2: inside(shape) });
  readMessage(r, { 1: inside(() => (name = r.string())), 2: inside(() => readMessage(r, { 1: inside(tensorType) })) });
  return { name, element, dims };
}

function inside(read: () => unknown): Reader {
  return [WireType.LengthDelimited, read];
}

function varint(read: () => unknown): Reader {
  return [WireType.Varint, read];
}

function readMessage(r: BinaryReader, readers: Readonly<Record<number, Reader>>): void {
  const length = r.uint32();
  readFields(r, r.pos + length, readers);
}

/** A field of another wire type than ours is an unknown field, as in every protobuf library. */
function readFields(r: BinaryReader, end: number, readers: Readonly<Record<number, Reader>>): void {
  if (end > r.len) throw new RangeError("a message is longer than the file");
  while (r.pos < end) {
    const [field, wire] = r.tag();
    const reader = readers[field];
    if (reader?.[0] === wire) reader[1]();
    else r.skip(wire, field);
  }
  if (r.pos !== end) throw new RangeError("a field is longer than its message");
}
