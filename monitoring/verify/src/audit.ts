// Judges the entries of a log one by one. Who is believed: the witnessed checkpoint of the governance log, under a policy that the
// reader holds. That log's first entry enrols the custodian's author key and is signed by it; every later one is judged by the
// roster that the entries before it make. An entry of a partition is judged by the roster at the last anchor before it; an anchor
// by the roster at the position that it names itself, which must be one of the governance log and never go back. What an author
// claims decides nothing.
import { equal, hex, Refused } from './bytes.ts';
import { CountersignAudit } from './countersign.ts';
import { batchRoot, kindName, type Leaf, parseLeaf, verifyAuthor } from './entry.ts';
import type { Anchor, Entry } from './generated/ledger/entry_pb.js';
import { parseNote } from './note.ts';
import type { Believed, Policy } from './policy.ts';
import type { Fault, Findings } from './report.ts';
import { foundingKey, Governance, isGovernanceKind, Roster, RosterCursor } from './roster.ts';
import type { PublicKey } from './signature.ts';
import { Subjects } from './subjects.ts';
import { decodeBundle, type Read, TileComparison, tilePath, tileWidth } from './tiles.ts';
import { type Hash, leafHash, type nodeHash, rememberingNodeHash } from './tree.ts';
import { Used } from './used.ts';

// What differs between the governance log and a partition: who may write the next entry.
interface Authority {
  readonly governs: boolean;
  custodian(): string | undefined;
  // Before the entry's author is judged: what the entry itself moves. Messages of what is wrong with it.
  prepare(entry: Entry): Promise<string[]>;
  // The key that the entry's author must have signed with; Refused when the author may not write it.
  keyFor(leaf: Leaf): Promise<PublicKey>;
  // Afterwards: undefined when the entry was not to be believed. Messages of what it says against admissions before it.
  accept(entry: Entry | undefined, hash: Hash): Promise<string[]>;
}

class GovernanceAuthority implements Authority {
  readonly governs = true;
  readonly governance = new Governance();
  private readonly roster = new Roster();

  custodian(): string | undefined {
    return this.governance.custodian;
  }

  async prepare(): Promise<string[]> {
    return [];
  }

  async keyFor({ entry, signed }: Leaf): Promise<PublicKey> {
    return this.governance.tree.size === 0n ? foundingKey(entry, signed.keyId) : this.roster.keyFor(entry, signed.keyId);
  }

  async accept(entry: Entry | undefined, hash: Hash): Promise<string[]> {
    await this.governance.append(entry, hash);
    if (entry?.clear.case === 'rosterChanged') await this.roster.apply(entry.clear.value);
    if (entry?.clear.case !== 'tenantAdmitted') return [];
    const { origin, logVkey, tenantId } = entry.clear.value;
    const counts = this.governance.admitted.get(origin);
    const same = counts?.logVkey === logVkey && counts.tenantId === tenantId;
    return same ? [] : [`an earlier admission of ${origin} names another key or tenant`];
  }
}

class PartitionAuthority implements Authority {
  readonly governs = false;
  // An anchor named a governance log longer than the one given.
  governanceIsBehind = false;
  private anchored = 0n;
  private readonly cursor: RosterCursor;
  private readonly governance: Governance;

  constructor(governance: Governance) {
    this.governance = governance;
    this.cursor = new RosterCursor(governance);
  }

  custodian(): string | undefined {
    return this.governance.custodian;
  }

  async prepare(entry: Entry): Promise<string[]> {
    return entry.clear.case === 'anchor' ? this.move(entry.clear.value) : [];
  }

  private async move({ governanceSize: size, governanceRoot }: Anchor): Promise<string[]> {
    if (size < this.anchored) return [`the anchor goes back to governance size ${size} from ${this.anchored}`];
    const root = await this.governance.tree.rootAt(size);
    if (root === undefined) {
      this.governanceIsBehind = true;
      return [`the anchor names governance size ${size}; that log has ${this.governance.tree.size} entries`];
    }
    if (!equal(root, governanceRoot)) return [`the anchor names another root than the governance log has at size ${size}`];
    this.anchored = size;
    await this.cursor.moveTo(size);
    return [];
  }

