// Cases: what a leaf may look like. A row changes one thing about an entry that is otherwise right; all of it is signed and in the tree.
import { field, Key, kinds, message, varint } from './made_log.mjs';
import { by, enrol, governanceBatches, keys, origins, partitionBatches, policyText, serve, shown } from './world.mjs';

const { custodian } = keys;
const bytes = (length, value = 9) => Buffer.alloc(length, value);
const onPartition = (entry, tweak) => ({ a: [...partitionBatches(governanceBatches(), 4), { ...by(custodian, entry), ...(tweak ? { tweak } : {}) }] });
const onGovernance = (entry) => ({ governance: [...governanceBatches(), by(custodian, entry)] });
const row = (name, want, world) => ({ group: 'Forms', name, want, policy: policyText, logs: () => serve(world), target: 'a' });

// [name, verdict, fields of the entry].
const partitionRows = [
  ['nothing special', 'accept', shown()],
  ['money', 'accept', shown([25, [[1, 'ct-head'], [3, '2026-03'], [4, 1], [5, varintSigned(-5)], [6, varintSigned(1)]]])],
  ['money without a side', 'refuse', shown([25, [[1, 'ct-head'], [3, '2026-03']]])],
  ['money without a class', 'refuse', shown([25, [[3, '2026-03'], [4, 1]]])],
  ['money with another month', 'refuse', shown([25, [[1, 'ct-head'], [3, '2026-3'], [4, 1]]])],
  ['a month of seven bytes, six characters', 'accept', shown([25, [[1, 'ct-head'], [3, '2026-é'], [4, 1]]])],
  ['money that comes in two parts', 'accept', shown([25, [[1, 'ct-head']]], [25, [[3, '2026-03'], [4, 1]]])],
  ['money after an anchor in one entry', 'accept', shown([20, [[1, 1]]], [25, [[1, 'c'], [3, '2026-03'], [4, 1]]])],
  ['an anchor after money in one entry', 'refuse', shown([25, [[1, 'c'], [3, '2026-03'], [4, 1]]], [20, [[1, 1], [2, bytes(32)]]])],
  ['a kind that is not known', 'refuse', [[2, 66]]],
  ['kind 0', 'refuse', [[2, 0]]],
  ['a kind below zero', 'refuse', [[2, -1n]]],
  ['a kind past 32 bits', 'accept', [[2, (1n << 32n) + 2n]]],
  ['no origin', 'refuse', shown([1, ''])],
  ['an author of 513 bytes', 'refuse', shown([3, 'x'.repeat(513)])],
  ['an author of 512 bytes in fewer characters', 'refuse', shown([3, 'é'.repeat(257)])],
  ['counter 0', 'refuse', shown([4, 0n])],
  ['no time', 'refuse', shown([5, undefined])],
  ['time 0', 'accept', shown([5, []])],
  ['microseconds', 'refuse', shown([5, [[1, 1_700_000_000], [2, 5_001_000]]])],
  ['nanoseconds below zero', 'refuse', shown([5, [[1, 1_700_000_000], [2, -1_000_000n]]])],
  ['a second of nanoseconds', 'refuse', shown([5, [[1, 1_700_000_000], [2, 1_000_000_000]]])],
  ['year 1', 'accept', shown([5, [[1, -62_135_596_800n]]])],
  ['before year 1', 'refuse', shown([5, [[1, -62_135_596_801n]]])],
  ['year 9999', 'accept', shown([5, [[1, 253_402_300_799n]]])],
  ['year 10000', 'refuse', shown([5, [[1, 253_402_300_800n]]])],
  ['an idempotency key of 31 bytes', 'refuse', shown([6, bytes(31)])],
  ['no idempotency key', 'refuse', shown([6, undefined])],
  ['a subject', 'accept', shown([7, bytes(16)])],
  ['a subject of 15 bytes', 'refuse', shown([7, bytes(15)])],
  ['a record hash of 33 bytes', 'refuse', shown([8, bytes(33)])],
  ['a row hash', 'accept', shown([12, bytes(32)], [12, bytes(32)])],
  ['a row hash of no bytes', 'refuse', shown([12, ''])],
  ['a detail', 'accept', shown([9, bytes(32)], [10, bytes(100)])],
  ['a detail without commitment', 'refuse', shown([10, bytes(100)])],
  ['a commitment without detail', 'refuse', shown([9, bytes(32)])],
  ['a commitment of 31 bytes', 'refuse', shown([9, bytes(31)], [10, bytes(100)])],
  ['an entry of 59,000 bytes', 'accept', shown([9, bytes(32)], [10, bytes(59_000)])],
  ['an entry past 60,000 bytes', 'refuse', shown([9, bytes(32)], [10, bytes(60_000)])],
  ['a watermark', 'accept', [[2, 43], [26, [[1, [[1, 5]]]]]]],
  ['a watermark without a time', 'refuse', [[2, 43], [26, []]]],
  ['a watermark kind without its content', 'refuse', [[2, 43]]],
  ['a watermark under another kind', 'refuse', shown([26, [[1, [[1, 5]]]]])],
  ['a gap', 'accept', [[2, 44], [27, [[1, [[1, 5]]], [2, [[1, 6]]]]]]],
  ['a gap without an end', 'refuse', [[2, 44], [27, [[1, [[1, 5]]]]]]],
  ['a shard key', 'accept', [[2, 42], [28, [[1, 'shard'], [2, bytes(16)], [3, bytes(32)], [5, 1]]]]],
  ['a patient key', 'accept', [[2, 42], [28, [[1, 'patient'], [2, bytes(16)], [3, bytes(32)], [4, bytes(16)], [5, 1]]]]],
  ['a patient key without its shard', 'refuse', [[2, 42], [28, [[1, 'patient'], [2, bytes(16)], [3, bytes(32)], [5, 1]]]]],
  ['a shard key with a shard', 'refuse', [[2, 42], [28, [[1, 'shard'], [2, bytes(16)], [3, bytes(32)], [4, bytes(16)], [5, 1]]]]],
  ['another sort of key', 'refuse', [[2, 42], [28, [[1, 'Shard'], [2, bytes(16)], [3, bytes(32)], [5, 1]]]]],
  ['a key of epoch 0', 'refuse', [[2, 42], [28, [[1, 'shard'], [2, bytes(16)], [3, bytes(32)]]]]],
  ['records', 'accept', records(2, [])],
  ['records, deleted', 'accept', records(3, [[10, 0], [10, 2]])],
  ['records, deleted, packed', 'accept', records(3, [[10, Buffer.of(0, 2)]])],
  ['records, deleted out of order', 'refuse', records(3, [[10, 2], [10, 0]])],
  ['records, deleted twice', 'refuse', records(3, [[10, 1], [10, 1]])],
  ['records, one deleted that is none', 'refuse', records(3, [[10, 3]])],
  ['records with a locator', 'accept', records(1, [[3, bytes(32)]])],
  ['records with a short locator', 'refuse', records(1, [[3, bytes(31)]])],
  ['no records', 'refuse', [[2, kinds.recordStored], [29, []]]],
  ['records with a version too many', 'refuse', records(1, [[2, 2]])],
  ['records of version 0', 'refuse', [[2, kinds.recordStored], [8, bytes(32)], [29, [[1, bytes(16)], [2, 0]]]]],
  ['an unknown field', 'accept', shown([100, 'later'], [101, 5])],
  ['an unknown content', 'accept', shown([38, 'later'])],
  ['an unknown group', 'accept', shown([0, { raw: Buffer.concat([varint(50 * 8 + 3), field(1, 5), varint(50 * 8 + 4)]) }])],
  ['a group that does not end', 'refuse', shown([0, { raw: varint(50 * 8 + 3) }])],
  ['a group that ends as another', 'refuse', shown([0, { raw: Buffer.concat([varint(50 * 8 + 3), varint(51 * 8 + 4)]) }])],
  ['groups 90 deep', 'accept', shown([0, { raw: nested(90) }])],
  ['groups 200 deep', 'refuse', shown([0, { raw: nested(200) }])],
  ['a counter as bytes', 'accept', shown([0, { raw: field(4, Buffer.of(0x28, 7)) }])],
  ['a counter as fixed64', 'accept', shown([0, { raw: Buffer.concat([Buffer.of(4 * 8 + 1), bytes(8)]) }])],
  ['an origin as a number', 'accept', shown([0, { raw: field(1, 5) }])],
  ['content as a number', 'accept', shown([0, { raw: field(20, 5) }])],
  ['a time as fixed32', 'accept', shown([0, { raw: Buffer.concat([Buffer.of(5 * 8 + 5), bytes(4)]) }])],
  ['a kind twice', 'accept', [[2, kinds.anchor], [2, kinds.shown]]],
  ['a number in more bytes than it needs', 'accept', [[0, { raw: Buffer.of(2 * 8, 0x82, 0x80, 0x00) }]]],
  ['a number of ten bytes', 'accept', [[0, { raw: Buffer.concat([Buffer.of(2 * 8, 0x82), bytes(8, 0x80), Buffer.of(0)]) }]]],
  ['a number of eleven bytes', 'refuse', [[0, { raw: Buffer.concat([Buffer.of(2 * 8, 0x82), bytes(9, 0x80), Buffer.of(0)]) }]]],
  ['a tag in more bytes than it needs', 'accept', [[0, { raw: Buffer.of(0x90, 0x80, 0x00, 2) }]]],
  ['a length in more bytes than it needs', 'accept', shown([0, { raw: Buffer.concat([Buffer.of(7 * 8 + 2, 0x90, 0x80, 0x80, 0x00), bytes(16)]) }])],
  ['a length of six bytes', 'refuse', shown([0, { raw: Buffer.concat([Buffer.of(7 * 8 + 2, 0x90, 0x80, 0x80, 0x80, 0x80, 0x00), bytes(16)]) }])],
  ['field number 0', 'refuse', shown([0, { raw: Buffer.of(0, 1) }])],
  ['wire type 7', 'refuse', shown([0, { raw: Buffer.of(4 * 8 + 7) }])],
  ['half an entry', 'refuse', shown([0, { raw: Buffer.of(7 * 8 + 2, 16, 1) }])],
  ['wire type 6', 'refuse', shown([0, { raw: Buffer.of(20 * 8 + 6, 1) }])],
  ['text that is not UTF-8', 'refuse', shown([3, Buffer.of(0xff, 0xfe)])],
  ['text with a surrogate', 'refuse', shown([25, [[1, Buffer.of(0xed, 0xa0, 0x80)], [3, '2026-03'], [4, 1]]])],
  ['a content whose inner field overruns it', 'refuse', shown([0, { raw: Buffer.of(0xca, 1, 2, 0x0a, 5) }])],
];

