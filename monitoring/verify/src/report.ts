// What a verification found.

// What is wrong, for programs: stable names, the same as the other verifier's.
export type Fault =
  | 'entry_malformed' | 'entry_of_another_log' | 'entry_of_another_kind' | 'author_refused' | 'signature_wrong' | 'counter_skipped'
  | 'counter_reused' | 'counter_missing' | 'key_reused' | 'anchor_wrong' | 'subject_map_wrong' | 'countersign_wrong' | 'bundle_missing' | 'bundle_malformed' | 'tile_missing' | 'tile_wrong' | 'root_wrong'
  | 'frozen' | 'not_admitted' | 'log_key_wrong' | 'more';

// One discrepancy. `position` is what a person can look up: "leaf 17", "tile/0/000", "checkpoint size 40".
export interface Finding {
  origin: string;
  position: string;
  message: string;
  fault: Fault;
}

// Findings of one log, with a limit so that one fault early in a large log stays readable.
export class Findings {
  private readonly ofLog: Finding[] = [];
  private readonly found: Finding[] = [];
  private more = 0;
  readonly origin: string;
  private readonly findingsMax: number;

  constructor(origin: string, findingsMax = 200) {
    this.origin = origin;
    this.findingsMax = findingsMax;
  }

  add(fault: Fault, position: string, message: string): void {
    if (this.found.length < this.findingsMax) this.found.push({ origin: this.origin, position, message, fault });
    else this.more++;
  }

  // Of the log as a whole, not of an entry: listed first, however many others there are.
  addOfLog(fault: Fault, position: string, message: string): void {
    if (this.ofLog.length < this.findingsMax) this.ofLog.push({ origin: this.origin, position, message, fault });
  }

  // In order of discovery; past the limit one last line says how many more there were.
  list(): Finding[] {
    const last: Finding = { origin: this.origin, position: 'log', message: `${this.more} more findings are not shown`, fault: 'more' };
    return [...this.ofLog, ...this.found, ...(this.more > 0 ? [last] : [])];
  }
}

export interface VerifiedLog {
  // Its short name as admitted; "governance" for the governance log, "" when it was not admitted.
  tenant: string;
  origin: string;
  size: bigint;
  // See Believed.
  witnessedAt: bigint | undefined;
}

export interface Report {
  logs: VerifiedLog[];
  findings: Finding[];
}

// RFC 3339; the seconds alone where the calendar ends.
export function timeText(seconds: bigint): string {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds}` : date.toISOString().replace('.000Z', '+00:00');
}

// Why a checkpoint is too old that a quorum last cosigned at `witnessedAt`; undefined when it is not. All in seconds.
export function judgeAge(witnessedAt: bigint | undefined, maxAge: number, now: number): string | undefined {
  if (witnessedAt === undefined) return `no quorum says when it cosigned it, which --max-age ${maxAge}s wants to know`;
  if (now - Number(witnessedAt) <= maxAge) return undefined;
  return `its quorum last cosigned it at ${timeText(witnessedAt)}, more than ${maxAge}s ago: the log is frozen, or this is an old state of it`;
}

// The report with a finding more for each log whose newest witnessed checkpoint is too old. A log without entries has none.
export function judgeAges(report: Report, maxAge: number, now: number): Report {
  const old = report.logs.flatMap(({ origin, size, witnessedAt }): Finding[] => {
    const message = size === 0n ? undefined : judgeAge(witnessedAt, maxAge, now);
    return message === undefined ? [] : [{ origin, position: `checkpoint size ${size}`, message, fault: 'frozen' }];
  });
  return { logs: report.logs, findings: [...report.findings, ...old] };
}
