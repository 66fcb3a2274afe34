// Notes, policies, signatures and the wire format, where one byte decides.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toBinary } from '@bufbuild/protobuf';
import { concat, fromBase64, fromDecimal, hex, utf8 } from './bytes.ts';
import { EntrySchema, SignatureAlgorithm, SignedEntrySchema } from './generated/ledger/entry_pb.js';
import { parseCheckpoint, parseNote, parseVerifierKey } from './note.ts';
import { Policy } from './policy.ts';
import { PublicKey } from './signature.ts';
import { decodeBundle, tilePath } from './tiles.ts';
import { Tree, leafHash } from './tree.ts';
import { Used } from './used.ts';
import { decode } from './wire.ts';

const refuses = (action: () => unknown, message: RegExp) => assert.throws(action, message);
const letters = 'abcdefghijklmnopqrstuvwxyz'.split('');

async function verifierKey(name: string, type: number): Promise<string> {
  const pair = (await crypto.subtle.generateKey({ name: 'Ed25519' }, true, ['sign', 'verify'])) as CryptoKeyPair;
  const material = concat(Uint8Array.of(type), new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)));
  const id = new Uint8Array(await crypto.subtle.digest('SHA-256', concat(utf8(`${name}\n`), material))).subarray(0, 4);
  return `${name}+${hex(id)}+${btoa(String.fromCharCode(...material))}`;
}

test('one encoding per value', () => {
  for (const text of ['QQ', 'QR==', 'Q Q=', 'QQ==\n', '*']) refuses(() => fromBase64(text), /Base64/);
  for (const text of ['', '00', '01', '+1', '-1', '1.0', ' 1', '18446744073709551616']) refuses(() => fromDecimal(text), /decimal/);
  assert.equal(fromDecimal('18446744073709551615'), (1n << 64n) - 1n);
});

test('notes and checkpoints are read to the letter', () => {
  const line = '\u2014 name AAAAAAA=\n';
  assert.equal(parseNote(utf8(`a\n\nb\n\n${line}`)).text, 'a\n\nb\n');
  assert.equal(parseNote(utf8(`\ufeffa\n\n${line}`)).text, '\ufeffa\n');
  for (const text of ['a\n', 'a\n\n', `a\n\n${line.trimEnd()}`, `a\r\n\n${line}`, `a\n\n${line}\n`, 'a\n\n- name AAAAAAA=\n', 'a\n\n\u2014 na+me AAAAAAA=\n',
    'a\n\n\u2014  AAAAAAA=\n', 'a\n\n\u2014 n\u00a0me AAAAAAA=\n', 'a\n\n\u2014 name AAAAAA==\n'])
    refuses(() => parseNote(utf8(text)), /./);
  refuses(() => parseNote(concat(utf8('a'), Uint8Array.of(0xff), utf8(`\n\n${line}`))), /UTF-8/);
  const root = btoa('\0'.repeat(32));
  assert.equal(parseCheckpoint(`o\n7\n${root}\nextension\n`).size, 7n);
  for (const text of [`o\n7\n`, `o\n07\n${root}\n`, `o\n7\n${root}`, `\n7\n${root}\n`, `o\n7\n${root}\n\n`, `o\n7\n${root.slice(4)}\n`])
    refuses(() => parseCheckpoint(text), /checkpoint|decimal/);
});

test('a verifier key names its own key id', async () => {
  const vkey = await verifierKey('a', 1);
  assert.equal((await parseVerifierKey(vkey)).name, 'a');
  await assert.rejects(parseVerifierKey(vkey.replace(/^a/, 'b')), /key id/);
  await assert.rejects(parseVerifierKey(await verifierKey('a', 6)), /not supported/);
});

test('policies that are none are refused with their line', async () => {
  const [log, w, x] = [await verifierKey('l', 1), await verifierKey('w', 4), await verifierKey('x', 4)];
  const parse = (...lines: string[]) => Policy.parse(utf8(lines.map((line) => `${line}\n`).join('')));
  await parse(`log ${log}`, '  # comment', `\twitness  w ${w} https://w/ `, `witness x ${x}`, 'group g all w x', 'group h 1 g', 'quorum h');
  const wrong: [RegExp, ...string[]][] = [
    [/one quorum line/, `log ${log}`], [/line 2: a policy has one/, 'quorum none', 'quorum none'], [/not defined/, 'quorum w'],
    [/twice/, `log ${log}`, `log ${log}`], [/twice/, `witness w ${w}`, `witness v ${w}`], [/twice/, `witness w ${w}`, `witness w ${x}`],
    [/predefined/, `witness none ${w}`], [/not defined/, 'group g any none'], [/not defined/, 'group g any g'], [/want/, 'group g all'],
    [/threshold/, `witness w ${w}`, 'group g 2 w'], [/threshold/, `witness w ${w}`, 'group g 0 w'], [/decimal/, `witness w ${w}`, 'group g 01 w'],
    [/listed twice/, `witness w ${w}`, 'group g any w w'], [/listed twice/, `witness w ${w}`, 'group g any w', 'group h any w'],
    [/type 1/, `log ${w}`], [/type 4/, `witness l ${log}`], [/control/, 'quorum none\r'], [/want/, 'wintess w'],
  ];
  for (const [message, ...lines] of wrong) await assert.rejects(parse(...lines, ...(lines.some((l) => l.startsWith('quorum')) || message.source.includes('one quorum') ? [] : ['quorum none'])), message);
});

