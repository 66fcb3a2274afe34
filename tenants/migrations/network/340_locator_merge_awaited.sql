-- Merges with charts that are not stored yet: a patient's newest Patient resource names one of its tenant by an id (here as its keyed hash, like every
-- FHIR id) that nobody bears. A row becomes one of locator.merged when that Patient is registered (services/exchange/locator).
CREATE TABLE locator.merge_awaited (
  tenant_id text NOT NULL CHECK (tenant_id ~ '^[0-9a-f]{16}$'),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  other_record_id bytea NOT NULL CHECK (octet_length(other_record_id) = 16),
  PRIMARY KEY (tenant_id, patient_id, other_record_id)
);
CREATE INDEX merge_awaited_other ON locator.merge_awaited (tenant_id, other_record_id);