const governanceRows = [
  ['a table', 'accept', [[2, 63], [24, [[1, 'prices'], [3, 'a,b']]]]],
  ['a table with a name of capitals', 'refuse', [[2, 63], [24, [[1, 'Prices'], [3, 'a,b']]]]],
  ['a table with a name that ends in a newline', 'refuse', [[2, 63], [24, [[1, 'prices\n'], [3, 'a,b']]]]],
  ['a table with a name of 33', 'refuse', [[2, 63], [24, [[1, 'p'.repeat(33)], [3, 'a,b']]]]],
  ['a table for no tenant', 'refuse', [[2, 63], [24, [[1, 'prices'], [2, 'ABCDEF0123456789'], [3, 'a,b']]]]],
  ['an empty table', 'refuse', [[2, 63], [24, [[1, 'prices']]]]],
  ['a table past 48,000 bytes', 'refuse', [[2, 63], [24, [[1, 'prices'], [3, bytes(48_001)]]]]],
  ['a policy without text', 'refuse', [[2, 62], [23, []]]],
  ['a client', 'accept', [[2, 65], [30, [[1, 'spiffe://x'], [3, 'auditor']]]]],
  ['a client without a role', 'refuse', [[2, 65], [30, [[1, 'spiffe://x']]]]],
  ['access', 'accept', [[2, 69], [39, [[1, 'spiffe://x'], [3, '{}']]]]],
  ['access with two key sets', 'refuse', [[2, 69], [39, [[1, 'spiffe://x'], [3, '{}'], [4, 'https://x']]]]],
  ['a tenant without a key', 'refuse', [[2, 60], [21, [[1, 'a'.repeat(16)], [2, 'c'], [3, 'o']]]]],
  ['a tenant with an id of newline', 'refuse', [[2, 60], [21, [[1, `${'a'.repeat(16)}\n`], [2, 'c'], [3, 'o'], [4, 'k']]]]],
  ['a succession', 'accept', [[2, 64]]],
  ['kinds packed', 'accept', roster({ 6: [Buffer.of(2, 20)] })],
  ['a kind of 0 among kinds', 'refuse', roster({ 6: [2, 0] })],
  ['an origin of nothing', 'refuse', roster({ 5: [''] })],
  ['another key id', 'refuse', roster({ 2: [bytes(32)] })],
  ['another algorithm', 'refuse', roster({ 3: [2] })],
  ['a compressed key', 'refuse', rosterOfKey(compressed(new Key('p256').spki))],
  ['a key in hybrid form', 'refuse', rosterOfKey(hybrid(new Key('p256').spki))],
  ['a key with a byte behind', 'refuse', rosterOfKey(Buffer.concat([new Key('p256').spki, Buffer.of(0)]))],
  ['a key that is no point', 'refuse', rosterOfKey(Buffer.concat([new Key('p256').spki.subarray(0, 27), bytes(64)]))],
  ['a key of another curve', 'refuse', rosterOfKey(Buffer.from('3056301006072a8648ce3d020106052b8104000a034200', 'hex'))],
  ['no key', 'refuse', rosterOfKey(Buffer.alloc(0))],
];

