// Real FHIR records through our server and back, judged by other people's software: every resource of the Synthea Bundles reads back
// equal (number text kept) but for id, meta and mapped references, and npm `fhir` and `@medplum/core` accept what the server returns.
//   node check.mjs HOME BUNDLE.json...
// Prints one line a case: "ok NAME" or "not ok NAME: why"; exit 1 when any failed.
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { complaints } from './validators.mjs';

const [home, ...files] = process.argv.slice(2);
const summary = JSON.parse(readFileSync(`${home}/summary.json`, 'utf8'));
const tenant = summary.tenants[0];
const agent = new https.Agent({
  keepAlive: true, maxSockets: 4, ca: readFileSync(summary.ca_file), cert: readFileSync(tenant.client_cert), key: readFileSync(tenant.client_key),
});

let failures = 0;
function report(name, faults) {
  if (faults.length) failures++;
  console.log(faults.length ? `not ok ${name}: ${faults.slice(0, 5).join('; ')}${faults.length > 5 ? ` (+${faults.length - 5} more)` : ''}` : `ok ${name}`);
}

function send(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = https.request(path.startsWith('https:') ? path : `${tenant.fhir_base_url}/${path}`,
      { method, agent, headers: body ? { 'content-type': 'application/fhir+json', 'content-length': Buffer.byteLength(body) } : {} }, (response) => {
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
agent.destroy();
process.exit(failures ? 1 : 0);
