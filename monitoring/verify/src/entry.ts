// The leaf of a log, parsed, and what entry.proto's comments ask of it: limits, required fields, content that fits its kind.
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { base64, equal, Refused, utf8 } from './bytes.ts';
import {
  DisputeReason, DisputeReasonSchema, type Entry, EntrySchema, Kind, KindSchema, type KeyStored, type RecordStored, type RosterChanged, Side, SignatureAlgorithm, type SignedEntry,
  SignedEntrySchema,
} from './generated/ledger/entry_pb.js';
import { PublicKey } from './signature.ts';
import { type Hash, leafHash, type nodeHash, rootFromInclusionProof } from './tree.ts';
import { decode } from './wire.ts';

const leafBytesMax = 65_535;
const entryBytesMax = 60_000;
const batchEntriesMax = 65_536;
const signatureBytesMax = 128;
const originBytesMax = 256;
const authorBytesMax = 512;
const tableBytesMax = 48_000;

export interface Leaf {
  signed: SignedEntry;
  entry: Entry;
}

// Refused when the bytes are no leaf.
export async function parseLeaf(bytes: Uint8Array): Promise<Leaf> {
  if (bytes.length > leafBytesMax) throw new Refused('a leaf is past 65,535 bytes');
  const signed = decode(SignedEntrySchema, bytes);
  checkSigned(signed);
  const entry = decode(EntrySchema, signed.entryBytes);
  checkEntry(entry);
  checkKindFitsContent(entry);
  await checkContent(entry);
  return { signed, entry };
}

export function kindName(kind: Kind): string {
  return KindSchema.value[kind]?.name ?? `kind ${kind}`;
}

// Root of the author's batch that the leaf's path leads to; the hash of two nodes by `parentOf`.
export async function batchRoot(signed: SignedEntry, parentOf: typeof nodeHash): Promise<Hash> {
  const path = signed.batchPath.map((hash) => new Uint8Array(hash));
  return rootFromInclusionProof(BigInt(signed.batchIndex), BigInt(signed.batchSize), await leafHash(signed.entryBytes), path, parentOf);
}

// Refused unless `key` signed the leaf's batch for this log; `root` is batchRoot().
export async function verifyAuthor(origin: string, signed: SignedEntry, root: Hash, key: PublicKey): Promise<void> {
  if (!equal(signed.keyId, key.keyId)) throw new Refused('the leaf names another key');
  if (signed.algorithm !== key.algorithm) throw new Refused("the leaf names another algorithm than its key's");
  const message = utf8(`custodian/author-batch/v1\n${origin}\n${signed.batchSize}\n${base64(root)}\n`);
  if (!(await key.verifies(message, signed.signature))) throw new Refused("the author's signature does not verify");
}

// --- what is asked of each field ----------------------------------------------------------------------------------------------

function want(fulfilled: boolean, otherwise: string): void {
  if (!fulfilled) throw new Refused(otherwise);
}

const bytesOf = (text: string) => utf8(text).length;
const isText = (text: string, bytesMax = Infinity) => text !== '' && bytesOf(text) <= bytesMax;
const isTenantId = (text: string) => /^[0-9a-f]{16}$/.test(text);
const isEmptyOr = (bytes: Uint8Array, length: number) => bytes.length === 0 || bytes.length === length;

function checkSigned(signed: SignedEntry): void {
  const { algorithm } = signed;
  want(signed.entryBytes.length > 0 && signed.entryBytes.length <= entryBytesMax, 'entry_bytes is missing or past 60,000 bytes');
  want(signed.keyId.length === 32, 'key_id must have 32 bytes');
  want(algorithm === SignatureAlgorithm.ECDSA_P256_SHA256 || algorithm === SignatureAlgorithm.ED25519, 'algorithm is unspecified or unknown');
  want(signed.batchPath.every((hash) => hash.length === 32), 'batch_path must have 32 bytes a hash');
  want(signed.signature.length > 0 && signed.signature.length <= signatureBytesMax, 'signature is missing or too long');
  want(signed.batchSize > 0 && signed.batchSize <= batchEntriesMax, 'batch_size must be 1 to 65,536');
  want(signed.batchIndex < signed.batchSize, 'batch_index is past batch_size');
}

