-- The network database: who the tenants are and where their data lies (tenants/registry.h), and network time when simulated.
-- Registry rows are written in one transaction with their governance entries; they are never changed in place.
CREATE SCHEMA registry;

CREATE TABLE registry.tenant (
  tenant_id text NOT NULL PRIMARY KEY CHECK (tenant_id ~ '^[0-9a-f]{16}$'),
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9-]{1,32}$'),
  display_name text NOT NULL,
  cell text NOT NULL,
  database text NOT NULL,
  key_database text NOT NULL,
  origin text NOT NULL UNIQUE,
  log_vkey text NOT NULL,
  time_zone text NOT NULL,
  organization_system text NOT NULL,
  organization_value text NOT NULL,
  accession_system text NOT NULL,
  cds_issuer text NOT NULL,
  cds_tenant text NOT NULL,
  cds_jwks text NOT NULL,
  UNIQUE (cell, database),
  UNIQUE (cell, key_database),
  UNIQUE (organization_system, organization_value)
);
-- A tenant may do without CDS Hooks or an accession system; none shares another's.
CREATE UNIQUE INDEX tenant_cds ON registry.tenant (cds_issuer, cds_tenant) WHERE cds_issuer <> '';
CREATE UNIQUE INDEX tenant_accession ON registry.tenant (accession_system) WHERE accession_system <> '';

CREATE TABLE registry.client (
  spiffe_id text NOT NULL PRIMARY KEY,
  -- Empty for those that belong to no tenant: operators and regulators.
  tenant_id text NOT NULL,
  role text NOT NULL,
  purpose text NOT NULL
);

CREATE SCHEMA network;

-- One row: simulated network time, Unix milliseconds.
CREATE TABLE network.clock (
  only_row boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (only_row),
  now_ms bigint NOT NULL
);
