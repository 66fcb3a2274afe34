-- The record locator (services/exchange/locator): which patients at which tenants may be one person. Tokens are keyed hashes (the
-- key lies in the token) of several normalised fields together; nothing here can be read back into a name. Rebuildable from the
-- Patient resources, so its backups are kept for 30 days at most.
CREATE SCHEMA locator;

-- strength: 'name' (family, given, birth date and gender with a telephone, an address or an identifier) or 'identifier' (national
-- identifier, birth date, and family or given name).
CREATE TABLE locator.token (
  tenant_id text NOT NULL CHECK (tenant_id ~ '^[0-9a-f]{16}$'),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  token bytea NOT NULL CHECK (octet_length(token) = 32),
  strength text NOT NULL CHECK (strength IN ('name', 'identifier')),
  PRIMARY KEY (tenant_id, patient_id, token)
);
CREATE INDEX token_of ON locator.token (token);

-- National identifiers, to tell apart who looks alike: the same slot (kind of identifier) with another value is another person.
CREATE TABLE locator.identifier (
  tenant_id text NOT NULL CHECK (tenant_id ~ '^[0-9a-f]{16}$'),
  patient_id bytea NOT NULL CHECK (octet_length(patient_id) = 16),
  slot bytea NOT NULL CHECK (octet_length(slot) = 32),
  value bytea NOT NULL CHECK (octet_length(value) = 32),
  PRIMARY KEY (tenant_id, patient_id, slot, value)
);
