-- What this tenant's own node says of entries that the custodian reported (COUNTERSIGNED, DISPUTED). Rows are only ever inserted, by the partition
-- writer, in the transaction of the entry that says it.
CREATE TABLE savings.tenants_word (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  -- The entry in this tenant's log that says it.
  entry_index bigint NOT NULL PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('countersigned', 'disputed')),
  -- The entries of this log that it is about: [first, past).
  first_index bigint NOT NULL,
  past_index bigint NOT NULL CHECK (past_index > first_index),
  -- Network time of arrival, Unix milliseconds.
  arrived_ms bigint NOT NULL
);
