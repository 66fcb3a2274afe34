-- What the record locator keeps of a patient, one row (services/exchange/locator_values.h): keyed hashes of several fields together,
-- enough to tell how alike two patients are, and nothing that can be read back into a name or a date. Takes the place of
-- locator.token and locator.identifier, which the program before this one still writes; patients come here as the tenants' outboxes
-- register them again (migration 280 of the tenants).
CREATE TABLE locator.patient (
  tenant_id text NOT NULL CHECK (tenant_id ~ '^[0-9a-f]{16}$'),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  -- Which fields there are: bits of exchange::Field.
  fields integer NOT NULL,
  -- 6 bytes each, ascending: slot, and the first 5 bytes of the hash.
  marks bytea NOT NULL CHECK (octet_length(marks) % 6 = 0),
  -- First 8 bytes of the hashes by which candidates are found, and of those of full names, which are counted.
  keys bigint[] NOT NULL,
  name_keys bigint[] NOT NULL,
  PRIMARY KEY (tenant_id, patient_id)
);
ALTER TABLE locator.patient ALTER COLUMN marks SET STORAGE PLAIN;
-- No list of pending entries: a lookup must not pay for what others registered.
CREATE INDEX patient_keys ON locator.patient USING gin (keys) WITH (fastupdate = off);
CREATE INDEX patient_name_keys ON locator.patient USING gin (name_keys) WITH (fastupdate = off);

-- Patients whose registration made others less than certain (a namesake at one tenant, an identifier that contradicts): who may do
-- so how often is limited. A muted one does it no longer: only identifiers and decisions join it to anybody.
CREATE TABLE locator.veto (
  tenant_id text NOT NULL CHECK (tenant_id ~ '^[0-9a-f]{16}$'),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  muted boolean NOT NULL,
  PRIMARY KEY (tenant_id, patient_id)
);

-- What a tenant's people decided about a patient of theirs and another, be it at their own tenant: a projection of the
-- Linkage records of their patients, the newest version of each (services/exchange/match_review).
CREATE TABLE locator.decision (
  tenant_id text NOT NULL CHECK (tenant_id ~ '^[0-9a-f]{16}$'),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  other_tenant_id text NOT NULL CHECK (other_tenant_id ~ '^[0-9a-f]{16}$'),
  other_patient_id bytea NOT NULL CHECK (octet_length(other_patient_id) = 16),
  decision text NOT NULL CHECK (decision IN ('link', 'unlink')),
  version bigint NOT NULL CHECK (version > 0),
  PRIMARY KEY (tenant_id, patient_id, other_tenant_id, other_patient_id)
);
CREATE INDEX decision_other ON locator.decision (other_tenant_id, other_patient_id);
