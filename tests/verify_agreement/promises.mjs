// Cases: promises of the custodian, kept and broken, forged and replayed, in and out of their form.
import { leavesOf, promiseOf } from './made_log.mjs';
import { by, enrol, governanceBatches, keys, origins, partitionBatches, policyText, serve, shown } from './world.mjs';

const cosigned = 1_700_000_000_000n;
const { custodian, tenant, stranger } = keys;
const batches = (size) => partitionBatches(governanceBatches(), size);
const leaves = leavesOf(origins.a, batches(600));
const elsewhere = leavesOf(origins.b, [by(custodian, shown(), shown())]);
const at = (first, end) => leaves.slice(first, end);
// Of entries [first, end), to be witnessed when the log's checkpoint was.
const honest = (first, end, more = {}) => promiseOf(origins.a, first, at(first, end), cosigned, custodian, more);
const signedFor = (first, some, witnessedBy, author = custodian, more = {}) => promiseOf(origins.a, first, some, witnessedBy, author, more);
const anHourFromNow = BigInt(Date.now()) + 3_600_000n;

const log = (name, want, promise, served = () => serve({ a: batches(600) })) => ({ group: 'Promises', name, want, policy: policyText, promise, logs: served, target: 'a' });
const withTile = (path, change) => () => {
  const served = serve({ a: batches(600) });
  served.a.set(path, change(Buffer.from(served.a.get(path))));
  return served;
};
const spoilt = (bytes) => ((bytes[5] ^= 1), bytes);
const renewed = () => serve({ governance: [...governanceBatches(), by(custodian, enrol(keys.renewed)), by(keys.renewed, enrol(custodian, { revoked: true }))], a: batches(600) });
const edits = [
  ['no text', () => ''],
  ['another first line', (text) => text.replace('promise/v1', 'promise/v2')],
  ['a line too many', (text) => text.replace('witnessed-by', 'more 1\nwitnessed-by')],
  ['more entries than were signed', (text) => text.replace('entries 3 2', 'entries 3 3')],
  ['another position than was signed', (text) => text.replace('entries 3 2', 'entries 4 2')],
  ['a later time than was signed', (text) => text.replace(`witnessed-by ${cosigned}`, `witnessed-by ${cosigned + 1n}`)],
  ['a number with a zero before it', (text) => text.replace('entries 3 2', 'entries 03 2')],
  ['no entries', (text) => text.replace('entries 3 2', 'entries 3 0')],
  ['too many entries', (text) => text.replace('entries 3 2', 'entries 3 65537')],
  ['a number past 64 bits', (text) => text.replace('entries 3 2', 'entries 18446744073709551616 2')],
  ['positions past 64 bits', (text) => text.replace('entries 3 2', 'entries 18446744073709551615 2')],
  ['a time of no year', (text) => text.replace(`witnessed-by ${cosigned}`, 'witnessed-by 18446744073709551615')],
  ['a place past its batch', (text) => text.replace('batch 0 1', 'batch 1 1')],
  ['a path too long', (text) => text.replace('batch 0 1\n', `batch 0 1\n${'A'.repeat(43)}=\n`)],
  ['a path line that is no hash', (text) => text.replace('batch 0 1\n', 'batch 0 1\nAAAA\n')],
  ['no signature', (text) => text.slice(0, text.indexOf('\u2014'))],
  ['two signatures', (text) => text + text.slice(text.indexOf('\u2014'))],
  ['a signature cut short', (text) => text.replace(/.{9}\n$/, 'AAA=\n')],
  ['no newline at the end', (text) => text.slice(0, -1)],
  ['text behind it', (text) => `${text}\n`],
  ['carriage returns', (text) => text.replaceAll('\n', '\r\n')],
  ['an origin with a space', (text) => text.replace('origin ', 'origin x ')],
  ['Base64 without its padding', (text) => text.replace('=\nwitnessed', '\nwitnessed')],
];

export const cases = [
  log('kept', 'accept', honest(3, 5)),
  log('kept, of one entry', 'accept', honest(599, 600)),
  log('kept, of the first entry', 'accept', honest(0, 1)),
  log('kept, across tiles', 'accept', honest(250, 520)),
  log('kept, of all', 'accept', honest(0, 600)),
  log('kept, one of three that were signed at once', 'accept', honest(3, 5, { others: ['one\n', 'two\n'] })),
  log('kept, and its key is revoked by now', 'accept', honest(3, 5), renewed),
  log('not due', 'accept', signedFor(600, elsewhere, anHourFromNow)),
  log('kept though it is not due', 'accept', signedFor(3, at(3, 5), anHourFromNow)),
  log('other leaves', 'refuse', signedFor(3, at(4, 6), cosigned)),
  log('other leaves, though it is not due', 'refuse', signedFor(3, at(4, 6), anHourFromNow)),
  log('one other leaf of many', 'refuse', signedFor(250, [...at(250, 400), ...at(401, 402)], cosigned)),
  log('not covered by what was cosigned later', 'refuse', signedFor(600, elsewhere, cosigned - 1n)),
  log('in part not covered by what was cosigned later', 'refuse', signedFor(598, [...at(598, 600), ...elsewhere], cosigned - 1n)),
  log('nothing cosigned since', 'refuse', signedFor(600, elsewhere, cosigned)),
  log('positions that no log reaches', 'refuse', signedFor(2n ** 60n, elsewhere, cosigned)),
  log('signed by a stranger', 'refuse', signedFor(3, at(3, 5), cosigned, stranger)),
  log("signed by a stranger in the custodian's name", 'refuse', signedFor(3, at(3, 5), cosigned, stranger, { name: custodian.name })),
  log('signed by the tenant', 'refuse', signedFor(3, at(3, 5), cosigned, tenant)),
  log('of another log', 'refuse', promiseOf(origins.b, 0, elsewhere, cosigned, custodian)),
  log('of another log, with its name changed', 'refuse', promiseOf(origins.b, 3, at(3, 5), cosigned, custodian, { change: (text) => text.replace(origins.b, origins.a) })),
  log('tiles that are not the signed ones', 'refuse', honest(3, 5), withTile('tile/0/000', spoilt)),
  // The second hash, which the promised entries' proof needs.
  log('tiles above that are not the signed ones', 'refuse', honest(3, 5), withTile('tile/1/000.p/2', (bytes) => ((bytes[37] ^= 1), bytes))),
  log('a tile cut short', 'refuse', honest(3, 5), withTile('tile/0/000', (bytes) => bytes.subarray(1))),
  ...edits.map(([name, change]) => log(name, 'refuse', honest(3, 5, { change }))),
];
