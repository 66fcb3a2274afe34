// What a tenant's log holds of its node: "index reason" of each dispute, or "first end" of each range, a line each, in the order of the log.
//   node tenants_word.mjs SUMMARY TENANT-INDEX disputed|countersigned
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { parseCheckpoint, parseLeaf, parseNote } from '../../monitoring/verify/src/index.ts';
import { decodeBundle, tilePath } from '../../monitoring/verify/src/tiles.ts';

const [summaryFile, index, what] = process.argv.slice(2);
const summary = JSON.parse(readFileSync(summaryFile, 'utf8'));
const tenant = summary.tenants[Number(index)];
const agent = new Agent({ keepAlive: true, ca: readFileSync(summary.ca_file), cert: readFileSync(tenant.auditor_cert), key: readFileSync(tenant.auditor_key) });
const read = (path) => new Promise((resolve, reject) => {
  get(new URL(path, tenant.tiles_url), { agent }, (response) => {
    const chunks = [];
    response.on('data', (chunk) => chunks.push(chunk));
    response.on('end', () => (response.statusCode === 200 ? resolve(Buffer.concat(chunks)) : reject(new Error(`${path}: ${response.statusCode}`))));
  }).on('error', reject);
});
const size = Number(parseCheckpoint(parseNote(await read('checkpoint')).text).size);
for (let first = 0; first < size; first += 256) {
  for (const bytes of decodeBundle(await read(tilePath('entries', first / 256, Math.min(256, size - first))))) {
    const { clear } = (await parseLeaf(bytes)).entry;
    if (clear.case !== what) continue;
    console.log(what === 'disputed' ? `${clear.value.index} ${clear.value.reason}` : `${clear.value.first} ${clear.value.end}`);
  }
}
process.exit();
