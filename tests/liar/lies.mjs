// What a custodian may lie about, a row each: { lie, before, now, args, want }. `before` is what it served when the auditor came first (then
// with a state file, kept); `now` is what it serves to the next audit. `want` lists "<position> <fault>" that must be among the findings, or is
// a text that the refusal must contain. With a `promise` it is that which is verified: what the liar answered an author. Where the lie has a signature, the liar has it: it holds its own keys, and in rows marked
// `colluding` the witnesses sign whatever it likes.
import { bundleOf, checkpointText, leafHash, leavesOf, NoteKey, promiseOf, rootOf, signedNote } from '../verify_agreement/made_log.mjs';
import { anchor, anchorOf, by, consent, enrol, governanceBatches, keys, origins, partitionBatches, policyText, serve, shown } from '../verify_agreement/world.mjs';

const size = 300;
const batches = (entries = size) => partitionBatches(governanceBatches(), entries);
const honest = (entries) => serve({ a: batches(entries) });
const withoutTile = (served, path) => (served.a.delete(path), served);
const put = (served, path, bytes) => (served.a.set(path, bytes), served);
// The liar's own log, signed and cosigned as if it were true.
const signed = (a, more = {}) => serve({ a, ...more });
const note = (...signers) => ({ note: { a: (text) => signedNote(text, keys.logs.a, ...signers) } });
const custodianBatches = () => [...batches(), by(keys.custodian, shown(), shown(), shown())];
const edited = (all, at) => all.map((batch, i) => (i === at ? { ...batch, entries: batch.entries.map((fields) => [...fields, [7, Buffer.alloc(16, 7)]]) } : batch));
const leaf = (change) => ({ leaves: { a: change } });

const revoked = () => {
  const governance = [...governanceBatches(), by(keys.custodian, enrol(keys.tenant, { revoked: true }))];
  return serve({ governance, a: [by(keys.custodian, anchorOf(governance)), by(keys.custodian, shown()), by(keys.tenant, consent([5, [[1, 1_600_000_000]]]))] });
};
const anchoredBack = () => {
  const governance = governanceBatches();
  return serve({ governance, a: [by(keys.custodian, anchorOf(governance)), by(keys.custodian, anchorOf(governance, 1))] });
};
const elsewhere = () => {
  const served = honest();
  const other = serve({ a: batches(40) });
  const text = checkpointText(origins.b, [Buffer.of(1)]);
  for (const [path, bytes] of other.a) served.a.set(path, bytes);
  return put(served, 'checkpoint', Buffer.from(signedNote(text, keys.logs.b, ...keys.witnesses)));
};
const stranger = new NoteKey(origins.a, 1);
// What the liar promised of the entries that it would write next, to be witnessed a moment before its checkpoint was cosigned.
const next = leavesOf(origins.a, [...batches(), by(keys.tenant, consent(), consent())]).slice(size);
const promised = (witnessedBy = 1_699_999_999_000n, author = keys.custodian) => promiseOf(origins.a, size, next, witnessedBy, author);
const inTime = BigInt(Date.now()) + 3_600_000n;

