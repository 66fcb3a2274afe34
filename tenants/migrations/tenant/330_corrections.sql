-- Alerts that a result this tenant was shown was amended, withdrawn or unlinked (services/exchange/corrections), by the record of the
-- Communication that tells of it; and which of them somebody acknowledged.
CREATE TABLE exchange.correction (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  record_id bytea PRIMARY KEY CHECK (octet_length(record_id) = 16),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  entry_index bigint NOT NULL CHECK (entry_index >= 0)
);
CREATE TABLE exchange.correction_acknowledged (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  record_id bytea PRIMARY KEY CHECK (octet_length(record_id) = 16),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16)
);
-- Disclosures of a patient, to find who is to be told.
CREATE INDEX record_account ON exchange.record (patient_id, entry_index) WHERE account;
