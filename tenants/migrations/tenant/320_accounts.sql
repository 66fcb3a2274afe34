-- Whether a record is the custodian's account of a disclosure or refusal (AuditEvent, Provenance): those grow with every look at a chart and
-- are no part of it, so what reads the chart need not open them. The record's entry says the same. Those of before lie among the chart.
ALTER TABLE exchange.record ADD COLUMN account boolean NOT NULL DEFAULT false;
CREATE INDEX record_of_chart ON exchange.record (patient_id, record_id, version) WHERE NOT account;
