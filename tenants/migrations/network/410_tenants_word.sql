-- Copies of the tenants' savings.tenants_word rows, so that a report reads one database.
CREATE TABLE savings.tenants_word (
  word_tenant text NOT NULL,
  entry_index bigint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('countersigned', 'disputed')),
  first_index bigint NOT NULL,
  past_index bigint NOT NULL CHECK (past_index > first_index),
  arrived_ms bigint NOT NULL,
  PRIMARY KEY (word_tenant, entry_index)
);
-- For the first row past an entry.
CREATE INDEX tenants_word_past ON savings.tenants_word (word_tenant, kind, past_index);
