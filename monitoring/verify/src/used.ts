// Which counters and idempotency keys each author has used in a log. What is kept of an entry is its idempotency key: the one thing
// an audit's memory grows with.
import { latin1 } from './bytes.ts';

// Counters may come out of order within 1,024 (DESIGN, section 4).
const gapsMax = 1024;

export class Used {
  // By author: runs of counters used, [first, last], in order and apart. The first begins with 0, which is no counter. Of more gaps than
  // allowed the lowest is forgotten, and its numbers count as used.
  private readonly counters = new Map<string, [bigint, bigint][]>();
  // By author and first byte, since a Set holds 2^24 values at most.
  private readonly keys = new Map<string, Set<string>>();

  // False when it was used before.
  addCounter(author: string, counter: bigint): boolean {
    let runs = this.counters.get(author);
    if (runs === undefined) this.counters.set(author, (runs = [[0n, 0n]]));
    // Nearly always the last.
    let at = runs.length - 1;
    while ((runs[at] as [bigint, bigint])[0] > counter) at--;
    const [before, after] = [runs[at] as [bigint, bigint], runs[at + 1]];
    if (counter <= before[1]) return false;
    const follows = before[1] + 1n === counter;
    const precedes = after?.[0] === counter + 1n;
    if (follows && precedes) runs.splice(at, 2, [before[0], after[1]]);
    else if (follows) before[1] = counter;
    else if (precedes) after[0] = counter;
    else runs.splice(at + 1, 0, [counter, counter]);
    if (runs.length > gapsMax + 1) runs.splice(0, 2, [0n, (runs[1] as [bigint, bigint])[1]]);
    return true;
  }

  // False when it was used before.
  addIdempotencyKey(author: string, key: Uint8Array): boolean {
    const shard = `${key[0]} ${author}`;
    let used = this.keys.get(shard);
    if (used === undefined) this.keys.set(shard, (used = new Set()));
    const before = used.size;
    return used.add(latin1(key)).size > before;
  }
}
