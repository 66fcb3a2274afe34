// Cases without a server: policies, right and wrong, over one receipt; receipts, right and wrong, under one policy.
import { readFileSync } from 'node:fs';
import { checkpointText, leavesOf, NoteKey, receiptOf, signedNote } from './made_log.mjs';
import { governanceBatches, keys, origins, partitionBatches } from './world.mjs';

const { logs, witnesses } = keys;
const [w1, w2, w3] = witnesses;
const leaves = leavesOf(origins.a, partitionBatches(governanceBatches(), 300));
const noteBy = (...signers) => signedNote(checkpointText(origins.a, leaves), logs.a, ...signers);
const receiptBy = (...signers) => receiptOf(leaves, 77, noteBy(...signers));
const log = `log ${logs.a.vkey}`;
const witness = (n, more = '') => `witness w${n} ${witnesses[n - 1].vkey}${more}`;
const all = [1, 2, 3].map((n) => witness(n));
const reused = new NoteKey('renamed.example', 4, w1.key);
const nested = (depth) => Array.from({ length: depth }, (_, i) => `group g${i + 1} any ${i === 0 ? 'w1' : `g${i}`}`);
const typed = (key, type) => new NoteKey(key.name, type, key.key).vkey;

// [name, verdict over a receipt cosigned by w1 and w2, lines of the policy].
const policies = [
  ['two of three', 'accept', log, ...all, 'group q 2 w1 w2 w3', 'quorum q'],
  ['all of three', 'refuse', log, ...all, 'group q all w1 w2 w3', 'quorum q'],
  ['any of three', 'accept', log, ...all, 'group q any w3 w2', 'quorum q'],
  ['one witness', 'accept', log, ...all, 'quorum w2'],
  ['one witness that did not cosign', 'refuse', log, ...all, 'quorum w3'],
  ['none', 'accept', log, 'quorum none'],
  ['none, with witnesses', 'accept', log, ...all, 'quorum none'],
  ['nested groups, met', 'accept', log, ...all, 'group x any w1 w3', 'group y all w2', 'group z 2 x y', 'quorum z'],
  ['nested groups, not met', 'refuse', log, ...all, 'group x all w1 w3', 'group y all w2', 'group z 2 x y', 'quorum z'],
  ['nested four deep', 'accept', log, ...all, 'group a any w1', 'group b any a', 'group c 1 b w2', 'group d 1 c', 'quorum d'],
  ['nested 64 deep', 'accept', log, ...all, ...nested(64), 'quorum g64'],
  ['nested 65 deep', 'refuse', log, ...all, ...nested(65), 'quorum g65'],
  ['nested 20,000 deep', 'refuse', log, ...all, ...nested(20_000), 'quorum g20000'],
  ['a group that the quorum does not name', 'accept', log, ...all, 'group x all w1 w3', 'quorum w2'],
  ['empty lines, comments, tabs', 'accept', '', '  # quorum none', ` ${log}\t `, '\t', ...all, ' group\tq  2 w1\tw2', '#', 'quorum q'],
  ['URLs', 'accept', `${log} https://x/`, witness(1, ' https://w/'), 'quorum w1'],
  ['names that are not UTF-8', 'accept', log, witness(1).replace('w1', '\xff\xfe'), 'quorum \xff\xfe'],
  ['other names for the same letter', 'refuse', log, witness(1).replace('w1', '\u00e9'), 'quorum e\u0301'],
  ['a URL that is not UTF-8', 'accept', `${log} https://\xff/`, 'quorum none'],
  ['a log name that is not UTF-8', 'refuse', log, `log \xff${logs.b.vkey}`, 'quorum none'],
  ['a comment that is not UTF-8', 'accept', log, '# \xff', 'quorum none'],
  ['no quorum', 'refuse', log, ...all],
  ['two quorums', 'refuse', log, ...all, 'quorum w1', 'quorum w2'],
  ['the same quorum twice', 'refuse', log, 'quorum none', 'quorum none'],
  ['a quorum before its definition', 'refuse', log, 'quorum w1', ...all],
  ['a quorum that is not defined', 'refuse', log, ...all, 'quorum q'],
  ['a quorum without a name', 'refuse', log, 'quorum'],
  ['a quorum with two names', 'refuse', log, ...all, 'quorum w1 w2'],
  ['quorum None', 'refuse', log, 'quorum None'],
  ['Quorum none', 'refuse', log, 'Quorum none'],
  ['a group of itself', 'refuse', log, ...all, 'group q any q', 'quorum q'],
  ['a group before its members', 'refuse', log, 'group q any w1', ...all, 'quorum q'],
  ['a group of none', 'refuse', log, 'group q any none', 'quorum q'],
  ['a group named none', 'refuse', log, ...all, 'group none any w1', 'quorum none'],
  ['a witness named none', 'refuse', log, witness(1).replace('w1', 'none'), 'quorum none'],
  ['a group without members', 'refuse', log, ...all, 'group q all', 'quorum q'],
  ['threshold 0', 'refuse', log, ...all, 'group q 0 w1', 'quorum q'],
  ['threshold past n', 'refuse', log, ...all, 'group q 2 w1', 'quorum q'],
  ['threshold 01', 'refuse', log, ...all, 'group q 01 w1', 'quorum q'],
  ['threshold -1', 'refuse', log, ...all, 'group q -1 w1', 'quorum q'],
  ['threshold past 64 bits', 'refuse', log, ...all, 'group q 18446744073709551617 w1', 'quorum q'],
  ['threshold All', 'refuse', log, ...all, 'group q All w1', 'quorum q'],
  ['a member twice', 'refuse', log, ...all, 'group q 1 w1 w1', 'quorum q'],
  ['a member in two groups', 'refuse', log, ...all, 'group q any w1', 'group r any w1 w2', 'quorum r'],
  ['a group defined twice', 'refuse', log, ...all, 'group q any w1', 'group q any w2', 'quorum q'],
  ['a group with the name of a witness', 'refuse', log, ...all, 'group w1 any w2', 'quorum w1'],
  ['a witness with the name of a group', 'refuse', log, witness(1), 'group w2 any w1', witness(2), 'quorum w2'],
  ['a witness twice', 'refuse', log, witness(1), witness(1), 'quorum w1'],
  ['a witness key under two names', 'refuse', log, witness(1), `witness other ${w1.vkey}`, 'quorum w1'],
  ['a witness key under two key names', 'refuse', log, witness(1), `witness other ${reused.vkey}`, 'quorum w1'],
  ['a log twice', 'refuse', log, log, 'quorum none'],
  ['a log key under two names', 'refuse', log, `log ${new NoteKey('renamed.example', 1, logs.a.key).vkey}`, 'quorum none'],
  ['two keys for one log, one of which signed', 'accept', `log ${new NoteKey(origins.a, 1).vkey}`, log, 'quorum none'],
  ['another key for the log', 'refuse', `log ${new NoteKey(origins.a, 1).vkey}`, 'quorum none'],
  ['a key for a log and a witness', undefined, log, `witness l ${new NoteKey('l', 4, logs.a.key).vkey}`, 'quorum none'],
  ['no log', 'refuse', ...all, 'quorum w1'],
  ['another log', 'refuse', `log ${logs.b.vkey}`, 'quorum none'],
  ['a log key of type 4', 'refuse', `log ${typed(logs.a, 4)}`, 'quorum none'],
  ['a witness key of type 1', 'refuse', log, `witness w1 ${typed(w1, 1)}`, 'quorum w1'],
  ['a witness key of type 6', 'refuse', log, `witness w1 ${typed(w1, 6)}`, 'quorum none'],
  ['a log without a key', 'refuse', 'log', 'quorum none'],
  ['a witness without a key', 'refuse', log, 'witness w1', 'quorum none'],
  ['a log with a word too many', 'refuse', `${log} https://x y`, 'quorum none'],
  ['a witness with a word too many', 'refuse', log, witness(1, ' https://x y'), 'quorum none'],
  ['an unknown word', 'refuse', log, 'quorum none', 'mirror x'],
  ['carriage returns', 'refuse', `${log}\r`, 'quorum none\r'],
  ['a delete character', 'refuse', log, '# \x7f', 'quorum none'],
  ['a zero byte', 'refuse', log, '# \0', 'quorum none'],
  ['a vertical tab', 'refuse', log, 'quorum\vnone'],
  ['a no-break space', 'refuse', log, 'quorum\u00a0none'],
  ['a byte order mark', 'refuse', `\ufeff${log}`, 'quorum none'],
  ['a key id of another key', 'refuse', log.replace(/\+[0-9a-f]{8}\+/, '+00000000+'), 'quorum none'],
  ['a key id in capitals', 'refuse', log.replace(/\+([0-9a-f]{8})\+/, '+ABCDEF01+'), 'quorum none'],
  ['a key cut short', 'refuse', log.slice(0, -4), 'quorum none'],
  ['a key without padding', undefined, log.replace(/=+$/, ''), 'quorum none'],
  ['a key with a plus in its name', 'refuse', log.replace('made.example', 'made+example'), 'quorum none'],
  ['40 groups in a chain', 'accept', log, ...all, 'group g0 any w1', ...Array.from({ length: 40 }, (_, i) => `group g${i + 1} all g${i}`), 'quorum g40'],
];

