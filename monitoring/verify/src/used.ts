// Which counters and idempotency keys each author has used in a log. What is kept of an entry is its idempotency key: the one thing
// an audit's memory grows with.
import { latin1 } from './bytes.ts';

export class Used {
  // By author: every counter up to `through` was used, and those in `later`.
  private readonly counters = new Map<string, { through: bigint; later: Set<bigint> }>();
  // By author and first byte, since a Set holds 2^24 values at most.
  private readonly keys = new Map<string, Set<string>>();

  // False when it was used before.
  addCounter(author: string, counter: bigint): boolean {
    let used = this.counters.get(author);
    if (used === undefined) this.counters.set(author, (used = { through: 0n, later: new Set() }));
    if (counter <= used.through || used.later.has(counter)) return false;
    used.later.add(counter);
    while (used.later.delete(used.through + 1n)) used.through++;
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
