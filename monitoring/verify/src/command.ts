// The command for Node: `verify`, with the options, output and exit codes of `custodian verify`.
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { hex } from './bytes.ts';
import {
  isBroken, judgeAge, judgeAges, judgeListAge, Policy, Refused, type Open, parsePromise, parseReceipt, parseSubjectList, type Read, verifyPromise, verifyReceipt, verifySubjectList, verifyTiles,
} from './index.ts';
import { promiseJson, promiseLine, receiptJson, receiptLine, reportJson, reportLines, subjectListJson, subjectListLines } from './show.ts';

const help = `Usage: verify --tiles URL --policy FILE [--ca FILE] [--cert FILE --key FILE] [--max-age TIME] [--json]
       verify --promise FILE --tiles URL --policy FILE [--ca FILE] [--cert FILE --key FILE] [--json]
       verify --receipt FILE --policy FILE [--max-age TIME] [--json]
       verify --subject-list FILE --policy FILE [--subject HEX] [--origin ORIGIN] [--max-age TIME] [--json]

Recomputes a log from its tiles, or checks a receipt, a promise or the list of a subject's entries, and believes nothing but the policy file. Exit 0: verified; 1: a discrepancy,
or nothing to believe; 2: wrong use.

  --tiles URL     prefix of a log's tiles: https://..., or file:///... for a copy on disk
  --receipt FILE  a tlog-proof file
  --promise FILE  the promise that an answer to an author carried: whether the log at --tiles keeps it
  --subject-list FILE
                  everything that a log holds on one subject, as an answer of /log/.../subject/ or Patient/$ledger-list carried it
  --subject HEX   whose list it must be, 32 hex digits; with --origin of which log
  --policy FILE   tlog-policy: logs, witnesses, quorum
  --ca FILE       the only CA of the server to believe, PEM (default: those of Node)
  --cert FILE     client certificate of an admitted reader, PEM
  --key FILE      its key, PEM
  --max-age TIME  how long ago a quorum may have cosigned the newest checkpoint, such as 2h, 90m or 30s: an older one is a log that
                  is frozen, or an old state of it that is shown to you
  --json          print JSON

Examples:
  verify --tiles https://127.0.0.1:8443/log/0123456789abcdef/ --policy policy --cert auditor.crt --key auditor.key --ca ca.crt
  verify --receipt entry.tlog-proof --policy policy
  verify --subject-list patient.list --subject 0123456789abcdef0123456789abcdef --policy policy --max-age 24h
`;

class WrongUse extends Error {}

// A full bundle of the longest leaves; nothing that is served may be longer.
const answerBytesMax = 256 * (2 + 65_535);
const timeoutMs = 30_000;

interface Tls {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
}

function opener(tls: Tls): Open {
  const agent = new Agent({ keepAlive: true, ...tls });
  return (prefix) => {
    const base = prefix.endsWith('/') ? prefix : `${prefix}/`;
    const { protocol } = new URL(base);
    if (protocol === 'file:') return (path) => readCopy(new URL(path, base));
    if (protocol === 'https:') return (path) => get(new URL(path, base), agent);
    throw new Error(`${prefix}: want https:// or file://`);
  };
}

async function readCopy(url: URL): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(fileURLToPath(url)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function get(url: URL, agent: Agent): ReturnType<Read> {
  return new Promise((resolve, reject) => {
    const fail = (message: string) => reject(new Error(`${url}: ${message}`));
    const call = request(url, { agent, timeout: timeoutMs }, (response) => {
      const { statusCode } = response;
      if (statusCode !== 200) {
        response.resume();
        if (statusCode === 404) resolve(undefined);
        else if (statusCode === 401 || statusCode === 403) fail('refused; give --cert and --key of an admitted reader of this log');
        else fail(`the server answered ${statusCode}`);
        return;
      }
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        if ((bytes += chunk.length) > answerBytesMax) call.destroy(new Error('the answer is too long'));
      });
      response.on('end', () => resolve(new Uint8Array(Buffer.concat(chunks))));
      response.on('error', (error) => fail(error.message));
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    call.on('error', (error) => fail(error.message));
    call.end();
  });
}

async function readFileNamed(option: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Error(`--${option}: ${(error as Error).message}`);
  }
}

function parseOptions() {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      options: { tiles: text, receipt: text, promise: text, 'subject-list': text, subject: text, origin: text, policy: text, ca: text, cert: text, key: text, 'max-age': text, json: flag, help: { ...flag, short: 'h' } },
    }).values;
  } catch (error) {
    throw new WrongUse((error as Error).message);
  }
}

