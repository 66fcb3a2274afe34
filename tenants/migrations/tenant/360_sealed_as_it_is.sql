-- Sealed bytes do not compress: trying costs time at every write. Holds for rows from here on.
ALTER TABLE exchange.record ALTER COLUMN sealed SET STORAGE EXTERNAL;
