// Asks a running quickstart, as one tenant's EHR, pairs of questions that differ in one thing: there is a result at another tenant that consent
// denies, or there is none. Times every answer, and compares the two samples of each interface by Kolmogorov and Smirnov's test.
//   node pairs.mjs HOME PAIRS CLIENTS NETWORK-TIME
// Prints one line a sample pair and interface as JSON; exit 1 when one differs (p < 0.01, twice with new samples).
import { readFileSync } from 'node:fs';
import { createPrivateKey, randomBytes, randomUUID, sign } from 'node:crypto';
import https from 'node:https';

const [home, pairsText, clientsText, networkTime] = process.argv.slice(2);
const pairs = Number(pairsText), clients = Number(clientsText);
const summary = JSON.parse(readFileSync(`${home}/summary.json`, 'utf8'));
const [source, reader] = summary.tenants;
const run = randomBytes(4).toString('hex');
const patients = 16;
const significant = 0.01;
const ca = readFileSync(summary.ca_file);
const certificates = (tenant) => ({ cert: readFileSync(tenant.client_cert), key: readFileSync(tenant.client_key) });
const agents = new Map([source, reader].map((tenant) => [tenant, new https.Agent({ ca, ...certificates(tenant), keepAlive: true, maxSockets: clients })]));
const plain = new https.Agent({ ca, keepAlive: true, maxSockets: clients });

