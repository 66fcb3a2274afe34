// The vectors of tests/vectors: every Merkle proof, right and wrong, and a cosigned proof made by others.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fromBase64, fromDecimal, fromLatin1, hex, utf8 } from './bytes.ts';
import { parseNote, parseVerifierKey, verifiesNote } from './note.ts';
import { Policy } from './policy.ts';
import { parseReceipt } from './receipt.ts';
import { leafHash, verifyConsistency, verifyInclusion, verifySubtreeConsistency, verifySubtreeInclusion } from './tree.ts';

const vectors = new URL('../../../tests/vectors/', import.meta.url);

type Vector = Record<string, unknown> & { desc: string; wantErr: boolean };

// JSON.parse rounds numbers past 2^53: they are read as text.
function readVector(url: URL): Vector {
  return JSON.parse(readFileSync(url, 'utf8').replace(/": (-?\d+)/g, '": "$1"'));
}

async function verify(kind: string, vector: Vector): Promise<void> {
  const number = (name: string) => fromDecimal(String(vector[name]));
  // "Some root" has other lengths than 32 in some vectors; an empty one is none.
  const hash = (name: string) => {
    const bytes = fromBase64(vector[name] as string);
    if (bytes.length === 0) throw new Error('not a hash');
    return bytes;
  };
  const proof = ((vector.proof ?? []) as string[]).map(fromBase64);
  if (proof.some(({ length }) => length !== 32)) throw new Error('not a hash');
  if (kind === 'inclusion') return verifyInclusion(number('leafIdx'), number('treeSize'), hash('leafHash'), proof, hash('root'));
  if (kind === 'consistency') return verifyConsistency(number('size1'), number('size2'), proof, hash('root1'), hash('root2'));
  if (kind === 'subtreeinclusion')
    return verifySubtreeInclusion(number('leafIdx'), number('start'), number('end'), hash('leafHash'), proof, hash('root'));
  return verifySubtreeConsistency(number('start'), number('end'), number('size'), proof, hash('root1'), hash('root2'));
}

for (const kind of readdirSync(new URL('merkle/', vectors))) {
  test(`merkle vectors: ${kind}`, async () => {
    const directory = new URL(`merkle/${kind}/`, vectors);
    const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.json'));
    assert.ok(files.length > 10);
    for (const file of files) {
      const vector = readVector(new URL(file.split('/').map(encodeURIComponent).join('/'), directory));
      const verified = await verify(kind, vector).then(() => true, () => false);
      assert.equal(verified, !vector.wantErr, `${kind}/${file}: ${vector.desc}`);
    }
  });
}

const cosigned = JSON.parse(readFileSync(new URL('cosigned-proof.json', vectors), 'utf8')) as Record<string, string>;

test('a cosigned checkpoint made by others is believed', async () => {
  const policy = await Policy.parse(utf8(`log ${cosigned.log_vkey}\nwitness w ${cosigned.witness_vkey_0x04}\nquorum w\n`));
  const { origin, size } = await policy.believe(parseNote(utf8(cosigned.checkpoint as string)));
  assert.equal(origin, 'monkeys');
  assert.equal(size, 8n);
});

test('its cosignature is no signature of the log, and the other way round', async () => {
  const note = parseNote(utf8(cosigned.checkpoint as string));
  const [log, witness] = await Promise.all([cosigned.log_vkey, cosigned.witness_vkey_0x04].map((key) => parseVerifierKey(key as string)));
  const [byLog, byWitness] = note.signatures.map(({ signature }) => signature);
  assert.ok(log && witness && byLog && byWitness);
  assert.equal(await verifiesNote(note.text, byLog, log), true);
  assert.equal(await verifiesNote(note.text, byWitness, witness), true);
  assert.equal(await verifiesNote(note.text, byWitness, log), false);
  assert.equal(await verifiesNote(note.text, byLog, witness), false);
});

test('a tlog-proof made by others leads to its checkpoint', async () => {
  const leaf = fromLatin1(String.fromCharCode(...(cosigned.leaves_hex?.[5] as string).match(/../g)!.map((byte) => parseInt(byte, 16))));
  assert.equal(hex(leaf), cosigned.leaves_hex?.[5]);
  const receipt = parseReceipt(utf8(cosigned.tlog_proof as string));
  const checkpoint = await (await Policy.parse(utf8(`log ${cosigned.log_vkey}\nquorum none\n`))).believe(receipt.checkpoint);
  await verifyInclusion(receipt.index, checkpoint.size, await leafHash(leaf), receipt.proof, checkpoint.root);
});
