-- The map of the log's subjects (ledger/subject_map.h) as services/log/subject_index makes it from the entries, off the commit path. All of it
-- follows from the log, and is made again when it is found damaged.
CREATE TABLE ledger.subject_map (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  only_row boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (only_row),
  -- Entries of the log that were taken in, and the root they make.
  size bigint NOT NULL CHECK (size >= 0),
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  -- The newest SUBJECT_MAP entry: what it covers, its root, its index. NULL before the first.
  entered_size bigint,
  entered_root bytea CHECK (octet_length(entered_root) = 32),
  entered_index bigint,
  CHECK ((entered_size IS NULL) = (entered_root IS NULL) AND (entered_size IS NULL) = (entered_index IS NULL))
);
INSERT INTO ledger.subject_map (size, root) VALUES (0, decode(repeat('00', 32), 'hex'));

-- Pages of the map, by the path to each: a byte of 0 to 15 for each four bits of a key.
CREATE TABLE ledger.subject_page (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  prefix bytea NOT NULL PRIMARY KEY CHECK (octet_length(prefix) <= 64),
  bytes bytea NOT NULL CHECK (octet_length(bytes) <= 784)
);
-- Hashes do not compress, and each page is replaced whole.
ALTER TABLE ledger.subject_page ALTER COLUMN bytes SET STORAGE PLAIN;

-- Where a subject's entries lie.
CREATE TABLE ledger.subject_entry (
  tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),
  subject bytea NOT NULL CHECK (octet_length(subject) = 16),
  entry_index bigint NOT NULL CHECK (entry_index >= 0),
  PRIMARY KEY (subject, entry_index)
);
