// Logs made for the test, with keys of their own, so that a lie can be signed by whoever tells it: entries, batches, tiles, checkpoints
// and receipts, the naive way, out of entry.proto and the C2SP specifications. Shares nothing with either verifier.
import { createHash, generateKeyPairSync, sign } from 'node:crypto';

const sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
export const leafHash = (leaf) => sha256(Buffer.of(0), leaf);
const nodeHash = (left, right) => sha256(Buffer.of(1), left, right);
const half = (count) => 2 ** Math.ceil(Math.log2(count) - 1);

// RFC 6962, section 2.1: MTH and PATH.
export function rootOf(hashes) {
  if (hashes.length === 0) return sha256();
  if (hashes.length === 1) return hashes[0];
  const k = half(hashes.length);
  return nodeHash(rootOf(hashes.slice(0, k)), rootOf(hashes.slice(k)));
}
export function pathOf(index, hashes) {
  if (hashes.length <= 1) return [];
  const k = half(hashes.length);
  return index < k
    ? [...pathOf(index, hashes.slice(0, k)), rootOf(hashes.slice(k))]
    : [...pathOf(index - k, hashes.slice(k)), rootOf(hashes.slice(0, k))];
}

// The map of subjects (ledger/subject_map.h) from [{ subject, count, last }], by its definition.
const number = (value) => Buffer.concat([Buffer.alloc(4), Buffer.from([value >>> 24, value >>> 16, value >>> 8, value].map((byte) => byte & 255))]);
const subjectLeaves = (values) => values.map(({ subject, count, last }) => ({ key: sha256(subject), bytes: Buffer.concat([sha256(subject), number(count), number(last)]) }));
const isRight = (depth) => ({ key }) => (key[depth >> 3] & (128 >> (depth & 7))) !== 0;
function subtreeRoot(some, depth) {
  if (some.length === 0) return Buffer.alloc(32);
  if (some.length === 1) return sha256(Buffer.of(2), some[0].bytes);
  const right = some.filter(isRight(depth)), left = some.filter((leaf) => !isRight(depth)(leaf));
  return sha256(Buffer.of(3), subtreeRoot(left, depth + 1), subtreeRoot(right, depth + 1));
}
export const subjectRootOf = (values) => subtreeRoot(subjectLeaves(values), 0);
// The proof of what that map says of the subject, as { siblings (empty ones of 32 zero bytes), leaf (48 bytes, or none) }; bytes by proofBytes().
export function subjectProofOf(values, subject) {
  let some = subjectLeaves(values);
  const siblings = [], key = sha256(subject);
  for (let depth = 0; some.length > 1; depth++) {
    const own = isRight(depth)({ key });
    siblings.push(subtreeRoot(some.filter((leaf) => isRight(depth)(leaf) !== own), depth + 1));
    some = some.filter((leaf) => isRight(depth)(leaf) === own);
  }
  return { siblings, leaf: some[0]?.bytes };
}
export function proofBytes({ siblings, leaf, depth = siblings.length }) {
  const present = Buffer.alloc(Math.ceil(depth / 8)), full = siblings.filter((sibling) => sibling.some((byte) => byte !== 0));
  siblings.forEach((sibling, i) => { if (sibling.some((byte) => byte !== 0)) present[i >> 3] |= 128 >> (i & 7); });
  return Buffer.concat([Buffer.of(depth >> 8, depth & 255), present, Buffer.of(leaf === undefined ? 0 : 1), leaf ?? Buffer.alloc(0), ...full]);
}

// --- protobuf -----------------------------------------------------------------------------------------------------------------

export function varint(value) {
  const bytes = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
}
// A field: a number or bigint as varint, text or bytes with their length, a list as a message; { raw } as it is.
export function field(number, value) {
  if (value?.raw !== undefined) return value.raw;
  if (typeof value === 'number' || typeof value === 'bigint') return Buffer.concat([varint(number * 8), varint(value)]);
  const bytes = Array.isArray(value) ? message(value) : Buffer.from(value);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}
// From a list of [field number, value], in this order.
export const message = (fields) => Buffer.concat(fields.map(([number, value]) => field(number, value)));

// --- keys ---------------------------------------------------------------------------------------------------------------------

export class Key {
  signed = new Map();

  // "ed25519" or "p256".
  constructor(kind) {
    const pair = kind === 'p256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
    this.private = pair.privateKey;
    this.algorithm = kind === 'p256' ? 1 : 2;
    this.spki = pair.publicKey.export({ type: 'spki', format: 'der' });
    this.keyId = Key.idOf(this.spki);
    this.raw = this.spki.subarray(-32);
  }

  static idOf(spki) {
    return sha256(spki);
  }

  // The same text, the same signature, though ECDSA's are random: a log written twice has one root.
  sign(text) {
    const signature = this.signed.get(text) ?? sign(this.algorithm === 1 ? 'sha256' : null, Buffer.from(text), this.private);
    this.signed.set(text, signature);
    return signature;
  }
}

// A key that signs notes: of a log (type 1) or a witness (type 4).
export class NoteKey {
  constructor(name, type, key = new Key('ed25519')) {
    const material = Buffer.concat([Buffer.of(type), key.raw]);
    Object.assign(this, { name, type, key, id: sha256(`${name}\n`, material).subarray(0, 4) });
    this.vkey = `${name}+${this.id.toString('hex')}+${material.toString('base64')}`;
  }

  line(signature, id = this.id) {
    return `\u2014 ${this.name} ${Buffer.concat([id, signature]).toString('base64')}\n`;
  }

  // The signature line over a note's text.
  signs(text, seconds = 1_700_000_000n) {
    if (this.type === 1) return this.line(this.key.sign(text));
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(seconds);
    return this.line(Buffer.concat([time, this.key.sign(`cosignature/v1\ntime ${seconds}\n${text}`)]));
  }
}

