// The Merkle tree of RFC 6962, section 2.1, over SHA-256; proofs as RFC 9162, sections 2.1.3.2 and 2.1.4.2, verifies them.
// Sizes and indexes are of 64 bits.
import { type Bytes, concat, equal, latin1, Refused } from './bytes.ts';

export type Hash = Bytes;

export async function sha256(...parts: Uint8Array[]): Promise<Hash> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', concat(...parts)));
}

const leafPrefix = Uint8Array.of(0);
const nodePrefix = Uint8Array.of(1);

export const leafHash = (leaf: Uint8Array): Promise<Hash> => sha256(leafPrefix, leaf);
export const nodeHash = (left: Hash, right: Hash): Promise<Hash> => sha256(nodePrefix, left, right);

// nodeHash that remembers what it was asked: proofs of neighbours meet in the same nodes.
export function rememberingNodeHash(): typeof nodeHash {
  const known = new Map<string, Promise<Hash>>();
  return (left, right) => {
    const key = latin1(left) + latin1(right);
    let hash = known.get(key);
    if (hash === undefined) known.set(key, (hash = nodeHash(left, right)));
    return hash;
  };
}

// The root that an inclusion proof leads to. Refused unless the proof has the length that index and size ask for.
export async function rootFromInclusionProof(
  index: bigint, size: bigint, hash: Hash, proof: readonly Hash[], parentOf = nodeHash,
): Promise<Hash> {
  if (index >= size) throw new Refused(`index ${index} is not below size ${size}`);
  let node = index;
  let last = size - 1n;
  let root = hash;
  for (const sibling of proof) {
    if (last === 0n) throw new Refused('the inclusion proof is too long');
    if ((node & 1n) === 1n || node === last) {
      root = await parentOf(sibling, root);
      // At the right edge: climb past the levels where the node has no sibling.
      while ((node & 1n) === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      root = await parentOf(root, sibling);
    }
    node >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) throw new Refused('the inclusion proof is too short');
  return root;
}

export async function verifyInclusion(index: bigint, size: bigint, hash: Hash, proof: readonly Hash[], root: Hash): Promise<void> {
  if (!equal(await rootFromInclusionProof(index, size, hash, proof), root))
    throw new Refused('the inclusion proof leads to another root');
}

// A proof from the empty tree says nothing and is refused.
export async function verifyConsistency(
  oldSize: bigint, newSize: bigint, proof: readonly Hash[], oldRoot: Hash, newRoot: Hash,
): Promise<void> {
  if (oldSize === 0n) throw new Refused('there is nothing to prove from size 0');
  return verifySubtreeConsistency(0n, oldSize, newSize, proof, oldRoot, newRoot);
}

// A subtree over leaves [start, end) is one when start is a multiple of the smallest power of two that is not below end - start
// (draft-ietf-plants-merkle-tree-certs-03, section 4.1).
function checkSubtree(start: bigint, end: bigint): void {
  let width = 1n;
  while (width < end - start) width <<= 1n;
  if (start > end || start % width !== 0n) throw new Refused(`leaves ${start} to ${end} are no subtree`);
}

export async function verifySubtreeInclusion(
  index: bigint, start: bigint, end: bigint, hash: Hash, proof: readonly Hash[], root: Hash,
): Promise<void> {
  checkSubtree(start, end);
  if (index < start) throw new Refused(`index ${index} is before ${start}`);
  return verifyInclusion(index - start, end - start, hash, proof, root);
}

// Section 4.4.3 there; from leaf 0 it is the consistency proof of RFC 9162.
export async function verifySubtreeConsistency(
  start: bigint, end: bigint, size: bigint, proof: readonly Hash[], subtreeRoot: Hash, root: Hash,
): Promise<void> {
  checkSubtree(start, end);
  if (end > size) throw new Refused(`leaves ${start} to ${end} do not lie in a tree of ${size}`);
  if (start === end) {
    if (proof.length > 0 || !equal(subtreeRoot, await sha256())) throw new Refused('the subtree is empty');
    return;
  }
  let [first, last, treeLast] = [start, end - 1n, size - 1n];
  const climb = () => {
    first >>= 1n;
    last >>= 1n;
    treeLast >>= 1n;
  };
  while (first !== last && (last === treeLast || (last & 1n) === 1n)) climb();
  const rest = [...proof];
  const known = first === last ? subtreeRoot : rest.shift();
  if (known === undefined) throw new Refused('the consistency proof is too short');
  let [fromSubtree, fromTree] = [known, known];
  for (const sibling of rest) {
    if (treeLast === 0n) throw new Refused('the consistency proof is too long');
    if ((last & 1n) === 1n || last === treeLast) {
      if (first < last) fromSubtree = await nodeHash(sibling, fromSubtree);
      fromTree = await nodeHash(sibling, fromTree);
      while ((last & 1n) === 0n && last !== 0n) climb();
    } else {
      fromTree = await nodeHash(fromTree, sibling);
    }
    climb();
  }
  if (treeLast !== 0n) throw new Refused('the consistency proof is too short');
  if (!equal(fromSubtree, subtreeRoot) || !equal(fromTree, root)) throw new Refused('the consistency proof leads to other roots');
}

// Roots of the complete subtrees that `hashes` make, largest first, the sizes being the one-bits of their number.
export async function completeSubtrees(hashes: readonly Hash[]): Promise<Hash[]> {
  const roots: Hash[] = [];
  let at = 0;
  for (let width = 2 ** Math.floor(Math.log2(hashes.length || 1)); width >= 1; width /= 2) {
    if (at + width > hashes.length) continue;
    let level = hashes.slice(at, at + width);
    at += width;
    while (level.length > 1) {
      const below = level;
      level = await Promise.all(
        Array.from({ length: below.length / 2 }, (_, i) => nodeHash(below[2 * i] as Hash, below[2 * i + 1] as Hash)),
      );
    }
    roots.push(level[0] as Hash);
  }
  return roots;
}

// Root of a tree that consists of these complete subtrees, largest first.
export async function rootOf(subtrees: readonly Hash[]): Promise<Hash> {
  let root: Hash | undefined;
  for (const subtree of [...subtrees].reverse()) root = root === undefined ? subtree : await nodeHash(subtree, root);
  return root ?? (await sha256());
}

// A whole tree in memory, for the one log whose root is asked at every size: the governance log.
export class Tree {
  // levels[n][i]: root of the complete subtree over leaves i * 2^n to (i + 1) * 2^n.
  private readonly levels: Hash[][] = [[]];

  get size(): bigint {
    return BigInt(this.levels[0]?.length ?? 0);
  }

  async append(hash: Hash): Promise<void> {
    let node = hash;
    for (let n = 0; ; n++) {
      const level = (this.levels[n] ??= []);
      level.push(node);
      if (level.length % 2 === 1) return;
      node = await nodeHash(level[level.length - 2] as Hash, node);
    }
  }

  // Undefined past the tree's size.
  async rootAt(size: bigint): Promise<Hash | undefined> {
    if (size > this.size) return undefined;
    const subtrees: Hash[] = [];
    for (let n = this.levels.length - 1; n >= 0; n--) {
      const nodes = size >> BigInt(n);
      // Where the bit is set, the last node of this level that lies within `size`.
      if ((nodes & 1n) === 1n) subtrees.push(this.levels[n]?.[Number(nodes) - 1] as Hash);
    }
    return rootOf(subtrees);
  }
}
