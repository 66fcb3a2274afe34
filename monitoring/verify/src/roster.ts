// Who may write what, as the governance log says it.
import { equal, hex, Refused } from './bytes.ts';
import { kindName } from './entry.ts';
import { type Entry, Kind, type RosterChanged, type TenantAdmitted } from './generated/ledger/entry_pb.js';
import { PublicKey } from './signature.ts';
import { type Hash, Tree } from './tree.ts';

const governanceKinds: ReadonlySet<Kind> = new Set([
  Kind.TENANT_ADMITTED, Kind.ROSTER_CHANGED, Kind.POLICY_SET, Kind.TABLE_SET, Kind.SUCCESSION, Kind.CLIENT_REGISTERED,
  Kind.CLIENT_ACCESS_SET,
]);

// Whether entries of this kind belong on the governance log; all others belong on partitions' logs.
export const isGovernanceKind = (kind: Kind): boolean => governanceKinds.has(kind);

export class Roster {
  // By key id. The newest change of a key counts; a revoked key is not here.
  private readonly enrolled = new Map<string, { key: PublicKey; change: RosterChanged }>();

  async apply(change: RosterChanged): Promise<void> {
    const id = hex(change.keyId);
    this.enrolled.delete(id);
    if (!change.revoked) this.enrolled.set(id, { key: await PublicKey.fromSpki(change.publicKey), change });
  }

  // The key to verify with. Refused when it is not enrolled for this author, log and kind.
  keyFor(entry: Entry, keyId: Uint8Array): PublicKey {
    const found = this.enrolled.get(hex(keyId));
    if (found === undefined) throw new Refused("the author's key is not enrolled");
    const { key, change } = found;
    if (change.author !== entry.author) throw new Refused('the key is enrolled for another author');
    if (change.origins.length > 0 && !change.origins.includes(entry.origin)) throw new Refused('the author is not enrolled for this log');
    if (!change.kinds.includes(entry.kind)) throw new Refused(`the author is not enrolled for ${kindName(entry.kind)}`);
    return key;
  }
}

// A governance log, reduced to what judging other logs needs.
export class Governance {
  readonly tree = new Tree();
  // With their positions, ascending.
  readonly changes: { index: bigint; change: RosterChanged }[] = [];
  // By origin; the first admission of a log counts, so that no later one moves it to another key or tenant.
  readonly admitted = new Map<string, TenantAdmitted>();
  // The author that the first entry enrols.
  custodian: string | undefined;

  // The next entry; undefined when it is not to be believed, and only lies in the tree.
  async append(entry: Entry | undefined, hash: Hash): Promise<void> {
    const index = this.tree.size;
    if (entry?.clear.case === 'rosterChanged') {
      if (index === 0n) this.custodian = entry.clear.value.author;
      this.changes.push({ index, change: entry.clear.value });
    }
    if (entry?.clear.case === 'tenantAdmitted' && !this.admitted.has(entry.clear.value.origin)) this.admitted.set(entry.clear.value.origin, entry.clear.value);
    await this.tree.append(hash);
  }
}

// The roster at a size of the governance log that only grows.
export class RosterCursor {
  readonly roster = new Roster();
  private next = 0;
  private readonly governance: Governance;

  constructor(governance: Governance) {
    this.governance = governance;
  }

  async moveTo(size: bigint): Promise<void> {
    for (;;) {
      const change = this.governance.changes[this.next];
      if (change === undefined || change.index >= size) return;
      await this.roster.apply(change.change);
      this.next++;
    }
  }
}

// Refused unless a first entry of a governance log enrols its own author's key; that key.
export async function foundingKey(entry: Entry, keyId: Uint8Array): Promise<PublicKey> {
  const { clear } = entry;
  if (clear.case !== 'rosterChanged' || clear.value.revoked || clear.value.author !== entry.author || !equal(clear.value.keyId, keyId))
    throw new Refused("the first entry of a governance log must enrol its own author's key");
  return PublicKey.fromSpki(clear.value.publicKey);
}
