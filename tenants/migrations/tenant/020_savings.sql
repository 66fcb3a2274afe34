-- What the exchange and the result feed hand to savings. Rows are only ever inserted, by the partition writer, in the transaction
-- of the entry that proves them.
CREATE SCHEMA savings;

-- An acceptance of a card, or its withdrawal (services/exchange/fact.h), sealed under the patient's key.
CREATE TABLE savings.fact (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  -- The seal's record name.
  fact_id bytea NOT NULL PRIMARY KEY CHECK (octet_length(fact_id) = 16),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  sealed bytea NOT NULL,
  -- Network time of arrival, Unix milliseconds.
  arrived_ms bigint NOT NULL,
  -- CARD_ACCEPTED or CARD_OVERRIDDEN of this fact in this tenant's log.
  entry_index bigint NOT NULL
);
CREATE INDEX fact_patient ON savings.fact (patient_id);
CREATE INDEX fact_entry ON savings.fact (entry_index);

-- What this tenant's result feed said (SAVINGS, T8).
CREATE TABLE savings.feed (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  -- WATERMARK or FEED_GAP in this tenant's log.
  entry_index bigint NOT NULL PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('watermark', 'gap')),
  -- Beginning of a gap, Unix milliseconds; meaningless for a watermark.
  from_ms bigint,
  -- How far the watermark reaches, or the (exclusive) end of the gap.
  through_ms bigint NOT NULL,
  -- Network time of arrival.
  arrived_ms bigint NOT NULL,
  CHECK (kind = 'watermark' OR (from_ms IS NOT NULL AND from_ms < through_ms))
);
