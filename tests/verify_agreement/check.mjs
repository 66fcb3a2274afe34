// Both verifiers over the same cases: they must say the same, what they must say where that is known, and of the same positions.
//   node check.mjs HOME CUSTODIAN WORK [--seed N] [--mutations N] [--only TEXT]
// Prints "ok NAME" or "not ok NAME: why" a group, and the seed of the mutations; exit 1 when any failed.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cases as ages } from './ages.mjs';
import { cases as authors } from './authors.mjs';
import { cases as forms } from './forms.mjs';
import { mutationsOf } from './mutations.mjs';
import { cases as offline } from './offline.mjs';
import { cases as promises } from './promises.mjs';
import { cases as served } from './served.mjs';
import { disagreement, Sides } from './sides.mjs';
import { cases as subjectLists } from './subject_lists.mjs';
import { cases as subjects } from './subjects.mjs';
import { cases as tenantsWord } from './tenants_word.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { seed: { type: 'string' }, mutations: { type: 'string' }, only: { type: 'string' } } });
const [home, custodian, work] = positionals;
if (work === undefined) {
  console.error('usage: node check.mjs HOME CUSTODIAN WORK [--seed N] [--mutations N] [--only TEXT]');
  process.exit(2);
}
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
console.log(`seed ${seed}`);

const summary = JSON.parse(readFileSync(`${home}/summary.json`, 'utf8'));
const made = [...ages, ...authors, ...forms, ...served, ...offline, ...promises, ...subjects, ...subjectLists, ...tenantsWord];
const mutated = await mutationsOf(summary, seed, Number(values.mutations ?? 200));
const chosen = [...made, ...mutated].filter(({ group, name }) => `${group}: ${name}`.includes(values.only ?? ''));

const sides = new Sides(custodian, work);
await sides.start();
const groups = new Map();
async function workOff(queue) {
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
    const found = groups.get(item.group) ?? groups.set(item.group, { count: 0, faults: [], verdicts: {} }).get(item.group);
    const answers = await sides.ask(item);
    const fault = disagreement(answers, item.want);
    found.count++;
    found.verdicts[answers.custodian.verdict] = (found.verdicts[answers.custodian.verdict] ?? 0) + 1;
    if (fault !== undefined) found.faults.push(`${item.name}: ${fault}`);
  }
}
// Several at once: some of the first verifier's wait for a governance log that would grow.
const queue = [...chosen];
await Promise.all(Array.from({ length: 4 }, () => workOff(queue)));
sides.stop();

let failed = false;
for (const [group, { count, faults, verdicts }] of groups) {
  for (const fault of faults) console.log(`# ${group}: ${fault}`);
  failed ||= faults.length > 0;
  const told = Object.entries(verdicts).map(([verdict, n]) => `${n} ${verdict}`).join(', ');
  console.log(faults.length > 0 ? `not ok VerifyAgreement.${group}: ${faults.length} of ${count} cases (above)` : `ok VerifyAgreement.${group}`);
  console.log(`# ${group}: ${count} cases, ${told}`);
}
process.exit(failed ? 1 : 0);