  async keyFor({ entry, signed }: Leaf): Promise<PublicKey> {
    if (this.anchored === 0n) throw new Refused('no anchor before this entry says who may write');
    if ((entry.clear.case === 'countersigned' || entry.clear.case === 'disputed') && entry.author === this.custodian())
      throw new Refused("the custodian says for a tenant what the tenant's systems sent");
    return this.cursor.roster.keyFor(entry, signed.keyId);
  }

  async accept(): Promise<string[]> {
    return [];
  }
}

// A leaf and what can be computed before its turn comes.
interface Arrived {
  hash: Hash;
  leaf: Leaf | Refused;
  batchRoot: Hash | Refused;
}

class LogAuditor {
  private index = 0n;
  private custodianCounter = 0n;
  private readonly used = new Used();
  private readonly subjects = new Subjects();
  private readonly countersigned = new CountersignAudit();
  // The largest time of an entry of the custodian's, Unix milliseconds: the log's own time.
  private logMs = 0;
  // The batch whose signature was verified last: all leaves of a batch share it.
  private verified = '';
  private readonly findings: Findings;
  private readonly authority: Authority;

  constructor(findings: Findings, authority: Authority) {
    this.findings = findings;
    this.authority = authority;
  }

  // The next leaves, in order; their hashes.
  async add(leaves: readonly Uint8Array[]): Promise<Hash[]> {
    const parentOf = rememberingNodeHash();
    const arrived = await Promise.all(leaves.map((leaf) => arrive(leaf, parentOf)));
    for (const leaf of arrived) await this.judge(leaf);
    return arrived.map(({ hash }) => hash);
  }

  private async judge({ hash, leaf, batchRoot }: Arrived): Promise<void> {
    const believed = leaf instanceof Refused ? this.report('entry_malformed', leaf.message) : await this.isAllowed(leaf, batchRoot);
    // The governance log is about nobody.
    if (!this.authority.governs && !(leaf instanceof Refused))
      for (const message of await this.countersigned.check(leaf.entry)) this.report('countersign_wrong', message);
    if (!this.authority.governs)
      for (const message of await this.subjects.add(this.index, leaf instanceof Refused ? undefined : leaf.entry)) this.report('subject_map_wrong', message);
    if (!this.authority.governs) await this.countersigned.append(hash);
    for (const message of await this.authority.accept(believed && !(leaf instanceof Refused) ? leaf.entry : undefined, hash)) this.report('log_key_wrong', message);
    this.index++;
  }

  private report(fault: Fault, message: string): false {
    this.findings.add(fault, `leaf ${this.index}`, message);
    return false;
  }

  // Whether the author may have written it, whatever else is wrong.
  private async isAllowed(leaf: Leaf, batchRoot: Hash | Refused): Promise<boolean> {
    const { entry } = leaf;
    if (entry.origin !== this.findings.origin) this.report('entry_of_another_log', `the entry is of another log: ${entry.origin}`);
    if (isGovernanceKind(entry.kind) !== this.authority.governs) this.report('entry_of_another_kind', `${kindName(entry.kind)} does not belong on this log`);
    for (const message of await this.authority.prepare(entry)) this.report('anchor_wrong', message);
    const allowed = await this.isByItsAuthor(leaf, batchRoot);
    this.count(entry, allowed);
    return allowed;
  }

  private async isByItsAuthor(leaf: Leaf, batchRoot: Hash | Refused): Promise<boolean> {
    const key = await orRefused(this.authority.keyFor(leaf));
    if (key instanceof Refused) return this.report('author_refused', key.message);
    const signature = await orRefused(this.verifySignature(leaf, batchRoot, key));
    return signature instanceof Refused ? this.report('signature_wrong', signature.message) : true;
  }

  private async verifySignature(leaf: Leaf, root: Hash | Refused, key: PublicKey): Promise<void> {
    if (root instanceof Refused) throw root;
    const { signed } = leaf;
    const batch = [signed.keyId, root, signed.signature].map(hex).join() + `,${signed.batchSize},${signed.algorithm}`;
    if (batch === this.verified) return;
    await verifyAuthor(this.findings.origin, signed, root, key);
    this.verified = batch;
  }

  // Counters that authors left out, as of the last leaf: no finding of a leaf, for a later one may still bring them.
  reportMissing(): void {
    if (this.authority.governs) return;
    for (const position of this.used.missing(this.logMs))
      this.findings.addOfLog('counter_missing', position, 'later ones of this author are in the log for more than 60 s: an entry was left out, or its author lost count (a VOID entry closes them)');
  }

