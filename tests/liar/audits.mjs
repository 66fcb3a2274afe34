// What `custodian verify` promises an auditor beside seeing lies: going on from a state, several threads, a later beginning, one subject's
// entries, findings for programs. [name, run]; run() resolves to what was wrong, or undefined.
import { chmodSync, copyFileSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { by, consent, governanceBatches, keys, origins, partitionBatches, serve, shown } from '../verify_agreement/world.mjs';

const subject = Buffer.alloc(16, 0xab);
// Batches of 50, which are quickly made.
const many = (count) => Array.from({ length: count / 50 }, () => by(keys.custodian, ...few(50)));
const few = (count, make = shown, ...more) => Array.from({ length: count }, () => make(...more));
// 2,000 entries with faults on both sides of every border: a counter and an idempotency key that come again, an author who may not, a gap.
function faulty(entries) {
  const used = [6, Buffer.alloc(32, 5)];
  const batches = [
    ...partitionBatches(governanceBatches(), 300),
    by(keys.tenant, consent(used), consent([4, 9000n]), consent()),
    by(keys.tenant, shown(), consent([7, subject])),
    ...many(400),
    by(keys.tenant, consent(used), consent([4, 9000n]), consent(used)),
    by(keys.custodian, shown([4, 7000n])), ...many(600),
    by(keys.tenant, consent(used), shown(), consent([7, subject])),
    ...many(700),
  ];
  return serve({ a: batches, leaves: { a: (all) => all.slice(0, entries) } });
}
const told = ({ report, verdict, why }) => report === undefined ? `${verdict}: ${why}` : JSON.stringify(report.findings);
const files = ['', '.part', '.keys', '.disputed'];
const fresh = (work, name) => {
  const state = `${work}/${name}.state`;
  for (const suffix of files) rmSync(state + suffix, { force: true });
  return state;
};

async function findsTheSame({ sides, policy }, ...ways) {
  const whole = await sides.askCustodian(sides.place(faulty(), policy, 'a').args);
  if (whole.report === undefined || whole.report.findings.length < 8) return `the whole run: ${told(whole)}`;
  for (const way of ways) {
    const answer = await way();
    if (told(answer) !== told(whole)) return `${told(answer)} is not ${told(whole)}`;
  }
  return undefined;
}

const anyJobs = (test) => findsTheSame(test, ...[1, 2, 7].map((jobs) => () => test.sides.askCustodian([...test.sides.place(faulty(), test.policy, 'a').args, '--jobs', `${jobs}`])));

// At each of these sizes the auditor came by.
const resumed = (test) => findsTheSame(test, ...[[1], [256], [303, 304, 305], [700, 701, 1308], [1313, 2000]].map((sizes) => async () => {
  const state = fresh(test.work, 'resumed');
  const place = test.sides.place({}, test.policy, 'a');
  for (const size of sizes) {
    place.serve(faulty(size));
    await test.sides.askCustodian([...place.args, '--state', state]);
  }
  place.serve(faulty());
  const answer = await test.sides.askCustodian([...place.args, '--state', state]);
  return answer.report?.logs[1].judged_from === Math.min(sizes.at(-1), answer.report?.logs[1].size) ? answer : { verdict: 'not resumed', why: told(answer) };
}));

// The server fails in the middle; the next run goes on from there.
const interrupted = (test) => findsTheSame(test, async () => {
  const state = fresh(test.work, 'interrupted');
  const failing = faulty();
  failing.a.set('tile/entries/003', 'fails');
  const place = test.sides.place(failing, test.policy, 'a');
  const first = await test.sides.askCustodian([...place.args, '--state', state]);
  if (first.report !== undefined || !existsSync(`${state}.part`) || existsSync(state)) return { verdict: 'no part', why: told(first) };
  place.serve(faulty());
  const answer = await test.sides.askCustodian([...place.args, '--state', state]);
  if (answer.report?.logs[1].judged_from !== 768) return { verdict: 'not resumed', why: told(answer) };
  return existsSync(`${state}.part`) ? { verdict: 'the part stays', why: '' } : answer;
});

// What was read before an interruption and is not what is signed is not gone on with.
async function forgedPart({ sides, work, policy, wrong }) {
  const state = fresh(work, 'forged');
  const honest = () => serve({ a: partitionBatches(governanceBatches(), 2000) });
  const other = serve({ a: partitionBatches(governanceBatches(), 2000).map((batch, i) => (i === 1 ? by(keys.custodian, ...few(3, shown, [7, subject])) : batch)) });
  const forged = honest();
  for (const path of ['tile/entries/000', 'tile/0/000']) forged.a.set(path, other.a.get(path));
  forged.a.set('tile/entries/003', 'fails');
  const place = sides.place(forged, policy, 'a');
  await sides.askCustodian([...place.args, '--state', state]);
  place.serve(honest());
  const first = wrong(await sides.askCustodian([...place.args, '--state', state]), ['checkpoint size 2000 root_wrong']);
  return first ?? wrong(await sides.askCustodian([...place.args, '--state', state]), []);
}

async function badStates({ sides, work, policy, wrong }) {
  const place = sides.place(serve({ a: partitionBatches(governanceBatches(), 300) }), policy, 'a');
  const good = fresh(work, 'good');
  const made = await sides.askCustodian([...place.args, '--state', good]);
  if (made.verdict !== 'accept') return told(made);
  const length = statSync(good).size;
  const flip = (at) => (file) => { const bytes = readFileSync(file); bytes[at] ^= 1; writeFileSync(file, bytes); };
  const cut = (to) => (file) => truncateSync(file, to);
  const altered = 'damaged or was altered';
  const rows = [
    ...[0, 30, 100, 200, length - 1].map((at) => [`byte ${at} changed`, '', flip(at), altered]),
    ...[0, 10, 60, 95, length - 1].map((at) => [`cut to ${at} bytes`, '', cut(at), altered]),
    ['a byte more', '', (file) => writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.of(0)])), altered],
    ['writable by others', '', (file) => chmodSync(file, 0o666), 'others than you'],
    ['a key changed', '.keys', flip(1000), 'not what the state was made with'],
    ['keys cut short', '.keys', cut(4000), 'cut short'],
    ['keys gone', '.keys', (file) => rmSync(file), 'missing'],
    ['a part that is damaged', '.part', (file) => writeFileSync(file, 'x'), altered],
  ];
  for (const [what, suffix, spoil, want] of rows) {
    const state = fresh(work, 'bad');
    for (const kept of ['', '.keys']) copyFileSync(good + kept, state + kept);
    spoil(state + suffix);
    const fault = wrong(await sides.askCustodian([...place.args, '--state', state]), want);
    if (fault !== undefined) return `${what}: ${fault}`;
  }
  return undefined;
}

