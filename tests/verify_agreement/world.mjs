// A small honest network of the test's own: a governance log, two tenants' logs, three witnesses, authors with keys of both algorithms.
// `serve` turns it into what would be served, with as many lies as a case asks for.
import { checkpointText, Key, kinds, leafHash, leavesOf, NoteKey, rootOf, signedNote, tilesOf } from './made_log.mjs';

const network = 'made.example';
export const origins = { governance: `${network}/p/0000000000000000`, a: `${network}/p/00000000000000aa`, b: `${network}/p/00000000000000bb` };
const everyKind = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 21, 22, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 60, 61, 62, 63, 64, 65, 69];

export const keys = {
  custodian: { name: `spiffe://${network}/custodian`, key: new Key('p256') },
  renewed: { name: `spiffe://${network}/custodian`, key: new Key('ed25519') },
  tenant: { name: `spiffe://${network}/tenant/a/node/1`, key: new Key('ed25519') },
  stranger: { name: `spiffe://${network}/tenant/a/node/2`, key: new Key('p256') },
  logs: Object.fromEntries(Object.entries(origins).map(([name, origin]) => [name, new NoteKey(origin, 1)])),
  witnesses: [1, 2, 3].map((n) => new NoteKey(`witness-${n}.example`, 4)),
};

export const enrol = ({ name, key }, { origins: where = [], kinds: what = everyKind, revoked = false } = {}) => [
  [2, kinds.rosterChanged],
  [22, [[1, name], [2, key.keyId], [3, key.algorithm], [4, key.spki], ...where.map((origin) => [5, origin]), ...what.map((kind) => [6, kind]), ...(revoked ? [[7, 1]] : [])]],
];
export const admit = (name, origin, vkey) => [[2, kinds.tenantAdmitted], [21, [[1, origin.slice(-16)], [2, name], [3, origin], [4, vkey]]]];
export const anchor = (size, root) => [[2, kinds.anchor], [20, [[1, size], [2, root]]]];
export const shown = (...more) => [[2, kinds.shown], ...more];
export const consent = (...more) => [[2, kinds.consentSet], ...more];
export const by = (author, ...entries) => ({ author, entries });

// The governance log's batches, for a case to change.
export function governanceBatches() {
  return [
    by(keys.custodian, enrol(keys.custodian)),
    by(keys.custodian,
      enrol(keys.tenant, { origins: [origins.a], kinds: [kinds.consentSet, kinds.recordStored] }),
      admit('a', origins.a, keys.logs.a.vkey),
      admit('b', origins.b, keys.logs.b.vkey)),
    by(keys.custodian, [[2, kinds.policySet], [23, [[1, 'quorum none\n']]]]),
  ];
}
// The anchor of the governance log as these batches make it, at `size`.
export function anchorOf(batches, size = leavesOf(origins.governance, batches).length) {
  return anchor(size, rootOf(leavesOf(origins.governance, batches).slice(0, size).map(leafHash)));
}
// Batches of a tenant's log, `entries` long.
export function partitionBatches(governance, entries = 12) {
  const batches = [by(keys.custodian, anchorOf(governance)), by(keys.custodian, shown(), shown(), shown())];
  let count = 4;
  for (let size = 2; count < entries; size = (size * 5) % 101) {
    const some = Math.min(size, entries - count);
    batches.push(by(count % 2 ? keys.custodian : keys.tenant, ...Array.from({ length: some }, () => (count % 2 ? shown() : consent()))));
    count += some;
  }
  return batches;
}

export function policyText(base, { logs = ['governance', 'a', 'b'], quorum = 'quorum q' } = {}) {
  return [
    ...logs.map((name) => `log ${keys.logs[name].vkey} ${base}/${name}/`),
    ...keys.witnesses.map((witness, i) => `witness w${i + 1} ${witness.vkey}`),
    'group q 2 w1 w2 w3', quorum, '',
  ].join('\n');
}

// { name: path -> bytes } of each log, the checkpoint by `note` (default: an honest one) of its text and log.
export function serve({ governance = governanceBatches(), a = partitionBatches(governance), note = {}, checkpoint = {}, leaves = {} } = {}) {
  const served = {};
  for (const [name, batches] of Object.entries({ governance, a })) {
    const written = (leaves[name] ?? ((all) => all))(leavesOf(origins[name], batches));
    const text = checkpointText(origins[name], written, checkpoint[name]);
    const signed = (note[name] ?? ((t) => signedNote(t, keys.logs[name], ...keys.witnesses)))(text);
    served[name] = tilesOf(written).set('checkpoint', Buffer.from(signed));
  }
  return served;
}
