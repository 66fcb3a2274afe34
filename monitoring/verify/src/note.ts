// Signed notes, checkpoints and cosignatures (C2SP signed-note, tlog-checkpoint, tlog-cosignature).
import { type Bytes, concat, equal, fromBase64, fromBigEndian, fromDecimal, hex, Refused, textOf, utf8 } from './bytes.ts';
import { PublicKey } from './signature.ts';
import { type Hash, sha256 } from './tree.ts';

// signed-note, "Signature types": the two that our logs and witnesses use.
export const typeEd25519 = 0x01;
export const typeCosignatureV1 = 0x04;

const noteBytesMax = 1 << 20;
const noteSignaturesMax = 128;
const secondsMax = (1n << 63n) - 1n;

function checkKeyName(name: string): void {
  if (name === '' || /[\p{White_Space}+\0-\x1f]/u.test(name)) throw new Refused('a key name is empty or has a space, a control character or a plus');
}

// "<name>+<hex key id>+<base64(signature type || public key)>", parsed.
export interface VerifierKey {
  name: string;
  // Four bytes in hex.
  keyId: string;
  type: number;
  raw: Bytes;
  key: PublicKey;
}

export async function parseVerifierKey(text: string): Promise<VerifierKey> {
  const parts = /^([^+]*)\+([^+]*)\+(.*)$/s.exec(text);
  if (parts === null) throw new Refused('a verifier key is <name>+<key id>+<key>');
  const [name, keyId, encoded] = parts.slice(1) as [string, string, string];
  checkKeyName(name);
  const material = fromBase64(encoded);
  const type = material[0];
  if (type !== typeEd25519 && type !== typeCosignatureV1)
    throw new Refused(`signature type ${type ?? 'missing'} is not supported (1, Ed25519, and 4, cosignature/v1, are)`);
  const wanted = hex((await sha256(utf8(`${name}\n`), material)).subarray(0, 4));
  if (keyId !== wanted) throw new Refused('the key id of a verifier key does not fit its key');
  const raw = material.subarray(1);
  return { name, keyId, type, raw, key: await PublicKey.fromEd25519(raw) };
}

export function sameVerifierKey(a: VerifierKey, b: VerifierKey): boolean {
  return a.name === b.name && a.type === b.type && equal(a.raw, b.raw);
}

export interface NoteSignature {
  name: string;
  keyId: string;
  signature: Bytes;
}

export interface Note {
  // Ends in a newline.
  text: string;
  signatures: NoteSignature[];
}

export function parseNote(bytes: Uint8Array): Note {
  if (bytes.length > noteBytesMax) throw new Refused('a note is past 1 MiB');
  const whole = textOf(bytes);
  if (/[\0-\x09\x0b-\x1f]/.test(whole)) throw new Refused('a note has a control character');
  const blank = whole.lastIndexOf('\n\n');
  if (blank < 0) throw new Refused('a note has no empty line before its signatures');
  const lines = whole.slice(blank + 2).split('\n');
  if (lines.length < 2 || lines.pop() !== '') throw new Refused('a note does not end in a signature line');
  if (lines.length > noteSignaturesMax) throw new Refused('a note has too many signatures');
  return { text: whole.slice(0, blank + 1), signatures: lines.map(parseSignatureLine) };
}

function parseSignatureLine(line: string): NoteSignature {
  const parts = /^\u2014 ([^ ]*) (.*)$/su.exec(line);
  if (parts === null) throw new Refused('a signature line is a dash, a key name and a signature, with a space between');
  const [name, encoded] = parts.slice(1) as [string, string];
  checkKeyName(name);
  const bytes = fromBase64(encoded);
  if (bytes.length < 5) throw new Refused('a signature is too short');
  return { name, keyId: hex(bytes.subarray(0, 4)), signature: bytes.subarray(4) };
}

export interface Checkpoint {
  origin: string;
  size: bigint;
  root: Hash;
}

export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Refused('a checkpoint does not end in a newline');
  if (lines.includes('')) throw new Refused('a checkpoint has an empty line');
  const [origin, size, root] = lines;
  if (origin === undefined || size === undefined || root === undefined) throw new Refused('a checkpoint has an origin, a size and a root');
  const hash = fromBase64(root);
  if (hash.length !== 32) throw new Refused("a checkpoint's root is not a hash");
  return { origin, size: fromDecimal(size), root: hash };
}

// Whether a signature line that names `key` is one of it over the note's text.
export async function verifiesNote(text: string, signature: Bytes, key: VerifierKey): Promise<boolean> {
  if (key.type === typeEd25519) return key.key.verifies(utf8(text), signature);
  // tlog-witness demands that the time is not zero.
  if (signature.length !== 8 + 64) return false;
  const seconds = cosignedAt(signature);
  if (seconds === 0n || seconds > secondsMax) return false;
  return key.key.verifies(concat(utf8(`cosignature/v1\ntime ${seconds}\n`), utf8(text)), signature.subarray(8));
}

// POSIX time of a cosignature: timestamped_signature is 8 bytes of it and the signature.
export function cosignedAt(signature: Bytes): bigint {
  return fromBigEndian(signature.subarray(0, 8));
}
