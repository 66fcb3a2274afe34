// Real FHIR records through our server and back, judged by other people's software: every resource of the Synthea Bundles reads back
// equal (number text kept) but for id, meta and mapped references, and npm `fhir` and `@medplum/core` accept what the server returns; so they do what another
// tenant's client is shown of a record of 42 CFR part 2, and the accounts of that for the patient.
//   node check.mjs HOME BUNDLE.json...
// Prints one line a case: "ok NAME" or "not ok NAME: why"; exit 1 when any failed.
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { complaints } from './validators.mjs';

const [home, ...files] = process.argv.slice(2);
const summary = JSON.parse(readFileSync(`${home}/summary.json`, 'utf8'));
const [tenant, reader] = summary.tenants;
for (const each of [tenant, reader])
  each.agent = new https.Agent({
    keepAlive: true, maxSockets: 4, ca: readFileSync(summary.ca_file), cert: readFileSync(each.client_cert), key: readFileSync(each.client_key),
  });

let failures = 0;
function report(name, faults) {
  if (faults.length) failures++;
  console.log(faults.length ? `not ok ${name}: ${faults.slice(0, 5).join('; ')}${faults.length > 5 ? ` (+${faults.length - 5} more)` : ''}` : `ok ${name}`);
}

function send(method, path, body, client = tenant) {
  return new Promise((resolve, reject) => {
    const request = https.request(path.startsWith('https:') ? path : `${client.fhir_base_url}/${path}`,
      { method, agent: client.agent, headers: body ? { 'content-type': 'application/fhir+json', 'content-length': Buffer.byteLength(body) } : {} }, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString('utf8') }));
      });
    request.on('error', reject);
    request.end(body);
  });
}

// Numbers as the text they were written in.
class NumberText {
  constructor(text) { this.text = text; }
}
const parse = (text) => JSON.parse(text, (key, value, context) => (typeof value === 'number' ? new NumberText(context.source) : value));

function difference(expected, actual, path) {
  if (expected instanceof NumberText || actual instanceof NumberText) {
    return expected?.text === actual?.text ? [] : [`${path}: ${expected?.text} became ${actual?.text}`];
  }
  if (typeof expected !== 'object' || expected === null) return expected === actual ? [] : [`${path} differs`];
  if (typeof actual !== 'object' || actual === null || Array.isArray(expected) !== Array.isArray(actual)) return [`${path} differs in kind`];
  const faults = [];
  for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
    if (path.indexOf('.') < 0 && (key === 'id' || key === 'meta')) continue;
    if (!(key in expected) || !(key in actual)) faults.push(`${path}.${key} is only on one side`);
    else faults.push(...difference(expected[key], actual[key], `${path}.${key}`));
  }
  return faults;
}

function mapReferences(node, locations) {
  if (Array.isArray(node)) node.forEach((item) => mapReferences(item, locations));
  else if (node && typeof node === 'object' && !(node instanceof NumberText)) {
    if (typeof node.reference === 'string' && locations.has(node.reference)) node.reference = locations.get(node.reference);
    Object.values(node).forEach((item) => mapReferences(item, locations));
  }
}

for (const file of files) {
  const name = file.split('/').pop().split('_').slice(0, 2).join('_');
  const text = readFileSync(file, 'utf8');
  const answer = await send('POST', tenant.fhir_base_url, text);
  if (answer.status !== 200) {
    report(`Interop.ImportsSynthea ${name}`, [`status ${answer.status}: ${answer.text.slice(0, 300)}`]);
    continue;
  }
  const original = parse(text);
  const response = JSON.parse(answer.text);
  report(`Interop.ImportsSynthea ${name}`, complaints(response));
  const place = response.entry.map((entry) => entry.response.location.replace(/\/_history\/.*$/, '').split('/').slice(-2).join('/'));
  const locations = new Map(original.entry.map((entry, index) => [entry.fullUrl, place[index]]));
  const differences = [];
  const refused = [];
  for (const [index, entry] of original.entry.entries()) {
    const read = await send('GET', place[index]);
    if (read.status !== 200) {
      differences.push(`${place[index]}: status ${read.status}`);
      continue;
    }
    mapReferences(entry.resource, locations);
    differences.push(...difference(entry.resource, parse(read.text), entry.resource.resourceType));
    // What Synthea itself gets wrong is not ours: only complaints that the original does not earn.
    const before = new Set(complaints(JSON.parse(text).entry[index].resource));
    refused.push(...complaints(JSON.parse(read.text)).filter((fault) => !before.has(fault)).map((fault) => `${place[index]}: ${fault}`));
  }
  report(`Interop.ReadsBackEqual ${name} (${original.entry.length} resources)`, differences);
  report(`Interop.OthersAccept ${name}`, refused);
  const patient = place[original.entry.findIndex((entry) => entry.resource.resourceType === 'Patient')].split('/')[1];
  for (const type of ['Patient', 'DiagnosticReport', 'ImagingStudy', 'Observation', 'Consent', 'ServiceRequest']) {
    const search = await send('GET', type === 'Patient' ? `Patient?_id=${patient}` : `${type}?patient=${patient}`);
    const bundle = JSON.parse(search.text);
    const shell = { ...bundle, entry: undefined };
    report(`Interop.SearchBundle ${type} ${name}`, search.status === 200 ? complaints(JSON.parse(JSON.stringify(shell))) : [`status ${search.status}: ${search.text.slice(0, 200)}`]);
  }
}
const metadata = await send('GET', 'metadata');
report('Interop.CapabilityStatement', metadata.status === 200 ? complaints(JSON.parse(metadata.text)) : [`status ${metadata.status}`]);
const fault = await send('POST', 'Patient', '{"resourceType": "Patient", "birthDate": "yesterday"}');
report('Interop.OperationOutcome', fault.status >= 400 ? complaints(JSON.parse(fault.text)) : [`status ${fault.status}`]);