// [name, verdict, change of the leaf's fields].
const leafRows = [
  ['no signature', 'refuse', (fields) => fields.filter(([n]) => n !== 5)],
  ['a signature of 129 bytes', 'refuse', (fields) => replaced(fields, 5, bytes(129))],
  ['algorithm 0', 'refuse', (fields) => replaced(fields, 3, 0)],
  ['algorithm 3', 'refuse', (fields) => replaced(fields, 3, 3)],
  ['a key id of 31 bytes', 'refuse', (fields) => replaced(fields, 2, bytes(31))],
  ['no entry', 'refuse', (fields) => replaced(fields, 1, '')],
  ['an entry that is none', 'refuse', (fields) => replaced(fields, 1, Buffer.of(0xff))],
  ['fields in reverse order', 'accept', (fields) => fields.toReversed()],
  ['an unknown field', 'accept', (fields) => [...fields, [99, 'later']]],
  ['a batch size past 32 bits', 'accept', (fields) => replaced(fields, 7, (1n << 32n) + 1n)],
  ['the entry twice, the last counts', 'accept', (fields) => [[1, 'nothing'], ...fields]],
  ['a leaf that ends early', 'refuse', (fields) => [[0, { raw: message(fields).subarray(0, -1) }]]],
  ['an empty leaf', 'refuse', () => []],
  ['garbage', 'refuse', () => [[0, { raw: bytes(300, 0xee) }]]],
  ['the longest leaf', 'accept', (fields) => [...fields, [99, bytes(65_535 - message(fields).length - 5)]]],
];

