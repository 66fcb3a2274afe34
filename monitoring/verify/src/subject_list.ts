// The complete list of a subject's entries, as ledger/subject_list.h defines the file: it proves offline, with a policy alone, that these are all
// entries that the log holds on the subject, up to the size that its map of subjects covers, if that map is right (subjects.ts).
import { type Bytes, equal, fromBase64, fromBigEndian, fromDecimal, Refused, textOf } from './bytes.ts';
import { type Leaf, parseLeaf } from './entry.ts';
import type { SubjectMap } from './generated/ledger/entry_pb.js';
import { type Note, parseNote } from './note.ts';
import type { Believed, Policy } from './policy.ts';
import { judgeAge } from './report.ts';
import { rootOfPath, type SubjectLeaf } from './subjects.ts';
import { type Hash, leafHash, sha256, verifyInclusion } from './tree.ts';

const listBytesMax = 64 << 20;
// The map's entry comes on top.
const entriesMax = 10_000;
const proofHashesMax = 64;
const keyBits = 256;
const newline = 10;

// A path through a map of subjects: what it ends in, and the siblings from the root down (undefined: an empty one).
interface MapProof {
  leaf: SubjectLeaf | undefined;
  siblings: (Hash | undefined)[];
}
interface Listed {
  index: bigint;
  leaf: Bytes;
  proof: Hash[];
}
export interface SubjectList {
  subject: Bytes;
  map: MapProof;
  // The SUBJECT_MAP entry that carries the map's root.
  mapEntry: Listed;
  entries: Listed[];
  checkpoint: Note;
}

// Hands out bytes from the front. Refused when there are too few.
class Taker {
  private at = 0;
  private readonly bytes: Bytes;
  constructor(bytes: Bytes) {
    this.bytes = bytes;
  }
  take(count: number): Bytes {
    if (this.bytes.length - this.at < count) throw new Refused("the proof in the subject's map ends too early");
    this.at += count;
    return this.bytes.slice(this.at - count, this.at);
  }
  end(): void {
    if (this.at !== this.bytes.length) throw new Refused("bytes follow the proof in the subject's map");
  }
}

function parseMapProof(bytes: Bytes): MapProof {
  const taker = new Taker(bytes);
  const depth = Number(fromBigEndian(taker.take(2)));
  if (depth > keyBits) throw new Refused("the proof in the subject's map is deeper than a key has bits");
  const present = taker.take(Math.ceil(depth / 8));
  const isPresent = (at: number) => (((present[at >> 3] as number) << (at & 7)) & 0x80) !== 0;
  for (let at = depth; at < present.length * 8; at++) if (isPresent(at)) throw new Refused("the proof in the subject's map names siblings below its depth");
  const [end] = taker.take(1);
  if (end !== 0 && end !== 1) throw new Refused("the proof in the subject's map ends in neither nothing nor a leaf");
  const leaf = end === 0 ? undefined : { key: taker.take(32), count: fromBigEndian(taker.take(8)), last: fromBigEndian(taker.take(8)) };
  const siblings = Array.from({ length: depth }, (_, at) => {
    const sibling = isPresent(at) ? taker.take(32) : undefined;
    if (sibling?.every((byte) => byte === 0)) throw new Refused("the proof in the subject's map writes an empty sibling out");
    return sibling;
  });
  taker.end();
  return { leaf, siblings };
}

function parseEntries(lines: string[]): Listed[] {
  const entries: Listed[] = [];
  for (const line of lines) {
    if (line.startsWith('entry ')) {
      if (entries.length > entriesMax) throw new Refused("the subject's list has too many entries");
      const [index, leaf, ...more] = line.slice('entry '.length).split(' ');
      if (index === undefined || leaf === undefined || leaf === '' || more.length > 0) throw new Refused("an entry line of the subject's list is not an index and a leaf");
      entries.push({ index: fromDecimal(index), leaf: fromBase64(leaf), proof: [] });
      continue;
    }
    const hash = fromBase64(line);
    const { proof } = entries.at(-1) ?? {};
    if (proof === undefined || hash.length !== 32) throw new Refused("a line of the subject's list is neither an entry nor a hash of an entry's proof");
    if (proof.length === proofHashesMax) throw new Refused("an entry's proof in the subject's list is too long");
    proof.push(hash);
  }
  return entries;
}

// Refused, naming what is wrong.
export function parseSubjectList(bytes: Uint8Array): SubjectList {
  if (bytes.length > listBytesMax) throw new Refused("the subject's list is past 64 MiB");
  const blank = bytes.findIndex((byte, i) => byte === newline && bytes[i + 1] === newline);
  if (blank < 0) throw new Refused("the subject's list ends too early");
  const [first, subjectLine, mapLine, ...lines] = textOf(bytes.subarray(0, blank)).split('\n');
  if (first !== 'custodian/subject-list/v1') throw new Refused("the subject's list does not begin with custodian/subject-list/v1");
  const subject = subjectLine?.startsWith('subject ') ? fromBase64(subjectLine.slice('subject '.length)) : undefined;
  if (subject?.length !== 16) throw new Refused("the subject's list has no subject of 16 bytes");
  if (!mapLine?.startsWith('map ')) throw new Refused("the subject's list has no map line");
  const map = parseMapProof(fromBase64(mapLine.slice('map '.length)));
  const [mapEntry, ...entries] = parseEntries(lines);
  if (mapEntry === undefined) throw new Refused("the subject's list has no entry with the map's root");
  return { subject, map, mapEntry, entries, checkpoint: parseNote(bytes.subarray(blank + 2)) };
}