const receipt = receiptBy(w1, w2);
const good = [log, ...all, 'group q 2 w1 w2 w3', 'quorum q', ''].join('\n');
const edit = (change) => change(receipt);
const lineOf = (number, change) => edit((text) => text.split('\n').map((line, i) => (i === number ? change(line) : line)).flat().join('\n'));
const proofLine = 3;
const firstProof = receipt.split('\n')[proofLine];
const foreign = leavesOf(origins.b, partitionBatches(governanceBatches(), 300));

// [name, verdict, receipt].
const receipts = [
  ['right', 'accept', receipt],
  ['by all three', 'accept', receiptBy(w1, w2, w3)],
  ['by one witness', 'refuse', receiptBy(w3)],
  ['by a witness twice', 'refuse', receiptBy(w3, w3)],
  ...[0, 1, 255, 256, 299].map((index) => [`of entry ${index}`, 'accept', receiptOf(leaves, index, noteBy(w1, w2))]),
  ['of a log of one', 'accept', receiptOf(leaves.slice(0, 1), 0, signedNote(checkpointText(origins.a, leaves.slice(0, 1)), logs.a, w1, w2))],
  ['of another index', 'refuse', lineOf(2, () => 'index 78')],
  ['of an index past the log', 'refuse', lineOf(2, () => 'index 300')],
  ['of an index past 64 bits', 'refuse', lineOf(2, () => `index ${1n << 64n}`)],
  ['of an index with a zero before', 'refuse', lineOf(2, () => 'index 077')],
  ['of an index with a space behind', 'refuse', lineOf(2, () => 'index 77 ')],
  ['of no index', 'refuse', lineOf(2, () => 'index ')],
  ['without the index line', 'refuse', lineOf(2, () => [])],
  ['without the leaf', 'refuse', lineOf(1, () => [])],
  ['with an empty leaf', 'refuse', lineOf(1, () => 'extra ')],
  ['with two leaves', 'refuse', lineOf(1, (line) => [line, line])],
  ['with another leaf', 'refuse', lineOf(1, () => `extra ${leaves[78].toString('base64')}`)],
  ['with a leaf with a byte behind', 'refuse', lineOf(1, () => `extra ${Buffer.concat([leaves[77], Buffer.of(0)]).toString('base64')}`)],
  ['with a leaf that is not Base64', 'refuse', lineOf(1, (line) => `${line}*`)],
  ['with a leaf behind two spaces', 'refuse', lineOf(1, (line) => line.replace('extra ', 'extra  '))],
  ['with a hash too many', 'refuse', lineOf(proofLine, (line) => [line, line])],
  ['with a hash too few', 'refuse', lineOf(proofLine, () => [])],
  ['with two hashes swapped', 'refuse', edit((text) => { const l = text.split('\n'); [l[3], l[4]] = [l[4], l[3]]; return l.join('\n'); })],
  ['with a hash of 31 bytes', 'refuse', lineOf(proofLine, () => Buffer.alloc(31).toString('base64'))],
  ['with a hash with stray bits', 'refuse', lineOf(proofLine, (line) => line.replace(/.=$/, (end) => `${String.fromCharCode(end.charCodeAt(0) + 1)}=`))],
  ['with 65 hashes', 'refuse', lineOf(proofLine, () => Array(65).fill(firstProof))],
  ['with another first line', 'refuse', lineOf(0, () => 'c2sp.org/tlog-proof@v2')],
  ['with a space behind the first line', 'refuse', lineOf(0, (line) => `${line} `)],
  ['with carriage returns', 'refuse', edit((text) => text.replaceAll('\n', '\r\n'))],
  ['with a byte order mark', 'refuse', edit((text) => `\ufeff${text}`)],
  ['with two empty lines before the checkpoint', 'refuse', edit((text) => text.replace('\n\n', '\n\n\n'))],
  ['without the empty line before the checkpoint', 'refuse', edit((text) => text.replace('\n\n', '\n'))],
  ['without a newline at the end', 'refuse', edit((text) => text.slice(0, -1))],
  ['with a line behind', 'refuse', edit((text) => `${text}x\n`)],
  ['of an entry that is another log\'s', 'refuse', receiptOf(foreign, 77, signedNote(checkpointText(origins.a, foreign), logs.a, w1, w2))],
  ['of a leaf that is no entry', 'refuse', receiptOf([Buffer.from('no entry')], 0, signedNote(checkpointText(origins.a, [Buffer.from('no entry')]), logs.a, w1, w2))],
  ['of another log under its own key', 'refuse', receiptOf(foreign, 77, signedNote(checkpointText(origins.b, foreign), logs.b, w1, w2))],
  ['past 2 MiB', 'refuse', lineOf(proofLine, (line) => Array(48_000).fill(line))],
  ['of nothing', 'refuse', ''],
  ...receipt.split('\n').map((_, i) => [`cut after line ${i}`, 'refuse', receipt.split('\n').slice(0, i).join('\n') + (i > 0 ? '\n' : '')]).slice(0, -1),
];

