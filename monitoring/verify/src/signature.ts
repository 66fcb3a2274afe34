// The two signature algorithms of our logs by WebCrypto: Ed25519 (RFC 8032), and ECDSA over P-256 with SHA-256, DER-encoded.
import { type Bytes, concat, equal, fromLatin1, Refused } from './bytes.ts';
import { SignatureAlgorithm } from './generated/ledger/entry_pb.js';
import { sha256 } from './tree.ts';

// A SubjectPublicKeyInfo is one of these and the key: one encoding per key, or a key would have several key ids.
const spkiEd25519 = fromLatin1('\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00');
const spkiP256 = fromLatin1('\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00');
const uncompressed = 4;

export class PublicKey {
  readonly algorithm: SignatureAlgorithm;
  // SHA-256 of the SubjectPublicKeyInfo.
  readonly keyId: Bytes;
  private readonly key: CryptoKey;

  private constructor(algorithm: SignatureAlgorithm, keyId: Bytes, key: CryptoKey) {
    this.algorithm = algorithm;
    this.keyId = keyId;
    this.key = key;
  }

  // Refused unless a P-256 (uncompressed) or Ed25519 key in DER.
  static async fromSpki(spki: Uint8Array): Promise<PublicKey> {
    const fits = (prefix: Bytes, bytes: number) =>
      spki.length === prefix.length + bytes && equal(spki.subarray(0, prefix.length), prefix);
    const keyId = await sha256(spki);
    if (fits(spkiEd25519, 32)) {
      const key = await importRaw(spki.subarray(spkiEd25519.length), { name: 'Ed25519' });
      return new PublicKey(SignatureAlgorithm.ED25519, keyId, key);
    }
    if (fits(spkiP256, 65) && spki[spkiP256.length] === uncompressed) {
      const key = await importRaw(spki.subarray(spkiP256.length), { name: 'ECDSA', namedCurve: 'P-256' });
      return new PublicKey(SignatureAlgorithm.ECDSA_P256_SHA256, keyId, key);
    }
    throw new Refused('the public key is no SubjectPublicKeyInfo of a P-256 or Ed25519 key');
  }

  // 32 raw bytes.
  static async fromEd25519(raw: Uint8Array): Promise<PublicKey> {
    if (raw.length !== 32) throw new Refused(`an Ed25519 public key has 32 bytes, not ${raw.length}`);
    return PublicKey.fromSpki(concat(spkiEd25519, raw));
  }

  async verifies(message: Uint8Array, signature: Uint8Array): Promise<boolean> {
    if (this.algorithm === SignatureAlgorithm.ED25519)
      return crypto.subtle.verify({ name: 'Ed25519' }, this.key, concat(signature), concat(message));
    const raw = fromDerSignature(signature);
    return raw !== undefined && crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, this.key, raw, concat(message));
  }
}

async function importRaw(raw: Uint8Array, algorithm: AlgorithmIdentifier | EcKeyImportParams): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey('raw', concat(raw), algorithm, false, ['verify']);
  } catch (error) {
    if (error instanceof Error && error.name === 'NotSupportedError')
      throw new Error('this browser or Node has no Ed25519 in WebCrypto; use a newer one');
    throw new Refused('the public key is not a point of its curve');
  }
}

// SEQUENCE { INTEGER r, INTEGER s } as the 64 bytes that WebCrypto wants; undefined for anything but the one DER encoding.
function fromDerSignature(der: Uint8Array): Bytes | undefined {
  if (der[0] !== 0x30 || der[1] !== der.length - 2 || der.length > 72) return undefined;
  const raw = new Uint8Array(64);
  let at = 2;
  for (const end of [32, 64]) {
    const length = der[at + 1] ?? 0;
    const number = der.subarray(at + 2, at + 2 + length);
    if (der[at] !== 0x02 || length === 0 || number.length !== length) return undefined;
    const first = number[0] as number;
    const padded = length > 1 && first === 0;
    // Not negative, and no zero that is not needed.
    if (first >= 0x80 || (padded && (number[1] as number) < 0x80)) return undefined;
    const magnitude = padded ? number.subarray(1) : number;
    if (magnitude.length > 32) return undefined;
    raw.set(magnitude, end - magnitude.length);
    at += 2 + length;
  }
  return at === der.length ? raw : undefined;
}
