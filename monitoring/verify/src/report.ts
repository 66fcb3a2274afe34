// What a verification found.

// One discrepancy. `position` is what a person can look up: "leaf 17", "tile/0/000", "checkpoint size 40".
export interface Finding {
  origin: string;
  position: string;
  message: string;
}

// Findings of one log, with a limit so that one fault early in a large log stays readable.
export class Findings {
  private readonly found: Finding[] = [];
  private more = 0;
  readonly origin: string;
  private readonly findingsMax: number;

  constructor(origin: string, findingsMax = 200) {
    this.origin = origin;
    this.findingsMax = findingsMax;
  }

  add(position: string, message: string): void {
    if (this.found.length < this.findingsMax) this.found.push({ origin: this.origin, position, message });
    else this.more++;
  }

  // In order of discovery; past the limit one last line says how many more there were.
  list(): Finding[] {
    const last = { origin: this.origin, position: 'log', message: `${this.more} more findings are not shown` };
    return this.more > 0 ? [...this.found, last] : [...this.found];
  }
}

export interface VerifiedLog {
  // Its short name as admitted; "governance" for the governance log, "" when it was not admitted.
  tenant: string;
  origin: string;
  size: bigint;
}

export interface Report {
  logs: VerifiedLog[];
  findings: Finding[];
}
