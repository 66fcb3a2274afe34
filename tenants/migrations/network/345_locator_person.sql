-- Each patient's person as it was judged last (services/exchange/locator), so that an order check reads one row instead of judging anew. A projection of
-- the other rows of this schema: whatever changes one of those deletes the rows here that it concerns, in the same transaction. It finds priors, it never
-- discloses: who is the same person is judged anew, from the other rows, before anything leaves its tenant.
CREATE TABLE locator.person (
  tenant_id text NOT NULL CHECK (tenant_id ~ '^[0-9a-f]{16}$'),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  -- SHA-256 of the weights by which it was judged; by others it counts no more.
  weights_sha256 bytea NOT NULL CHECK (octet_length(weights_sha256) = 32),
  -- Everyone of the person, the patient itself included, ordered.
  tenant_ids text[] NOT NULL,
  patient_ids bytea[] NOT NULL CHECK (cardinality(patient_ids) = cardinality(tenant_ids) AND cardinality(patient_ids) > 0),
  PRIMARY KEY (tenant_id, patient_id)
);
