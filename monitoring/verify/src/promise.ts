// A promise, as ledger/promise.h defines it: what the custodian answered to whoever appended to a log, signed by its author key. Whether it was
// kept is judged by the newest witnessed checkpoint and by the tiles, of which only what leads to the signed root is believed.
import { believedCheckpoint } from './audit.ts';
import { base64, type Bytes, equal, fromBase64, fromDecimal, Refused, textOf, utf8 } from './bytes.ts';
import type { Believed, Policy } from './policy.ts';
import type { Governance } from './roster.ts';
import { PublicKey } from './signature.ts';
import { type Read, tilePath, tileWidth } from './tiles.ts';
import { completeSubtrees, type Hash, leafHash, rootFromInclusionProof, rootOf } from './tree.ts';

const textBytesMax = 16_384;
const batchMax = 65_536n;

export interface Promised {
  origin: string;
  first: bigint;
  count: bigint;
  // Root over the leaf hashes.
  leaves: Hash;
  // Unix milliseconds.
  witnessedBy: bigint;
}

export interface SignedPromise {
  promised: Promised;
  // The five lines that are a leaf of the batch.
  statement: string;
  batchIndex: bigint;
  batchSize: bigint;
  path: Hash[];
  author: string;
  keyId: Bytes;
  signature: Bytes;
}

function hashFrom(text: string): Hash {
  const hash = fromBase64(text);
  if (hash.length !== 32) throw new Refused('a line of the promise is not a hash');
  return hash;
}

// Refused, saying which line.
export function parsePromise(bytes: Uint8Array): SignedPromise {
  if (bytes.length > textBytesMax) throw new Refused('the promise is past 16 KiB');
  const text = textOf(bytes);
  const form = /^(custodian\/promise\/v1\norigin ([^ +\n]{1,512})\nentries (\d+) (\d+)\nleaves ([^\n]*)\nwitnessed-by (\d+)\n)batch (\d+) (\d+)\n((?:[^\n]+\n)*)\n\u2014 ([^ +\n]{1,512}) ([^\n]*)\n$/u.exec(text);
  if (form === null) throw new Refused('the promise is not in its form (custodian/promise/v1)');
  const [statement, origin, first, count, leaves, witnessedBy, batchIndex, batchSize, path, author, signed] = form.slice(1) as string[] as [
    string, string, string, string, string, string, string, string, string, string, string];
  const promised = { origin, first: fromDecimal(first), count: fromDecimal(count), leaves: hashFrom(leaves), witnessedBy: fromDecimal(witnessedBy) };
  if (promised.count === 0n || promised.count > batchMax || promised.first + promised.count >= 1n << 64n) throw new Refused('the promise is of no entries, or of too many');
  if (promised.witnessedBy > 1n << 52n) throw new Refused("the promise's time is none");
  const place = { batchIndex: fromDecimal(batchIndex), batchSize: fromDecimal(batchSize) };
  if (place.batchIndex >= place.batchSize || place.batchSize > batchMax) throw new Refused("the promise's place in its batch is none");
  const signature = fromBase64(signed);
  if (signature.length <= 32 || signature.length > 32 + 128) throw new Refused("the promise's signature cannot be read");
  return { promised, statement, ...place, path: path.split('\n').slice(0, -1).map(hashFrom), author, keyId: signature.subarray(0, 32), signature: signature.subarray(32) };
}

// Refused unless a key signed it that the governance log enrolled for the custodian and this log, whether revoked since or not.
export async function verifyPromiseSignature(promise: SignedPromise, governance: Governance): Promise<void> {
  const { promised, author, keyId, signature, batchIndex, batchSize } = promise;
  if (author !== governance.custodian) throw new Refused(`the promise is signed by ${author}, which is not the custodian`);
  const enrolled = governance.changes.find(({ change }) =>
    !change.revoked && change.author === author && equal(change.keyId, keyId) && (change.origins.length === 0 || change.origins.includes(promised.origin)));
  if (enrolled === undefined) throw new Refused(`the promise's key was never enrolled for ${author} and this log`);
  const root = await rootFromInclusionProof(batchIndex, batchSize, await leafHash(utf8(promise.statement)), promise.path);
  const key = await PublicKey.fromSpki(enrolled.change.publicKey);
  const message = utf8(`custodian/promise-batch/v1\n${batchSize}\n${base64(root)}\n`);
  if (!(await key.verifies(message, signature))) throw new Refused("the custodian's signature of the promise does not verify");
}

