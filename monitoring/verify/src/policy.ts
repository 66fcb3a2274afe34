// The tlog-policy file (C2SP tlog-policy): which logs and witnesses are believed, and which cosignatures are enough. Whether a
// checkpoint is believed is decided here and nowhere else.
import { equal, fromDecimal, fromLatin1, latin1, Refused, textOf } from './bytes.ts';
import {
  type Checkpoint, cosignedAt, type Note, parseCheckpoint, parseVerifierKey, sameVerifierKey, typeCosignatureV1, typeEd25519, type VerifierKey,
  verifiesNote,
} from './note.ts';

const policyBytesMax = 1 << 20;
// Groups within groups: judging them takes a call a level.
const groupDepthMax = 64;

export interface Log {
  key: VerifierKey;
  url: string | undefined;
}

interface Group {
  threshold: number;
  members: string[];
  // Levels of groups: 1 for one of witnesses alone.
  depth: number;
}

export interface Believed extends Checkpoint {
  // When a quorum last had cosigned it, POSIX seconds: the latest time such that the cosignatures made then or later make the quorum.
  // Undefined where the policy wants no quorum.
  witnessedAt: bigint | undefined;
}

export class Policy {
  readonly logs: Log[] = [];
  // By their names in the file. Names are octets there and are kept as such, each octet a character.
  private readonly witnesses = new Map<string, VerifierKey>();
  private readonly groups = new Map<string, Group>();
  private quorum: string | undefined;
  // Each name is a member of one group at most.
  private readonly members = new Set<string>();

  // Refused, naming the line.
  static async parse(bytes: Uint8Array): Promise<Policy> {
    if (bytes.length > policyBytesMax) throw new Refused('a policy is past 1 MiB');
    const policy = new Policy();
    for (const [i, line] of latin1(bytes).split('\n').entries()) {
      try {
        if (/[\0-\x08\x0b-\x1f\x7f]/.test(line)) throw new Refused('a control character');
        const words = line.split(/[ \t]+/).filter((word) => word !== '');
        if (words[0] !== undefined && !words[0].startsWith('#')) await policy.add(words[0], words.slice(1));
      } catch (error) {
        throw error instanceof Refused ? new Refused(`policy line ${i + 1}: ${error.message}`) : error;
      }
    }
    if (policy.quorum === undefined) throw new Refused('a policy has one quorum line');
    return policy;
  }

  private async add(keyword: string, words: string[]): Promise<void> {
    const [first, second, third] = words;
    if (keyword === 'log' && first !== undefined && words.length <= 2) {
      const key = await parseVerifierKey(octetsAsText(first));
      if (key.type !== typeEd25519) throw new Refused("a log's key must be of signature type 1");
      if (this.logs.some((log) => equal(log.key.raw, key.raw))) throw new Refused("a log's key is named twice");
      this.logs.push({ key, url: second && new TextDecoder().decode(fromLatin1(second)) });
    } else if (keyword === 'witness' && first !== undefined && second !== undefined && words.length <= 3) {
      this.checkNew(first);
      const key = await parseVerifierKey(octetsAsText(second));
      if (key.type !== typeCosignatureV1) throw new Refused("a witness's key must be of signature type 4");
      if ([...this.witnesses.values()].some((other) => equal(other.raw, key.raw))) throw new Refused("a witness's key is named twice");
      this.witnesses.set(first, key);
    } else if (keyword === 'group' && first !== undefined && second !== undefined && third !== undefined) {
      this.addGroup(first, second, words.slice(2));
    } else if (keyword === 'quorum' && first !== undefined && words.length === 1) {
      if (this.quorum !== undefined) throw new Refused('a policy has one quorum line');
      if (first !== 'none' && !this.isDefined(first)) throw new Refused(`quorum ${first} is not defined above`);
      this.quorum = first;
    } else {
      throw new Refused('want: log <vkey> [<url>], witness <name> <vkey> [<url>], group <name> all|any|<k> <name>..., or quorum <name>');
    }
  }

