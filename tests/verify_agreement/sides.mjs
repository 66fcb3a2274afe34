// The two verifiers, asked the same: `custodian verify` as a process that fetches from a server here, and the TypeScript library in
// this process. A case is { name, policy, receipt }, { name, policy, list } or { name, policy(base), logs(), target: name of a log }, logs() being
// { name: path -> bytes }; with a `promise`, whether that log keeps it. With `maxAge`, in seconds, the checkpoints must be as fresh.
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import {
  isBroken, judgeAge, judgeAges, judgeListAge, parsePromise, Policy, parseReceipt, parseSubjectList, Refused, verifyPromise, verifyReceipt, verifySubjectList, verifyTiles,
} from '../../monitoring/verify/src/index.ts';

export class Sides {
  served = [];

  constructor(custodian, work) {
    Object.assign(this, { custodian, work, ca: `${work}/ca.crt` });
  }

  async start() {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${this.work}/ca.key`, '-out', this.ca,
      '-days', '2', '-subj', '/CN=agreement', '-addext', 'subjectAltName=IP:127.0.0.1'], { stdio: 'ignore' });
    const tls = { key: readFileSync(`${this.work}/ca.key`), cert: readFileSync(this.ca) };
    this.server = createServer(tls, (request, response) => {
      const bytes = this.find(request.url);
      // What a text stands for cannot be served now.
      if (typeof bytes === 'string') return response.writeHead(503).end();
      response.writeHead(bytes === undefined ? 404 : 200, { 'content-length': bytes?.length ?? 0 }).end(bytes);
    });
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `https://127.0.0.1:${this.server.address().port}`;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  // "/<case>/<log>/<path>".
  find(path) {
    const [, id, log, ...rest] = path.split('/');
    return this.served[id]?.[log]?.get(rest.join('/'));
  }

  // Serves logs ({ name: path -> bytes }) for several questions to the first verifier: its arguments for the log `target`, and a way to serve
  // others in their place.
  place(logs, policy, target) {
    const id = this.served.push(logs) - 1;
    const base = `${this.url}/${id}`;
    const file = `${this.work}/${id}.policy`;
    writeFileSync(file, Buffer.from(policy(base)));
    return {
      args: ['--tiles', `${base}/${target}/`, '--ca', this.ca, '--policy', file],
      serve: (others) => { this.served[id] = others; },
    };
  }

  // { custodian, typescript }: each { verdict: "accept" | "refuse" | what went wrong, positions: "<origin> <position> <fault>"[] or undefined }.
  async ask({ policy, receipt, list, promise, logs, target, maxAge }) {
    const id = this.served.push(logs?.() ?? {}) - 1;
    const base = `${this.url}/${id}`;
    const policyBytes = Buffer.from(typeof policy === 'function' ? policy(base) : policy);
    const prefix = `${base}/${target}/`;
    const files = { policy: `${this.work}/${id}.policy`, receipt: `${this.work}/${id}.receipt`, list: `${this.work}/${id}.list`, promise: `${this.work}/${id}.promise` };
    writeFileSync(files.policy, policyBytes);
    if (receipt !== undefined) writeFileSync(files.receipt, receipt);
    if (list !== undefined) writeFileSync(files.list, list);
    if (promise !== undefined) writeFileSync(files.promise, promise);
    const tiles = ['--tiles', prefix, '--ca', this.ca, ...(promise === undefined ? [] : ['--promise', files.promise])];
    const what = receipt !== undefined ? ['--receipt', files.receipt] : list !== undefined ? ['--subject-list', files.list] : tiles;
    const [custodian, typescript] = await Promise.all([
      this.askCustodian([...what, '--policy', files.policy, ...(maxAge === undefined ? [] : ['--max-age', `${maxAge}s`])]),
      this.askTypescript(policyBytes, { receipt, list, promise }, prefix, maxAge),
    ]);
    this.served[id] = undefined;
    return { custodian, typescript };
  }

  // Limited to 2 GiB and a minute, so that what a log claims cannot take the machine along.
  askCustodian(what) {
    const limited = ['--as=2147483648', this.custodian, 'verify', '--json', ...(what.includes('--tiles') && !what.includes('--jobs') ? ['--jobs', '2'] : []), ...what];
    return new Promise((resolve) => {
      execFile('prlimit', limited, { encoding: 'utf8', maxBuffer: 64 << 20, timeout: 60_000 }, (error, stdout, stderr) => {
        const code = error === null ? 0 : (error.code ?? error.signal);
        const why = stderr.trim().split('\n').pop();
        // An exception that nobody foresaw ends with 1, too.
        const verdict = why.includes('unexpected:') ? why : ({ 0: 'accept', 1: 'refuse' }[code] ?? `ended with ${code}`);
        const report = stdout.startsWith('{') ? JSON.parse(stdout) : undefined;
        const listed = report?.complete_to === undefined ? undefined : [`${report.complete_to} ${report.map_index} ${report.entries.map(({ index }) => index)}`];
        const positions = listed ?? (report?.verdict !== undefined ? [report.proof ?? report.verdict] : report?.findings && positionsOf(report.findings));
        resolve({ verdict, positions, why, report });
      });
    });
  }

  async askTypescript(policyBytes, { receipt, list, promise }, prefix, maxAge) {
    const now = Date.now() / 1000;
    try {
      const policy = await Policy.parse(policyBytes);
      if (receipt !== undefined) {
        const { checkpoint } = await verifyReceipt(parseReceipt(Buffer.from(receipt)), policy);
        const why = maxAge === undefined ? undefined : judgeAge(checkpoint.witnessedAt, maxAge, now);
        return { verdict: why === undefined ? 'accept' : 'refuse', why };
      }
      if (list !== undefined) {
        const verified = await verifySubjectList(parseSubjectList(Buffer.from(list)), policy);
        const why = maxAge === undefined ? undefined : judgeListAge(verified, maxAge, now);
        // What both say of it must be the same, too.
        return { verdict: why === undefined ? 'accept' : 'refuse', why, positions: [`${verified.covered} ${verified.mapIndex} ${verified.entries.map(({ index }) => index)}`] };
      }
      const open = (url) => {
        const { pathname } = new URL(url.endsWith('/') ? url : `${url}/`);
        return async (path) => this.find(pathname + path);
      };
      if (promise !== undefined) {
        const { verdict } = await verifyPromise(parsePromise(Buffer.from(promise)), policy, prefix, open, now * 1000);
        return { verdict: isBroken(verdict) ? 'refuse' : 'accept', positions: [verdict], why: verdict };
      }
      const report = await verifyTiles(policy, prefix, open, 0);
      const { findings } = maxAge === undefined ? report : judgeAges(report, maxAge, now);
      return { verdict: findings.length === 0 ? 'accept' : 'refuse', positions: positionsOf(findings), why: findings[0]?.message, report: { findings } };
    } catch (error) {
      return { verdict: error instanceof Refused ? 'refuse' : `threw ${error.stack}`, why: error.message };
    }
  }
}

// Of a log with more findings than are kept only the first are compared, in their order: which is the last to be kept depends on how many stand at one position.
const COMPARED_MAX = 100;
function positionsOf(findings) {
  const cut = new Set(findings.filter(({ fault }) => fault === 'more').map(({ origin }) => origin));
  const positions = new Map();
  for (const { origin, position, fault } of findings) {
    if (!positions.has(origin)) positions.set(origin, new Set());
    positions.get(origin).add(`${origin} ${position} ${fault}`);
  }
  return [...positions].flatMap(([origin, each]) => [...each].slice(0, cut.has(origin) ? COMPARED_MAX : undefined)).sort();
}

// What the two do not agree on, or what both should have said; undefined when all is well.
export function disagreement({ custodian, typescript }, want) {
  const told = `custodian: ${custodian.verdict} (${custodian.why ?? ''}), typescript: ${typescript.verdict} (${typescript.why ?? ''})`;
  if (custodian.verdict !== typescript.verdict) return told;
  if (!['accept', 'refuse'].includes(custodian.verdict)) return told;
  if (want !== undefined && custodian.verdict !== want) return `both ${custodian.verdict}, wanted ${want}: ${told}`;
  const [one, other] = [custodian.positions, typescript.positions];
  if (one !== undefined && other !== undefined && one.join() !== other.join())
    return `positions differ: custodian ${one.join(', ') || 'none'}; typescript ${other.join(', ') || 'none'}`;
  return undefined;
}
