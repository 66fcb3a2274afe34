// Other people's FHIR clients, unmodified, do everything they can against a quickstart: fhir-kit-client and @medplum/core's MedplumClient,
// over the client certificate of the tenant. Whatever comes back must pass npm `fhir` and @medplum/core's validation too.
//   node clients.mjs HOME
// Prints one line a case: "ok NAME" or "not ok NAME: why"; exit 1 when any failed.
import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { MedplumClient } from '@medplum/core';
import { Client } from 'fhir-kit-client';
import { Agent, fetch as undiciFetch, setGlobalDispatcher } from 'undici';
import { complaints } from './validators.mjs';

const [home] = process.argv.slice(2);
const summary = JSON.parse(readFileSync(`${home}/summary.json`, 'utf8'));
const tenant = summary.tenants[0];
// Both clients use fetch; the certificate is the connection's.
const dispatcher = new Agent({ connect: { ca: readFileSync(summary.ca_file), cert: readFileSync(tenant.client_cert), key: readFileSync(tenant.client_key) } });
setGlobalDispatcher(dispatcher);

let failures = 0;
async function attempt(name, work) {
  try {
    await work();
    console.log(`ok ${name}`);
  } catch (error) {
    failures++;
    console.log(`not ok ${name}: ${String(error?.response?.data ? JSON.stringify(error.response.data) : error?.stack ?? error).replaceAll('\n', ' ').slice(0, 400)}`);
  }
}
function same(actual, expected, what) {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
}
function good(resource, what) {
  const faults = complaints(JSON.parse(JSON.stringify(resource)));
  if (faults.length) throw new Error(`${what}: ${faults.slice(0, 3).join('; ')}`);
  return resource;
}
const ids = (bundle, mode = 'match') => (bundle.entry ?? []).filter((entry) => entry.search?.mode === mode).map((entry) => entry.resource.id).sort();
const observation = (patient, day, value) => ({
  resourceType: 'Observation', status: 'final', code: { coding: [{ system: 'http://loinc.org', code: '718-7' }] }, subject: { reference: `Patient/${patient}` },
  effectiveDateTime: day, valueQuantity: { value, unit: 'g/dL', system: 'http://unitsofmeasure.org', code: 'g/dL' },
});

const kit = new Client({ baseUrl: tenant.fhir_base_url });
const mrn = randomUUID();
const person = { resourceType: 'Patient', active: true, name: [{ family: 'Interop', given: ['Kit'] }], birthDate: '1970-01-02', gender: 'female',
  identifier: [{ system: 'urn:interop', value: mrn }], telecom: [{ system: 'phone', value: '555-777-1234' }] };
let patient;
let stored = [];

