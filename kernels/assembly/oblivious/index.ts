// Everything that the WASM module offers to kernels/oblivious/wasm.ts. Addresses are byte offsets in its memory, 16-byte aligned.
export { setState } from "./blake2s";
export { addCode, addWords, finishFold, foldRows } from "./code";
export { padRows, tagElements, tagRows } from "./evaluate";
export { evaluateChains, evaluateGate, garbleChain, garbleGate, tagLabels } from "./garble";
export { addTags, countRepeats, cuckoo, gatherBins, hashIds, lookUp } from "./sets";
export { columnsToRows, rowsToColumns } from "./transpose";

/** Where free memory begins. */
export function heapBase(): i32 {
  return <i32>__heap_base;
}
