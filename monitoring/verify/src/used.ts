// Which counters and idempotency keys each author has used in a log, and which numbers it left out. What is kept of an entry is its idempotency key: the one thing
// an audit's memory grows with.
import { latin1 } from './bytes.ts';

// Counters may come out of order within 1,024 (DESIGN, section 4).
const gapsMax = 1024;
// A number that stays away for longer, in milliseconds of the log's own time, is missing.
const gapMs = 60_000;

// Counters used without a gap; `since`: log time when the gap before them was first seen.
interface Run {
  first: bigint;
  last: bigint;
  since: number;
}

export class Used {
  // By author: runs of counters used, in order and apart. The first begins with 0, which is no counter. Of more gaps than
  // allowed the lowest is forgotten, and its numbers count as used.
  private readonly counters = new Map<string, Run[]>();
  // By author and first byte, since a Set holds 2^24 values at most.
  private readonly keys = new Map<string, Set<string>>();

  // False when it was used before. `logMs` is the log's time, that of the custodian's entries.
  addCounter(author: string, counter: bigint, logMs: number): boolean {
    let runs = this.counters.get(author);
    if (runs === undefined) this.counters.set(author, (runs = [{ first: 0n, last: 0n, since: 0 }]));
    // Nearly always the last.
    let at = runs.length - 1;
    while ((runs[at] as Run).first > counter) at--;
    const [before, after] = [runs[at] as Run, runs[at + 1]];
    if (counter <= before.last) return false;
    const follows = before.last + 1n === counter;
    const precedes = after?.first === counter + 1n;
    if (follows && precedes) runs.splice(at, 2, { ...before, last: after.last });
    else if (follows) before.last = counter;
    else if (precedes) after.first = counter;
    else runs.splice(at + 1, 0, { first: counter, last: counter, since: after?.since ?? logMs });
    if (runs.length > gapsMax + 1) runs.splice(0, 2, { first: 0n, last: (runs[1] as Run).last, since: 0 });
    return true;
  }

  // Numbers that were left out for more than a minute, as findings name them.
  missing(logMs: number): string[] {
    const late = (runs: Run[]) => runs.flatMap((run, at) => (at === 0 || logMs - run.since <= gapMs ? [] : [[(runs[at - 1] as Run).last + 1n, run.first - 1n] as const]));
    return [...this.counters].flatMap(([author, runs]) =>
      late(runs).map(([first, last]) => (first === last ? `counter ${first} of ${author}` : `counters ${first} to ${last} of ${author}`)));
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