await attempt('Interop.Kit capabilityStatement', async () => same(good(await kit.capabilityStatement(), 'CapabilityStatement').fhirVersion, '4.0.1', 'version'));
await attempt('Interop.Kit create, read, vread', async () => {
  patient = good(await kit.create({ resourceType: 'Patient', body: person }), 'created');
  same((await kit.read({ resourceType: 'Patient', id: patient.id })).meta.versionId, '1', 'version');
  same((await kit.vread({ resourceType: 'Patient', id: patient.id, version: '1' })).id, patient.id, 'id');
});
await attempt('Interop.Kit conditional create finds what is there', async () => {
  const again = await kit.create({ resourceType: 'Patient', body: person, options: { headers: { 'If-None-Exist': `identifier=urn:interop|${mrn}` } } });
  same(again.id, patient.id, 'id');
});
await attempt('Interop.Kit update with If-Match', async () => {
  const updated = await kit.update({ resourceType: 'Patient', id: patient.id, body: { ...person, id: patient.id, active: false }, options: { headers: { 'If-Match': 'W/"1"' } } });
  same(updated.meta.versionId, '2', 'version');
  let refused;
  try {
    await kit.update({ resourceType: 'Patient', id: patient.id, body: { ...person, id: patient.id }, options: { headers: { 'If-Match': 'W/"1"' } } });
  } catch (error) {
    refused = error.response;
  }
  same(refused?.status, 412, 'status of a stale update');
  good(refused.data, 'OperationOutcome');
});
await attempt('Interop.Kit transaction and batch', async () => {
  const entries = ['2026-01-01', '2026-01-02', '2026-01-03'].map((day, index) => ({ resource: observation(patient.id, day, 10 + index), request: { method: 'POST', url: 'Observation' } }));
  const answer = good(await kit.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry: entries } }), 'transaction-response');
  stored = answer.entry.map((entry) => entry.response.location.split('/')[1]);
  const batch = good(await kit.batch({ body: { resourceType: 'Bundle', type: 'batch', entry: [
    { request: { method: 'GET', url: `Observation/${stored[0]}` } }, { request: { method: 'GET', url: 'Observation/none' } }] } }), 'batch-response');
  same(batch.entry.map((entry) => entry.response.status.slice(0, 3)), ['200', '404'], 'statuses');
});
await attempt('Interop.Kit search, pages, includes', async () => {
  const params = { patient: patient.id, code: 'http://loinc.org|718-7', _sort: '-date', _count: 2, _include: 'Observation:subject' };
  const first = good(await kit.search({ resourceType: 'Observation', searchParams: params }), 'searchset');
  same([first.total, ids(first, 'include')], [3, [patient.id]], 'first page');
  const second = good(await kit.nextPage({ bundle: first }), 'second page');
  same([...ids(first), ...ids(second)].sort(), [...stored].sort(), 'both pages');
  const posted = await kit.search({ resourceType: 'Observation', searchParams: { patient: patient.id, date: 'ge2026-01-02' }, options: { postSearch: true } });
  same(posted.total, 2, 'by POST');
  const compartment = await kit.search({ resourceType: 'Observation', compartment: { resourceType: 'Patient', id: patient.id } });
  same(compartment.total, 3, 'compartment');
});
await attempt('Interop.Kit chains, _has and composites', async () => {
  const search = (resourceType, searchParams, options) => kit.search({ resourceType, searchParams, options });
  const chained = good(await search('Observation', { 'subject:Patient.identifier': `urn:interop|${mrn}`, 'patient.birthdate': '1970-01-02', _sort: 'date' }), 'a chain');
  same([chained.total, chained.entry[0].resource.id], [3, stored[0]], 'chain');
  same((await search('Observation', { 'patient.identifier': `urn:interop|${randomUUID()}` })).total, 0, 'chain to nobody');
  const has = good(await search('Patient', { _id: patient.id, '_has:Observation:patient:code': '718-7' }), '_has');
  same(ids(has), [patient.id], '_has');
  same((await search('Patient', { _id: patient.id, '_has:Observation:patient:code': 'none' })).total, 0, '_has of nothing');
  same(ids(await search('Patient', { '_has:Observation:patient:_id': stored[1] })), [patient.id], '_has that says where to look');
  const high = await search('Observation', { patient: patient.id, 'code-value-quantity': '718-7$gt11' }, { postSearch: true });
  same(ids(high), [stored[2]], 'composite');
  let refused;
  try {
    await search('Observation', { 'patient.name': 'Interop' });
  } catch (error) {
    refused = error.response;
  }
  same(refused?.status, 400, 'status of a search of everybody');
  good(refused.data, 'OperationOutcome');
});
await attempt('Interop.Kit operations', async () => {
  const everything = good(await kit.operation({ name: 'everything', resourceType: 'Patient', id: patient.id, method: 'GET' }), '$everything');
  same(ids(everything), [patient.id, ...stored].sort(), '$everything');
  const posted = good(await kit.operation({ name: 'everything', resourceType: 'Patient', id: patient.id, input: { resourceType: 'Parameters', parameter: [{ name: '_type', valueCode: 'Observation' }] } }), '$everything by POST');
  same(ids(posted), [...stored].sort(), '$everything by POST');
  const match = good(await kit.operation({ name: 'match', resourceType: 'Patient', input: { resourceType: 'Parameters', parameter: [{ name: 'resource', resource: person }] } }), '$match');
  same(match.entry[0].search.extension[0].valueCode, 'certain', 'grade');
});
await attempt('Interop.Kit delete and history', async () => {
  await kit.delete({ resourceType: 'Observation', id: stored[2] });
  const history = good(await kit.history({ resourceType: 'Observation', id: stored[2] }), 'history');
  same(history.entry.map((entry) => entry.request.method), ['DELETE', 'POST'], 'methods');
});

const url = new URL(tenant.fhir_base_url);
const medplum = new MedplumClient({ baseUrl: `${url.origin}/`, fhirUrlPath: url.pathname.slice(1), cacheTime: 0, autoBatchTime: 0,
  fetch: (target, options) => undiciFetch(target, { ...options, dispatcher }) });
