// Cases out of a quickstart's own logs, as served to an admitted reader: each is changed in one seeded way.
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:https';

// A small generator of numbers (mulberry32): the same seed, the same cases.
function numbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

async function fetchAll(url, agent) {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => (response.statusCode === 200 ? resolve(Buffer.concat(chunks)) : reject(new Error(`${url}: ${response.statusCode}`))));
    }).on('error', reject);
  });
}

// Everything below a log's prefix that its checkpoint asks for; small logs only have levels 0 and 1.
async function copyOf(prefix, agent) {
  const files = new Map([['checkpoint', await fetchAll(`${prefix}checkpoint`, agent)]]);
  const size = Number(files.get('checkpoint').toString().split('\n')[1]);
  for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / 256)) {
    for (let index = 0; index * 256 < count; index++) {
      const width = Math.min(256, count - index * 256);
      const name = String(index).padStart(3, '0') + (width < 256 ? `.p/${width}` : '');
      for (const kind of level === 0 ? ['0', 'entries'] : [String(level)]) {
        const path = `tile/${kind}/${name}`;
        files.set(path, await fetchAll(prefix + path, agent));
      }
    }
  }
  return { files, size };
}

function flipBit(bytes, random) {
  const copy = Buffer.from(bytes);
  copy[random(copy.length)] ^= 1 << random(8);
  return copy;
}
function cutOut(bytes, random) {
  const at = random(bytes.length);
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(40))]);
}
function doubled(bytes, random) {
  const at = random(bytes.length);
  const end = at + 1 + random(40);
  return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
}
function swapped(bytes, random) {
  const copy = Buffer.from(bytes);
  const [a, b] = [random(copy.length), random(copy.length)];
  [copy[a], copy[b]] = [copy[b], copy[a]];
  return copy;
}
function garbage(bytes, random) {
  return Buffer.from(Array.from({ length: 1 + random(300) }, () => random(256)));
}
function lineMoved(bytes, random) {
  const lines = bytes.toString('latin1').split('\n');
  lines.splice(random(lines.length), 0, ...lines.splice(random(lines.length), 1));
  return Buffer.from(lines.join('\n'), 'latin1');
}
// Leaves of a bundle in another order, twice, left out.
function leavesMoved(bytes, random) {
  const leaves = [];
  for (let at = 0; at < bytes.length; at += 2 + bytes.readUInt16BE(at)) leaves.push(bytes.subarray(at, at + 2 + bytes.readUInt16BE(at)));
  const [from, to] = [random(leaves.length), random(leaves.length)];
  if (random(3) === 0) leaves.splice(from, 1);
  else leaves.splice(to, 0, ...(random(2) === 0 ? leaves.splice(from, 1) : [leaves[from]]));
  return Buffer.concat(leaves);
}
const anything = [flipBit, flipBit, flipBit, cutOut, doubled, swapped, garbage];

// `count` cases, a third each of served files, receipts and policies, and the unchanged log of every tenant.
export async function mutationsOf(summary, seed, count) {
  const random = numbers(seed);
  const pick = (list) => list[random(list.length)];
  const tls = { ca: summary.ca_file, cert: summary.regulator_cert, key: summary.regulator_key };
  const agent = new Agent({ keepAlive: true, ...Object.fromEntries(Object.entries(tls).map(([name, file]) => [name, readFileSync(file)])) });
  const policyText = readFileSync(summary.policy_file, 'latin1');
  const governancePrefix = `${summary.https_url}/log/${summary.governance_origin.split('/').pop()}/`;
  // The tenants' logs first: an anchor of theirs must not name a governance log newer than the copy.
  const tenants = [];
  for (const { tiles_url: prefix, name } of summary.tenants) tenants.push({ name, prefix, ...(await copyOf(prefix, agent)) });
  const governance = await copyOf(governancePrefix, agent);
  const policy = (base) => policyText.replaceAll(governancePrefix, `${base}/governance/`).replace(/ https:\/\/127[^\n]*\/log\/[^\n]*/g, (url) => (url.includes(base) ? url : ''));
  const served = (tenant, change = {}) => ({ governance: new Map(governance.files), a: new Map(tenant.files), ...change });
  const cases = tenants.map((tenant) => ({ group: 'Quickstart', name: tenant.name, want: 'accept', policy, logs: () => served(tenant), target: 'a' }));

  for (let n = 0; n < count; n++) {
    const tenant = pick(tenants);
    if (n % 3 === 0) {
      const log = random(4) === 0 ? 'governance' : 'a';
      const logs = served(tenant);
      const path = pick([...logs[log].keys()]);
      const ways = path === 'checkpoint' ? [...anything, lineMoved] : path.includes('entries') ? [...anything, leavesMoved, leavesMoved] : anything;
      const way = pick(ways);
      const before = logs[log].get(path);
      const after = random(12) === 0 ? pick(tenants.filter((other) => other !== tenant)).files.get(path) : way(before, random);
      if (after === undefined) logs[log].delete(path);
      else logs[log].set(path, after);
      const same = after !== undefined && after.equals(before);
      // A checkpoint may lose a cosignature and be believed still.
      const want = same ? 'accept' : path === 'checkpoint' ? undefined : 'refuse';
      cases.push({ group: 'MutatedTiles', name: `${n}, ${tenant.name}: ${log} ${path} by ${way.name}`, want, policy, logs: () => logs, target: 'a' });
    } else {
      const receipt = await fetchAll(`${tenant.prefix}receipt/${random(tenant.size)}`, agent);
      const way = pick([...anything, lineMoved]);
      const subject = n % 3 === 1 ? 'receipt' : 'policy';
      const changed = way(subject === 'receipt' ? receipt : Buffer.from(policyText, 'latin1'), random);
      cases.push({
        group: subject === 'receipt' ? 'MutatedReceipts' : 'MutatedPolicies', name: `${n}, ${tenant.name}: by ${way.name}`, want: undefined,
        policy: subject === 'policy' ? changed : policyText, receipt: subject === 'receipt' ? changed : receipt,
      });
    }
  }
  agent.destroy();
  return cases;
}
