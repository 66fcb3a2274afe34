// A lying custodian: serves each lie of lies.mjs and asks `custodian verify` what it sees; then, where no state is needed, the second verifier.
//   node check.mjs CUSTODIAN WORK [--only TEXT]
// Prints "ok Liar.<lie>" or "not ok Liar.<lie>: why", and the same for the rows of audits.mjs; exit 1 when any failed.
import { mkdirSync, rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Sides } from '../verify_agreement/sides.mjs';
import { audits } from './audits.mjs';
import { lies, policy } from './lies.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' } } });
const [custodian, work] = positionals;
if (work === undefined) {
  console.error('usage: node check.mjs CUSTODIAN WORK [--only TEXT]');
  process.exit(2);
}
mkdirSync(work, { recursive: true });
const sides = new Sides(custodian, work);
await sides.start();

// What is not as it should be with an audit's answer; undefined when all is.
function wrong({ verdict, why, report }, want) {
  const found = (report?.findings ?? []).map(({ position, fault }) => `${position} ${fault}`);
  const told = `${verdict}, ${found.join(', ') || why}`;
  if (typeof want === 'string') return verdict === 'refuse' && why.includes(want) ? undefined : `wanted a refusal that says "${want}": ${told}`;
  if (verdict !== (want.length === 0 ? 'accept' : 'refuse')) return told;
  const missing = want.filter((finding) => !found.includes(finding));
  return missing.length === 0 ? undefined : `nobody saw ${missing.join(', ')}: ${told}`;
}

async function isCaught({ lie, promise, before, now, args = [], want }) {
  const state = `${work}/${lie}.state`;
  for (const suffix of ['', '.part', '.keys', '.disputed']) rmSync(state + suffix, { force: true });
  if (promise !== undefined) {
    const { custodian, typescript } = await sides.ask({ policy, promise, logs: now, target: 'a' });
    const typescriptWants = typeof want === 'string' ? 'refuse' : 'accept';
    if (typescript.verdict !== typescriptWants) return `the second verifier: ${typescript.verdict}, ${typescript.why}`;
    if (typeof want === 'string') return wrong(custodian, want);
    return custodian.verdict === 'accept' ? undefined : `${custodian.verdict}, ${custodian.why}`;
  }
  const kept = before === undefined ? [] : ['--state', state];
  const place = sides.place(before === undefined ? now() : before(), policy, 'a');
  if (before !== undefined) {
    const first = wrong(await sides.askCustodian([...place.args, ...kept]), []);
    if (first !== undefined) return `the honest log: ${first}`;
    place.serve(now());
  }
  const fault = wrong(await sides.askCustodian([...place.args, ...kept, ...args]), want);
  if (fault !== undefined || before !== undefined || args.length > 0) return fault;
  const answers = await sides.ask({ policy, logs: now, target: 'a' });
  return typeof want === 'string' ? undefined : wrong(answers.typescript, want) && `the second verifier: ${wrong(answers.typescript, want)}`;
}

const rows = [
  ...lies.map((row) => [`Liar.${row.lie}`, () => isCaught(row)]),
  ...audits.map(([name, run]) => [`Auditor.${name}`, () => run({ sides, work, policy, wrong })]),
];
let failed = false;
for (const [name, run] of rows.filter(([name]) => name.includes(values.only ?? ''))) {
  const why = await run().catch((error) => error.stack);
  failed ||= why !== undefined;
  console.log(why === undefined ? `ok ${name}` : `not ok ${name}: ${why.replaceAll('\n', ' ')}`);
}
sides.stop();
process.exit(failed ? 1 : 0);
