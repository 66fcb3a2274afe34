-- Charts of one tenant that it says are one patient's: a projection of Patient.link in each patient's newest Patient resource
-- (services/exchange/locator). A row stands for the pair, whoever of the two said it.
CREATE TABLE locator.merged (
  tenant_id text NOT NULL CHECK (tenant_id ~ '^[0-9a-f]{16}$'),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  other_patient_id bytea NOT NULL CHECK (octet_length(other_patient_id) = 16),
  PRIMARY KEY (tenant_id, patient_id, other_patient_id)
);
CREATE INDEX merged_other ON locator.merged (tenant_id, other_patient_id);