export const lies = [
  { lie: 'TellsTheTruth', now: () => honest(), want: [] },
  { lie: 'TellsTheTruthAndGrew', before: () => honest(), now: () => signed(custodianBatches()), want: [] },

  { lie: 'RewritesAnEntryInItsBundle', now: () => put(honest(), 'tile/entries/000', serve({ a: edited(batches(), 1) }).a.get('tile/entries/000')), want: ['tile/0/000 tile_wrong', 'checkpoint size 300 root_wrong'] },
  { lie: 'RewritesAnEntryAndSignsAnew', colluding: true, before: () => honest(), now: () => signed(edited(custodianBatches(), 1)), want: ['checkpoint size 303 forked'] },
  { lie: 'RewritesTheNewestEntries', colluding: true, before: () => honest(), now: () => signed([...edited(batches(), batches().length - 1), by(keys.custodian, shown())]), want: ['leaf 299 forked', 'checkpoint size 301 forked'] },
  { lie: 'DropsAnEntry', now: () => signed(batches(), leaf((all) => all.toSpliced(2, 1))), want: ['leaf 2 counter_skipped'] },
  { lie: 'DropsAnEntryThatWasVerified', colluding: true, before: () => honest(), now: () => signed(custodianBatches(), leaf((all) => all.toSpliced(2, 1))), want: ['checkpoint size 302 forked'] },
  { lie: 'OmitsACounter', now: () => signed([by(keys.custodian, anchorOf(governanceBatches())), by(keys.custodian, shown([4, 3n]))]), want: ['leaf 1 counter_skipped'] },
  { lie: 'ReordersEntries', now: () => signed(batches(), leaf((all) => [all[0], all[2], all[1], ...all.slice(3)])), want: ['leaf 1 counter_skipped', 'leaf 2 counter_skipped'] },
  { lie: 'WritesAnEntryTwice', now: () => signed(batches(), leaf((all) => [...all.slice(0, 3), all[2], ...all.slice(3)])), want: ['leaf 3 counter_skipped', 'leaf 3 key_reused'] },
  { lie: 'WritesATenantsEntryTwice', now: () => signed([by(keys.custodian, anchorOf(governanceBatches())), by(keys.tenant, consent())], leaf((all) => [...all, all[1]])), want: ['leaf 2 counter_reused', 'leaf 2 key_reused'] },
  { lie: 'ReplaysAnEntryOfAnotherLog', now: () => signed([...batches(), { ...by(keys.custodian, shown([1, origins.b])), signedOrigin: origins.b }]), want: ['leaf 300 entry_of_another_log', 'leaf 300 signature_wrong'] },
  { lie: 'WritesAsSomebodyElse', now: () => signed([...batches(), { ...by(keys.tenant, consent()), signAs: keys.stranger.key }]), want: ['leaf 300 signature_wrong'] },
  { lie: 'WritesWhatAnAuthorMayNot', now: () => signed([...batches(), by(keys.tenant, shown())]), want: ['leaf 300 author_refused'] },
  { lie: 'BackdatesUnderARevokedKey', now: revoked, want: ['leaf 2 author_refused'] },
  { lie: 'TakesARevocationBack', now: anchoredBack, want: ['leaf 1 anchor_wrong'] },
  { lie: 'AnchorsWhatGovernanceNeverSaid', now: () => signed([...batches(), by(keys.custodian, anchor(2, Buffer.alloc(32, 1)))]), want: ['leaf 300 anchor_wrong'] },
  { lie: 'AdmitsNobody', now: () => { const governance = governanceBatches().slice(0, 1); return serve({ governance, a: [by(keys.custodian, anchorOf(governance))] }); }, want: ['log not_admitted'] },

  { lie: 'KeepsAPromise', promise: promised(), now: () => serve({ a: [...batches(), by(keys.tenant, consent(), consent())] }), want: [] },
  { lie: 'HasTimeToKeepAPromise', promise: promised(inTime), now: () => honest(), want: [] },
  { lie: 'BreaksAPromiseByLeavingItOut', promise: promised(), now: () => honest(), want: 'the promise is broken: the checkpoint of size 300' },
  { lie: 'BreaksAPromiseByOtherEntries', promise: promised(inTime), now: () => signed(custodianBatches()), want: 'has other leaves than were promised at entries 300 to 301' },
  { lie: 'BreaksAPromiseByPartOfTheBatch', promise: promised(), now: () => signed([...batches(), by(keys.tenant, consent(), consent())], leaf((all) => all.slice(0, 301))), want: 'lacks entries 300 to 301' },
  { lie: 'BreaksAPromiseByFreezing', promise: promised(1_700_000_001_000n), now: () => honest(), want: 'no checkpoint that was cosigned since is shown' },
  { lie: 'DeniesAPromiseByAForgedOne', promise: promised(undefined, keys.stranger), now: () => honest(), want: 'the promise proves nothing' },
  { lie: 'OmitsATenantsEntryForAMinute', now: () => signed([by(keys.custodian, anchorOf(governanceBatches()), shown()), by(keys.tenant, consent(), consent([4, 3n])), by(keys.custodian, shown([5, [[1, 1_700_000_061]]]))]), want: [`counter 2 of ${keys.tenant.name} counter_missing`] },
  { lie: 'CountersignsItself', now: () => signed([...batches(), by(keys.custodian, [[2, 48], [41, [[2, 1], [3, rootOf(leavesOf(origins.a, batches()).slice(0, 1).map(leafHash))]]]])]), want: ['leaf 300 author_refused'] },

  { lie: 'CutsTheTailOff', now: () => withoutTile(honest(), 'tile/entries/001.p/44'), want: ['tile/entries/001.p/44 bundle_missing'] },
  { lie: 'SignsForEntriesThatAreNotThere', now: () => signed(batches(), { checkpoint: { a: { size: 301 } } }), want: ['tile/entries/001.p/45 bundle_missing'] },
  { lie: 'RollsBack', before: () => honest(), now: () => honest(200), want: ['checkpoint size 200 rolled_back'] },
  { lie: 'ServesAStaleCheckpoint', before: () => honest(), now: () => put(honest(), 'checkpoint', honest(200).a.get('checkpoint')), want: ['checkpoint size 200 rolled_back'] },
  { lie: 'Freezes', now: () => honest(), args: ['--max-age', '2h'], want: ['checkpoint size 300 frozen'] },
  { lie: 'ForksAtACosignedHead', colluding: true, before: () => honest(), now: () => signed(edited(batches(), 1)), want: ['checkpoint size 300 forked'] },
  { lie: 'ForksWithoutAQuorum', now: () => serve({ a: edited(batches(), 1), ...note(keys.witnesses[0]) }), want: 'do not make the quorum' },
  { lie: 'ServesOtherTilesToThisReader', now: () => put(honest(), 'tile/0/000', serve({ a: edited(batches(), 1) }).a.get('tile/0/000')), want: ['tile/0/000 tile_wrong'] },
  { lie: 'ServesOtherUpperTilesToThisReader', now: () => put(honest(), 'tile/1/000.p/1', Buffer.alloc(32, 9)), want: ['tile/1/000.p/1 tile_wrong'] },
  { lie: 'ServesAnotherHistoryToThisReader', now: () => { const other = serve({ a: edited(batches(), 1) }); return put(other, 'checkpoint', honest().a.get('checkpoint')); }, want: ['checkpoint size 300 root_wrong'] },
  { lie: 'SignsWithAnotherKey', now: () => serve({ a: batches(), note: { a: (text) => signedNote(text, stranger, ...keys.witnesses) } }), want: 'no signature of' },
  { lie: 'ReplaysAnotherLogsCheckpoint', before: () => honest(), now: elsewhere, want: `is of the log ${origins.a}, not of ${origins.b}` },
  { lie: 'ReplaysAnotherLogsCheckpointToAStranger', now: elsewhere, want: ['tile/entries/000.p/1 bundle_missing'] },
  { lie: 'ServesEmptyEntries', now: () => put(honest(), 'tile/entries/000', bundleOf(Array(256).fill(Buffer.alloc(0)))), want: ['leaf 0 entry_malformed', 'leaf 199 entry_malformed', 'log more'] },
];

export const policy = policyText;
export { honest, keys, leafHash, origins, rootOf };
