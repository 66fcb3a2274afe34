// What tenants' nodes say of reported entries, held against the log that it stands in: the root that a node signed must be the log's, the leaf
// that it disputes must be there. A disputed leaf further back than is kept is not judged.
import { equal } from './bytes.ts';
import type { Countersigned, Disputed, Entry } from './generated/ledger/entry_pb.js';
import { type Hash, nodeHash, rootOf } from './tree.ts';

// A range ends at most so many entries before the entry that countersigns it.
const lagMax = 16_384;

// Roots of complete subtrees, largest first, that grow leaf by leaf.
class Edge {
  size = 0;
  private subtrees: Hash[] = [];

  async append(hash: Hash): Promise<void> {
    let node = hash;
    for (let rest = this.size; rest % 2 === 1; rest = (rest - 1) / 2) node = await nodeHash(this.subtrees.pop() as Hash, node);
    this.subtrees.push(node);
    this.size++;
  }

  copy(): Edge {
    return Object.assign(new Edge(), { size: this.size, subtrees: [...this.subtrees] });
  }

  root(): Promise<Hash> {
    return rootOf(this.subtrees);
  }
}

export class CountersignAudit {
  // The leaves before `recent`, whose first `gone` are among them.
  private readonly before = new Edge();
  private recent: Hash[] = [];
  private gone = 0;
  // As of the last range that was checked.
  private checked = new Edge();

  // The next leaf of the log.
  async append(hash: Hash): Promise<void> {
    this.recent.push(hash);
    if (this.recent.length - this.gone > lagMax) await this.before.append(this.recent[this.gone++] as Hash);
    if (this.gone <= lagMax) return;
    this.recent = this.recent.slice(this.gone);
    this.gone = 0;
  }

  // What is wrong with the entry that is to be appended next.
  async check({ clear }: Entry): Promise<string[]> {
    if (clear.case === 'countersigned') return this.checkRange(clear.value);
    return clear.case === 'disputed' ? this.checkDispute(clear.value) : [];
  }

  private get size(): number {
    return this.before.size + this.recent.length - this.gone;
  }

  private leaf(index: number): Hash {
    return this.recent[this.gone + index - this.before.size] as Hash;
  }

  private async checkRange({ end: claimed, root }: Countersigned): Promise<string[]> {
    if (claimed > BigInt(this.size)) return [`it countersigns ${claimed} entries, and ${this.size} stand before it`];
    const end = Number(claimed);
    if (this.size - end > lagMax) return [`it countersigns up to entry ${end}, more than 16,384 entries before it`];
    if (this.checked.size < this.before.size || this.checked.size > end) this.checked = this.before.copy();
    while (this.checked.size < end) await this.checked.append(this.leaf(this.checked.size));
    return equal(root, await this.checked.root()) ? [] : [`it countersigns another root than the log has at size ${end}`];
  }

  private checkDispute({ index, leafHash }: Disputed): string[] {
    if (index >= BigInt(this.size)) return [`it disputes entry ${index}, and ${this.size} stand before it`];
    if (index < BigInt(this.before.size) || equal(leafHash, this.leaf(Number(index)))) return [];
    return [`it disputes another entry than the log has at ${index}`];
  }
}
