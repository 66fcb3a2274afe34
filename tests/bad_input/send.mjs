// Sends every row of fhir.json, smart.json and cds.json over HTTPS to a quickstart, as README.md beside this file says: status and text must be
// those of the row, and no log may have grown. Then the cases that need two requests.
//   node send.mjs HOME CUSTODIAN
// Prints "ok NAME" or "not ok NAME: why"; exit 1 when any failed.
import { execFileSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';

const [home, custodian] = process.argv.slice(2);
const summary = JSON.parse(readFileSync(`${home}/summary.json`, 'utf8'));
const [tenant, other] = summary.tenants;
const ca = readFileSync(summary.ca_file);
const withCertificate = new https.Agent({ keepAlive: true, ca, cert: readFileSync(tenant.client_cert), key: readFileSync(tenant.client_key) });
const withoutCertificate = new https.Agent({ keepAlive: true, ca });

let failures = 0;
function report(name, fault) {
  if (fault) failures++;
  console.log(fault ? `not ok ${name}: ${fault.replaceAll('\n', ' ')}` : `ok ${name}`);
}

function send(agent, method, url, headers, body) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const request = https.request(url, { method, agent, headers: { ...headers, ...length } }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString('utf8') }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

const base64url = (value) => Buffer.from(value).toString('base64url');
function token(of, audience, changes = {}) {
  const now = Math.floor(Date.now() / 1000);
  const { exp_seconds: seconds = 120, header: changedHeader, key: whose, ...claims } = changes;
  const header = changedHeader ?? { alg: 'ES384', typ: 'JWT', kid: of.kid };
  const payload = { iss: of.cds_iss, tenant: of.cds_tenant, aud: audience, iat: now + Math.min(0, seconds - 60), exp: now + seconds, jti: randomUUID(), ...claims };
  const text = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(payload))}`;
  let key;
  if (whose === 'stranger') {
    key = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
  } else {
    key = createPrivateKey({ key: JSON.parse(readFileSync(of.jwk_file, 'utf8')), format: 'jwk' });
  }
  return `${text}.${sign('sha384', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

const sizes = () => JSON.stringify(JSON.parse(execFileSync(custodian, ['status', '--home', home, '--json'])).logs.map((log) => log.size));
const bodyOf = (row) => (row.body === undefined ? undefined : typeof row.body === 'string' ? row.body : JSON.stringify(row.body)) ?? (row.body_bytes ? '' : undefined);

async function check(name, row, agent, url, headers) {
  let body = bodyOf(row);
  if (row.body_bytes) body = (body ?? '').padEnd(row.body_bytes, ' ');
  let fault;
  // Twice where a log has grown: once a minute, a map of subjects comes into it by itself.
  for (let attempt = 0; attempt < 2; attempt++) {
    const before = sizes();
    const answer = await send(agent, row.method, url, headers, body);
    if (answer.status !== row.status) fault = `status ${answer.status}, not ${row.status}: ${answer.text.slice(0, 200)}`;
    else if (row.text && !answer.text.includes(row.text)) fault = `the answer lacks "${row.text}": ${answer.text.slice(0, 200)}`;
    else fault = sizes() === before ? undefined : 'a log has grown';
    if (fault !== 'a log has grown') break;
  }
  report(name, fault);
}

const rows = (file) => JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8'));
for (const row of rows('fhir.json')) {
  await check(`BadInput.Fhir ${row.name}`, row, withCertificate, `${tenant.fhir_base_url}/${row.path}`, row.headers ?? {});
}
for (const row of rows('smart.json')) {
  await check(`BadInput.Smart ${row.name}`, row, withoutCertificate, `${tenant.fhir_base_url}/${row.path}`, row.headers ?? {});
}
const cdsBase = tenant.cds_url.replace(/\/cds-services$/, '');
for (const row of rows('cds.json')) {
  const url = `${cdsBase}/${row.path}`;
  const named = Object.keys(row.headers ?? {}).some((name) => name.toLowerCase() === 'authorization');
  const authorization = named ? {} : { authorization: `Bearer ${token(tenant, url, row.token)}` };
  await check(`BadInput.Cds ${row.name}`, row, withoutCertificate, url, { ...authorization, ...row.headers });
}

const url = `${tenant.cds_url}/prior-results`;
const order = (instance) => JSON.stringify({
  hook: 'order-sign', hookInstance: instance, context: { userId: 'Practitioner/u', patientId: 'nobody', draftOrders: { resourceType: 'Bundle', type: 'collection', entry: [
    { resource: { resourceType: 'ServiceRequest', id: instance, status: 'draft', intent: 'order', subject: { reference: 'Patient/nobody' },
      code: { coding: [{ system: 'http://loinc.org', code: '30679-5' }] } } }] } } });
const once = token(tenant, url);
const json = { 'content-type': 'application/json' };
await send(withoutCertificate, 'POST', url, { authorization: `Bearer ${once}`, ...json }, order(randomUUID()));
await check('BadInput.Cds a token used twice', { method: 'POST', body: order(randomUUID()), status: 401 }, withoutCertificate, url, { authorization: `Bearer ${once}`, ...json });
await check('BadInput.Cds a token of another tenant', { method: 'POST', body: order(randomUUID()), status: 401 }, withoutCertificate, url,
  { authorization: `Bearer ${token(other, url)}`, ...json });
await check('BadInput.Fhir no client certificate', { method: 'GET', status: 401 }, withoutCertificate, `${tenant.fhir_base_url}/Patient/x`, {});
await check('BadInput.Fhir a write to another tenant', { method: 'PUT', body: { resourceType: 'Patient', id: 'x' }, status: 403 }, withCertificate,
  `${other.fhir_base_url}/Patient/x`, { 'content-type': 'application/fhir+json' });
withCertificate.destroy();
withoutCertificate.destroy();
process.exit(failures ? 1 : 0);
