// An object for a worker thread whose calls take as long as they are told: the thread itself is busy, as in a library's own code.
export async function openSlow(): Promise<{ busy(ms: number): number }> {
  return {
    busy(ms) {
      const until = performance.now() + ms;
      while (performance.now() < until);
      return ms;
    },
  };
}
