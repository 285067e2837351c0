// The sections of the bench, in the order of the report: what each measures, how often by default, and how.
import { attacksBench } from "./attacks.bench.ts";
import { wideShape, type RealName, realNames } from "./cases.ts";
import { batchBench } from "./batch.bench.ts";
import { consentsBench } from "./consents.bench.ts";
import { crossboostBench } from "./crossboost.bench.ts";
import type { Figure } from "./figures.ts";
import { encryptedModelBench } from "./encrypted-model.bench.ts";
import { histogramBench } from "./histogram.bench.ts";
import { scorecardBench, wideScorecardBench } from "./job.bench.ts";
import { jointTreesBench } from "./joint-trees.bench.ts";
import { kernelBench } from "./kernel.bench.ts";
import { networkBench } from "./network.bench.ts";
import { onnxBench } from "./onnx.bench.ts";
import { psiBench } from "./psi.bench.ts";
import { receiptsBench } from "./receipts.bench.ts";
import { scalingBench } from "./scaling.bench.ts";
import { scoreBench } from "./score.bench.ts";
import { servingBench } from "./serving.bench.ts";
import { verifyBench } from "./verify.bench.ts";
import { gbdtBench, longTreeBench, treeBench, wideTreeBench } from "./trees.bench.ts";

export type Context = {
  /** Repeats whose medians count. */
  readonly runs: number;
  /** Also the sizes that take minutes. */
  readonly full: boolean;
  /** Set intersections only up to so many ids. */
  readonly largest: number;
  readonly note: (text: string) => void;
};
export type Section = {
  readonly name: string; readonly title: string; readonly about: string;
  /** Repeats unless asked otherwise: long runs vary little. */
  readonly runs: number;
  measure(context: Context): Promise<Figure[]>;
};

const perTreeAbout = "The difference of two whole jobs with few and with more trees, over the number of trees between them: set-up, alignment and hint "
  + "cancel out. Floors are lifted, so that every node grows.";

const scorecards = realNames.map((name: RealName): Section => ({
  name: `scorecard-${name.replaceAll("_", "-")}`, title: `Scorecard on ${name}`, runs: 1,
  about: "The whole of `yunei sandbox` from process start to exit: platform and enclaves as processes, real sockets, report. Beside the same scorecard on "
    + "the pooled table in the clear.",
  measure: ({ runs }) => scorecardBench(name, runs),
}));