test('ECDSA signatures have one encoding', async () => {
  const pair = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])) as CryptoKeyPair;
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey));
  const key = await PublicKey.fromSpki(spki);
  assert.equal(key.algorithm, SignatureAlgorithm.ECDSA_P256_SHA256);
  const message = utf8('message');
  const integer = (bytes: Uint8Array) => {
    const trimmed = bytes.subarray(bytes.findIndex((byte) => byte !== 0));
    const padded = (trimmed[0] as number) >= 0x80 ? concat(Uint8Array.of(0), trimmed) : trimmed;
    return concat(Uint8Array.of(2, padded.length), padded);
  };
  for (let i = 0; i < 50; i++) {
    const raw = new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, message));
    const body = concat(integer(raw.subarray(0, 32)), integer(raw.subarray(32)));
    const der = concat(Uint8Array.of(0x30, body.length), body);
    assert.equal(await key.verifies(message, der), true);
    const longer = concat(Uint8Array.of(0x30, body.length + 1, 2, (body[1] as number) + 1, 0), body.subarray(2));
    for (const wrong of [raw, concat(der, Uint8Array.of(0)), der.subarray(0, -1), longer, concat(Uint8Array.of(0x30, 0x81, body.length), body), new Uint8Array()])
      assert.equal(await key.verifies(message, wrong), false);
  }
  const compressed = concat(spki.subarray(0, 1), Uint8Array.of(0x39), spki.subarray(2, 24), Uint8Array.of(0x22), spki.subarray(25, 26), Uint8Array.of(2 + ((spki[90] as number) & 1)), spki.subarray(27, 59));
  await assert.rejects(PublicKey.fromSpki(compressed), /SubjectPublicKeyInfo/);
  await assert.rejects(PublicKey.fromSpki(concat(spki.subarray(0, 27), new Uint8Array(64).fill(1))), /curve/);
});

test('a field of another wire type than declared is an unknown field, as for other parsers', () => {
  const entry = decode(EntrySchema, Uint8Array.of(0x0a, 1, 0x61, 0x22, 2, 0x28, 7, 0x20, 5));
  assert.equal(entry.origin, 'a');
  assert.equal(entry.counter, 5n);
  const kinds = (bytes: number[]) => decode(EntrySchema, Uint8Array.of(0xb2, 1, bytes.length, ...bytes)).clear;
  assert.deepEqual([...((kinds([0x32, 2, 1, 2]).value as { kinds: number[] }).kinds)], [1, 2]);
  assert.deepEqual([...((kinds([0x30, 1, 0x30, 2]).value as { kinds: number[] }).kinds)], [1, 2]);
  assert.equal(toBinary(SignedEntrySchema, decode(SignedEntrySchema, Uint8Array.of(0x5b, 0x08, 1, 0x5c, 0x38, 3))).length, 2);
});

test('messages that do not end where they say are refused', () => {
  const wrong: number[][] = [[0x0a, 2, 0x61], [0x20, 0x80], [0x20, ...Array(10).fill(0x80), 1], [0], [0x5c], [0x5b, 0x64], [0x5b, 0x08], [0x0f],
    [0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0], [0x2a, 1, 0x08], [0x0a, 1, 0xff], [0xb2, 1, 3, 0x32, 1, 0x80]];
  for (const bytes of wrong) refuses(() => decode(EntrySchema, Uint8Array.from(bytes)), /./);
  assert.equal(decode(EntrySchema, Uint8Array.of(0x0a, 4, 0xef, 0xbb, 0xbf, 0x61)).origin, '\ufeffa');
});

test('tiles have one path, bundles end with an entry', () => {
  assert.equal(tilePath(0, 1234067), 'tile/0/x001/x234/067');
  assert.equal(tilePath('entries', 7, 12), 'tile/entries/007.p/12');
  assert.equal(decodeBundle(Uint8Array.of(0, 1, 9, 0, 0)).length, 2);
  for (const bytes of [[0], [0, 2, 1], [0, 1, 9, 0]]) refuses(() => decodeBundle(Uint8Array.from(bytes)), /ends/);
});

test('a tree has the same root at a size, however long it is', async () => {
  const whole = new Tree();
  const hashes = await Promise.all(letters.map((letter) => leafHash(utf8(letter))));
  for (const hash of hashes) await whole.append(hash);
  for (let size = 0; size <= hashes.length; size++) {
    const part = new Tree();
    for (const hash of hashes.slice(0, size)) await part.append(hash);
    assert.deepEqual(await whole.rootAt(BigInt(size)), await part.rootAt(BigInt(size)));
  }
  assert.equal(await whole.rootAt(27n), undefined);
});

test('counters in any order, each once', () => {
  const used = new Used();
  for (const counter of [2n, 1n, 5n, 3n, 4n, 6n]) assert.equal(used.addCounter('a', counter, 0), true);
  for (const counter of [1n, 4n, 6n]) assert.equal(used.addCounter('a', counter, 0), false);
  assert.equal(used.addCounter('b', 1n, 0), true);
});
