// A model of one node (sum = a + b, three floats each) written by hand: protobuf fields of ONNX's ModelProto.
type Part = readonly number[];

const text = (value: string): Part => [...new TextEncoder().encode(value)];
const bytes = (field: number, value: Part): Part => [(field << 3) | 2, value.length, ...value];
const number = (field: number, value: number): Part => [field << 3, value];

function input(name: string): Part {
  const shape = bytes(1, number(1, 3));
  const tensor = [...number(1, 1), ...bytes(2, shape)];
  return [...bytes(1, text(name)), ...bytes(2, bytes(1, tensor))];
}

export function sumModel(): Uint8Array {
  const node = [...bytes(1, text("a")), ...bytes(1, text("b")), ...bytes(2, text("sum")), ...bytes(4, text("Add"))];
  const graph = [...bytes(1, node), ...bytes(2, text("g")), ...bytes(11, input("a")), ...bytes(11, input("b")), ...bytes(12, input("sum"))];
  return Uint8Array.from([...number(1, 8), ...bytes(7, graph), ...bytes(8, [...bytes(1, []), ...number(2, 13)])]);
}