export const sections: readonly Section[] = [
  {
    name: "kernel", title: "Kernel of the encrypted sums", runs: 1,
    about: "Single operations, CPU of all threads, medians of many repeats, beside a plain histogram.",
    measure: () => kernelBench(),
  },
  {
    name: "histogram", title: "Encrypted histograms and trees beside other cryptography", runs: 1,
    about: "30,000 rows x 23 columns x 32 bins, all columns at the host, in one process: sums of g and h for every bin of a node, and of all nodes that a tree "
      + "asks for (one child of each parent; the hint was made before). No sockets and no growing: whole jobs stand below.",
    measure: ({ note, runs }) => histogramBench(note, runs),
  },
  {
    name: "scaling", title: "Scaling of the kernel", runs: 1,
    about: "Curves around 30,000 rows x 23 columns x 32 bins, one host, two threads: g and h of one node, and the hint. Powers are slopes of the logarithms "
      + "of CPU (1 is linear).",
    measure: ({ runs, full }) => scalingBench(runs, full),
  },
  {
    name: "psi", title: "Set intersection", runs: 1,
    about: "Both sets of the named size, half in common. Through processes and sockets: the align phase of a whole job (which protocol, the parties choose by "
      + "size), CPU of both enclaves with everything that they do in it.",
    measure: psiBench,
  },
  ...scorecards,
  {
    name: "scorecard-wide", title: "Scorecard on a wide table", runs: 1,
    about: `A generated table of ${wideShape.rows.toLocaleString("en-US")} companies, ${wideShape.guestColumns} columns and the label at the bank, `
      + `${wideShape.hostColumns} columns at one provider: the shape of FATE's published times.`,
    measure: ({ runs }) => wideScorecardBench(runs),
  },
  {
    name: "crossboost", title: "Nonlinear model without per-row output", runs: 1,
    about: "Whole jobs at shipped settings, with what they leak.",
    measure: ({ runs, note }) => crossboostBench(runs, note),
  },
  {
    name: "gbdt", title: "Boosted trees (leaky tier)", runs: 1,
    about: "Whole jobs of 100 trees of depth 3 with 32 bins: with the shipped floors, caps and noise, whose price shows in the AUC, and with all of them "
      + "lifted (experiments on one machine only).",
    measure: ({ runs, note }) => gbdtBench(runs, note),
  },
  { name: "gbdt-tree", title: "One more tree, 30,000 x 23", runs: 1, about: `fate_default_credit, 29,900 of the 30,000 companies in the training part. ${perTreeAbout}`, measure: ({ runs }) => treeBench(runs) },
  {
    name: "gbdt-wide", title: "One more tree, 100,000 x (30 + 300)", runs: 1,
    about: `Generated, the shape of FATE's published times. ${perTreeAbout}`, measure: ({ runs }) => wideTreeBench(runs),
  },
  {
    name: "gbdt-long", title: "One more tree, 1,000,000 x 50", runs: 1,
    about: `Generated. ${perTreeAbout}`, measure: ({ runs }) => longTreeBench(runs),
  },
  {
    name: "attacks", title: "What boosted trees give away", runs: 1,
    about: "Trained in the clear with the noise, caps and floors of a job, and what our attacks make of the guest's view: the price of each protection beside what it protects.",
    measure: ({ note }) => attacksBench(note),
  },
  {
    name: "scoring", title: "Scoring throughput", runs: 1,
    about: "A batch of companies through alignment, the model's protocol and receipts, in real processes, after the model was trained.",
    measure: ({ runs, note }) => scoreBench(runs, note),
  },
  {
    name: "batch", title: "A million companies scored", runs: 1,
    about: "`yunei score` with the masked scorecard, as a bank runs it: from the start of the command to the file of scores. Platform, the bank's enclave and two providers' are processes of their own on this machine, "
      + "over mutual TLS; their data are loaded and the model is trained before. CPU and largest memory of each process from /proc.",
    measure: ({ note }) => batchBench(note),
  },
  {
    name: "serving", title: "Online scoring", runs: 1,
    about: "A standing service of a bank and four providers over a scorecard that was just trained: platform and enclaves as processes, mutual TLS, receipts on. The load is a process of its own that sends at fixed "
      + "times, answered or not, and counts from when a request was due; all seven processes share the machine. 5,000 companies, all asked.",
    measure: ({ runs }) => servingBench(runs),
  },
  {
    name: "encrypted-model", title: "Scores under an encrypted model", runs: 1,
    about: "The bank's linear weights under its key (BFV, node-seal). The provider's product, fresh zero and flood for blocks of 8,192 companies, one thread, CPU of the process; then single requests one after another "
      + "through a service of a bank and two providers as processes, mutual TLS, receipts on.",
    measure: () => encryptedModelBench(),
  },
  {
    name: "joint-trees", title: "Online scores by joint trees", runs: 1,
    about: "200 trees of depth 4 over columns of the bank and two providers. The work of one question, CPU of the process, medians of 40; then single requests one after another through a service of a bank and two "
      + "providers as processes, mutual TLS, receipts on: two messages to each provider and back. Every score is compared with the trees in the clear.",
    measure: () => jointTreesBench(),
  },
  {
    name: "onnx", title: "A bank's model file at a provider", runs: 1,
    about: "Both score the same companies in turn, one thread each, medians of 21 turns; every one of the results is compared.",
    measure: () => onnxBench(),
  },
  {
    name: "verify", title: "Verification", runs: 1,
    about: "Blind claims, both sides in one thread; then a service of a bank and a provider as processes, requests and answers sealed, ledger, budgets and uses durable before each answer. CPU of both enclaves together.",
    measure: () => verifyBench(),
  },
  {
    name: "receipts", title: "Consents, receipts and their transparency log", runs: 1,
    about: "Consents verified as an enclave does before a job, a second of CPU. Receipts appended durably (RFC 9162 tree in tiles, group commit), alone and through the platform's listener; inclusion proofs from "
      + "files; a bundle of a use with its consent verified offline by the command.",
    measure: async ({ largest, note }) => [...await consentsBench(), ...await receiptsBench({ largest, note })],
  },
  {
    name: "network", title: "A slow network", runs: 1,
    about: "The same jobs with 20 ms of latency and 100 Mbit/s between every process and the platform, beside loopback.",
    measure: ({ runs, note }) => networkBench(runs, note),
  },
];
