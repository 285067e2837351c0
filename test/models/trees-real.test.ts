import { assert } from "chai";
import { describe, it } from "mocha";
import { fineBin } from "../../models/binning/fine.ts";
import { ranking } from "../../models/metrics/ranking.ts";
import { defaultTreeParams, liftFloors, noiseLog2Sd, type TreeParams } from "../../models/trees/params.ts";
import { plainTrees } from "../../models/trees/plain.ts";
import { dataSets, loadJob, type DataSet, type Job } from "../support/csv.ts";
import { needsRealData } from "../support/real-data.ts";
import { cellNoise, type Column } from "../support/tree-data.ts";

/** Test AUC at the default parameters: floors lifted, and with all floors (undefined: too few rows for trees over domains). */
const bars: readonly { name: string; set: DataSet; lifted: number; floors: number | undefined }[] = [
  { name: "sba_2003_2006", set: dataSets.sba, lifted: 0.698, floors: 0.695 },
  { name: "polish_5year", set: dataSets.polish, lifted: 0.945, floors: undefined },
  { name: "fate_default_credit", set: dataSets.fate, lifted: 0.77, floors: 0.765 },
];

function columnsOf(job: Job, params: TreeParams, hostRows: number): Column[] {
  return [job.guest, ...job.hosts].flatMap(({ name, table }) => table.features.map((feature): Column => {
    const minRows = name === job.guest.name ? 20 : hostRows;
    const { shape, binOf } = fineBin(feature, { trainRows: job.trainRows, maxBins: params.bins, minRows });
    return { party: name, name: feature.name, ...shape, binOf };
  }));
}

function testAuc(job: Job, params: TreeParams, hostRows: number): number {
  const { label, trainRows } = job;
  const sd = noiseLog2Sd(trainRows);
  const noise = params.noise ? cellNoise(11, { g: 2 ** sd.g, h: 2 ** sd.h }) : undefined;
  const features = columnsOf(job, params, hostRows);
  const { scores } = plainTrees({ features, label, trainRows, rows: label.length, params, guest: job.guest.name, noise });
  return ranking(scores, label, trainRows).auc;
}

for (const { name, set, lifted, floors } of bars) {
  describe(`boosted trees on ${name}`, () => {
    let job: Job;
    before(function () {
      needsRealData(this);
      job = loadJob(set);
    });

    it(`have a test AUC of at least ${lifted} with the floors lifted`, () => {
      assert.isAtLeast(testAuc(job, liftFloors(defaultTreeParams()), 20), lifted);
    });

    if (floors !== undefined) {
      it(`have a test AUC of at least ${floors} with every floor: noise, caps, least rows of nodes and of hosts' bins`, () => {
        assert.isAtLeast(testAuc(job, defaultTreeParams(), Math.max(200, Math.ceil(0.01 * job.trainRows))), floors);
      });
    }
  });
}
