-- FHIR resources as stored (services/exchange/record_store). Only sealed bytes, opaque ids and keyed hashes: nothing here names a
-- person. Every row is an INSERT of the partition writer, in the transaction of the RECORD_STORED entry that proves it.
CREATE SCHEMA exchange;

-- One row a version. sealed: the resource's JSON under the patient's key, bound to record_id and version.
CREATE TABLE exchange.record (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  record_id bytea NOT NULL CHECK (octet_length(record_id) = 16),
  version bigint NOT NULL CHECK (version > 0),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  sealed bytea NOT NULL,
  deleted boolean NOT NULL DEFAULT false,
  -- Network time of the commit, Unix milliseconds.
  arrived_ms bigint NOT NULL,
  -- The RECORD_STORED entry that carries this version's hash.
  entry_index bigint NOT NULL CHECK (entry_index >= 0),
  PRIMARY KEY (record_id, version)
);
CREATE INDEX record_of_patient ON exchange.record (patient_id, record_id, version);

-- The patients of this partition, each with the record of its Patient resource.
CREATE TABLE exchange.patient (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  patient_id bytea NOT NULL PRIMARY KEY CHECK (octet_length(patient_id) = 16),
  record_id bytea NOT NULL UNIQUE CHECK (octet_length(record_id) = 16)
);

-- Which records carried a business identifier: token = keyed hash of type, system and value. A rebuildable projection; a hit is
-- checked against the opened record, whose newest version may no longer have the identifier.
CREATE TABLE exchange.identifier (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  token bytea NOT NULL CHECK (octet_length(token) = 32),
  record_id bytea NOT NULL CHECK (octet_length(record_id) = 16),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  PRIMARY KEY (token, record_id)
);
CREATE INDEX identifier_of_patient ON exchange.identifier (patient_id);