// The answer and the milliseconds until its last byte.
function ask(agent, method, url, headers = {}, body = '') {
  return new Promise((resolve, reject) => {
    const begun = process.hrtime.bigint();
    const request = https.request(url, { agent, method, headers: { ...headers, 'content-length': Buffer.byteLength(body) } }, (response) => {
      let text = '';
      response.on('data', (part) => { text += part; });
      response.on('end', () => resolve({ status: response.statusCode, text, ms: Number(process.hrtime.bigint() - begun) / 1e6 }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function put(tenant, resource) {
  const url = `${tenant.fhir_base_url}/${resource.resourceType}/${resource.id}`;
  const answer = await ask(agents.get(tenant), 'PUT', url, { 'content-type': 'application/fhir+json' }, JSON.stringify(resource));
  if (answer.status !== 200 && answer.status !== 201) throw new Error(`PUT ${url}: ${answer.status} ${answer.text}`);
}

const jwk = JSON.parse(readFileSync(reader.jwk_file, 'utf8'));
const key = createPrivateKey({ key: jwk, format: 'jwk' });
const encoded = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
function token(audience) {
  const now = Math.floor(Date.now() / 1000);
  const text = `${encoded({ alg: 'ES384', kid: reader.kid, typ: 'JWT' })}.${encoded({ iss: reader.cds_iss, tenant: reader.cds_tenant, aud: audience, iat: now, exp: now + 240, jti: randomUUID() })}`;
  return `${text}.${sign('sha384', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

const person = (id, family, number) => ({
  resourceType: 'Patient', id, gender: 'male', birthDate: `19${40 + number % 50}-0${1 + number % 9}-1${number % 10}`, name: [{ family, given: ['Edgar'] }],
  address: [{ line: [`${number} Thorn Walk ${family}`], city: 'Dover', postalCode: '19901' }],
  identifier: [{ type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'SS' }] }, system: 'http://hl7.org/fhir/sid/us-ssn', value: `914-${run}-${family}` }],
});
// Patients of the reader: those of `denied` have a recent result at the source and gave no consent, those of `none` are known nowhere else.
async function prepare() {
  for (let i = 0; i < patients; i++) {
    await put(reader, person(`none-${run}-${i}`, `Nowhere${run}${i}`, i));
    await put(reader, person(`denied-${run}-${i}`, `Denied${run}${i}`, i));
    await put(source, person(`denied-${run}-${i}`, `Denied${run}${i}`, i));
    await put(source, {
      resourceType: 'DiagnosticReport', id: `denied-${run}-${i}`, status: 'final', code: { coding: [{ system: 'http://loinc.org', code: '30679-5' }] },
      subject: { reference: `Patient/denied-${run}-${i}` }, effectiveDateTime: new Date(Date.parse(networkTime) - 5 * 86400e3).toISOString(),
    });
  }
}

function check(kind, i) {
  const url = `${reader.cds_url}/prior-results`;
  const order = randomUUID(), patient = `${kind}-${run}-${i}`;
  const body = JSON.stringify({
    hook: 'order-sign', hookInstance: randomUUID(),
    context: { userId: 'Practitioner/timing', patientId: patient, draftOrders: { resourceType: 'Bundle', entry: [{ resource: {
      resourceType: 'ServiceRequest', id: order, status: 'draft', intent: 'order', identifier: [{ system: 'urn:timing', value: order }],
      subject: { reference: `Patient/${patient}` }, code: { coding: [{ system: 'http://loinc.org', code: '30679-5' }] } } }] } },
    prefetch: { patient: { resourceType: 'Patient', id: patient, birthDate: '1959-02-21' } },
  });
  return ask(plain, 'POST', url, { 'content-type': 'application/json', authorization: `Bearer ${token(url)}` }, body);
}
const interfaces = {
  'cds order-sign': { ask: check, good: (answer) => answer.status === 200 && answer.text === '{"cards":[]}' },
  'fhir read': { ask: (kind, i) => ask(agents.get(reader), 'GET', `${source.fhir_base_url}/DiagnosticReport/${kind}-${run}-${i}`), good: (answer) => answer.status === 404 },
  'fhir search': { ask: (kind, i) => ask(agents.get(reader), 'GET', `${source.fhir_base_url}/DiagnosticReport?_id=${kind}-${run}-${i}`), good: (answer) => answer.status === 404 },
};

// One client after another, which of the two comes first by chance; a pair shares its moment.
async function sample(one) {
  const times = { denied: [], none: [] };
  let left = pairs;
  const client = async () => {
    while (left-- > 0) {
      const i = Math.floor(Math.random() * patients);
      for (const kind of Math.random() < 0.5 ? ['denied', 'none'] : ['none', 'denied']) {
        const answer = await one.ask(kind, i);
        if (!one.good(answer)) throw new Error(`${kind}: ${answer.status} ${answer.text.slice(0, 200)}`);
        times[kind].push(answer.ms);
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return times;
}

// Probability of a distance like this between two samples of one distribution (asymptotic; Numerical Recipes, 14.3).
function kolmogorovSmirnov(a, b) {
  const x = Float64Array.from(a).sort(), y = Float64Array.from(b).sort();
  let i = 0, j = 0, distance = 0;
  while (i < x.length && j < y.length) {
    const at = Math.min(x[i], y[j]);
    while (i < x.length && x[i] <= at) i++;
    while (j < y.length && y[j] <= at) j++;
    distance = Math.max(distance, Math.abs(i / x.length - j / y.length));
  }
  const n = Math.sqrt((x.length * y.length) / (x.length + y.length));
  const lambda = (n + 0.12 + 0.11 / n) * distance;
  let p = 0;
  for (let k = 1; k <= 100; k++) p += 2 * (k % 2 ? 1 : -1) * Math.exp(-2 * k * k * lambda * lambda);
  return { distance, p: lambda < 0.2 ? 1 : Math.min(1, Math.max(0, p)) };
}
const quantile = (times, q) => Float64Array.from(times).sort()[Math.floor(q * (times.length - 1))];
const round = (number, digits) => Number(number.toFixed(digits));

await prepare();
let differs = false;
for (const [name, one] of Object.entries(interfaces)) {
  for (let attempt = 1; attempt <= 2; attempt++) {
    const times = await sample(one);
    const { distance, p } = kolmogorovSmirnov(times.denied, times.none);
    console.log(JSON.stringify({ interface: name, pairs, clients, attempt, distance: round(distance, 4), p: round(p, 4),
      denied_p50_ms: round(quantile(times.denied, 0.5), 2), none_p50_ms: round(quantile(times.none, 0.5), 2),
      denied_p99_ms: round(quantile(times.denied, 0.99), 2), none_p99_ms: round(quantile(times.none, 0.99), 2) }));
    if (p >= significant) break;
    if (attempt === 2) differs = true;
  }
}
for (const agent of [plain, ...agents.values()]) agent.destroy();
process.exit(differs ? 1 : 0);