// Another governance log than entries were judged by.
async function otherGovernance({ sides, work, policy, wrong }) {
  const state = fresh(work, 'governed');
  const governance = governanceBatches();
  const place = sides.place(serve({ a: partitionBatches(governance, 300) }), policy, 'a');
  const first = wrong(await sides.askCustodian([...place.args, '--state', state]), []);
  if (first !== undefined) return first;
  const other = governanceBatches();
  other[2].entries[0] = [...other[2].entries[0], [7, subject]];
  const served = serve({ governance: other, a: partitionBatches(governance, 300) });
  place.serve(served);
  return wrong(await sides.askCustodian([...place.args, '--state', state]), 'the governance log has another root');
}

async function since({ sides, policy }) {
  const { args } = sides.place(faulty(), policy, 'a');
  const whole = await sides.askCustodian(args);
  for (const from of [1, 256, 304, 711, 1309, 2000]) {
    const answer = await sides.askCustodian([...args, '--since', `${from}`]);
    const log = answer.report?.logs[1];
    if (log?.judged_from !== from || log.read_from !== 0 || log.subject_maps_judged !== false) return `--since ${from}: ${told(answer)}, ${JSON.stringify(log)}`;
    const behind = ({ position, fault }) => Number(position.slice(5)) >= from && fault === 'author_refused';
    const wanted = whole.report.findings.filter(behind);
    if (JSON.stringify(answer.report.findings.filter(behind)) !== JSON.stringify(wanted)) return `--since ${from}: ${told(answer)}`;
    if (answer.report.findings.some(({ position }) => Number(position.slice(5)) < from)) return `--since ${from} judges what lies before: ${told(answer)}`;
  }
  const past = await sides.askCustodian([...args, '--since', '5000']);
  return past.why.includes('entries, not 5000') ? undefined : told(past);
}

// A log whose anchor lies late is read from there on only, and an edit before it still shows in the root.
async function sinceLateAnchor({ sides, policy, wrong }) {
  const governance = governanceBatches();
  const a = [...partitionBatches(governance, 600), partitionBatches(governance, 600)[0], ...many(400)];
  const { args, serve: others } = sides.place(serve({ governance, a }), policy, 'a');
  const answer = await sides.askCustodian([...args, '--since', '700']);
  if (answer.verdict !== 'accept' || answer.report.logs[1].read_from !== 512) return `${told(answer)}, ${JSON.stringify(answer.report?.logs[1])}`;
  const edited = serve({ governance, a });
  edited.a.set('tile/1/000.p/3', Buffer.alloc(96, 3));
  others(edited);
  return wrong(await sides.askCustodian([...args, '--since', '700']), ['checkpoint size 1001 root_wrong']);
}

