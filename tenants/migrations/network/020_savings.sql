-- The projection that figures, metrics and the savings page are read from; written by services/savings alone. States and feed rows
-- follow from the tenants' facts, records and feeds and are computed anew at every evaluation; postings say which ledger entries
-- stand for them. Holds what money needs and nothing that leads to a person: avoidance_id is random and used once, and which
-- patient it concerns is known only in the ordering tenant's own database.
CREATE SCHEMA savings;

-- An exam that was avoided at some time of our knowledge (SAVINGS, T6).
CREATE TABLE savings.avoidance (
  avoidance_id bytea NOT NULL PRIMARY KEY CHECK (octet_length(avoidance_id) = 16),
  -- Tenants by name.
  ordering_tenant text NOT NULL,
  source_tenant text NOT NULL,
  class_id text NOT NULL,
  modality text NOT NULL,
  -- Whole price (T9); a side's share is computed from it (T10).
  cents bigint NOT NULL CHECK (cents >= 0),
  -- UTC month of the acceptance, "2026-03".
  month text NOT NULL,
  -- The acceptance (T5) and the end of its window, Unix milliseconds.
  t_ms bigint NOT NULL,
  deadline_ms bigint NOT NULL CHECK (deadline_ms > t_ms),
  -- CARD_ACCEPTED in the ordering tenant's log.
  acceptance_index bigint NOT NULL,
  -- Network time from which entries may be due again whatever the feeds say.
  due_ms bigint,
  -- The same, once every feed has passed that time too.
  feed_due_ms bigint
);
CREATE INDEX avoidance_due ON savings.avoidance (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX avoidance_feed_due ON savings.avoidance (feed_due_ms) WHERE feed_due_ms IS NOT NULL;
CREATE INDEX avoidance_acceptance ON savings.avoidance (ordering_tenant, acceptance_index);
CREATE INDEX avoidance_t ON savings.avoidance (t_ms);

-- What was known of it when: for any moment T at most one row with known_from_ms <= T < known_to_ms; none while it was no
-- avoidance. Whether an open one is pending or confirmed follows from its deadline and the feeds (T8).
CREATE TABLE savings.known_state (
  avoidance_id bytea NOT NULL REFERENCES savings.avoidance (avoidance_id),
  known_from_ms bigint NOT NULL,
  -- 9223372036854775807 while nothing newer is known.
  known_to_ms bigint NOT NULL CHECK (known_to_ms > known_from_ms),
  state text NOT NULL CHECK (state IN ('open', 'reversed', 'censored')),
  -- "withdrawn", "unlink", "redo", "death", "erasure", "departure", "gap"; empty while open.
  why text NOT NULL,
  -- Tenant that performed the redo; empty otherwise.
  reversed_by text NOT NULL,
  -- When what ended it happened, Unix milliseconds; absent while open.
  ended_ms bigint,
  PRIMARY KEY (avoidance_id, known_from_ms)
);
CREATE INDEX known_state_current ON savings.known_state (avoidance_id, known_to_ms);

-- The ledger entries behind the figures: planned here first, then admitted under a key made from the row, then marked with their
-- index. A crash between leaves a row without an index, which the next run sends again.
CREATE TABLE savings.posting (
  avoidance_id bytea NOT NULL REFERENCES savings.avoidance (avoidance_id),
  -- Tenant in whose log the entry is.
  log_tenant text NOT NULL,
  -- ledger.v1.Kind and ledger.v1.Side by number.
  kind bigint NOT NULL,
  side bigint NOT NULL,
  -- 0, 1, ...: odd ones take back what the one before said.
  sequence bigint NOT NULL CHECK (sequence >= 0),
  cents bigint NOT NULL,
  exams bigint NOT NULL CHECK (exams IN (1, -1)),
  month text NOT NULL,
  -- Entered as part of a monthly aggregate (T7): its month and number; empty and 0 for an entry of its own.
  aggregate_month text NOT NULL,
  aggregate_number bigint NOT NULL,
  entry_index bigint,
  PRIMARY KEY (avoidance_id, log_tenant, kind, side, sequence)
);
CREATE INDEX posting_waiting ON savings.posting (log_tenant) WHERE entry_index IS NULL;
CREATE INDEX posting_aggregate ON savings.posting (log_tenant, aggregate_month, aggregate_number) WHERE aggregate_month <> '';

-- Copies of the tenants' savings.feed rows, so that a report reads one database.
CREATE TABLE savings.feed (
  feed_tenant text NOT NULL,
  entry_index bigint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('watermark', 'gap')),
  from_ms bigint,
  through_ms bigint NOT NULL,
  arrived_ms bigint NOT NULL,
  PRIMARY KEY (feed_tenant, entry_index)
);
CREATE INDEX feed_watermark ON savings.feed (feed_tenant, through_ms DESC, arrived_ms) WHERE kind = 'watermark';
CREATE INDEX feed_gap ON savings.feed (from_ms, through_ms) WHERE kind = 'gap';
