// What `custodian verify` takes of memory and time for a log of any length: makes honest logs of the sizes given, serves each from a
// folder and verifies it, whole and then resumed.
//   node large.mjs CUSTODIAN WORK SIZE... [--jobs N]
// Prints a line a run: entries, judged from, peak resident memory (MiB, GNU time), seconds.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleOf, leafHash, leavesOf, rootOf, signedNote } from '../verify_agreement/made_log.mjs';
import { Sides } from '../verify_agreement/sides.mjs';
import { anchorOf, by, consent, governanceBatches, keys, origins, policyText, serve } from '../verify_agreement/world.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { jobs: { type: 'string', default: '2' } } });
const [custodian, work, ...sizes] = positionals;
if (sizes.length === 0) {
  console.error('usage: node large.mjs CUSTODIAN WORK SIZE... [--jobs N]');
  process.exit(2);
}
const perBatch = 16;
const governance = governanceBatches();
const group = (index) => String(index).padStart(Math.ceil(String(index).length / 3) * 3, '0').match(/.{3}/g).map((g, i, all) => (i < all.length - 1 ? `x${g}` : g)).join('/');

// One log that grows: its entries, then the checkpoint of each size. Batches of the custodian and of a tenant's node take turns.
class GrowingLog {
  hashes = [];
  edge = [];
  counters = [0n, 0n];

  constructor(folder) {
    rmSync(folder, { recursive: true, force: true });
    this.folder = folder;
  }

  write(path, bytes) {
    mkdirSync(dirname(`${this.folder}/${path}`), { recursive: true });
    writeFileSync(`${this.folder}/${path}`, bytes);
  }

  batch(count) {
    const side = this.hashes.length % 2;
    const number = (i) => [[4, this.counters[side] + BigInt(i) + 1n], [6, createHash('sha256').update(`${this.hashes.length + i}`).digest()]];
    const entries = this.hashes.length === 0 ? [[...anchorOf(governance), ...number(0)]] : Array.from({ length: count }, (_, i) => [...(side ? consent() : [[2, 2]]), ...number(i)]);
    this.counters[side] += BigInt(entries.length);
    return leavesOf(origins.a, [by(side ? keys.tenant : keys.custodian, ...entries)]);
  }

  growTo(size) {
    while (this.hashes.length < size) {
      // An odd number of entries each, so that the two sides take turns.
      for (const leaf of this.batch(Math.min(perBatch - 1, size - this.hashes.length))) {
        this.hashes.push(leafHash(leaf));
        this.edge.push(leaf);
        if (this.edge.length < 256) continue;
        this.write(`tile/entries/${group(this.hashes.length / 256 - 1)}`, bundleOf(this.edge.splice(0)));
      }
    }
    if (this.edge.length > 0) this.write(`tile/entries/${group(Math.floor(size / 256))}.p/${this.edge.length}`, bundleOf(this.edge));
    for (let level = 0, all = this.hashes; all.length > 0; level++) {
      for (let at = 0; at < all.length; at += 256) {
        const some = all.slice(at, at + 256);
        this.write(`tile/${level}/${group(at / 256)}${some.length < 256 ? `.p/${some.length}` : ''}`, Buffer.concat(some));
      }
      const below = all;
      all = Array.from({ length: Math.floor(below.length / 256) }, (_, i) => rootOf(below.slice(256 * i, 256 * i + 256)));
    }
    this.write('checkpoint', Buffer.from(signedNote(`${origins.a}\n${size}\n${rootOf(this.hashes).toString('base64')}\n`, keys.logs.a, ...keys.witnesses)));
  }
}

mkdirSync(work, { recursive: true });
const sides = new Sides(custodian, work);
await sides.start();
const log = new GrowingLog(`${work}/log`);
const files = { get: (path) => (existsSync(`${log.folder}/${path}`) ? readFileSync(`${log.folder}/${path}`) : undefined) };
const place = sides.place({ governance: serve({}).governance, a: files }, policyText, 'a');
const run = (what) => new Promise((resolve, reject) => {
  execFile('/usr/bin/time', ['-f', '%M %e', custodian, 'verify', '--json', '--jobs', values.jobs, ...place.args, ...what], { maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
    if (error !== null) return reject(new Error(`${stdout}${stderr}`));
    const [kilobytes, seconds] = stderr.trim().split('\n').pop().split(' ');
    resolve({ ...JSON.parse(stdout).logs[1], mebibytes: Math.round(kilobytes / 1024), seconds: Number(seconds) });
  });
});
const state = `${work}/large.state`;
for (const suffix of ['', '.part', '.keys']) rmSync(state + suffix, { force: true });
for (const size of sizes.map(Number)) {
  log.growTo(size);
  for (const [how, what] of [['whole', []], ['with a state', ['--state', state]]]) {
    const { judged_from: from = 0, mebibytes, seconds } = await run(what);
    console.log(`${size} entries, ${how}: judged from ${from}, ${mebibytes} MiB, ${seconds} s, ${Math.round((size - from) / seconds)} entries/s`);
  }
}
sides.stop();
