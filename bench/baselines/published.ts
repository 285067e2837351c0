// Figures that others publish, or that were measured elsewhere: named as such wherever they are shown, never as measured in this run.

/** FATE's SecureBoost on fate_default_credit, 30,000 x 23, depth 3, 32 bins: CPU seconds of all processes per tree on two such cores. */
export const fateTreeCpuSeconds = { paillier1024: 37.6, paillier2048: 202 } as const;


/** FATE 2.0, guest 100,000 x 30, host 100,000 x 300, 16 cores of a 16-core machine, standalone: wall per tree, and feature binning. */
export const fateWide = { treeWallSeconds: 114, binningWallSeconds: 68, cores: 16 } as const;

/** @openmined/psi.js at 100,000 x 100,000, CPU of both sides, measured once on two such cores. */
export const psiJsCpuSecondsAt100k = 158;

/** Test AUC of XGBoost on the pooled table, tuned. */
export const pooledXgboostAuc: Readonly<Record<string, number>> = {
  sba_2003_2006: 0.701, polish_5year: 0.958, fate_default_credit: 0.776,
};
