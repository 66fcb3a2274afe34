-- What is kept of persons is what disclosures ask too, from here on (services/exchange/locator.h): those of more patients than one person can be end with
-- the rest. What was kept before, when they only aged, is judged again.
DELETE FROM locator.person;
COMMENT ON TABLE locator.person IS 'Each patient''s person as judged last, a projection of the other rows of this schema: whatever changes one of those deletes, in its own transaction, the rows here of everyone it may concern.';
