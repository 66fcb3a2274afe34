// Reports and verified receipts for people, and as the JSON that `custodian verify --json` prints.
import { hex } from './bytes.ts';
import { kindName, type Leaf } from './entry.ts';
import { isBroken, type JudgedPromise } from './promise.ts';
import type { VerifiedReceipt } from './receipt.ts';
import { type Report, timeText } from './report.ts';
import { listedAsOf, type VerifiedSubjectList } from './subject_list.ts';

// Numbers past 2^53 are written whole.
function json(value: unknown): string {
  return JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? `\u0001${item}\u0001` : item)).replace(/"\\u0001(\d+)\\u0001"/g, '$1');
}

function tenantOf(report: Report, origin: string): string {
  return report.logs.find((log) => log.origin === origin)?.tenant ?? '';
}

export function reportJson(report: Report): string {
  return json({
    ok: report.findings.length === 0,
    logs: report.logs.map(({ tenant, origin, size, witnessedAt }) => ({
      tenant, origin, size, witnessed_size: size, ...(witnessedAt === undefined ? {} : { witnessed_at: timeText(witnessedAt) }),
    })),
    findings: report.findings.map((finding) => ({ tenant: tenantOf(report, finding.origin), ...finding })),
  });
}

export function reportLines(report: Report): string[] {
  const logs = report.logs.map(({ tenant, origin, size }) => `${tenant.padEnd(14)} ${origin}  ${size} entries, all witnessed`);
  const findings = report.findings.map(({ origin, position, message }) => {
    const tenant = tenantOf(report, origin);
    return `${origin}${tenant === '' ? '' : ` (${tenant})`}: ${position}: ${message}`;
  });
  return [...logs, ...findings, findings.length === 0 ? 'verified' : `not verified: ${findings.length} discrepancies`];
}

function timeOf({ entry: { time } }: Leaf): string {
  return time === undefined ? '' : new Date(Number(time.seconds) * 1000 + time.nanos / 1e6).toISOString();
}

export function receiptJson(receipt: VerifiedReceipt): string {
  const { checkpoint, index, leaf } = receipt;
  return json({ ok: true, origin: checkpoint.origin, index, size: checkpoint.size, kind: kindName(leaf.entry.kind), time: timeOf(leaf) });
}

export function receiptLine(receipt: VerifiedReceipt): string {
  const { checkpoint, index, leaf } = receipt;
  return `verified: leaf ${index} of ${checkpoint.origin}, ${kindName(leaf.entry.kind)} at ${timeOf(leaf)}, witnessed at size ${checkpoint.size}`;
}

export function promiseJson({ promised, checkpoint, verdict }: JudgedPromise): string {
  const broken = isBroken(verdict);
  return json({
    ok: !broken, verdict: broken ? 'broken' : verdict, ...(broken ? { proof: verdict } : {}), origin: promised.origin, first_index: promised.first, count: promised.count,
    witnessed_by: new Date(Number(promised.witnessedBy)).toISOString(), size: checkpoint.size,
    ...(checkpoint.witnessedAt === undefined ? {} : { witnessed_at: timeText(checkpoint.witnessedAt) }),
  });
}

export function promiseLine({ promised, checkpoint, verdict }: JudgedPromise): string {
  const entries = `entries ${promised.first} to ${promised.first + promised.count - 1n} of ${promised.origin}`;
  const by = `by ${new Date(Number(promised.witnessedBy)).toISOString()}`;
  const newest = `the checkpoint of size ${checkpoint.size}${checkpoint.witnessedAt === undefined ? '' : `, cosigned at ${timeText(checkpoint.witnessedAt)},`}`;
  switch (verdict) {
    case 'kept': return `kept: ${newest} covers ${entries}`;
    case 'not_due': return `not due yet: ${entries} are to be witnessed ${by}`;
    case 'other_leaves': return `the promise is broken: ${newest} has other leaves than were promised at ${entries}`;
    case 'not_covered': return `the promise is broken: ${newest} lacks ${entries}, promised ${by}`;
    case 'nothing_newer':
      return `the promise is broken: ${entries} were promised ${by}, and no checkpoint that was cosigned since is shown; ${newest} is the newest (ask a witness or a mirror for a newer one: to others this proves nothing)`;
  }
}

const timeOfMs = (milliseconds: bigint): string => new Date(Number(milliseconds)).toISOString();

function coverage(verified: VerifiedSubjectList): string {
  return `covered up to entry ${verified.covered} of ${verified.checkpoint.size}, as of ${timeOfMs(listedAsOf(verified))}`;
}

// `compared`: whether somebody said whose list it must be, and of which log.
export function subjectListJson(verified: VerifiedSubjectList, compared: { subject: boolean; origin: boolean }): string {
  const { subject, checkpoint, covered, mapIndex, coveredAt, entries } = verified;
  return json({
    ok: true, subject: hex(subject), subject_compared: compared.subject, origin: checkpoint.origin, origin_compared: compared.origin, size: checkpoint.size, complete_to: covered,
    as_of: timeOfMs(listedAsOf(verified)), coverage: coverage(verified), map_index: mapIndex, map_time: timeOfMs(coveredAt),
    entries: entries.map(({ index, leaf }) => ({ index, kind: kindName(leaf.entry.kind), time: timeOf(leaf) })),
  });
}

export function subjectListLines(verified: VerifiedSubjectList, compared: { subject: boolean; origin: boolean }): string[] {
  const { subject, checkpoint, covered, entries } = verified;
  return [
    ...entries.map(({ index, leaf }) => `leaf ${index}  ${kindName(leaf.entry.kind)} at ${timeOf(leaf)}`),
    coverage(verified),
    `verified: these ${entries.length} entries are everything that the first ${covered} entries of ${checkpoint.origin} hold on subject ${hex(subject)}, if its map is right; mirrors check it, and verify of the whole log`,
    ...(compared.subject ? [] : ['NOT compared: that this is the patient\'s subject']),
    ...(compared.origin ? [] : ['NOT compared: that this is the log that was asked for']),
  ];
}