// Years 1 to 9999, as google.protobuf.Timestamp has it, in whole milliseconds.
function checkTime(time: Timestamp | undefined, field: string): void {
  if (time === undefined) throw new Refused(`${field} is missing`);
  want(time.seconds >= -62_135_596_800n && time.seconds <= 253_402_300_799n, `${field} is out of range`);
  want(time.nanos >= 0 && time.nanos < 1_000_000_000 && time.nanos % 1_000_000 === 0, `${field} is not in whole milliseconds`);
}

function checkEntry(entry: Entry): void {
  want(isText(entry.origin, originBytesMax), 'origin is missing or too long');
  want(entry.kind !== Kind.UNSPECIFIED && KindSchema.value[entry.kind] !== undefined, 'kind is unspecified or unknown');
  want(isText(entry.author, authorBytesMax), 'author is missing or too long');
  want(entry.counter > 0n, 'counter counts from 1');
  checkTime(entry.time, 'time');
  want(entry.idempotencyKey.length === 32, 'idempotency_key must have 32 bytes');
  want(isEmptyOr(entry.subject, 16), 'subject must be empty or have 16 bytes');
  want([...entry.recordSha256, ...entry.rowSha256].every((hash) => hash.length === 32), 'record_sha256 and row_sha256 must have 32 bytes');
  want(isEmptyOr(entry.detailCommitment, 32), 'detail_commitment must be empty or have 32 bytes');
  want((entry.detailCommitment.length === 0) === (entry.sealedDetail.length === 0), 'detail_commitment and sealed_detail come together');
}

type Content = Entry['clear'];

// Kinds that are their clear content. No other kind carries these; money may lie beside any other kind.
const contentOf: Partial<Record<Kind, Content['case']>> = {
  [Kind.ANCHOR]: 'anchor',
  [Kind.TENANT_ADMITTED]: 'tenantAdmitted',
  [Kind.ROSTER_CHANGED]: 'rosterChanged',
  [Kind.POLICY_SET]: 'policySet',
  [Kind.TABLE_SET]: 'tableSet',
  [Kind.CLIENT_ACCESS_SET]: 'clientAccess',
  [Kind.WATERMARK]: 'watermark',
  [Kind.FEED_GAP]: 'feedGap',
  [Kind.KEY_STORED]: 'keyStored',
  [Kind.RECORD_STORED]: 'recordStored',
  [Kind.CLIENT_REGISTERED]: 'clientRegistered',
  [Kind.SUBJECT_MAP]: 'subjectMap',
  [Kind.COUNTERSIGNED]: 'countersigned',
  [Kind.DISPUTED]: 'disputed',
};

// Beside its own fields and clear content.
function saysNoMore({ subject, recordSha256, rowSha256, detailCommitment, reported }: Entry): boolean {
  return subject.length + recordSha256.length + rowSha256.length + detailCommitment.length === 0 && !reported;
}

function checkKindFitsContent(entry: Entry): void {
  const demanded = contentOf[entry.kind];
  const { case: found } = entry.clear;
  const fits = demanded === undefined ? found === undefined || found === 'money' : found === demanded;
  want(fits, `${kindName(entry.kind)} carries clear content that is not of its kind`);
  if (entry.kind === Kind.VOID) want(found === undefined && saysNoMore(entry), 'a void says nothing but its counter');
}