  private addGroup(name: string, threshold: string, members: string[]): void {
    for (const member of members) {
      if (!this.isDefined(member)) throw new Refused(`group member ${member} is not defined above`);
      if (this.members.has(member)) throw new Refused(`group member ${member} is listed twice`);
      this.members.add(member);
    }
    this.checkNew(name);
    const needed = threshold === 'any' ? 1n : threshold === 'all' ? BigInt(members.length) : fromDecimal(threshold);
    if (needed < 1n || needed > BigInt(members.length))
      throw new Refused("a group's threshold is all, any or a number from 1 to the number of its members");
    const depth = 1 + Math.max(...members.map((member) => this.groups.get(member)?.depth ?? 0));
    if (depth > groupDepthMax) throw new Refused(`groups are nested more than ${groupDepthMax} deep`);
    this.groups.set(name, { threshold: Number(needed), members, depth });
  }

  private isDefined(name: string): boolean {
    return this.witnesses.has(name) || this.groups.has(name);
  }

  private checkNew(name: string): void {
    if (name === 'none') throw new Refused('the name none is predefined');
    if (this.isDefined(name)) throw new Refused(`name ${name} is defined twice`);
  }

  // The same policy with one more log. Refused when it names another key for that origin.
  withLog(key: VerifierKey): Policy {
    const known = this.logs.filter((log) => log.key.name === key.name);
    if (known.some((log) => !sameVerifierKey(log.key, key))) throw new Refused(`the policy names another key for ${key.name}`);
    if (known.length > 0) return this;
    const policy: Policy = Object.assign(Object.create(Policy.prototype), this);
    return Object.assign(policy, { logs: [...this.logs, { key, url: undefined }] });
  }

  // The checkpoint that the note carries, once a log of its origin has signed it and the quorum has cosigned it. A wrong signature
  // of any key of the policy spoils the note (signed-note, "Signatures"); those of other keys are ignored.
  async believe(note: Note): Promise<Believed> {
    const checkpoint = parseCheckpoint(note.text);
    const signers = new Set<VerifierKey>();
    // Of a witness that cosigned more than once the newest counts.
    const times = new Map<VerifierKey, bigint>();
    for (const { name, keyId, signature } of note.signatures) {
      for (const key of [...this.logs.map((log) => log.key), ...this.witnesses.values()]) {
        if (key.name !== name || key.keyId !== keyId) continue;
        if (!(await verifiesNote(note.text, signature, key))) throw new Refused(`the signature of ${name} is wrong`);
        signers.add(key);
        if (key.type !== typeCosignatureV1) continue;
        const time = cosignedAt(signature);
        if (time > (times.get(key) ?? 0n)) times.set(key, time);
      }
    }
    const logs = this.logs.filter((log) => log.key.name === checkpoint.origin);
    if (logs.length === 0) throw new Refused(`the policy names no log ${checkpoint.origin}`);
    if (!logs.some((log) => signers.has(log.key))) throw new Refused(`no signature of ${checkpoint.origin}`);
    const { quorum } = this;
    const cosigned = [...this.witnesses.keys()].filter((name) => signers.has(this.witnesses.get(name) as VerifierKey));
    if (quorum === undefined || (quorum !== 'none' && !this.isWitnessed(quorum, new Set(cosigned))))
      throw new Refused(
        `the checkpoint of ${checkpoint.origin} at size ${checkpoint.size} has ${cosigned.length} cosignatures, which do not make the quorum ${quorum}`,
      );
    const timeOf = (name: string) => times.get(this.witnesses.get(name) as VerifierKey) as bigint;
    return { ...checkpoint, witnessedAt: quorum === 'none' ? undefined : this.quorumTime(quorum, new Map(cosigned.map((name) => [name, timeOf(name)]))) };
  }

  // Of the times at which witnesses cosigned the latest that leaves a quorum of those who did so then or later.
  private quorumTime(quorum: string, times: ReadonlyMap<string, bigint>): bigint {
    const since = (time: bigint) => new Set([...times].filter(([, cosigned]) => cosigned >= time).map(([name]) => name));
    const enough = [...times.values()].filter((time) => this.isWitnessed(quorum, since(time)));
    return enough.reduce((latest, time) => (time > latest ? time : latest));
  }

  // Groups name only what is defined above them, so this ends.
  private isWitnessed(name: string, cosigned: ReadonlySet<string>): boolean {
    const group = this.groups.get(name);
    if (group === undefined) return cosigned.has(name);
    return group.members.filter((member) => this.isWitnessed(member, cosigned)).length >= group.threshold;
  }
}

function octetsAsText(word: string): string {
  return textOf(fromLatin1(word));
}
