// The map of a log's subjects, as ledger/subject_map.h defines it: how many entries each subject has, and the last of them. Every SUBJECT_MAP entry is
// held against the map that the entries before it make, whoever wrote it: what is left out, counted wrong or out of date shows there.
import { type Bytes, equal } from './bytes.ts';
import type { Entry, SubjectMap } from './generated/ledger/entry_pb.js';
import { type Hash, sha256 } from './tree.ts';

// A SUBJECT_MAP entry may leave at most so many entries before it uncovered.
const lagMax = 1_000_000n;
// What no map may leave out any more is taken in so many at a time.
const takenAtOnce = 50_000;

// A subtree: nothing, the one key there is, or two halves. The hash of two halves is made when it is asked for, and forgotten when they change.
export interface SubjectLeaf {
  key: Hash;
  count: bigint;
  last: bigint;
}
interface Halves {
  left: Subtree;
  right: Subtree;
  hash: Hash | undefined;
}
type Subtree = SubjectLeaf | Halves | undefined;

const empty: Bytes = new Uint8Array(32);
const leafPrefix = Uint8Array.of(2);
const nodePrefix = Uint8Array.of(3);
const bit = (key: Hash, at: number) => ((key[at >> 3] as number) >> (7 - (at & 7))) & 1;

function number(value: bigint): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

async function hashOf(subtree: Subtree): Promise<Hash> {
  if (subtree === undefined) return empty;
  if ('key' in subtree) return sha256(leafPrefix, subtree.key, number(subtree.count), number(subtree.last));
  subtree.hash ??= await sha256(nodePrefix, await hashOf(subtree.left), await hashOf(subtree.right));
  return subtree.hash;
}

// The root to which the path of `key` leads from what it ends in, siblings from the root down (undefined: empty). Undefined when a leaf with that key
// lies elsewhere.
export async function rootOfPath(key: Hash, leaf: SubjectLeaf | undefined, siblings: readonly (Hash | undefined)[]): Promise<Hash | undefined> {
  if (leaf !== undefined && siblings.some((_, depth) => bit(leaf.key, depth) !== bit(key, depth))) return undefined;
  let hash = await hashOf(leaf);
  for (let depth = siblings.length - 1; depth >= 0; depth--) {
    const sibling = siblings[depth] ?? empty;
    hash = await (bit(key, depth) ? sha256(nodePrefix, sibling, hash) : sha256(nodePrefix, hash, sibling));
  }
  return hash;
}

// The subtree at `depth` with one more entry of the key.
function withEntry(subtree: Subtree, depth: number, key: Hash, index: bigint): Subtree {
  if (subtree === undefined) return { key, count: 1n, last: index };
  if ('key' in subtree) {
    if (equal(subtree.key, key)) return { key, count: subtree.count + 1n, last: index };
    const halves: Halves = bit(subtree.key, depth) ? { left: undefined, right: subtree, hash: undefined } : { left: subtree, right: undefined, hash: undefined };
    return withEntry(halves, depth, key, index);
  }
  const side = bit(key, depth) ? 'right' : 'left';
  subtree[side] = withEntry(subtree[side], depth + 1, key, index);
  subtree.hash = undefined;
  return subtree;
}

export class Subjects {
  private map: Subtree;
  private covered = 0n;
  // An entry could not be read: whose it is, and so every later root, is not known.
  private isBlind = false;
  // From `head` on; what lies before it is covered.
  private uncovered: { index: bigint; key: Hash }[] = [];
  private head = 0;

  // The next entry; what is wrong with it as a map of subjects, if it is one. Undefined: an entry that cannot be read.
  async add(index: bigint, entry: Entry | undefined): Promise<string[]> {
    if (entry === undefined) {
      this.isBlind = true;
      return [];
    }
    const wrong = entry.clear.case === 'subjectMap' ? await this.check(index, entry.clear.value) : [];
    if (entry.subject.length > 0) this.uncovered.push({ index, key: await sha256(entry.subject) });
    // No map may leave them out any more.
    if (this.uncovered.length - this.head >= Number(lagMax) + takenAtOnce) this.cover(index - lagMax);
    return wrong;
  }

  private async check(index: bigint, { size, root }: SubjectMap): Promise<string[]> {
    if (size > index) return [`the subject map covers ${size} entries, more than stand before it`];
    if (size <= this.covered) return [`the subject map covers ${size} entries, the one before it ${this.covered}`];
    if (index - size > lagMax) return [`the subject map covers ${size} entries only: it leaves out too many`];
    this.cover(size);
    this.covered = size;
    if (this.isBlind || equal(root, await hashOf(this.map))) return [];
    return [`the subject map is not the one that the first ${size} entries make`];
  }

  private cover(size: bigint): void {
    for (let next = this.uncovered[this.head]; next !== undefined && next.index < size; next = this.uncovered[++this.head]) {
      if (!this.isBlind) this.map = withEntry(this.map, 0, next.key, next.index);
    }
    // Moving what is left is worth it when it is no more than what goes.
    if (this.head * 2 < this.uncovered.length) return;
    this.uncovered = this.uncovered.slice(this.head);
    this.head = 0;
  }
}
