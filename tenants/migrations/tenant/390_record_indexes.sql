-- Each account of a disclosure (two a read) kept four indexes: what is found by patient, accounts or all, is found by record_arrival.
DROP INDEX exchange.record_account;
DROP INDEX exchange.record_of_patient;