const secondsOf: Record<string, number> = { h: 3600, m: 60, s: 1 };

// "1h30m" in seconds.
function parseAge(text: string): number {
  const seconds = [...text.matchAll(/(\d+(?:\.\d+)?)([hms])/g)].reduce((sum, [, number, unit]) => sum + Number(number) * (secondsOf[unit as string] as number), 0);
  if (!/^(\d+(\.\d+)?[hms])+$/.test(text) || seconds <= 0) throw new WrongUse('--max-age must be a time such as 2h, 90m or 30s');
  return seconds;
}

// True when everything fits.
async function run(): Promise<boolean> {
  const options = parseOptions();
  if (options.help) {
    process.stdout.write(help);
    return true;
  }
  if ([options.tiles, options.receipt, options['subject-list']].filter((each) => each !== undefined).length !== 1)
    throw new WrongUse('give one of --tiles URL, --receipt FILE and --subject-list FILE');
  if (options['subject-list'] === undefined && (options.subject !== undefined || options.origin !== undefined)) throw new WrongUse('--subject and --origin go with --subject-list FILE');
  if (options.subject !== undefined && !/^[0-9a-f]{32}$/i.test(options.subject)) throw new WrongUse('--subject must be the 32 hex digits of a subject');
  if (options.policy === undefined) throw new WrongUse('--policy FILE is needed: the logs, witnesses and quorum that you believe');
  if (options.promise !== undefined && (options.tiles === undefined || options['max-age'] !== undefined)) throw new WrongUse('--promise FILE goes with --tiles URL of its log, and without --max-age');
  const maxAge = options['max-age'] === undefined ? undefined : parseAge(options['max-age']);
  const policy = await Policy.parse(await readFileNamed('policy', options.policy));
  if (options.receipt !== undefined) {
    const verified = await verifyReceipt(parseReceipt(await readFileNamed('receipt', options.receipt)), policy);
    const old = maxAge === undefined ? undefined : judgeAge(verified.checkpoint.witnessedAt, maxAge, Date.now() / 1000);
    if (old !== undefined) throw new Refused(`the receipt is too old: ${old}`);
    console.log(options.json ? receiptJson(verified) : receiptLine(verified));
    return true;
  }
  if (options['subject-list'] !== undefined) {
    const verified = await verifySubjectList(parseSubjectList(await readFileNamed('subject-list', options['subject-list'])), policy);
    const { subject, origin } = options;
    if (subject !== undefined && hex(verified.subject) !== subject.toLowerCase()) throw new Refused(`the list is of subject ${hex(verified.subject)}, not of ${subject}`);
    if (origin !== undefined && verified.checkpoint.origin !== origin) throw new Refused(`the list is of ${verified.checkpoint.origin}, not of ${origin}`);
    const old = maxAge === undefined ? undefined : judgeListAge(verified, maxAge, Date.now() / 1000);
    if (old !== undefined) throw new Refused(`the list is too old: ${old}`);
    const compared = { subject: subject !== undefined, origin: origin !== undefined };
    console.log(options.json ? subjectListJson(verified, compared) : subjectListLines(verified, compared).join('\n'));
    return true;
  }
  const tls: Tls = {};
  for (const name of ['ca', 'cert', 'key'] as const) {
    const path = options[name];
    if (path !== undefined) tls[name] = await readFileNamed(name, path);
  }
  if (options.promise !== undefined) {
    const judged = await verifyPromise(parsePromise(await readFileNamed('promise', options.promise)), policy, options.tiles as string, opener(tls), Date.now());
    console.log(options.json ? promiseJson(judged) : promiseLine(judged));
    return !isBroken(judged.verdict);
  }
  const verified = await verifyTiles(policy, options.tiles as string, opener(tls));
  const report = maxAge === undefined ? verified : judgeAges(verified, maxAge, Date.now() / 1000);
  console.log(options.json ? reportJson(report) : reportLines(report).join('\n'));
  return report.findings.length === 0;
}

try {
  process.exitCode = (await run()) ? 0 : 1;
} catch (error) {
  const message = error instanceof Refused ? `not verified: ${error.message}` : (error as Error).message;
  console.error(`verify: ${message}${error instanceof WrongUse ? ' (see verify --help)' : ''}`);
  process.exitCode = error instanceof WrongUse ? 2 : 1;
}
// Kept connections would keep Node waiting.
process.exit();