// The tiles of a signed log, each believed once it leads to the root.
class SignedTiles {
  private readonly known = new Map<string, Hash[]>();
  private readonly read: Read;

  private constructor(read: Read) {
    this.read = read;
  }

  static async of(read: Read, { size, root }: Believed): Promise<SignedTiles> {
    const tiles = new SignedTiles(read);
    const subtrees: Hash[] = [];
    // The hashes at the edge that fill no tile make the root.
    for (let level = 0, count = size; count > 0n; level++, count /= BigInt(tileWidth)) {
      const width = Number(count % BigInt(tileWidth));
      if (width === 0) continue;
      const index = Number(count / BigInt(tileWidth));
      const hashes = await tiles.fetch(level, index, width);
      tiles.known.set(`${level} ${index}`, hashes);
      subtrees.unshift(...(await completeSubtrees(hashes)));
    }
    if (!equal(await rootOf(subtrees), root)) throw new Refused('the tiles that are served do not make the signed root');
    return tiles;
  }

  async leaf(index: bigint): Promise<Hash> {
    const tile = await this.tile(0, Number(index / BigInt(tileWidth)));
    return tile[Number(index % BigInt(tileWidth))] as Hash;
  }

  private async tile(level: number, index: number): Promise<Hash[]> {
    const name = `${level} ${index}`;
    const known = this.known.get(name);
    if (known !== undefined) return known;
    const hashes = await this.fetch(level, index, tileWidth);
    const above = await this.tile(level + 1, Math.floor(index / tileWidth));
    if (!equal(await rootOf(await completeSubtrees(hashes)), above[index % tileWidth] as Hash))
      throw new Refused('the tiles that are served do not make the signed root');
    this.known.set(name, hashes);
    return hashes;
  }

  private async fetch(level: number, index: number, width: number): Promise<Hash[]> {
    const path = tilePath(level, index, width);
    const bytes = await this.read(path);
    if (bytes === undefined || bytes.length !== 32 * width) throw new Refused(`${path} is missing or no tile of the signed log`);
    return Array.from({ length: width }, (_, i) => new Uint8Array(bytes.subarray(32 * i, 32 * i + 32)));
  }
}

// The names of the other verifier.
export type PromiseVerdict = 'kept' | 'not_due' | 'other_leaves' | 'not_covered' | 'nothing_newer';
export const isBroken = (verdict: PromiseVerdict): boolean => verdict !== 'kept' && verdict !== 'not_due';

export interface JudgedPromise {
  promised: Promised;
  checkpoint: Believed;
  verdict: PromiseVerdict;
}

// `now` in Unix milliseconds. Refused when nothing is known of the leaves.
export async function judgePromise(promised: Promised, policy: Policy, read: Read, now: number): Promise<JudgedPromise> {
  const checkpoint = await believedCheckpoint(policy, read, promised.origin);
  return { promised, checkpoint, verdict: await verdictOn(promised, checkpoint, read, now) };
}

async function verdictOn({ first, count, leaves, witnessedBy }: Promised, checkpoint: Believed, read: Read, now: number): Promise<PromiseVerdict> {
  if (checkpoint.size >= first + count) {
    const tiles = await SignedTiles.of(read, checkpoint);
    const hashes: Hash[] = [];
    for (let index = first; index < first + count; index++) hashes.push(await tiles.leaf(index));
    return equal(await rootOf(await completeSubtrees(hashes)), leaves) ? 'kept' : 'other_leaves';
  }
  if (checkpoint.witnessedAt !== undefined && checkpoint.witnessedAt * 1000n > witnessedBy) return 'not_covered';
  return now > Number(witnessedBy) ? 'nothing_newer' : 'not_due';
}
