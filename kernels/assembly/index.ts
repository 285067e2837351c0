// Everything that the WASM module offers to kernels/wasm.ts. Addresses are byte offsets in its memory, 16-byte aligned.
export { gramBlock, widenCodes } from "./gram";
export { bitMasks, gather, gatherTwo, sortByBin, ternaryInto, unpackBlock } from "./host";
export { codesInto, finishAnswer, finishHint, floodResidues, foldCodes, splitPairs } from "./host";
export { foldInPlace, foldTo, forward, inverse, multiplyBitsInto, multiplyInto, pointwiseInto } from "./ntt";
export { decodeSums, finishBlock, hintDots } from "./querier";
export { init, setModulus, tableBytes } from "./ring";
export { expandCodesReversed, expandTernary, expandTernaryReversed, expandTernaryShort } from "./sample";

/** Where free memory begins. */
export function heapBase(): i32 {
  return <i32>__heap_base;
}
