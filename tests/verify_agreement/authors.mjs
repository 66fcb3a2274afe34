// Cases: who may write what, when, in which order. Everything is signed as it must be but for the one lie.
import { Key, kinds, leavesOf, NoteKey, signedNote } from './made_log.mjs';
import { admit, anchor, anchorOf, by, consent, enrol, governanceBatches, keys, origins, partitionBatches, policyText, serve, shown } from './world.mjs';

const { custodian, renewed, tenant, stranger } = keys;
const log = (name, want, world, target = 'a', policy = policyText) => ({ group: 'Authors', name, want, policy, logs: () => serve(world()), target });

// Tenant a's log with these batches behind the honest ones.
const withMore = (...more) => ({ a: [...partitionBatches(governanceBatches()), ...more] });
const anchored = (governance) => by(custodian, anchorOf(governance));
const tweaked = (author, tweak, ...entries) => ({ author, entries, tweak });
const set = (number, value) => (fields) => fields.map((item) => (item[0] === number ? [number, value(item[1])] : item));

// The custodian's key is renewed on the governance log; the anchor that makes it known is written by the new key itself.
function rotation(...behind) {
  const governance = [...governanceBatches(), by(custodian, enrol(renewed)), by(renewed, enrol(custodian, { revoked: true }))];
  governance[governance.length - 1].entries[0].push([4, 7n]);
  const first = partitionBatches(governanceBatches(), 4);
  return { governance, a: [...first, ...behind.map((make) => make(governance))] };
}
const counted = (batch, from) => ({ ...batch, entries: batch.entries.map((fields, i) => [...fields, [4, from + BigInt(i)]]) });

const revokedTenant = () => [...governanceBatches(), by(custodian, enrol(tenant, { origins: [origins.a], kinds: [kinds.consentSet], revoked: true }))];
const governanceWith = (...more) => ({ governance: [...governanceBatches(), ...more] });
const startsWith = (first) => ({ governance: [first, ...governanceBatches().slice(1)], a: partitionBatches(governanceBatches()) });
// A policy that learns tenant a's key from the governance log.
const admittedOnly = (base) => policyText(base, { logs: ['governance', 'b'] });
const admittedFirst = (vkey) => ({ governance: governanceBatches().map((batch) => ({ ...batch, entries: batch.entries.map((fields) => (fields[1]?.[1]?.[2]?.[1] === origins.a && fields[0][1] === kinds.tenantAdmitted ? admit('a', origins.a, vkey) : fields)) })), a: [] });
const readmitted = (key) => ({ ...governanceWith(by(custodian, admit('a', origins.a, key.vkey))), note: { a: (text) => signedNote(text, key, ...keys.witnesses) } });