function varintSigned(value) {
  return BigInt(value) * 2n < 0n ? -BigInt(value) * 2n - 1n : BigInt(value) * 2n;
}
function nested(depth) {
  return Buffer.concat([...Array(depth).fill(varint(50 * 8 + 3)), ...Array(depth).fill(varint(50 * 8 + 4))]);
}
function records(count, more) {
  const each = Array.from({ length: count }, (_, i) => i);
  return [[2, kinds.recordStored], ...each.map((i) => [8, bytes(32, i)]), [29, [...each.map((i) => [1, bytes(16, i)]), ...each.map(() => [2, 1]), ...more]]];
}
function replaced(fields, number, value) {
  return fields.map((item) => (item[0] === number ? [number, value] : item));
}
function roster(changes) {
  const [kind, [number, fields]] = enrol({ name: 'spiffe://x', key: new Key('p256') }, { origins: [origins.a] });
  const changed = Object.entries(changes).flatMap(([n, values]) => values.map((value) => [Number(n), value]));
  return [kind, [number, [...fields.filter(([n]) => changes[n] === undefined), ...changed]]];
}
function rosterOfKey(spki) {
  return enrol({ name: 'spiffe://x', key: { spki, keyId: Key.idOf(spki), algorithm: 1 } });
}
function compressed(spki) {
  const key = Buffer.concat([spki.subarray(0, 25), Buffer.of(0, 2 + (spki[90] & 1)), spki.subarray(27, 59)]);
  key[1] = 0x39;
  key[24] = 0x22;
  return key;
}
function hybrid(spki) {
  const key = Buffer.from(spki);
  key[26] = 6 + (spki[90] & 1);
  return key;
}

export const cases = [
  ...partitionRows.map(([name, want, entry]) => row(name, want, onPartition(entry))),
  ...governanceRows.map(([name, want, entry]) => row(`governance: ${name}`, want, onGovernance(entry))),
  ...leafRows.map(([name, want, tweak]) => row(`leaf: ${name}`, want, onPartition(shown(), tweak))),
];
