-- What order checks leave behind (services/exchange/card_store). Rows are only ever inserted, by the partition writer, in the
-- transaction of the entry that proves them. Only opaque ids, keyed hashes and sealed bytes: nothing here names a person.

-- The first answer to each check, by the keyed hash of (iss, hook, hookInstance). sealed: the answer's body under the patient's key.
CREATE TABLE exchange.check_answer (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  check_key bytea NOT NULL PRIMARY KEY CHECK (octet_length(check_key) = 32),
  -- Keyed hash of what was asked.
  digest bytea NOT NULL CHECK (octet_length(digest) = 32),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  sealed bytea NOT NULL,
  -- The (first) ORDER_CHECKED entry, which carries the hash of `sealed`.
  entry_index bigint NOT NULL CHECK (entry_index >= 0),
  -- Network time of the commit, Unix milliseconds.
  arrived_ms bigint NOT NULL
);
CREATE INDEX check_answer_of_patient ON exchange.check_answer (patient_id);

-- Cards that were shown. sealed: what feedback needs to know of the card.
CREATE TABLE exchange.card (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  card_id bytea NOT NULL PRIMARY KEY CHECK (octet_length(card_id) = 16),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  sealed bytea NOT NULL,
  -- CARD_SHOWN, which carries the hash of `sealed`.
  entry_index bigint NOT NULL CHECK (entry_index >= 0),
  arrived_ms bigint NOT NULL
);
CREATE INDEX card_of_patient ON exchange.card (patient_id);

-- What became of a card (SAVINGS, T5): ordinal 1 is what bound, 2 the override that withdrew an acceptance.
CREATE TABLE exchange.card_outcome (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  card_id bytea NOT NULL REFERENCES exchange.card (card_id),
  ordinal bigint NOT NULL CHECK (ordinal IN (1, 2)),
  outcome text NOT NULL CHECK (outcome IN ('accepted', 'overridden')),
  -- outcomeTimestamp and the clinician's reason.
  sealed bytea NOT NULL,
  -- CARD_ACCEPTED or CARD_OVERRIDDEN, which carries the hash of `sealed`.
  entry_index bigint NOT NULL CHECK (entry_index >= 0),
  arrived_ms bigint NOT NULL,
  PRIMARY KEY (card_id, ordinal),
  UNIQUE (card_id, outcome)
);

-- Tokens that were used: SHA-256 of issuer and jti. Rows past expires_ms (machine's clock, Unix milliseconds) say nothing any more.
CREATE TABLE exchange.jti (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  jti bytea NOT NULL PRIMARY KEY CHECK (octet_length(jti) = 32),
  expires_ms bigint NOT NULL
);
CREATE INDEX jti_expiry ON exchange.jti (expires_ms);

-- How far each order came (SAVINGS, T4: orders are counted, not calls), by the keyed hash of its identifier.
CREATE TABLE exchange.order_state (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  order_key bytea NOT NULL CHECK (octet_length(order_key) = 32),
  state text NOT NULL CHECK (state IN ('checked', 'shown', 'accepted', 'overridden')),
  PRIMARY KEY (state, order_key)
);
