// Cases: tiles and checkpoints that are not what the entries make, and who signed them.
import { bundleOf, checkpointText, NoteKey, signedNote, tilesOf } from './made_log.mjs';
import { governanceBatches, keys, origins, partitionBatches, policyText, serve } from './world.mjs';

const { logs, witnesses } = keys;
const long = () => ({ a: partitionBatches(governanceBatches(), 300) });
const row = (name, want, served, policy = policyText) => ({ group: 'Served', name, want, policy, logs: served, target: 'a' });

// One served file changed; undefined takes it away.
function changed(path, change, log = 'a', world = long()) {
  const served = serve(world);
  const bytes = served[log].get(path);
  if (bytes === undefined) throw new Error(`nothing is served at ${path}`);
  const after = change(bytes);
  if (after === undefined) served[log].delete(path);
  else served[log].set(path, after);
  return served;
}
const flip = (at) => (bytes) => {
  const copy = Buffer.from(bytes);
  copy[at < 0 ? copy.length + at : at] ^= 1;
  return copy;
};
const behind = (more) => (bytes) => Buffer.concat([bytes, Buffer.from(more)]);
const gone = () => undefined;
const shorter = (bytes) => bytes.subarray(0, -1);
const text = (change) => (bytes) => Buffer.from(change(bytes.toString('utf8')));
const checkpoint = (change) => changed('checkpoint', text(change), 'a', {});

const withNote = (note) => serve({ note: { a: note } });
const claims = (claim, world = {}) => serve({ ...world, checkpoint: { a: claim } });
const [w1, w2, w3] = witnesses;
const stranger = new NoteKey('stranger.example', 4);
const namesake = new NoteKey(logs.a.name, 1);
const lines = (count) => (t) => `${signedNote(t, logs.a, w1, w2)}${stranger.signs(t).repeat(count - 3)}`;

const files = [
  ['tile/0/000', 'a full tile'], ['tile/0/001.p/44', 'a partial tile'], ['tile/1/000.p/1', 'the tile above'],
  ['tile/entries/000', 'a full bundle'], ['tile/entries/001.p/44', 'a partial bundle'],
];
const changes = [
  ['first byte changed', flip(0)], ['last byte changed', flip(-1)], ['middle byte changed', flip(100 % 32)], ['missing', gone], ['cut short', shorter],
  ['with a byte behind', behind([0])], ['with an empty entry behind', behind([0, 0])], ['empty', () => Buffer.alloc(0)], ['twice as long', (b) => Buffer.concat([b, b])],
];

// Another history under the same keys, as honest by itself, and these files of it in the place of the first one's.
function mixed(...paths) {
  const served = serve(long());
  const governance = governanceBatches();
  const [first, second, ...rest] = partitionBatches(governance, 300);
  const other = serve({ a: [first, { ...second, entries: second.entries.map((fields) => [...fields, [7, Buffer.alloc(16)]]) }, ...rest] });
  for (const path of paths) served.a.set(path, other.a.get(path));
  return served;
}
function forged(size) {
  const served = serve({});
  const leaves = Array.from({ length: size }, () => Buffer.of(1, 2, 3));
  served.a = tilesOf(leaves).set('checkpoint', Buffer.from(signedNote(checkpointText(origins.a, leaves), logs.a, ...witnesses)));
  return served;
}