  private count({ author, counter, idempotencyKey, time }: Entry, allowed: boolean): void {
    // The governance log's first entry makes its author the custodian.
    if ((this.authority.governs && this.index === 0n) || author === this.authority.custodian()) {
      if (counter !== this.custodianCounter + 1n) this.report('counter_skipped', `counter ${counter} follows ${this.custodianCounter} of the same author`);
      this.custodianCounter = counter;
      if (time !== undefined) this.logMs = Math.max(this.logMs, Number(time.seconds) * 1000 + time.nanos / 1e6);
    } else if (allowed && !this.used.addCounter(author, counter, this.logMs)) {
      // Of those who may write only: what is kept must not grow by names that somebody made up.
      this.report('counter_reused', `counter ${counter} of this author was used before`);
    }
    if (!this.used.addIdempotencyKey(author, idempotencyKey)) this.report('key_reused', 'the idempotency key of this author was used before');
  }
}

async function arrive(bytes: Uint8Array, parentOf: typeof nodeHash): Promise<Arrived> {
  const [hash, leaf] = await Promise.all([leafHash(bytes), orRefused(parseLeaf(bytes))]);
  return { hash, leaf, batchRoot: leaf instanceof Refused ? leaf : await orRefused(batchRoot(leaf.signed, parentOf)) };
}

async function orRefused<T>(result: Promise<T>): Promise<T | Refused> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
}

export interface AuditedLog {
  checkpoint: Believed;
  // Of the governance log: what judging other logs needs.
  governance: Governance;
  governanceIsBehind: boolean;
}

// Audits the log of `findings.origin` as served: its newest checkpoint under `policy`, all tiles, all entries. Without
// `governance` it is the governance log. Discrepancies go to `findings`; Refused when there is no checkpoint to believe, so that
// nothing else could be judged.
export async function auditLog(policy: Policy, governance: Governance | undefined, read: Read, findings: Findings): Promise<AuditedLog> {
  const checkpoint = await believedCheckpoint(policy, read, findings.origin);
  const own = new GovernanceAuthority();
  const partition = governance && new PartitionAuthority(governance);
  const auditor = new LogAuditor(findings, partition ?? own);
  const tiles = new TileComparison(read, findings);
  const result = () => {
    auditor.reportMissing();
    return { checkpoint, governance: own.governance, governanceIsBehind: partition?.governanceIsBehind ?? false };
  };
  // One bundle after the other: a log of any length fits, and one that claims more entries than it serves ends at the first it lacks.
  for (let first = 0n; first < checkpoint.size; first += BigInt(tileWidth)) {
    const left = checkpoint.size - first;
    const width = left < tileWidth ? Number(left) : tileWidth;
    const leaves = await readBundle(read, tilePath('entries', Number(first) / tileWidth, width), width, findings);
    if (leaves === undefined) return result();
    await tiles.append(await auditor.add(leaves));
  }
  if (!equal(await tiles.finish(), checkpoint.root))
    findings.add('root_wrong', `checkpoint size ${checkpoint.size}`, 'the entries make another root than the checkpoint signs');
  return result();
}

export async function believedCheckpoint(policy: Policy, read: Read, origin: string): Promise<Believed> {
  const bytes = await read('checkpoint');
  if (bytes === undefined) throw new Refused(`${origin} has no checkpoint`);
  const checkpoint = await policy.believe(parseNote(bytes));
  if (checkpoint.origin !== origin) throw new Refused(`the checkpoint is of ${checkpoint.origin}, not of ${origin}`);
  return checkpoint;
}

// Undefined, and a finding, when the bundle is not there or is not one of `width` entries.
async function readBundle(read: Read, path: string, width: number, findings: Findings): Promise<Uint8Array[] | undefined> {
  const bytes = await read(path);
  if (bytes === undefined) {
    findings.add('bundle_missing', path, 'the bundle is missing');
    return undefined;
  }
  try {
    const leaves = decodeBundle(bytes);
    if (leaves.length !== width) throw new Refused(`the bundle has ${leaves.length} entries, not ${width}`);
    return leaves;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    findings.add('bundle_malformed', path, error.message);
    return undefined;
  }
}
