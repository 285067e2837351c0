// How the garbage collector of a process weighs bytes outside of the JavaScript heap (buffers of frames, matrices of kernels).
import { setFlagsFromString } from "node:v8";

/**
 * For process entry points, before anything else: bytes outside of the heap get a limit of their own. Otherwise every few megabytes of them
 * make V8 mark a whole heap in which nothing has become garbage: half of the time that a frame of megabytes takes.
 */
export function weighExternalMemory(): void {
  setFlagsFromString("--external-memory-accounted-in-global-limit");
}
