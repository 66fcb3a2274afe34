// Verifies a served log: the governance log first, which says who may write, then the log itself.
import { auditLog } from './audit.ts';
import { Refused } from './bytes.ts';
import { parseLeaf } from './entry.ts';
import type { TenantAdmitted } from './generated/ledger/entry_pb.js';
import { type Checkpoint, parseCheckpoint, parseNote, parseVerifierKey } from './note.ts';
import type { Policy } from './policy.ts';
import { type JudgedPromise, judgePromise, type SignedPromise, verifyPromiseSignature } from './promise.ts';
import { Findings, type Report } from './report.ts';
import { decodeBundle, type Read, tilePath, tileWidth } from './tiles.ts';

// Reads below the prefix of a log's tiles.
export type Open = (prefix: string) => Read;

const roundsMax = 10;

// Refused when there is nothing to believe; what else is wrong is in the report. `waitMs` lies between rounds: an anchor may name
// governance entries that came after our reading of that log, then both are read again.
export async function verifyTiles(policy: Policy, prefix: string, open: Open, waitMs = 1000): Promise<Report> {
  const read = open(prefix);
  const claimed = await claimedCheckpoint(read);
  const governance = (await isGovernance(read, claimed.size)) ? { origin: claimed.origin, read } : await findGovernance(policy, open);
  for (let round = 1; ; round++) {
    const { report, governanceIsBehind } = await verifyOnce(policy, claimed.origin, read, governance);
    if (!governanceIsBehind || round === roundsMax) return report;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

// Whether a promise was kept, by its log as served at `prefix`. `now` in Unix milliseconds. Refused when it proves nothing, or cannot be judged.
export async function verifyPromise(promise: SignedPromise, policy: Policy, prefix: string, open: Open, now: number): Promise<JudgedPromise> {
  const read = open(prefix);
  const { origin } = promise.promised;
  const claimed = await claimedCheckpoint(read);
  if (claimed.origin !== origin) throw new Refused(`the promise is of ${origin}, the tiles are of ${claimed.origin}`);
  const governance = (await isGovernance(read, claimed.size)) ? { origin, read } : await findGovernance(policy, open);
  const findings = new Findings(governance.origin);
  const governed = await auditLog(policy, undefined, governance.read, findings);
  const wrong = findings.list()[0];
  if (wrong !== undefined) throw new Refused(`the governance log does not verify, so that nobody's key is known: ${wrong.position}: ${wrong.message}`);
  await verifyPromiseSignature(promise, governed.governance);
  const admitted = governed.governance.admitted.get(origin);
  return judgePromise(promise.promised, admitted === undefined ? policy : await withAdmittedKey(policy, admitted, new Findings(origin)), read, now);
}

interface Served {
  origin: string;
  read: Read;
}

async function verifyOnce(policy: Policy, origin: string, read: Read, governance: Served) {
  const governanceFindings = new Findings(governance.origin);
  const governed = await auditLog(policy, undefined, governance.read, governanceFindings);
  const logs = [{ tenant: 'governance', origin: governance.origin, size: governed.checkpoint.size, witnessedAt: governed.checkpoint.witnessedAt }];
  if (origin === governance.origin) return { report: { logs, findings: governanceFindings.list() }, governanceIsBehind: false };

  const findings = new Findings(origin);
  const admitted = governed.governance.admitted.get(origin);
  if (admitted === undefined) findings.add('not_admitted', 'log', 'the governance log has admitted no tenant with this log');
  const extended = admitted === undefined ? policy : await withAdmittedKey(policy, admitted, findings);
  const audited = await auditLog(extended, governed.governance, read, findings);
  logs.push({ tenant: admitted?.name ?? '', origin, size: audited.checkpoint.size, witnessedAt: audited.checkpoint.witnessedAt });
  return { report: { logs, findings: [...governanceFindings.list(), ...findings.list()] }, governanceIsBehind: audited.governanceIsBehind };
}

// The policy with the key that the governance log admitted the log with; what the reader's own file says has precedence.
async function withAdmittedKey(policy: Policy, admitted: TenantAdmitted, findings: Findings): Promise<Policy> {
  try {
    return policy.withLog(await parseVerifierKey(admitted.logVkey));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    findings.add('log_key_wrong', 'verifier key', `the key that the governance log admitted: ${error.message}`);
    return policy;
  }
}

// What a log says of itself, to be verified later.
async function claimedCheckpoint(read: Read): Promise<Checkpoint> {
  const bytes = await read('checkpoint');
  if (bytes === undefined) throw new Refused('there is no checkpoint; give the prefix of a log');
  return parseCheckpoint(parseNote(bytes).text);
}

// A governance log begins with a ROSTER_CHANGED; no other log has one.
async function isGovernance(read: Read, size: bigint): Promise<boolean> {
  if (size === 0n) return false;
  try {
    const bundle = await read(tilePath('entries', 0, size < tileWidth ? Number(size) : tileWidth));
    const first = bundle && decodeBundle(bundle)[0];
    return first !== undefined && (await parseLeaf(first)).entry.clear.case === 'rosterChanged';
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}

async function findGovernance(policy: Policy, open: Open): Promise<Served> {
  for (const { key, url } of policy.logs) {
    if (url === undefined) continue;
    const read = open(url);
    try {
      const { origin, size } = await claimedCheckpoint(read);
      if (origin === key.name && (await isGovernance(read, size))) return { origin, read };
    } catch {
      // A log of the policy that does not answer is no governance log to us; the next may be.
    }
  }
  throw new Refused('the policy names no governance log that can be read; add: log <its vkey> <its tiles URL>');
}
