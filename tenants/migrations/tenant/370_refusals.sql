-- Refusals that wait for their batch (services/exchange/refusals): each the AuditEvent that its patient will find, sealed under the patient's key and under
-- the record id that it will have. Written within a moment of the refusal, deleted once the batch is on the log.
CREATE TABLE exchange.refusal (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  record_id bytea PRIMARY KEY CHECK (octet_length(record_id) = 16),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  sealed bytea NOT NULL,
  noted_ms bigint NOT NULL,
  -- Idempotency key of the batch that it was taken into.
  batch bytea CHECK (octet_length(batch) = 32)
);
ALTER TABLE exchange.refusal ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX refusal_waiting ON exchange.refusal (noted_ms, record_id) WHERE batch IS NULL;
CREATE INDEX refusal_taken ON exchange.refusal (batch) WHERE batch IS NOT NULL;