await attempt('Interop.Medplum create, read, update', async () => {
  const location = await medplum.createResource({ resourceType: 'Location', name: 'Ward', identifier: [{ system: 'urn:interop', value: randomUUID() }] });
  const updated = await medplum.updateResource({ ...location, name: 'Ward 2' });
  same(updated.meta.versionId, '2', 'version');
  same((await medplum.readResource('Location', location.id, { cache: 'reload' })).name, 'Ward 2', 'name');
  good(await medplum.readHistory('Location', location.id), 'history');
  same((await medplum.readVersion('Location', location.id, '1')).name, 'Ward', 'version 1');
});
await attempt('Interop.Medplum search and $everything', async () => {
  const found = await medplum.searchResources('Observation', `patient=Patient/${patient.id}&_sort=date`);
  same(found.map((each) => each.id), stored.slice(0, 2), 'in order');
  const chained = await medplum.searchResources('Observation', `subject:Patient.identifier=urn:interop|${mrn}&_sort=-date`);
  same(chained.map((each) => each.id), [stored[1], stored[0]], 'chain');
  same((await medplum.searchOne('Patient', `_has:Observation:subject:_id=${stored[0]}`)).id, patient.id, '_has');
  same(ids(good(await medplum.readPatientEverything(patient.id), '$everything')), [patient.id, ...stored.slice(0, 2)].sort(), '$everything');
});
await attempt('Interop.Medplum validateResource', async () => {
  same(good(await medplum.validateResource(person), 'outcome').issue[0].severity, 'information', 'a good Patient');
  same(good(await medplum.validateResource({ ...person, birthDate: 'soon' }), 'outcome').issue[0].severity, 'error', 'a bad one');
});
await attempt('Interop.Medplum upsert, batch, delete', async () => {
  const value = randomUUID();
  const organization = { resourceType: 'Organization', name: 'One', identifier: [{ system: 'urn:interop', value }] };
  const first = await medplum.upsertResource(organization, `identifier=urn:interop|${value}`);
  const second = await medplum.upsertResource({ ...organization, name: 'Two' }, `identifier=urn:interop|${value}`);
  same([second.id, second.name], [first.id, 'Two'], 'upserted');
  const batch = good(await medplum.executeBatch({ resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: `Organization/${first.id}` } }] }), 'batch');
  same(batch.entry[0].resource.name, 'Two', 'name');
  await medplum.deleteResource('Organization', first.id);
  let outcome;
  try {
    await medplum.readResource('Organization', first.id, { cache: 'reload' });
  } catch (error) {
    outcome = error.outcome;
  }
  same(outcome?.issue?.[0]?.code, 'deleted', 'outcome');
});
await attempt('Interop.Medplum binary, and what is about a record', async () => {
  const binary = await medplum.createBinary({ data: 'one\ntwo\n', contentType: 'text/plain' });
  same(binary.contentType, 'text/plain', 'content type');
  const bytes = await medplum.download(`${tenant.fhir_base_url}/Binary/${binary.id}`);
  same([bytes.type, await bytes.text()], ['text/plain', 'one\ntwo\n'], 'bytes');
  const document = `urn:uuid:${randomUUID()}`;
  const image = `urn:uuid:${randomUUID()}`;
  const answer = good(await medplum.executeBatch({ resourceType: 'Bundle', type: 'transaction', entry: [
    { fullUrl: image, resource: { resourceType: 'Binary', contentType: 'text/plain', data: 'eA==' }, request: { method: 'POST', url: 'Binary' } },
    { fullUrl: document, resource: { resourceType: 'DocumentReference', status: 'current', subject: { reference: `Patient/${patient.id}` }, content: [{ attachment: { url: image } }] },
      request: { method: 'POST', url: 'DocumentReference' } },
    { resource: { resourceType: 'Provenance', target: [{ reference: document }], recorded: '2026-01-05T10:00:00Z', agent: [{ who: { display: 'x' } }] }, request: { method: 'POST', url: 'Provenance' } },
  ] }), 'transaction-response');
  const [, stored_document, provenance] = answer.entry.map((entry) => entry.response.location.split('/_history')[0]);
  const found = good(await medplum.search('DocumentReference', `patient=Patient/${patient.id}&_revinclude=Provenance:target`), 'searchset');
  same(found.entry.map((entry) => `${entry.resource.resourceType}/${entry.resource.id}`), [stored_document, provenance], 'with _revinclude');
  same(found.entry[0].resource.content[0].attachment.url, answer.entry[0].response.location.split('/_history')[0], 'Attachment.url');
  same((await medplum.searchOne('Provenance', `target=${stored_document}`)).id, provenance.split('/')[1], 'by target');
});
await dispatcher.close();
process.exit(failures ? 1 : 0);
