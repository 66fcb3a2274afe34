-- What is kept of persons is what disclosures ask too, from here on (services/exchange/locator.h). What was kept before is judged again.
DELETE FROM locator.person;
COMMENT ON TABLE locator.person IS 'Each patient''s person as judged last, a projection of the other rows of this schema: whatever changes one of those deletes, in its own transaction, the rows here of everyone it may concern.';
