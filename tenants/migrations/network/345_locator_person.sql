-- Each patient's person as it was judged last (services/exchange/locator), so that an order check reads one row instead of judging anew. A projection of
-- the other rows of this schema: whatever changes one of those deletes the rows here of everyone connected with it, in the same transaction; those of more
-- patients than one person can be (locator.h) only age. It finds priors, it never
-- discloses: who is the same person is judged anew, from the other rows, before anything leaves its tenant.
CREATE TABLE locator.person (
  tenant_id text NOT NULL CHECK (tenant_id ~ '^[0-9a-f]{16}$'),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  -- SHA-256 of the weights by which it was judged; by others it counts no more.
  weights_sha256 bytea NOT NULL CHECK (octet_length(weights_sha256) = 32),
  -- How many patients the network had then, as the database estimated, and when it was: how common a name is changes without any of these rows.
  patients bigint NOT NULL CHECK (patients >= 0),
  judged_at timestamptz NOT NULL DEFAULT now(),
  -- Everyone of the person, the patient itself included, ordered.
  tenant_ids text[] NOT NULL,
  patient_ids bytea[] NOT NULL CHECK (cardinality(patient_ids) = cardinality(tenant_ids) AND cardinality(patient_ids) > 0),
  PRIMARY KEY (tenant_id, patient_id)
);
