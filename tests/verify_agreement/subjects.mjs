// Cases: the map of subjects that a custodian enters in its log, honest and not. Whoever reads the log makes it again.
import { kinds, subjectRootOf } from './made_log.mjs';
import { anchorOf, by, governanceBatches, keys, policyText, serve, shown } from './world.mjs';

const { custodian } = keys;
const subject = (letter) => Buffer.alloc(16, letter);
const map = (size, root) => [[2, kinds.subjectMap], [40, [[1, size], [2, root]]]];

// Tenant a's log: an anchor, then entries of these subjects ("-": of none; "M": a map of all before it; a list: that entry).
function logOf(...parts) {
  const entries = [anchorOf(governanceBatches())];
  const subjects = [''];
  for (const part of parts) {
    if (Array.isArray(part)) {
      entries.push(part);
      subjects.push('');
    } else {
      for (const letter of part) {
        if (letter === 'M') entries.push(map(entries.length, honest(subjects)));
        else entries.push(letter === '-' ? shown() : shown([7, subject(letter)]));
        subjects.push(letter === 'M' || letter === '-' ? '' : letter);
      }
    }
  }
  return { a: [by(custodian, ...entries)] };
}
// The root that a log of these subjects makes.
function honest(subjects) {
  const values = new Map();
  for (const [index, letter] of subjects.entries()) {
    if (letter !== '') values.set(letter, { count: (values.get(letter)?.count ?? 0) + 1, last: index });
  }
  return rootOf(values);
}
const rootOf = (values) => subjectRootOf([...values].map(([letter, value]) => ({ subject: subject(letter), ...value })));
const lie = (values) => rootOf(new Map(Object.entries(values)));
const many = Array.from({ length: 200 }, (_, i) => String.fromCharCode(97 + (i * 7) % 26)).join('');

const log = (name, want, ...parts) => ({ group: 'Subjects', name, want, policy: policyText, logs: () => serve(logOf(...parts)), target: 'a' });

export const cases = [
  log('an honest map', 'accept', 'abaM'),
  log('maps of a growing log', 'accept', 'aM', 'aaM', 'b-cM', 'M'),
  log('a map of many', 'accept', many, 'M', many, 'M'),
  log('a map that leaves the newest entries uncovered', 'accept', 'ab', 'cc', map(3, honest(['', 'a', 'b']))),
  log('a map of a log that is about nobody', 'accept', '--M'),
  log('no map', 'accept', 'abc'),
  log('an entry left out', 'refuse', 'aba', map(4, lie({ a: { count: 1, last: 1 }, b: { count: 1, last: 2 } }))),
  log('a count too high', 'refuse', 'aba', map(4, lie({ a: { count: 3, last: 3 }, b: { count: 1, last: 2 } }))),
  log('another last entry', 'refuse', 'aba', map(4, lie({ a: { count: 2, last: 1 }, b: { count: 1, last: 2 } }))),
  log('a subject left out', 'refuse', 'aba', map(4, lie({ a: { count: 2, last: 3 } }))),
  log('a subject invented', 'refuse', 'a', map(2, lie({ a: { count: 1, last: 1 }, z: { count: 1, last: 1 } }))),
  log('an old root entered as new', 'refuse', 'aM', 'a', map(4, lie({ a: { count: 1, last: 1 } }))),
  log('a map of more than there is', 'refuse', 'ab', map(4, lie({ a: { count: 1, last: 1 }, b: { count: 1, last: 2 } }))),
  log('a map that goes back', 'refuse', 'abM', map(2, lie({ a: { count: 1, last: 1 } }))),
  log('a map of the same size again', 'refuse', 'abM', map(3, honest(['', 'a', 'b']))),
  log('a map of nothing', 'refuse', 'a', map(0, Buffer.alloc(32))),
  log('a root of 31 bytes', 'refuse', 'a', map(2, Buffer.alloc(31))),
  log('a map of somebody', 'refuse', 'a', [...map(2, lie({ a: { count: 1, last: 1 } })), [7, subject('a')]]),
  log('a map that carries none', 'refuse', 'a', [[2, kinds.subjectMap]]),
  log('a map beside another kind', 'refuse', 'a', [[2, kinds.shown], ...map(2, lie({ a: { count: 1, last: 1 } })).slice(1)]),
];
