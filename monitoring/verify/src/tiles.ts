// A log as tiles (C2SP tlog-tiles): paths, bundles of entries, and the comparison of served tiles with what the entries make. One
// tile a level is in memory at a time.
import { concat, equal, Refused } from './bytes.ts';
import type { Findings } from './report.ts';
import { completeSubtrees, type Hash, rootOf } from './tree.ts';

export const tileWidth = 256;

// Bytes of "checkpoint" or a tile below a log's prefix; undefined when it is not there. Throws what is no Refused when it cannot
// be read.
export type Read = (path: string) => Promise<Uint8Array | undefined>;

// "<N>" in groups of three digits, all but the last behind an x, and the width of a partial tile.
export function tilePath(level: number | 'entries', index: number, width = tileWidth): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.{3}/g) ?? [];
  const number = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
  return `tile/${level}/${number}${width === tileWidth ? '' : `.p/${width}`}`;
}

// Leaves behind their lengths (2 bytes, big-endian).
export function decodeBundle(bytes: Uint8Array): Uint8Array[] {
  const leaves: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 2 + (((bytes[at] as number) << 8) | (bytes[at + 1] ?? 0));
    if (at + 2 > bytes.length || end > bytes.length) throw new Refused('the bundle ends within an entry');
    leaves.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return leaves;
}

export class TileComparison {
  private readonly levels: { index: number; hashes: Hash[] }[] = [];
  private readonly read: Read;
  private readonly findings: Findings;

  constructor(read: Read, findings: Findings) {
    this.read = read;
    this.findings = findings;
  }

  // The hashes of the next leaves, in order.
  async append(hashes: readonly Hash[]): Promise<void> {
    for (const hash of hashes) await this.appendTo(0, hash);
  }

  private async appendTo(n: number, hash: Hash): Promise<void> {
    const level = (this.levels[n] ??= { index: 0, hashes: [] });
    level.hashes.push(hash);
    if (level.hashes.length < tileWidth) return;
    const full = level.hashes.splice(0);
    await this.compare(tilePath(n, level.index++), full);
    await this.appendTo(n + 1, await rootOf(await completeSubtrees(full)));
  }

  // After the last leaf: compares the tiles at the edge and returns the root of all.
  async finish(): Promise<Hash> {
    const subtrees: Hash[] = [];
    for (const [n, { index, hashes }] of this.levels.entries()) {
      if (hashes.length === 0) continue;
      await this.compare(tilePath(n, index, hashes.length), hashes);
      subtrees.unshift(...(await completeSubtrees(hashes)));
    }
    return rootOf(subtrees);
  }

  private async compare(path: string, hashes: readonly Hash[]): Promise<void> {
    const served = await this.read(path);
    if (served === undefined) this.findings.add('tile_missing', path, 'the tile is missing');
    else if (!equal(served, concat(...hashes))) this.findings.add('tile_wrong', path, 'the tile is not what the entries make');
  }
}