export const cases = [
  log('an honest log', 'accept', () => ({})),
  log('an honest log of 300 entries', 'accept', () => ({ a: partitionBatches(governanceBatches(), 300) })),
  log('an honest log of 512 entries', 'accept', () => ({ a: partitionBatches(governanceBatches(), 512) })),
  log('the governance log itself', 'accept', () => ({}), 'governance'),
  log('a log without entries', 'accept', () => ({ a: [] })),
  log('an anchor again', 'accept', () => withMore(anchored(governanceBatches()))),
  log('an anchor by a key that it makes known', 'accept', () => rotation((g) => counted(by(renewed, anchorOf(g), shown()), 5n))),
  log('the old key after that anchor', 'refuse', () => rotation((g) => counted(by(renewed, anchorOf(g)), 5n), () => counted(by(custodian, shown()), 6n))),
  log('the new key before an anchor', 'refuse', () => rotation(() => counted(by(renewed, shown()), 5n))),
  log('a key revoked, but not yet by an anchor', 'accept', () => ({ governance: revokedTenant(), ...withMore(by(tenant, consent())) })),
  log('a revoked key after the anchor', 'refuse', () => ({ governance: revokedTenant(), ...withMore(anchored(revokedTenant()), by(tenant, consent())) })),
  log('backdated under a revoked key', 'refuse', () => ({ governance: revokedTenant(), ...withMore(anchored(revokedTenant()), by(tenant, consent([5, [[1, 1_600_000_000]]]))) })),
  log('no anchor first', 'refuse', () => ({ a: [by(custodian, shown())] })),
  log('an anchor of size 0 first', 'refuse', () => ({ a: [by(custodian, anchorOf(governanceBatches(), 0))] })),
  log('an anchor before the custodian is enrolled', 'accept', () => ({ a: [by(custodian, anchorOf(governanceBatches(), 1), shown())] })),
  log('an anchor that goes back', 'refuse', () => withMore(by(custodian, anchorOf(governanceBatches(), 4)))),
  log('an anchor with another root', 'refuse', () => withMore(by(custodian, anchor(5, Buffer.alloc(32))))),
  log('an anchor past the governance log', 'refuse', () => withMore(by(custodian, anchor(900, Buffer.alloc(32))))),
  log('an anchor past everything', 'refuse', () => withMore(by(custodian, anchor((1n << 64n) - 1n, Buffer.alloc(32))))),
  log('an author that nobody enrolled', 'refuse', () => withMore(by(stranger, consent()))),
  log("an enrolled author's kind that is not his", 'refuse', () => withMore(by(tenant, shown()))),
  log("an author under another's name", 'refuse', () => withMore({ author: { name: custodian.name, key: tenant.key }, entries: [consent([4, 13n])] })),
  log('an author on a log that is not his', 'refuse', () => ({ ...governanceWith(by(custodian, enrol(tenant, { origins: [origins.b] }))), ...withMore(anchored([...governanceBatches(), by(custodian, enrol(tenant, { origins: [origins.b] }))]), by(tenant, consent())) })),
  log('an author enrolled without kinds', 'refuse', () => ({ ...governanceWith(by(custodian, enrol(tenant, { kinds: [] }))), ...withMore(anchored([...governanceBatches(), by(custodian, enrol(tenant, { kinds: [] }))]), by(tenant, consent())) })),
  log('an entry of another log', 'refuse', () => withMore(by(custodian, shown([1, origins.b])))),
  log("another log's entry, with its own signature", 'refuse', () => withMore({ ...by(custodian, shown([1, origins.b])), signedOrigin: origins.b })),
  log('a batch signed for another log', 'refuse', () => withMore({ ...by(custodian, shown()), signedOrigin: origins.b })),
  log('an origin behind a byte order mark', 'refuse', () => withMore(by(custodian, shown([1, `\ufeff${origins.a}`])))),
  log('a governance entry on a tenant\'s log', 'refuse', () => withMore(by(custodian, enrol(stranger)))),
  log("a tenant's entry on the governance log", 'refuse', () => governanceWith(by(custodian, shown()))),
  log('a gap in the counters', 'refuse', () => withMore(by(custodian, shown([4, 99n])))),
  log('a counter again', 'refuse', () => withMore(by(custodian, shown([4, 3n])))),
  log("another author's counters out of order", 'accept', () => ({ a: [by(custodian, anchorOf(governanceBatches())), by(tenant, consent([4, 3n]), consent([4, 1n]), consent([4, 9n]))] })),
  log("another author's counter again", 'refuse', () => ({ a: [by(custodian, anchorOf(governanceBatches())), by(tenant, consent([4, 3n]), consent([4, 3n]))] })),
  log('an idempotency key again', 'refuse', () => withMore(by(custodian, shown([6, Buffer.alloc(32, 7)]), shown([6, Buffer.alloc(32, 7)])))),
  log("another author's idempotency key", 'accept', () => withMore(by(tenant, consent([6, Buffer.alloc(32, 7)])), { author: tenant, entries: [consent([6, Buffer.alloc(32, 8)])] })),
  log("the first governance entry by another key than it enrols", 'refuse', () => startsWith(by(custodian, enrol(stranger)))),
  log('the first governance entry revokes', 'refuse', () => startsWith(by(custodian, enrol(custodian, { revoked: true })))),
  log("the first governance entry for another author", 'refuse', () => startsWith(by(custodian, enrol({ name: 'x', key: custodian.key })))),
  log('the first governance entry is another kind', 'refuse', () => startsWith(by(custodian, [[2, kinds.policySet], [23, [[1, 'p']]]]))),
  log('a governance entry by a stranger', 'refuse', () => governanceWith(by(stranger, enrol(stranger)))),
  log('a stranger let in by himself', 'refuse', () => ({ ...governanceWith(by(stranger, enrol(stranger))), ...withMore(anchored([...governanceBatches(), by(stranger, enrol(stranger))]), by(stranger, consent())) })),
  log('a tenant that was not admitted', 'refuse', () => ({ governance: governanceBatches().map((batch) => ({ ...batch, entries: batch.entries.filter(([[, kind]]) => kind !== kinds.tenantAdmitted) })), a: [] })),
  log('a tenant admitted with another key than the policy has', 'refuse', () => governanceWith(by(custodian, admit('a', origins.a, new NoteKey(origins.a, 1).vkey)))),
  log('a tenant admitted with a key that is none', 'refuse', () => governanceWith(by(custodian, admit('a', origins.a, 'none')))),
  log('a policy with two keys of a log, one of them admitted', undefined, () => ({}), 'a', (base) => `log ${new NoteKey(origins.a, 1).vkey}\n${policyText(base)}`),
  log("a tenant admitted with another log's key", undefined, () => governanceWith(by(custodian, admit('a', origins.a, keys.logs.b.vkey)))),
  log('a log known by its admission alone', 'accept', () => ({}), 'a', admittedOnly),
  log('a log admitted first with another key than the policy has', 'refuse', () => admittedFirst(new NoteKey(origins.a, 1).vkey)),
  log('a log admitted first with a key that is none', 'refuse', () => admittedFirst('none')),
  log('a log admitted again as it was', 'accept', () => governanceWith(by(custodian, admit('a', origins.a, keys.logs.a.vkey)))),
  log('a log admitted again with another key, which signs it', 'refuse', () => readmitted(new NoteKey(origins.a, 1)), 'a', admittedOnly),
  log('a log admitted again with another key, which does not sign it', 'refuse', () => governanceWith(by(custodian, admit('a', origins.a, new NoteKey(origins.a, 1).vkey))), 'a', admittedOnly),
  log('a log admitted again for another tenant', 'refuse', () => governanceWith(by(custodian, [[2, kinds.tenantAdmitted], [21, [[1, 'f'.repeat(16)], [2, 'a'], [3, origins.a], [4, keys.logs.a.vkey]]]]))),

  // Signatures and batches.
  log('a wrong signature', 'refuse', () => withMore(tweaked(custodian, set(5, (s) => Buffer.concat([s.subarray(0, -1), Buffer.of(s.at(-1) ^ 1)])), shown()))),
  log('a signature by another key', 'refuse', () => withMore({ ...by(custodian, shown()), signAs: new Key('p256') })),
  log('an Ed25519 signature by another key', 'refuse', () => withMore({ ...by(tenant, consent()), signAs: new Key('ed25519') })),
  log('a signature with a byte behind', 'refuse', () => withMore(tweaked(custodian, set(5, (s) => Buffer.concat([s, Buffer.of(0)])), shown()))),
  log('an Ed25519 signature with a byte behind', 'refuse', () => withMore(tweaked(tenant, set(5, (s) => Buffer.concat([s, Buffer.of(0)])), consent()))),
  log('a signature in long-form DER', 'refuse', () => withMore(tweaked(custodian, set(5, (s) => Buffer.concat([Buffer.of(0x30, 0x81), s.subarray(1)])), shown()))),
  log('a signature with its numbers raw', 'refuse', () => withMore(tweaked(custodian, set(5, () => Buffer.alloc(64, 1)), shown()))),
  log('another algorithm than the key\'s', 'refuse', () => withMore(tweaked(custodian, set(3, () => 2), shown()))),
  log('another key id', 'refuse', () => withMore(tweaked(custodian, set(2, () => tenant.key.keyId), shown()))),
  log('a batch of another size', 'refuse', () => withMore(tweaked(custodian, set(7, (n) => n + 1), shown(), shown(), shown()))),
  log('a batch of size 65,536 and its path', 'refuse', () => withMore(tweaked(custodian, set(7, () => 65_536), shown()))),
  log('a batch of size 65,537', 'refuse', () => withMore(tweaked(custodian, set(7, () => 65_537), shown()))),
  log('a batch of size 0', 'refuse', () => withMore(tweaked(custodian, set(7, () => 0), shown()))),
  log('a place past the batch', 'refuse', () => withMore(tweaked(custodian, set(6, () => 1), shown()))),
  log('a batch path too long', 'refuse', () => withMore(tweaked(custodian, (fields) => [...fields, [4, Buffer.alloc(32)]], shown(), shown()))),
  log('a batch path too short', 'refuse', () => withMore(tweaked(custodian, (fields) => fields.filter(([n]) => n !== 4), shown(), shown()))),
  log('a batch path of short hashes', 'refuse', () => withMore(tweaked(custodian, set(4, (h) => h.subarray(1)), shown(), shown()))),
  log('two entries of a batch change places in it', 'refuse', () => withMore(tweaked(custodian, set(6, (i) => 1 - i), shown(), shown()))),
  log('the second half of a batch is left out', 'accept', () => ({ ...withMore(by(tenant, consent(), consent())), leaves: { a: (leaves) => leaves.slice(0, -1) } })),
  log('two entries change places in the log', 'refuse', () => ({ leaves: { a: (leaves) => [...leaves.slice(0, 2), leaves[3], leaves[2], ...leaves.slice(4)] } })),
  log('an entry twice', 'refuse', () => ({ leaves: { a: (leaves) => [...leaves, leaves.at(-1)] } })),
  log('an entry left out', 'refuse', () => ({ leaves: { a: (leaves) => leaves.toSpliced(2, 1) } })),
  log("an entry of the governance log in a tenant's", 'refuse', () => ({ leaves: { a: (leaves) => [...leaves, leavesOf(origins.governance, governanceBatches())[1]] } })),
];