async function sinceDate({ sides, policy }) {
  const at = (day) => [5, [[1, Math.floor(Date.parse(day) / 1000)]]];
  const a = [partitionBatches(governanceBatches())[0], by(keys.custodian, ...few(511, shown, at('2026-05-01'))), by(keys.custodian, ...few(600, shown, at('2026-07-01')))];
  const { args } = sides.place(serve({ a }), policy, 'a');
  for (const [date, from] of [['2026-06-01', 256], ['2026-07-01T00:00:00Z', 256], ['2026-07-02', 1024], ['2020-01-01', undefined]]) {
    const answer = await sides.askCustodian([...args, '--since', date]);
    if (answer.verdict !== 'accept' || answer.report.logs[1].judged_from !== from) return `--since ${date}: ${told(answer)}, ${JSON.stringify(answer.report?.logs[1])}`;
  }
  return undefined;
}

async function listsASubject({ sides, policy }) {
  const { args } = sides.place(faulty(), policy, 'a');
  const { report } = await sides.askCustodian([...args, '--subject', subject.toString('hex')]);
  const found = report?.subject?.entries?.map(({ index, kind, receipt }) => `${index} ${kind} ${receipt}`).join(', ');
  const wanted = '304 KIND_CONSENT_SET receipt/304, 1311 KIND_CONSENT_SET receipt/1311';
  return found === wanted ? undefined : `${found} is not ${wanted}`;
}

async function findingsForPrograms({ sides, policy }) {
  const { args } = sides.place(faulty(), policy, 'a');
  const { report } = await sides.askCustodian(args);
  const faults = {};
  for (const { origin, position, fault, message } of report.findings) {
    if (origin !== origins.a || !/^leaf \d+$/.test(position) || !/^[a-z_]+$/.test(fault) || message === '') return JSON.stringify(report.findings);
    faults[fault] = (faults[fault] ?? 0) + 1;
  }
  const { summary } = report;
  if (report.ok || summary.findings !== report.findings.length || summary.entries_judged !== report.logs[0].size + report.logs[1].size) return JSON.stringify(summary);
  return Object.entries(faults).every(([fault, count]) => summary.faults[fault] === count) && Object.keys(summary.faults).length === Object.keys(faults).length
    ? undefined : JSON.stringify(summary);
}

async function wrongUse({ sides, work, policy }) {
  const { args } = sides.place(serve({}), policy, 'a');
  const governance = sides.place(serve({}), policy, 'governance').args;
  const rows = [
    [...args, '--since', '1', '--state', `${work}/x`], [...args, '--subject', 'ab'], [...args, '--since', 'yesterday'], [...args, '--jobs', '0'],
    [...args, '--state', `${work}/x`, '--subject', subject.toString('hex')], [...governance, '--state', `${work}/x`], [...governance, '--since', '1'],
    ['--receipt', 'x', '--policy', 'y', '--state', 'z'],
  ];
  for (const row of rows) {
    const { verdict, why } = await sides.askCustodian(row);
    if (verdict !== 'ended with 2' && !(row.includes('0') && verdict !== 'accept')) return `${row.slice(-4).join(' ')}: ${verdict}, ${why}`;
  }
  const away = await sides.askCustodian([...args, '--state', `${work}/nowhere/x`]);
  return away.verdict === 'refuse' && away.why.includes('is not there') ? undefined : told(away);
}

async function noBarWithoutATerminal({ sides, policy }) {
  const { why } = await sides.askCustodian(sides.place(serve({ a: partitionBatches(governanceBatches(), 2000) }), policy, 'a').args);
  return why === '' ? undefined : why;
}

export const audits = [
  ['AnyNumberOfThreadsFindsTheSame', anyJobs],
  ['ResumedFindsWhatAWholeAuditFinds', resumed],
  ['InterruptedGoesOnWhereItWas', interrupted],
  ['WhatWasNotSignedIsNotGoneOnWith', forgedPart],
  ['BadStateIsRefused', badStates],
  ['StateUnderAnotherGovernanceIsRefused', otherGovernance],
  ['SinceJudgesTheRestOnly', since],
  ['SinceReadsFromTheLastAnchor', sinceLateAnchor],
  ['SinceFindsADate', sinceDate],
  ['SubjectIsListed', listsASubject],
  ['FindingsAreForPrograms', findingsForPrograms],
  ['WrongUseIsTwo', wrongUse],
  ['NoBarWithoutATerminal', noBarWithoutATerminal],
];