const id = `part2-${Date.now().toString(36)}`;
const put = async (client, resource) => {
  const answer = await send('PUT', `${resource.resourceType}/${id}`, JSON.stringify({ ...resource, id }), client);
  if (answer.status !== 201) report(`Interop.Disclosure stores ${resource.resourceType}`, [`status ${answer.status}: ${answer.text.slice(0, 300)}`]);
};
const patient = {
  resourceType: 'Patient', name: [{ family: `Q${id.replace(/[^a-z]/g, '')}`, given: ['Wilhelmina'] }], gender: 'female', birthDate: '1961-07-19',
  address: [{ line: [`${Date.now() % 9973} ${id} Street`], city: 'Dover', postalCode: '19901' }],
  identifier: [{ system: 'http://hl7.org/fhir/sid/us-ssn', value: `5${String(Date.now() % 1e8).padStart(8, '1')}` }],
};
const population = JSON.parse(readFileSync(`${home}/sample/population.json`, 'utf8')).tenants.find((each) => each.name === reader.name);
await put(reader, patient);
await put(tenant, patient);
await put(tenant, {
  resourceType: 'Consent', status: 'active', patient: { reference: `Patient/${id}` }, dateTime: '2025-01-01T00:00:00Z',
  scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
  category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }], policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
  provision: {
    type: 'permit', purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'TREAT' }],
    securityLabel: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: '42CFRPart2' }],
    actor: [{
      role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] },
      reference: { identifier: { system: population.organization_system, value: population.organization_value } },
    }],
  },
});
await put(tenant, {
  resourceType: 'DiagnosticReport', status: 'final', subject: { reference: `Patient/${id}` }, effectiveDateTime: '2025-03-01T10:00:00Z',
  meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: '42CFRPart2' }] },
  code: { coding: [{ system: 'http://loinc.org', code: '30679-5' }] },
});
// Until the two patients are known to be one.
const theirs = `${tenant.fhir_base_url}/DiagnosticReport?_id=${id}&_revinclude=Provenance:target`;
let shown = await send('GET', theirs, undefined, reader);
for (let i = 0; i < 120 && shown.status !== 200; i++) {
  await new Promise((resolve) => setTimeout(resolve, 250));
  shown = await send('GET', theirs, undefined, reader);
}
const disclosed = shown.status === 200 ? JSON.parse(shown.text) : {};
const kinds = (disclosed.entry ?? []).map((entry) => entry.resource.resourceType).join(' ');
report('Interop.DisclosedBundle', kinds === 'DiagnosticReport Provenance' ? complaints(disclosed) : [`status ${shown.status}, ${kinds || shown.text.slice(0, 200)}`]);
for (const { resource } of disclosed.entry ?? []) report(`Interop.Disclosed ${resource.resourceType}`, complaints(resource));
const notices = disclosed.entry?.[0].resource.meta.extension ?? [];
report('Interop.DisclosedWithItsNotice', notices.some((each) => each.valueString?.includes('42 CFR part 2')) ? [] : ['the copy has no notice of 42 CFR part 2']);
const accounts = await send('GET', `AuditEvent?patient=${id}`);
const audits = accounts.status === 200 ? JSON.parse(accounts.text).entry ?? [] : [];
report('Interop.AuditEvent', audits.length ? audits.flatMap(({ resource }) => complaints(resource)) : [`status ${accounts.status}: none`]);
const receipted = audits.length ? await send('GET', `AuditEvent/${audits[0].resource.id}`) : { status: 0 };
report('Interop.AuditEventWithReceipt', receipted.status === 200 ? complaints(JSON.parse(receipted.text)) : [`status ${receipted.status}`]);
for (const each of [tenant, reader]) each.agent.destroy();
process.exit(failures ? 1 : 0);
