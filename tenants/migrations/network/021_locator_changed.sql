-- Whose links the registration of a patient (the cause) may have made or unmade: everyone connected with it before or after.
-- Written with the tokens, deleted once savings of that person were evaluated, so that a crash between the two loses nobody.
CREATE TABLE locator.changed (
  cause_tenant_id text NOT NULL CHECK (cause_tenant_id ~ '^[0-9a-f]{16}$'),
  cause_patient_id bytea NOT NULL CHECK (octet_length(cause_patient_id) = 16),
  tenant_id text NOT NULL CHECK (tenant_id ~ '^[0-9a-f]{16}$'),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  PRIMARY KEY (cause_tenant_id, cause_patient_id, tenant_id, patient_id)
);
