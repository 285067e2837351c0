// What an ONNX file says about itself, read before any runtime sees it: operators, where its weights lie, what goes in and out.
// The wire format is read by @bufbuild/protobuf; fields that do not matter here are skipped.
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

export type OnnxOutline = {
  readonly opsets: readonly { readonly domain: string; readonly version: number }[];
  /** In the order of the file, which is that in which they run. */
  readonly operators: readonly OutlineNode[];
  /** Whether an operator holds a graph of its own: branches and loops. */
  readonly subgraphs: boolean;
  /** Whether the file defines operators itself, or holds steps of a training. */
  readonly functions: boolean;
  /** Whether weights lie in another file. */
  readonly external: boolean;
  readonly constants: readonly string[];
  /** Tensors with their numbers in the file, also those inside of operators; an operator's own has the name `""` or that of the file. */
  readonly tensors: readonly OutlineTensor[];
  readonly inputs: readonly OutlineValue[];
  readonly outputs: readonly OutlineValue[];
};
/** `element`: TensorProto.DataType; 0 for what is no tensor. `dims`: undefined without a stated rank; -1 is an open dimension. */
export type OutlineValue = { readonly name: string; readonly element: number; readonly dims: readonly number[] | undefined };

export type OutlineNode = {
  readonly domain: string; readonly op: string; readonly inputs: readonly string[]; readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OutlineAttribute>;
};
/** int: a single number; count: of numbers or texts in a list; tensor: of an attribute that is one. */
export type OutlineAttribute = { readonly int?: number; readonly count: number; readonly tensor?: OutlineTensor };
/** dims as they are declared, whatever there is of numbers. */
export type OutlineTensor = { readonly name: string; readonly element: number; readonly dims: readonly number[] };

type Draft = { -readonly [K in keyof OnnxOutline]: OnnxOutline[K] extends readonly (infer T)[] ? T[] : boolean };
type Reader = readonly [WireType, () => void];
/** By field; two where a list may be packed or not. */
type Readers = Readonly<Record<number, Reader | readonly [Reader, Reader]>>;
const externalLocation = 1;

/** Throws a RangeError, or another Error of the wire format, when the bytes are not one ModelProto with one graph. */
export function outlineOnnx(bytes: Uint8Array): OnnxOutline {
  const r = new BinaryReader(bytes);
  const outline: Draft = { opsets: [], operators: [], subgraphs: false, functions: false, external: false, constants: [], tensors: [], inputs: [], outputs: [] };
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
    5: inside(() => outline.constants.push(readTensor(r, outline).name)),
    11: inside(() => outline.inputs.push(readValue(r))),
    12: inside(() => outline.outputs.push(readValue(r))),
    15: inside(() => readSparse(r, outline)),
  });
}

function readNode(r: BinaryReader, outline: Draft): void {
  const node = { domain: "", op: "", inputs: [] as string[], outputs: [] as string[], attributes: new Map<string, OutlineAttribute>() };
  readMessage(r, {
    1: inside(() => node.inputs.push(r.string())),
    2: inside(() => node.outputs.push(r.string())),
    4: inside(() => (node.op = r.string())),
    5: inside(() => {
      const { name, ...attribute } = readAttribute(r, outline);
      node.attributes.set(name, attribute);
    }),
    7: inside(() => (node.domain = r.string())),
  });
  outline.operators.push(node);
}

function readAttribute(r: BinaryReader, outline: Draft): OutlineAttribute & { readonly name: string } {
  const found: { name: string; count: number; int?: number; tensor?: OutlineTensor } = { name: "", count: 0 };
  const graph = inside(() => {
    outline.subgraphs = true;
    r.bytes();
  });
  const tensor = inside(() => (found.tensor = readTensor(r, outline)));
  const sparse = inside(() => readSparse(r, outline));
  const floats = [inside(() => (found.count += Math.ceil(r.bytes().length / 4))), [WireType.Bit32, () => (found.count += 1, r.float())]] as const;
  readMessage(r, {
    1: inside(() => (found.name = r.string())), 3: varint(() => (found.int = Number(r.int64()))),
    5: tensor, 6: graph, 7: floats, 8: integers(r, () => (found.count += 1)), 9: inside(() => (found.count += 1, r.bytes())), 10: tensor, 11: graph, 22: sparse, 23: sparse,
  });
  return found;
}

/** What a tensor says of itself; notes when its numbers are elsewhere. */
function readTensor(r: BinaryReader, outline: Draft): OutlineTensor {
  let name = "";
  let element = 0;
  const dims: number[] = [];
  readMessage(r, {
    1: integers(r, (n) => dims.push(n)),
    2: varint(() => (element = r.int32())),
    8: inside(() => (name = r.string())),
    13: inside(() => {
      outline.external = true;
      r.bytes();
    }),
    14: varint(() => {
      if (r.int32() === externalLocation) outline.external = true;
    }),
  });
  const tensor = { name, element, dims };
  outline.tensors.push(tensor);
  return tensor;
}

function readSparse(r: BinaryReader, outline: Draft): void {
  const dims: number[] = [];
  readMessage(r, { 1: inside(() => outline.constants.push(readTensor(r, outline).name)), 2: inside(() => readTensor(r, outline)), 3: integers(r, (n) => dims.push(n)) });
  // What it becomes once its zeros are written out.
  outline.tensors.push({ name: "", element: 0, dims });
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

/** A list of integers, packed or one by one. */
function integers(r: BinaryReader, take: (n: number) => unknown): readonly [Reader, Reader] {
  const packed = inside(() => {
    const end = r.uint32() + r.pos;
    if (end > r.len) throw new RangeError("a list is longer than the file");
    while (r.pos < end) take(Number(r.int64()));
  });
  return [packed, varint(() => take(Number(r.int64())))];
}

function readMessage(r: BinaryReader, readers: Readers): void {
  const length = r.uint32();
  readFields(r, r.pos + length, readers);
}

/** A field of another wire type than ours is an unknown field, as in every protobuf library. */
function readFields(r: BinaryReader, end: number, readers: Readers): void {
  if (end > r.len) throw new RangeError("a message is longer than the file");
  while (r.pos < end) {
    const [field, wire] = r.tag();
    const known = readers[field];
    const reader = (isPair(known) ? known : [known]).find((one) => one?.[0] === wire);
    if (reader === undefined) r.skip(wire, field);
    else reader[1]();
  }
  if (r.pos !== end) throw new RangeError("a field is longer than its message");
}

function isPair(readers: Readers[number] | undefined): readers is readonly [Reader, Reader] {
  return readers !== undefined && Array.isArray(readers[0]);
}