// --- logs ---------------------------------------------------------------------------------------------------------------------

export const kinds = { shown: 2, disclosure: 20, recordStored: 40, consentSet: 41, watermark: 43, anchor: 45, subjectMap: 46, void: 47, countersigned: 48, disputed: 49, tenantAdmitted: 60, rosterChanged: 61, policySet: 62 };

// A batch: { author: { name, key }, entries: [[field, value]...][], origin?, tweak? }; `tweak` changes a leaf's fields after signing.
// The leaves of `batches`, counters and idempotency keys given where the entry has none.
export function leavesOf(origin, batches) {
  const counters = new Map();
  let serial = 0;
  return batches.flatMap(({ author, entries, signedOrigin = origin, signAs = author.key, tweak = (fields) => fields }) => {
    const encoded = entries.map((fields) => {
      serial++;
      const counter = counters.get(author.name) ?? 1n;
      const given = (number) => fields.find(([n]) => n === number);
      const counted = given(4)?.[1] ?? counter;
      counters.set(author.name, typeof counted === 'bigint' ? counted + 1n : counter + 1n);
      const defaults = [
        [1, origin], [3, author.name], [4, counted], [5, [[1, 1_700_000_000], [2, 5_000_000]]], [6, sha256(`${origin} ${serial}`)],
      ].filter(([number]) => given(number) === undefined);
      return message([...defaults, ...fields.filter(([, value]) => value !== undefined)]);
    });
    const hashes = encoded.map(leafHash);
    const root = rootOf(hashes);
    const signature = signAs.sign(`custodian/author-batch/v1\n${signedOrigin}\n${encoded.length}\n${root.toString('base64')}\n`);
    return encoded.map((entry, i) =>
      message(tweak([
        [1, entry], [2, author.key.keyId], [3, author.key.algorithm], ...pathOf(i, hashes).map((hash) => [4, hash]), [5, signature], [6, i], [7, encoded.length],
      ], i)));
  });
}

const group = (index) => String(index).padStart(Math.ceil(String(index).length / 3) * 3, '0').match(/.{3}/g).map((g, i, all) => (i < all.length - 1 ? `x${g}` : g)).join('/');

export function bundleOf(leaves) {
  return Buffer.concat(leaves.flatMap((leaf) => [Buffer.of(leaf.length >> 8, leaf.length & 255), leaf]));
}

// What a log serves: path -> bytes.
export function tilesOf(leaves) {
  const files = new Map();
  const put = (prefix, items, encode) => {
    for (let at = 0; at < items.length; at += 256) {
      const some = items.slice(at, at + 256);
      files.set(`${prefix}/${group(at / 256)}${some.length < 256 ? `.p/${some.length}` : ''}`, encode(some));
    }
  };
  put('tile/entries', leaves, bundleOf);
  let hashes = leaves.map(leafHash);
  for (let level = 0; hashes.length > 0; level++) {
    put(`tile/${level}`, hashes, Buffer.concat);
    hashes = Array.from({ length: Math.floor(hashes.length / 256) }, (_, i) => rootOf(hashes.slice(256 * i, 256 * i + 256)));
  }
  return files;
}

export function checkpointText(origin, leaves, { size = leaves.length, root = rootOf(leaves.map(leafHash)), extension = '' } = {}) {
  return `${origin}\n${size}\n${root.toString('base64')}\n${extension}`;
}
export const signedNote = (text, ...keys) => `${text}\n${keys.map((key) => key.signs(text)).join('')}`;

export function receiptOf(leaves, index, note) {
  const proof = pathOf(index, leaves.map(leafHash));
  return `c2sp.org/tlog-proof@v1\nextra ${leaves[index].toString('base64')}\nindex ${index}\n${proof.map((hash) => `${hash.toString('base64')}\n`).join('')}\n${note}`;
}

// The list (ledger/subject_list.h) of a subject's entries at `indexes`, with the map's proof as bytes and the SUBJECT_MAP entry at `mapIndex`.
export function subjectListOf(leaves, subject, proof, mapIndex, indexes, note) {
  const hashes = leaves.map(leafHash);
  const entry = (index) => `entry ${index} ${leaves[index].toString('base64')}\n${pathOf(index, hashes).map((hash) => `${hash.toString('base64')}\n`).join('')}`;
  return `custodian/subject-list/v1\nsubject ${subject.toString('base64')}\nmap ${proof.toString('base64')}\n${[mapIndex, ...indexes].map(entry).join('')}\n${note}`;
}

// A promise (ledger/promise.h) of `leaves` at `first`; `others` are promised in the same batch, which `author` signs. `change` edits the statement
// once it is signed.
export function promiseOf(origin, first, leaves, witnessedBy, author, { others = [], change = (text) => text, name = author.name } = {}) {
  const statement = (at, some, by) => `custodian/promise/v1\norigin ${origin}\nentries ${at} ${some.length}\nleaves ${rootOf(some.map(leafHash)).toString('base64')}\nwitnessed-by ${by}\n`;
  const own = statement(first, leaves, witnessedBy);
  const hashes = [...others.map((other) => leafHash(Buffer.from(other))), leafHash(Buffer.from(own))];
  const signature = author.key.sign(`custodian/promise-batch/v1\n${hashes.length}\n${rootOf(hashes).toString('base64')}\n`);
  const path = pathOf(hashes.length - 1, hashes).map((hash) => `${hash.toString('base64')}\n`).join('');
  return change(`${own}batch ${hashes.length - 1} ${hashes.length}\n${path}\n\u2014 ${name} ${Buffer.concat([author.key.keyId, signature]).toString('base64')}\n`);
}
