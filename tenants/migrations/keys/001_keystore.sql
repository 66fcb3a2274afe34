-- A tenant's key store (DESIGN, section 6): shard secrets sealed by the epoch key in the token, patient keys sealed by the secret of
-- their shard. Each wrapped key is IV (12 bytes), ciphertext (32) and tag (16); its SHA-256 is in the tenant's log as KEY_STORED.

CREATE SCHEMA keystore;

-- Sealed by CKM_AES_GCM under the epoch key; AAD = tenant, shard, epoch.
CREATE TABLE keystore.shard (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  key_id bytea PRIMARY KEY CHECK (octet_length(key_id) = 16),
  epoch bigint NOT NULL CHECK (epoch >= 1),
  wrapped bytea NOT NULL CHECK (octet_length(wrapped) = 60),
  seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE
);

-- Sealed by AES-256-GCM under the shard's secret; AAD = tenant, patient, epoch of the shard. At most 1,024 a shard.
CREATE TABLE keystore.patient_key (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  patient_id bytea PRIMARY KEY CHECK (octet_length(patient_id) = 16),
  shard_id bytea NOT NULL REFERENCES keystore.shard (key_id),
  wrapped bytea NOT NULL CHECK (octet_length(wrapped) = 60),
  seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE
);

CREATE INDEX patient_key_shard ON keystore.patient_key (shard_id);
