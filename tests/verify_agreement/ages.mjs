// Cases: --max-age, a log that is frozen by the times of its cosignatures.
import { checkpointText, leavesOf, receiptOf, signedNote } from './made_log.mjs';
import { governanceBatches, keys, origins, partitionBatches, policyText, serve } from './world.mjs';

const { logs, witnesses } = keys;
const seconds = () => BigInt(Math.floor(Date.now() / 1000));
const hour = 3600;
// A note cosigned by each witness so many seconds ago; undefined: not at all.
const cosigned = (log, ages) => (text) =>
  signedNote(text, log) + witnesses.map((witness, i) => (ages[i] === undefined ? '' : witness.signs(text, seconds() - BigInt(ages[i])))).join('');
const frozen = (ages, governanceAges) => () => serve({ note: { a: cosigned(logs.a, ages), governance: cosigned(logs.governance, governanceAges) } });
const fresh = [0, 0, 0];
const old = [2 * hour, 2 * hour, 2 * hour];
const leaves = leavesOf(origins.a, partitionBatches(governanceBatches(), 20));

const tiles = (name, want, ages, governanceAges = fresh, policy = policyText) =>
  ({ group: 'Ages', name, want, policy, logs: frozen(ages, governanceAges), target: 'a', maxAge: hour });
const receipt = (name, want, ages, more = {}) =>
  ({ group: 'Ages', name: `receipt, ${name}`, want, policy: policyText('https://x'), receipt: receiptOf(leaves, 7, cosigned(logs.a, ages)(checkpointText(origins.a, leaves))), maxAge: hour, ...more });

export const cases = [
  tiles('all fresh', 'accept', fresh),
  tiles('all old', 'refuse', old),
  tiles('the governance log is old', 'refuse', fresh, old),
  tiles('two of three fresh', 'accept', [0, 2 * hour, 60]),
  tiles('one of three fresh', 'refuse', [0, 2 * hour, 3 * hour]),
  tiles('one that lies ahead of time', 'refuse', [-1_000_000_000, 2 * hour, 2 * hour]),
  tiles('two fresh, the third absent', 'accept', [0, undefined, 60]),
  tiles('no quorum wanted', 'refuse', fresh, fresh, (base) => policyText(base, { quorum: 'quorum none' })),
  { ...tiles('old, and any age will do', 'accept', old), maxAge: undefined },
  receipt('fresh', 'accept', fresh),
  receipt('old', 'refuse', old),
  receipt('old, and any age will do', 'accept', old, { maxAge: undefined }),
  receipt('one of three fresh', 'refuse', [0, 2 * hour, 2 * hour]),
];