// Octets as they are where they are no UTF-8.
const octets = (text) => (/[\x80-\xff]/.test(text) && !/[\u0100-\uffff]/.test(text) && text.includes('\xff') ? Buffer.from(text, 'latin1') : Buffer.from(text));
const vector = JSON.parse(readFileSync(new URL('../vectors/cosigned-proof.json', import.meta.url), 'utf8'));

export const cases = [
  ...policies.map(([name, want, ...lines]) => ({ group: 'Policies', name, want, policy: octets(`${lines.join('\n')}\n`), receipt })),
  { group: 'Policies', name: 'no newline at the end', want: 'accept', policy: `${log}\nquorum none`, receipt },
  { group: 'Policies', name: 'nothing', want: 'refuse', policy: '', receipt },
  { group: 'Policies', name: 'past 1 MiB', want: 'refuse', policy: `${log}\nquorum none\n${'#\n'.repeat(600_000)}`, receipt },
  ...receipts.map(([name, want, text]) => ({ group: 'Receipts', name, want, policy: good, receipt: text })),
  { group: 'Receipts', name: 'of others, without a leaf', want: 'refuse', policy: `log ${vector.log_vkey}\nwitness w ${vector.witness_vkey_0x04}\nquorum w\n`, receipt: vector.tlog_proof },
];
