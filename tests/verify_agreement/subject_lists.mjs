// Cases: the list that says it is everything a log holds on a subject, right and wrong, without a server.
import { checkpointText, kinds, leavesOf, proofBytes, signedNote, subjectListOf, subjectProofOf, subjectRootOf } from './made_log.mjs';
import { anchorOf, by, governanceBatches, keys, origins, shown } from './world.mjs';

const { custodian, logs, witnesses } = keys;
const subject = (letter) => Buffer.alloc(16, letter);
const policy = [`log ${logs.a.vkey}`, `log ${logs.b.vkey}`, ...witnesses.map((witness, i) => `witness w${i + 1} ${witness.vkey}`), 'group q 2 w1 w2 w3', 'quorum q', ''].join('\n');

// Tenant a's log: an anchor; entries of these subjects; a map of all of them; one more of "a".
const letters = 'abacadaeafagah'.repeat(4);
const values = [...new Set(letters)].map((letter) => ({ subject: subject(letter), count: letters.split(letter).length - 1, last: letters.lastIndexOf(letter) + 1 }));
const covered = letters.length + 1;
const mapEntry = (size, root) => [[2, kinds.subjectMap], [40, [[1, size], [2, root]]]];
const honest = mapEntry(covered, subjectRootOf(values));
const logWith = (map, origin = origins.a) => leavesOf(origin, [by(custodian, anchorOf(governanceBatches()), ...[...letters].map((letter) => shown([7, subject(letter)])), map, shown([7, subject('a')]))]);
const leaves = logWith(honest);
const noteOf = (some, by = [witnesses[0], witnesses[2]], origin = 'a', size = some.length) => signedNote(checkpointText(origins[origin], some.slice(0, size)), logs[origin], ...by);
const indexesOf = (letter) => [...letters].flatMap((each, i) => (each === letter ? [i + 1] : []));
const listOf = (letter, { some = leaves, proof = subjectProofOf(values, subject(letter)), mapIndex = covered, indexes = indexesOf(letter), note = noteOf(some), bytes = proofBytes(proof) } = {}) =>
  subjectListOf(some, subject(letter), bytes, mapIndex, indexes, note);

const right = listOf('b');
const edit = (change) => change(right);
const lineOf = (number, change) => edit((text) => text.split('\n').map((line, i) => (i === number ? change(line) : line)).flat().join('\n'));
const entryLines = right.split('\n').flatMap((line, i) => (line.startsWith('entry ') ? [i] : []));
const proof = subjectProofOf(values, subject('b'));
const withProof = (change) => listOf('b', { bytes: change(proofBytes(proof)) });
const lie = (changed) => values.map((value) => ({ ...value, ...(changed[value.subject.toString()[0]] ?? {}) })).filter(({ count }) => count > 0);
// A log whose map tells these values, and the list of `letter` in it.
function lying(letter, changed, indexes) {
  const told = lie(changed), some = logWith(mapEntry(covered, subjectRootOf(told)));
  return listOf(letter, { some, proof: subjectProofOf(told, subject(letter)), indexes });
}
const foreign = logWith(honest, origins.b);
const early = logWith(mapEntry(covered + 1, subjectRootOf(values)));