async function checkContent(entry: Entry): Promise<void> {
  const { case: content, value } = entry.clear;
  switch (content) {
    case undefined: return;
    case 'anchor': return want(value.governanceRoot.length === 32, 'anchor.governance_root must have 32 bytes');
    case 'tenantAdmitted':
      want(isTenantId(value.tenantId), 'tenant_admitted.tenant_id must be 16 lower-case hex digits');
      return want(isText(value.name) && isText(value.origin) && isText(value.logVkey), 'tenant_admitted needs name, origin and log_vkey');
    case 'rosterChanged': return checkRosterChanged(value);
    case 'policySet': return want(isText(value.policy), 'policy_set.policy is missing');
    case 'tableSet':
      want(/^[a-z-]{1,32}$/.test(value.name), "table_set.name must be 1 to 32 lower-case letters and '-'");
      want(value.tenantId === '' || isTenantId(value.tenantId), 'table_set.tenant_id must be empty or 16 lower-case hex digits');
      return want(value.content.length > 0 && value.content.length <= tableBytesMax, 'table_set.content is missing or too long');
    case 'money':
      want(value.side !== Side.UNSPECIFIED, 'money.side is unspecified');
      return want(isText(value.classId) && bytesOf(value.month) === 7, 'money needs class_id and month (YYYY-MM)');
    case 'watermark': return checkTime(value.through, 'watermark.through');
    case 'feedGap':
      checkTime(value.from, 'feed_gap.from');
      return checkTime(value.to, 'feed_gap.to');
    case 'keyStored': return checkKeyStored(value);
    case 'recordStored': return checkRecordStored(value, entry.recordSha256.length);
    case 'clientRegistered':
      want(isText(value.spiffeId) && isText(value.role), 'client_registered needs spiffe_id and role');
      return want(value.tenantId === '' || isTenantId(value.tenantId), 'client_registered.tenant_id must be empty or 16 lower-case hex digits');
    case 'subjectMap':
      want(value.size > 0n && value.root.length === 32, 'subject_map.size counts from 1, and subject_map.root must have 32 bytes');
      return want(entry.subject.length === 0, 'a subject map is about no subject');
    case 'countersigned':
      want(saysNoMore(entry), "what a tenant's node says of reported entries is about nobody and nothing else");
      return want(value.first < value.end && value.root.length === 32, 'countersigned.end must be past its first, and its root must have 32 bytes');
    case 'disputed':
      want(saysNoMore(entry), "what a tenant's node says of reported entries is about nobody and nothing else");
      want(value.leafHash.length === 32, 'disputed.leaf_hash must have 32 bytes');
      return want(value.reason !== DisputeReason.UNSPECIFIED && DisputeReasonSchema.value[value.reason] !== undefined, 'disputed.reason is unspecified or unknown');
    case 'clientAccess':
      want(isText(value.client), 'client_access.client is missing');
      want(value.tenantId === '' || isTenantId(value.tenantId), 'client_access.tenant_id must be empty or 16 lower-case hex digits');
      return want(value.jwks === '' || value.jwksUrl === '', 'client_access has jwks or jwks_url, not both');
  }
}

async function checkRosterChanged(change: RosterChanged): Promise<void> {
  want(isText(change.author, authorBytesMax), 'roster_changed.author is missing or too long');
  const key = await PublicKey.fromSpki(change.publicKey);
  want(equal(change.keyId, key.keyId), 'roster_changed.key_id is not that of its public key');
  want(change.algorithm === key.algorithm, 'roster_changed.algorithm is not that of its public key');
  want(!change.kinds.includes(Kind.UNSPECIFIED), 'roster_changed.kinds has an unspecified kind');
  want(!change.origins.includes(''), 'roster_changed.origins has an empty origin');
}

function checkKeyStored(stored: KeyStored): void {
  want(stored.what === 'shard' || stored.what === 'patient', 'key_stored.what must be shard or patient');
  want(stored.keyId.length === 16 && stored.wrappedSha256.length === 32, 'key_stored needs a key_id of 16 bytes and a wrapped_sha256 of 32');
  want(stored.shardId.length === (stored.what === 'patient' ? 16 : 0), 'key_stored.shard_id has 16 bytes for a patient key and is empty for a shard');
  want(stored.epoch > 0n, 'key_stored.epoch counts from 1');
}

function checkRecordStored(stored: RecordStored, records: number): void {
  want(records > 0, 'record_stored names no record');
  want(stored.recordId.length === records && stored.version.length === records, 'record_stored needs a record_id, a version and a record_sha256 for each record');
  want(stored.recordId.every((id) => id.length === 16), 'record_stored.record_id must have 16 bytes');
  want(stored.version.every((version) => version > 0n), 'record_stored.version counts from 1');
  want(isEmptyOr(stored.locatorSha256, 32), 'record_stored.locator_sha256 must be empty or have 32 bytes');
  const ascending = stored.deleted.every((position, i) => position < records && (i === 0 || position > (stored.deleted[i - 1] as number)));
  want(ascending, 'record_stored.deleted names positions in record_id, each once, ascending');
}
