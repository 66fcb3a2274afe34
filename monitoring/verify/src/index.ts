// The verifier as a library: no file, no socket, no clock; cryptography by WebCrypto alone.
export { Refused } from './bytes.ts';
export { kindName, parseLeaf } from './entry.ts';
export { parseCheckpoint, parseNote, parseVerifierKey, verifiesNote } from './note.ts';
export { Policy } from './policy.ts';
export { isBroken, type JudgedPromise, parsePromise, type PromiseVerdict, type SignedPromise } from './promise.ts';
export { parseReceipt, verifyReceipt, type VerifiedReceipt } from './receipt.ts';
export { type Finding, judgeAge, judgeAges, type Report, type VerifiedLog } from './report.ts';
export { judgeListAge, parseSubjectList, type VerifiedSubjectList, verifySubjectList } from './subject_list.ts';
export type { Read } from './tiles.ts';
export { leafHash, verifyConsistency, verifyInclusion } from './tree.ts';
export { type Open, verifyPromise, verifyTiles } from './verify.ts';