export const cases = [
  ...files.flatMap(([path, what]) => changes.map(([how, change]) => row(`${what}, ${how}`, 'refuse', () => changed(path, change)))),
  ...['tile/0/000.p/5', 'tile/entries/000.p/5'].flatMap((path) => changes.map(([how, change]) => row(`governance: ${path}, ${how}`, 'refuse', () => changed(path, change, 'governance', {})))),
  row('an entry edited and signed again', 'refuse', () => mixed('tile/entries/000')),
  row('an entry edited and signed again, its tile too', 'refuse', () => mixed('tile/entries/000', 'tile/0/000')),
  row('an entry edited and signed again, all tiles too', 'refuse', () => mixed('tile/entries/000', 'tile/0/000', 'tile/1/000.p/1')),
  row('another history under the first checkpoint', 'refuse', () => mixed(...[...serve(long()).a.keys()].filter((path) => path !== 'checkpoint'))),
  row('another history, whole', 'accept', () => mixed(...serve(long()).a.keys())),
  row('entries that are none', 'refuse', () => forged(3)),
  row('260 entries that are none', 'refuse', () => forged(260)),
  row('a bundle of 256 empty entries', 'refuse', () => changed('tile/entries/000', () => bundleOf(Array(256).fill(Buffer.alloc(0))))),
  row('no checkpoint', 'refuse', () => changed('checkpoint', gone)),
  row('no governance checkpoint', 'refuse', () => changed('checkpoint', gone, 'governance')),
  row('the governance log in its place', 'accept', () => ({ ...serve({}), a: serve({}).governance }), (base) => policyText(base).replace('/governance/', '/nowhere/')),

  // Claims that the log's key and the witnesses sign.
  row('another root', 'refuse', () => claims({ root: Buffer.alloc(32) })),
  row('one entry more than there is', 'refuse', () => claims({ size: 13 })),
  row('one entry less than there is', 'refuse', () => claims({ size: 11 })),
  row('size 0 over entries', 'refuse', () => claims({ size: 0 })),
  row('no entries and another root than theirs', 'refuse', () => claims({ root: Buffer.alloc(32) }, { a: [] })),
  ...[1n << 32n, 1n << 40n, 1n << 53n, 1n << 63n, (1n << 64n) - 1n].map((size) => row(`size ${size}`, 'refuse', () => claims({ size }))),
  row('size past 64 bits', 'refuse', () => claims({ size: 1n << 64n })),
  row('a size with a zero before', 'refuse', () => claims({ size: '012' })),
  row('a size with a plus', 'refuse', () => claims({ size: '+12' })),
  row('an extension line', 'accept', () => claims({ extension: 'more\n' })),
  row('an empty extension line', 'refuse', () => claims({ extension: '\n' })),
  row('a root of 31 bytes', 'refuse', () => claims({ root: Buffer.alloc(31) })),
  row('no root', 'refuse', () => claims({ root: Buffer.alloc(0) })),

  // Signatures.
  row('two of three witnesses', 'accept', () => withNote((t) => signedNote(t, logs.a, w1, w3))),
  row('one of three witnesses', 'refuse', () => withNote((t) => signedNote(t, logs.a, w2))),
  row('one witness twice', 'refuse', () => withNote((t) => signedNote(t, logs.a, w2, w2))),
  row('a witness twice beside another', 'accept', () => withNote((t) => signedNote(t, logs.a, w1, w1, w2))),
  row('the log twice', 'accept', () => withNote((t) => signedNote(t, logs.a, logs.a, w1, w2))),
  row('the log last', 'accept', () => withNote((t) => signedNote(t, w1, w2, logs.a))),
  row('no log', 'refuse', () => withNote((t) => signedNote(t, w1, w2, w3))),
  row('an unknown signer', 'accept', () => withNote((t) => signedNote(t, logs.a, w1, w2, stranger))),
  row("an unknown key under the log's name", 'accept', () => withNote((t) => signedNote(t, namesake, logs.a, w1, w2))),
  row("only an unknown key under the log's name", 'refuse', () => withNote((t) => signedNote(t, namesake, w1, w2))),
  row("the log's key id under another name", 'accept', () => withNote((t) => signedNote(t, logs.a, w1, w2) + stranger.line(Buffer.alloc(64), logs.a.id))),
  row("another key's signature under the log's key id", 'refuse', () => withNote((t) => signedNote(t, w1, w2) + logs.a.line(namesake.key.sign(t)))),
  row('a right log signature and a wrong one', 'refuse', () => withNote((t) => signedNote(t, logs.a, w1, w2) + logs.a.line(Buffer.alloc(64)))),
  row('a right quorum and a wrong cosignature', 'refuse', () => withNote((t) => signedNote(t, logs.a, w1, w2) + w3.line(Buffer.alloc(72, 1)))),
  row('a wrong signature of another log of the policy', 'refuse', () => withNote((t) => signedNote(t, logs.a, w1, w2) + logs.b.line(Buffer.alloc(64)))),
  row('a right signature of another log of the policy', 'accept', () => withNote((t) => signedNote(t, logs.a, logs.b, w1, w2))),
  row('a cosignature of time 0', 'refuse', () => withNote((t) => signedNote(t, logs.a, w1) + w2.signs(t, 0n))),
  row('a cosignature of the last time', 'accept', () => withNote((t) => signedNote(t, logs.a, w1) + w2.signs(t, (1n << 63n) - 1n))),
  row('a cosignature past the last time', 'refuse', () => withNote((t) => signedNote(t, logs.a, w1) + w2.signs(t, 1n << 63n))),
  row('a cosignature without its time', 'refuse', () => withNote((t) => signedNote(t, logs.a, w1) + w2.line(w2.key.sign(t)))),
  row('a cosignature of another checkpoint', 'refuse', () => withNote((t) => signedNote(t, logs.a, w1) + w2.signs(t.replace('\n12\n', '\n13\n')))),
  row('16 signatures', 'accept', () => withNote(lines(16))),
  row('128 signatures', 'accept', () => withNote(lines(128))),
  row('129 signatures', 'refuse', () => withNote(lines(129))),
  row('a signature of 4 bytes', 'refuse', () => withNote((t) => signedNote(t, logs.a, w1, w2) + stranger.line(Buffer.alloc(0)))),
  row('a signature of 5 bytes', 'accept', () => withNote((t) => signedNote(t, logs.a, w1, w2) + stranger.line(Buffer.alloc(1)))),
  row('a signature of 5 kB', 'accept', () => withNote((t) => signedNote(t, logs.a, w1, w2) + stranger.line(Buffer.alloc(5000)))),
  row('a note past 1 MiB', 'refuse', () => withNote((t) => signedNote(t, logs.a, w1, w2) + stranger.line(Buffer.alloc(800_000)))),

  // Notes as text.
  row('no newline at the end', 'refuse', () => checkpoint((t) => t.trimEnd())),
  row('a line behind the signatures', 'refuse', () => checkpoint((t) => `${t}more\n`)),
  row('an empty line behind the signatures', 'refuse', () => checkpoint((t) => `${t}\n`)),
  row('carriage returns', 'refuse', () => checkpoint((t) => t.replaceAll('\n', '\r\n'))),
  row('a hyphen for the dash', 'refuse', () => checkpoint((t) => t.replace('\u2014', '-'))),
  row('two spaces in a signature line', 'refuse', () => checkpoint((t) => t.replace('\u2014 ', '\u2014  '))),
  row('a space behind a signature', 'refuse', () => checkpoint((t) => t.replace(/\n$/, ' \n'))),
  row('a byte order mark first', 'refuse', () => checkpoint((t) => `\ufeff${t}`)),
  row('a signature without padding', 'refuse', () => checkpoint((t) => t.replace(/=+\n$/, '\n'))),
  row('a signature with stray bits', 'refuse', () => checkpoint((t) => t.replace(/([A-Za-z0-9+/])(=+)\n$/, (_, c, e) => `${c === 'B' ? 'C' : 'B'}${e}\n`))),
  row('a signature in the URL alphabet', 'refuse', () => checkpoint((t) => `${t}\u2014 x AAAA-_8=\n`)),
  row('a no-break space in a name', 'refuse', () => checkpoint((t) => `${t}\u2014 x\u00a0y AAAAAAA=\n`)),
  row('a plus in a name', 'refuse', () => checkpoint((t) => `${t}\u2014 x+y AAAAAAA=\n`)),
  row('a name in other letters', 'accept', () => checkpoint((t) => `${t}\u2014 \u00fc\ufeff\u{1f600} AAAAAAA=\n`)),
  row('bytes that are not UTF-8', 'refuse', () => changed('checkpoint', behind([0xe2, 0x80, 0x94, 0x20, 0xff, 0x20, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x3d, 0x0a]), 'a', {})),
  row('a tab', 'refuse', () => checkpoint((t) => `${t}\u2014 x\ty AAAAAAA=\n`)),
  row('a delete character in a name', undefined, () => checkpoint((t) => `${t}\u2014 x\x7fy AAAAAAA=\n`)),
  row('a line separator in a name', 'refuse', () => checkpoint((t) => `${t}\u2014 x\u2028y AAAAAAA=\n`)),
  row('a next line character in a name', 'refuse', () => checkpoint((t) => `${t}\u2014 x\u0085y AAAAAAA=\n`)),
  row('nothing', 'refuse', () => checkpoint(() => '')),
  row('no text before the signatures', 'refuse', () => checkpoint((t) => t.slice(t.indexOf('\n\n')))),
];
