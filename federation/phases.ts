// Names of the phases of a job, in order: for progress, timing and the report.
export const phaseNames = [
  "load", "align", "seeds", "binning", "moments", "fit", "own", "cells", "boost", "hint", "trees", "lookup", "totals", "evaluate", "score", "export",
] as const;
export type PhaseName = (typeof phaseNames)[number];
