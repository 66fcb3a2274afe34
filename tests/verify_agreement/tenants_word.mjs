// Cases: what authors beside the custodian say of the log: counters left out and closed, ranges countersigned, entries disputed.
import { kinds, leafHash, leavesOf, rootOf } from './made_log.mjs';
import { anchorOf, by, consent, enrol, governanceBatches, keys, origins, policyText, serve, shown } from './world.mjs';

const { custodian, stranger, tenant } = keys;
const nodeKinds = [kinds.consentSet, kinds.void, kinds.countersigned, kinds.disputed];
const governance = [...governanceBatches(), by(custodian, enrol(tenant, { origins: [origins.a], kinds: nodeKinds }))];
const at = (seconds) => [5, [[1, 1_700_000_000 + seconds]]];
const start = (...more) => by(custodian, anchorOf(governance), shown(), ...more);
const later = (seconds) => by(custodian, shown(at(seconds)));
const counted = (...counters) => by(tenant, ...counters.map((counter) => consent([4, BigInt(counter)])));
const closed = (counter, ...more) => by(tenant, [[2, kinds.void], [4, BigInt(counter)], ...more]);

const log = (name, want, a, more = {}) => ({ group: 'TenantsWord', name, want, policy: policyText, logs: () => serve({ governance, a: typeof a === 'function' ? a() : a, ...more }), target: 'a' });

// A log of `before`, then what the tenant's node says of it; made when it is asked for.
const said = (before, say, author = tenant) => () => {
  const batches = typeof before === 'function' ? before() : before;
  return [...batches, by(author, say(leavesOf(origins.a, batches)))];
};
const range = (first, end, root, ...more) => [[2, kinds.countersigned], [41, [...(first === 0 ? [] : [[1, first]]), [2, end], [3, root]]], ...more];
const dispute = (index, hash, reason = 1, ...more) => [[2, kinds.disputed], [42, [...(index === 0 ? [] : [[1, index]]), [2, hash], [3, reason]]], ...more];
const rootAt = (leaves, size) => rootOf(leaves.slice(0, size).map(leafHash));
// In batches: the paths of one of them all would take as many hashes as it has entries, each.
const many = (count) => () => [start(), ...Array.from({ length: Math.ceil(count / 64) }, (_, i) => by(custodian, ...Array.from({ length: Math.min(64, count - 64 * i) }, () => shown())))];
const some = [start(shown(), shown()), counted(1, 2)];

export const cases = [
  log('no number left out', 'accept', [start(), counted(1, 2, 3), later(3600)]),
  log('a number that comes later', 'accept', [start(), counted(1, 3), later(61), counted(2), later(3600)]),
  log('a number left out for a minute', 'accept', [start(), counted(1, 3), later(60)]),
  log('a number left out for more than a minute', 'refuse', [start(), counted(1, 3), later(61)]),
  log('several numbers left out', 'refuse', [start(), counted(2, 5, 9), later(61)]),
  log('a gap that is filled in its middle', 'refuse', [start(), counted(1, 9), later(30), counted(5), later(61)]),
  log('a gap that is filled in its middle, and not old', 'accept', [start(), later(30), counted(1, 9), later(60), counted(5), later(90)]),
  log('a number left out that a void closes', 'accept', [start(), counted(1, 3), later(61), closed(2), later(3600)]),
  log('a void of a number that was used', 'refuse', [start(), counted(1, 2), closed(2)]),
  log('a void that says more', 'refuse', [start(), closed(1, [7, Buffer.alloc(16, 1)])]),
  log('a void with content', 'refuse', [start(), closed(1, [25, [[1, 'x'], [3, '2026-01'], [4, 1]]])]),
  log('a void that is reported', 'refuse', [start(), closed(1, [11, 1])]),
  log('a void by a stranger', 'refuse', [start(), by(stranger, [[2, kinds.void]])]),
  log('the time of an author counts for nothing', 'accept', [start(), counted(1, 3), by(tenant, consent([4, 4n], at(3600)))]),

  log('a range', 'accept', said(some, (leaves) => range(0, 4, rootAt(leaves, 4)))),
  log('a range of all before it', 'accept', said(some, (leaves) => range(1, 6, rootAt(leaves, 6)))),
  log('ranges that go back', 'accept', said(said(some, (leaves) => range(1, 6, rootAt(leaves, 6))), (leaves) => range(1, 3, rootAt(leaves, 3)))),
  log('a range with another root', 'refuse', said(some, (leaves) => range(0, 4, rootAt(leaves, 5)))),
  log('a range with a root of 31 bytes', 'refuse', said(some, () => range(0, 4, Buffer.alloc(31)))),
  log('a range past the head', 'refuse', said(some, (leaves) => range(0, 7, rootAt(leaves, 6)))),
  log('a range far past the head', 'refuse', said(some, (leaves) => range(0, 2n ** 63n, rootAt(leaves, 6)))),
  log('a range of nothing', 'refuse', said(some, (leaves) => range(4, 4, rootAt(leaves, 4)))),
  log('a range that ends before it begins', 'refuse', said(some, (leaves) => range(5, 4, rootAt(leaves, 4)))),
  log('a range by the custodian', 'refuse', said(some, (leaves) => range(0, 4, rootAt(leaves, 4)), custodian)),
  log('a range by a stranger', 'refuse', said(some, (leaves) => range(0, 4, rootAt(leaves, 4)), stranger)),
  log('a range about somebody', 'refuse', said(some, (leaves) => range(0, 4, rootAt(leaves, 4), [7, Buffer.alloc(16, 1)]))),
  log('a range without its content', 'refuse', said(some, () => [[2, kinds.countersigned]])),
  log('a range beside another kind', 'refuse', said(some, (leaves) => [...range(0, 4, rootAt(leaves, 4)).slice(1), [2, kinds.consentSet]])),
  log('a range that ends 16,384 entries ago', 'accept', said(many(16_386), (leaves) => range(0, 4, rootAt(leaves, 4)))),
  log('a range that ends 16,385 entries ago', 'refuse', said(many(16_387), (leaves) => range(0, 4, rootAt(leaves, 4)))),

  log('a dispute', 'accept', said(some, (leaves) => dispute(2, leafHash(leaves[2])))),
  log('a dispute of the first entry', 'accept', said(some, (leaves) => dispute(0, leafHash(leaves[0]), 3))),
  log('a dispute of another leaf', 'refuse', said(some, (leaves) => dispute(2, leafHash(leaves[3])))),
  log('a dispute of what is not there', 'refuse', said(some, (leaves) => dispute(6, leafHash(leaves[3])))),
  log('a dispute of an entry long ago', 'accept', said(many(16_386), () => dispute(0, Buffer.alloc(32, 7)))),
  log('a dispute without a reason', 'refuse', said(some, (leaves) => dispute(2, leafHash(leaves[2]), 0))),
  log('a dispute for a reason that is none', 'refuse', said(some, (leaves) => dispute(2, leafHash(leaves[2]), 9))),
  log('a dispute with a hash of 33 bytes', 'refuse', said(some, () => dispute(2, Buffer.alloc(33)))),
  log('a dispute by the custodian', 'refuse', said(some, (leaves) => dispute(2, leafHash(leaves[2])), custodian)),
  log('a dispute by a stranger', 'refuse', said(some, (leaves) => dispute(2, leafHash(leaves[2])), stranger)),
];
