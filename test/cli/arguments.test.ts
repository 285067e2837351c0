// The command line as it is typed: help of every command, and what is said about arguments that cannot be meant.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { allCommands, fails, succeeds, yunei } from "./support.ts";

describe("the command line", function () {
  this.timeout(120_000);
  let work = "";
  before(() => {
    work = mkdtempSync(join(tmpdir(), "yunei-cli-"));
    writeFileSync(join(work, "table.csv"), "id,y,a\n1,0,2\n2,1,3\n");
    writeFileSync(join(work, "params.json"), JSON.stringify({ scorecard: { binning: { trend: "sideways" } } }));
  });
  after(() => rmSync(work, { recursive: true, force: true }));

  it("explains every command and each of its options with --help", async () => {
    const commands = await allCommands();
    for (const wanted of ["demo-data", "indicators show", "sandbox", "platform start", "platform institutions apply", "enclave init", "enclave start", "enclave approve", "enclave status",
      "job submit", "job watch", "job report", "job cancel", "model export", "model add-challenger", "score", "verify"]) {
      assert.include([...commands.keys()], wanted);
    }
    for (const [command, help] of commands) {
      assert.match(help, new RegExp(`^Usage: yunei ${command} `), command);
      assert.match(help.split("\n\n")[1] ?? "", /\p{Script=Han}/u, `${command} is described in both languages`);
      for (const line of help.matchAll(/^ {2}(-.*)$/gm)) assert.match(line[1] ?? "", /\S {2,}\S|>$/, `an option without a word: ${line[1]}`);
    }
    // The same from a process, for the program, a group and a command of it.
    for (const command of ["enclave", "enclave status"]) assert.equal((await succeeds([...command.split(" "), "--help"], work)).trim(), commands.get(command)?.trim());
    assert.match(await succeeds(["--help"], work), /^Usage: yunei /);
  });

  const sandbox = ["sandbox", "--guest", "table.csv", "--id", "id", "--label", "y"];
  const wrong: readonly (readonly [title: string, args: readonly string[], code: string, says: RegExp])[] = [
    ["an unknown command", ["traim"], "CLI_ARGUMENT", /unknown command 'traim'/],
    ["an unknown option", ["demo-data", "--size", "3"], "CLI_ARGUMENT", /unknown option '--size'/],
    ["a missing option", ["enclave", "start"], "CLI_ARGUMENT", /--dir/],
    ["a missing argument", ["platform", "invite"], "CLI_ARGUMENT", /party/],
    ["a number of companies that is no number", ["demo-data", "--companies", "many"], "CLI_ARGUMENT", /--companies.*500 to 5000000/],
    ["a seed that is not whole", ["demo-data", "--seed", "1.5"], "CLI_ARGUMENT", /--seed/],
    ["a seed of NaN", ["demo", "--seed", "NaN"], "CLI_ARGUMENT", /--seed/],
    ["a negative seed", [...sandbox, "--host", "tax=table.csv", "--seed", "-1"], "CLI_ARGUMENT", /--seed/],
    ["months beyond the range", ["demo-data", "--months", "61"], "CLI_ARGUMENT", /--months.*12 to 60/],
    ["too few companies for a demo of the job", ["demo", "--companies", "4999"], "CLI_ARGUMENT", /--companies/],
    ["a port that is no number", ["platform", "start", "--api-port", "https"], "CLI_ARGUMENT", /--api-port.*65535/],
    ["a port above 65535", ["platform", "start", "--enclave-port", "70000"], "CLI_ARGUMENT", /--enclave-port/],
    ["a folder for scores that are not waited for", ["score", "--model", "m", "--file", "table.csv", "--dir", ".", "--no-wait", "--out", "scores"], "CLI_ARGUMENT", /scores get/],
    ["a key for a scoring that is waited for", ["score", "--model", "m", "--file", "table.csv", "--dir", ".", "--key", "k"], "CLI_ARGUMENT", /--no-wait/],
    ["a provider for a model that is no ONNX file", ["score", "--model", "m", "--file", "table.csv", "--dir", ".", "--provider", "tax"], "CLI_ARGUMENT", /ONNX/],
    ["a wait in words", ["score", "--model", "m", "--file", "table.csv", "--dir", ".", "--wait", "long"], "CLI_ARGUMENT", /--wait/],
    ["settings beside a pause of the schedule", ["evaluation", "schedule", "--pause", "--host", "tax"], "CLI_ARGUMENT", /--pause.*--host/],
    ["settings beside the end of a pause", ["evaluation", "schedule", "--resume", "--months", "3"], "CLI_ARGUMENT", /--resume.*--months/],
    ["a schedule without its providers", ["evaluation", "schedule", "--months", "3"], "CLI_ARGUMENT", /--host/],
    ["a scorecard that is no digest", ["evaluation", "run", "--host", "tax", "--scorecard", "zhejiang"], "CLI_ARGUMENT", /--scorecard.*SHA-256/],
    ["a scorecard that is none", ["evaluation", "scorecard", "check", "params.json"], "EVALUATION_SCORECARD", /entries/],
    ["a language that we do not speak", ["job", "list", "--lang", "fr"], "CLI_ARGUMENT", /--lang.*en, zh/],
    ["a party with capitals", ["platform", "invite", "Tax"], "CLI_ARGUMENT", /a-z/],
    ["an address without https", ["enclave", "init", "--url", "http://127.0.0.1:1"], "CLI_ARGUMENT", /--url.*https/],
    ["an id that is no job", ["job", "watch", "../../etc"], "CLI_ARGUMENT", /job_/],
    ["a purpose that is not in the list", ["job", "submit", "--host", "tax", "--purpose", "marketing"], "CLI_ARGUMENT", /--purpose.*loan-approval/],
    ["a sandbox without providers", sandbox, "CLI_ARGUMENT", /--host/],
    ["a provider without a file", [...sandbox, "--host", "tax"], "CLI_ARGUMENT", /NAME=FILE/],
    ["two providers of one name", [...sandbox, "--host", "tax=table.csv", "--host", "tax=table.csv"], "CLI_ARGUMENT", /name of its own/],
    ["a provider called bank", [...sandbox, "--host", "bank=table.csv"], "CLI_ARGUMENT", /bank/],
    ["a file that is not there", [...sandbox, "--host", "tax=absent.csv"], "CLI_FILE", /absent\.csv/],
    ["a split file that is not there", [...sandbox, "--host", "tax=table.csv", "--split", "absent.csv"], "CLI_FILE", /absent\.csv/],
    ["parameters that are not JSON", [...sandbox, "--host", "tax=table.csv", "--params", "{trend}"], "CLI_JSON", /--params/],
    ["parameters that no scorecard has", [...sandbox, "--host", "tax=table.csv", "--params", "{\"trend\":\"auto\"}"], "JOB_PARAMS", /scorecard/],
    ["an export of a model of cells", [...sandbox, "--host", "tax=table.csv", "--model", "crossboost", "--export"], "JOB_EXPORT_KIND", /score with the parties/],
    ["a challenger that is not there", [...sandbox, "--host", "tax=table.csv", "--challenger", "absent.onnx"], "CLI_FILE", /absent\.onnx/],
    ["an export without the folder of an enclave", ["model", "export", "--model", "m"], "CLI_ARGUMENT", /--dir/],
    ["an export from an enclave that is not there", ["model", "export", "--model", "m", "--dir", "absent"], "ENCLAVE_CONFIG", /./],
    ["a challenger for an enclave that is not there", ["model", "add-challenger", "--dir", "absent", "--file", "table.csv"], "ENCLAVE_CONFIG", /./],
    ["an enclave that is not there", ["enclave", "status", "--dir", "absent"], "ENCLAVE_CONFIG", /./],
    ["a profile that is not there", ["job", "list", "--profile", "absent.json"], "CLI_PROFILE", /./],
    ["a profile that is something else", ["job", "list", "--profile", "params.json"], "CLI_PROFILE", /./],
    ["a platform that was never started", ["platform", "parties", "--data", "absent"], "PLATFORM_NOT_INITIALISED", /./],
  ];
  for (const [title, args, code, says] of wrong) {
    it(`refuses ${title}: ${code}`, async () => {
      assert.match((await fails(args, work, code)).replaceAll(/\s+/g, " "), says);
    });
  }

  it("says with --json what went wrong, in one line on stdout", async () => {
    for (const args of [["demo-data", "--companies", "x"], ["job", "list"], ["enclave", "check", "--dataset", "absent.json"]]) {
      const { status, out } = await yunei([...args, "--json"], work);
      assert.equal(status, 1);
      const { error } = JSON.parse(out) as { error: { code: string; en: string; zh: string } };
      assert.match(error.code, /^CLI_/);
      assert.match(error.zh, /\p{Script=Han}/u);
    }
  });

  it("speaks Chinese with --lang zh", async () => {
    const { err } = await yunei(["job", "list", "--lang=zh"], work);
    assert.match(err, /CLI_PROFILE: .*机构配置文件/);
  });

  it("writes nothing when the arguments are wrong", async () => {
    const { status } = await yunei(["demo-data", "--out", "made", "--companies", "12"], work);
    assert.equal(status, 1);
    assert.isFalse(existsSync(join(work, "made")));
  });
});
