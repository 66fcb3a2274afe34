-- What came to a patient's records since a position of the log (services/exchange/fhir_charts).
CREATE INDEX record_arrival ON exchange.record (patient_id, entry_index);
