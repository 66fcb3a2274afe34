// A receipt: a C2SP tlog-proof whose `extra` is the leaf. It proves offline, with a policy alone, that the leaf lies in a log under a
// witnessed checkpoint. Who wrote the leaf it does not say: that takes the governance log.
import { type Bytes, fromBase64, fromDecimal, Refused, textOf } from './bytes.ts';
import { type Leaf, parseLeaf } from './entry.ts';
import { type Note, parseNote } from './note.ts';
import type { Believed, Policy } from './policy.ts';
import { type Hash, leafHash, verifyInclusion } from './tree.ts';

const receiptBytesMax = 2 << 20;
const proofHashesMax = 64;
const newline = 10;

export interface Receipt {
  // Undefined when the file has no extra line: then there is nothing to verify.
  leaf: Bytes | undefined;
  index: bigint;
  proof: Hash[];
  checkpoint: Note;
}

// Refused, naming the line.
export function parseReceipt(bytes: Uint8Array): Receipt {
  if (bytes.length > receiptBytesMax) throw new Refused('the receipt is past 2 MiB');
  const blank = bytes.findIndex((byte, i) => byte === newline && bytes[i + 1] === newline);
  if (blank < 0) throw new Refused('the receipt ends too early');
  const lines = textOf(bytes.subarray(0, blank)).split('\n');
  if (lines.shift() !== 'c2sp.org/tlog-proof@v1') throw new Refused('the receipt does not begin with c2sp.org/tlog-proof@v1');
  const extra = lines[0]?.startsWith('extra ') ? fromBase64((lines.shift() as string).slice('extra '.length)) : undefined;
  if (extra?.length === 0) throw new Refused("the receipt's extra line is empty");
  const index = lines.shift();
  if (!index?.startsWith('index ')) throw new Refused('the receipt has no index line');
  if (lines.length > proofHashesMax) throw new Refused("the receipt's proof is too long");
  const proof = lines.map(fromBase64);
  if (proof.some((hash) => hash.length !== 32)) throw new Refused('a proof line of the receipt is not a hash');
  return { leaf: extra, index: fromDecimal(index.slice('index '.length)), proof, checkpoint: parseNote(bytes.subarray(blank + 2)) };
}

export interface VerifiedReceipt {
  checkpoint: Believed;
  index: bigint;
  leaf: Leaf;
}

// Refused, saying what does not fit.
export async function verifyReceipt(receipt: Receipt, policy: Policy): Promise<VerifiedReceipt> {
  if (receipt.leaf === undefined) throw new Refused('the receipt carries no leaf');
  const checkpoint = await policy.believe(receipt.checkpoint);
  await verifyInclusion(receipt.index, checkpoint.size, await leafHash(receipt.leaf), receipt.proof, checkpoint.root);
  const leaf = await parseLeaf(receipt.leaf);
  if (leaf.entry.origin !== checkpoint.origin) throw new Refused(`the leaf is of ${leaf.entry.origin}, its checkpoint of ${checkpoint.origin}`);
  return { checkpoint, index: receipt.index, leaf };
}