// [name, verdict, list].
const rows = [
  ['right', 'accept', right],
  ...['a', 'c', 'h'].map((letter) => [`of subject ${letter}`, 'accept', listOf(letter)]),
  ...['x', 'y', 'z', '1', '2'].map((letter) => [`of subject ${letter}, which has none`, 'accept', listOf(letter)]),
  ['by all witnesses', 'accept', listOf('b', { note: noteOf(leaves, witnesses) })],
  ['by one witness', 'refuse', listOf('b', { note: noteOf(leaves, [witnesses[1]]) })],
  ['without the last entry', 'refuse', listOf('b', { indexes: indexesOf('b').slice(0, -1) })],
  ['without the first entry', 'refuse', listOf('b', { indexes: indexesOf('b').slice(1) })],
  ['without any', 'refuse', listOf('b', { indexes: [] })],
  ['with an entry twice in the place of another', 'refuse', listOf('b', { indexes: [indexesOf('b')[0], ...indexesOf('b').slice(0, -1)] })],
  ['with an entry more than the map counts', 'refuse', listOf('a', { indexes: [...indexesOf('a'), covered + 1] })],
  ['with an entry past the map in the place of another', 'refuse', listOf('a', { indexes: [...indexesOf('a').slice(1), covered + 1] })],
  ['with another subject\'s entry in the place of one', 'refuse', listOf('b', { indexes: [1, ...indexesOf('b').slice(1)] })],
  ['in another order', 'refuse', listOf('b', { indexes: indexesOf('b').reverse() })],
  ['of another subject', 'refuse', lineOf(1, () => `subject ${subject('c').toString('base64')}`)],
  ['of a subject that has none', 'refuse', lineOf(1, () => `subject ${subject('z').toString('base64')}`)],
  ['of a subject of 15 bytes', 'refuse', lineOf(1, () => `subject ${Buffer.alloc(15).toString('base64')}`)],
  ['without a subject', 'refuse', lineOf(1, () => [])],
  ['without a map line', 'refuse', lineOf(2, () => [])],
  ['with the proof of another subject', 'refuse', listOf('b', { proof: subjectProofOf(values, subject('c')) })],
  ['said to have none by the proof of one that has none', 'refuse', listOf('b', { proof: subjectProofOf(values, subject('z')), indexes: [] })],
  ['with a leaf that counts nothing', 'refuse', listOf('b', { proof: { ...proof, leaf: Buffer.concat([proof.leaf.subarray(0, 32), Buffer.alloc(16)]) }, indexes: [] })],
  ['with a leaf left out', 'refuse', listOf('b', { proof: { ...proof, leaf: undefined }, indexes: [] })],
  ['with a sibling left out', 'refuse', listOf('b', { proof: { ...proof, siblings: proof.siblings.slice(0, -1) } })],
  ['with a sibling more', 'refuse', listOf('b', { proof: { ...proof, siblings: [...proof.siblings, Buffer.alloc(32, 1)] } })],
  ['with an empty sibling more', 'refuse', listOf('b', { proof: { ...proof, siblings: [...proof.siblings, Buffer.alloc(32)] } })],
  ['with a path of 256', 'refuse', listOf('b', { proof: { ...proof, siblings: Array(256).fill(Buffer.alloc(32, 1)) } })],
  ['with a path of 257', 'refuse', listOf('b', { proof: { ...proof, siblings: Array(257).fill(Buffer.alloc(32, 1)) } })],
  ['with a bit below the path', 'refuse', withProof((bytes) => { const copy = Buffer.from(bytes); copy[2] |= 1; return copy; })],
  ['with an end that is neither', 'refuse', withProof((bytes) => { const copy = Buffer.from(bytes); copy[3] = 2; return copy; })],
  ['with an empty sibling written out', 'refuse', listOf('b', { bytes: Buffer.concat([Buffer.of(0, 1, 128, 1), proof.leaf, Buffer.alloc(32)]) })],
  ['with a proof cut short', 'refuse', withProof((bytes) => bytes.subarray(0, -1))],
  ['with a proof of one byte', 'refuse', withProof((bytes) => bytes.subarray(0, 1))],
  ['with a proof of nothing', 'refuse', withProof(() => Buffer.alloc(0))],
  ['with a byte behind the proof', 'refuse', withProof((bytes) => Buffer.concat([bytes, Buffer.of(0)]))],
  ['of a map that counts one less', 'accept', lying('b', { b: { count: 3, last: indexesOf('b')[2] } }, indexesOf('b').slice(0, 3))],
  ['of a map that names another last', 'refuse', lying('b', { b: { last: 2 } }, indexesOf('b'))],
  ['of a map that counts one more', 'refuse', lying('b', { b: { count: 5 } }, indexesOf('b'))],
  ['of an entry that is no map', 'refuse', listOf('b', { mapIndex: covered + 1 })],
  ['of a map of more than stands before it', 'refuse', listOf('b', { some: early })],
  ['of a log that ends with the map', 'accept', listOf('b', { some: leaves.slice(0, covered + 1) })],
  ['of a log that ends before the map', 'refuse', listOf('b', { note: noteOf(leaves, witnesses, 'a', covered) })],
  ['of another log under its own key', 'accept', listOf('b', { some: foreign, note: noteOf(foreign, witnesses, 'b') })],
  ['of another log\'s entries', 'refuse', listOf('b', { some: foreign })],
  ['with the map\'s entry last', 'refuse', edit((text) => { const l = text.split('\n'), at = entryLines; return [...l.slice(0, 3), ...l.slice(at[1], l.indexOf('')), ...l.slice(3, at[1]), ...l.slice(l.indexOf(''))].join('\n'); })],
  ['without an entry at all', 'refuse', edit((text) => { const l = text.split('\n'); return [...l.slice(0, 3), ...l.slice(l.indexOf(''))].join('\n'); })],
  ['with a hash before the first entry', 'refuse', lineOf(3, (line) => [Buffer.alloc(32).toString('base64'), line])],
  ['with a hash too many', 'refuse', lineOf(entryLines[1] + 1, (line) => [line, line])],
  ['with a hash too few', 'refuse', lineOf(entryLines[1] + 1, () => [])],
  ['with 65 hashes', 'refuse', lineOf(entryLines[1] + 1, (line) => Array(65).fill(line))],
  ['with a hash of 31 bytes', 'refuse', lineOf(entryLines[1] + 1, () => Buffer.alloc(31).toString('base64'))],
  ['with another index', 'refuse', lineOf(entryLines[1], (line) => line.replace(/^entry \d+/, 'entry 3'))],
  ['with an index with a zero before', 'refuse', lineOf(entryLines[1], (line) => line.replace('entry ', 'entry 0'))],
  ['with an entry without a leaf', 'refuse', lineOf(entryLines[1], (line) => line.replace(/ \S+$/, ''))],
  ['with an entry with an empty leaf', 'refuse', lineOf(entryLines[1], (line) => line.replace(/\S+$/, ''))],
  ['with an entry with a word too many', 'refuse', lineOf(entryLines[1], (line) => `${line} x`)],
  ['with a leaf with a byte behind', 'refuse', lineOf(entryLines[1], () => `entry ${indexesOf('b')[0]} ${Buffer.concat([leaves[2], Buffer.of(0)]).toString('base64')}`)],
  ['with another first line', 'refuse', lineOf(0, () => 'custodian/subject-list/v2')],
  ['with a space behind the first line', 'refuse', lineOf(0, (line) => `${line} `)],
  ['with carriage returns', 'refuse', edit((text) => text.replaceAll('\n', '\r\n'))],
  ['with two empty lines before the checkpoint', 'refuse', edit((text) => text.replace('\n\n', '\n\n\n'))],
  ['without a newline at the end', 'refuse', edit((text) => text.slice(0, -1))],
  ['of nothing', 'refuse', ''],
  ...right.split('\n').map((_, i) => [`cut after line ${i}`, 'refuse', right.split('\n').slice(0, i).join('\n') + (i > 0 ? '\n' : '')]).slice(0, -1),
];

// How old it is: the entries say 2023, the witnesses cosign now; what a map leaves out is as old as the map.
export const cases = [
  ...rows.map(([name, want, list]) => ({ group: 'SubjectLists', name, want, policy, list })),
  { group: 'SubjectLists', name: 'a map of long ago with entries since', want: 'refuse', policy, list: right, maxAge: 3600 },
  { group: 'SubjectLists', name: 'a map of long ago and no entry since', policy, list: listOf('b', { some: leaves.slice(0, covered + 1) }), maxAge: 3600 },
];