// What the map with that root says of the subject.
async function valueIn(root: Hash, { leaf, siblings }: MapProof, subject: Bytes): Promise<{ count: bigint; last: bigint }> {
  const key = await sha256(subject);
  if (leaf?.count === 0n) throw new Refused("the leaf of the subject's map counts no entry");
  const made = await rootOfPath(key, leaf, siblings);
  if (made === undefined) throw new Refused("the leaf of the subject's map lies elsewhere than the subject would");
  if (!equal(made, root)) throw new Refused("the proof in the subject's map leads to another root");
  return leaf !== undefined && equal(leaf.key, key) ? leaf : { count: 0n, last: 0n };
}

async function verifyListed({ index, leaf, proof }: Listed, checkpoint: Believed): Promise<Leaf> {
  await verifyInclusion(index, checkpoint.size, await leafHash(leaf), proof, checkpoint.root);
  const parsed = await parseLeaf(leaf);
  if (parsed.entry.origin !== checkpoint.origin) throw new Refused(`leaf ${index} is of ${parsed.entry.origin}`);
  return parsed;
}

export interface VerifiedSubjectList {
  subject: Bytes;
  checkpoint: Believed;
  // The list is complete for so many of the log's first entries, as the SUBJECT_MAP entry at `mapIndex` says.
  covered: bigint;
  mapIndex: bigint;
  // What that entry gives as its time; milliseconds.
  coveredAt: bigint;
  entries: { index: bigint; leaf: Leaf }[];
}

// Refused, saying what does not fit.
export async function verifySubjectList(list: SubjectList, policy: Policy): Promise<VerifiedSubjectList> {
  const checkpoint = await policy.believe(list.checkpoint);
  const mapIndex = list.mapEntry.index;
  const { clear, time } = (await verifyListed(list.mapEntry, checkpoint)).entry;
  if (clear.case !== 'subjectMap') throw new Refused(`leaf ${mapIndex} is no SUBJECT_MAP`);
  const { size: covered, root }: SubjectMap = clear.value;
  if (covered > mapIndex) throw new Refused("the subject's map covers more entries than stand before it");
  const value = await valueIn(new Uint8Array(root), list.map, list.subject);
  if (BigInt(list.entries.length) !== value.count) throw new Refused(`the subject's list shows ${list.entries.length} entries, the map counts ${value.count}`);
  const entries: VerifiedSubjectList['entries'] = [];
  for (const listed of list.entries) {
    if (listed.index >= covered) throw new Refused(`leaf ${listed.index} is past what the map covers`);
    if (listed.index <= (entries.at(-1)?.index ?? -1n)) throw new Refused("the entries of the subject's list are not in the order of the log, each once");
    const leaf = await verifyListed(listed, checkpoint);
    if (!equal(leaf.entry.subject, list.subject)) throw new Refused(`leaf ${listed.index} is of another subject`);
    entries.push({ index: listed.index, leaf });
  }
  if (entries.length > 0 && entries.at(-1)?.index !== value.last) throw new Refused("the last entry of the subject's list is not the last that the map names");
  return { subject: list.subject, checkpoint, covered, mapIndex, coveredAt: (time?.seconds ?? 0n) * 1000n + BigInt(Math.trunc((time?.nanos ?? 0) / 1e6)), entries };
}

// Milliseconds: what is new since then may not be in the list. A map that covers all entries is as old as the newest cosignature; another as the older of
// that and of its entry's time, which its author claims.
export function listedAsOf({ checkpoint, covered, mapIndex, coveredAt }: VerifiedSubjectList): bigint {
  if (checkpoint.witnessedAt === undefined) return coveredAt;
  const witnessedAt = checkpoint.witnessedAt * 1000n;
  if (covered === mapIndex && checkpoint.size === mapIndex + 1n) return witnessedAt;
  return witnessedAt < coveredAt ? witnessedAt : coveredAt;
}

// Why a list is too old, as judgeAge() of its checkpoint and of what its map leaves out; undefined when it is not. In seconds.
export function judgeListAge(verified: VerifiedSubjectList, maxAge: number, now: number): string | undefined {
  const frozen = judgeAge(verified.checkpoint.witnessedAt, maxAge, now);
  if (frozen !== undefined || now - Number(listedAsOf(verified)) / 1000 <= maxAge) return frozen;
  return `its map of subjects leaves out entries and is more than ${maxAge}s old: it covers ${verified.covered} of ${verified.checkpoint.size}`;
}
