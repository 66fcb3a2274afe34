// An HL7 v2 client from npm, as it is, sends what a hospital sends to the MLLP listener of a running quickstart: every answer parses and is
// the one that is due, and what was sent reads back by FHIR.
//   node feed.mjs HOME
// Prints one line a case: "ok NAME" or "not ok NAME: why"; exit 1 when any failed.
import { readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import https from 'node:https';
import Client, { HL7_2_3, HL7_2_5, HL7_2_8 } from 'node-hl7-client';

const [home] = process.argv.slice(2);
const summary = JSON.parse(readFileSync(`${home}/summary.json`, 'utf8'));
const tenant = summary.tenants[0];
const [host, port] = summary.mllp_address.split(':');
const run = randomBytes(4).toString('hex');
const read = (file) => readFileSync(file);
const certificates = { ca: read(summary.ca_file), cert: read(tenant.feed_cert), key: read(tenant.feed_key), rejectUnauthorized: true };

let failures = 0;
function report(name, fault) {
  if (fault) failures++;
  console.log(fault ? `not ok ${name}: ${fault}` : `ok ${name}`);
}

// Sends messages over one connection of the client's, and gives their acknowledgements.
async function exchange(version, messages) {
  const client = new Client({ host, version, tls: certificates });
  const answers = [];
  let arrived;
  const connection = client.createConnection({ port: Number(port), waitAck: true }, async (response) => {
    answers.push(response.getMessage());
    arrived?.();
  });
  for (const message of messages) {
    const answered = new Promise((resolve, reject) => {
      arrived = resolve;
      setTimeout(() => reject(new Error('no answer within 20 s')), 20000).unref();
    });
    await connection.sendMessage(message);
    await answered;
  }
  await connection.close();
  return answers;
}
const fhir = (path) => new Promise((resolve, reject) => {
  const agent = { ca: certificates.ca, cert: read(tenant.client_cert), key: read(tenant.client_key) };
  https.get(`${tenant.fhir_base_url}/${path}`, agent, (response) => {
    const chunks = [];
    response.on('data', (chunk) => chunks.push(chunk));
    response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString('utf8'))));
  }).on('error', reject);
});

const number = `N${run}`;
const header = (type, event, id) => ({ msh_3: 'NODE', msh_4: 'LAKE', msh_5: 'CUSTODIAN', msh_6: 'NET', msh_9_1: type, msh_9_2: event, msh_10: `${run}-${id}`, msh_11_1: 'P' });
const pid = { pid_3: `${number}^^^NODE^MR`, pid_5: `Interop${run}^Ana`, pid_7: '19800115', pid_8: 'F' };
const sender = { date: '14' };

async function check(name, body) {
  try {
    report(name, await body());
  } catch (error) {
    report(name, error.message);
  }
}
const is = (found, wanted) => (found === wanted ? '' : `${found}, not ${wanted}`);

for (const [version, Builder] of [['2.3', HL7_2_3], ['2.5', HL7_2_5], ['2.8', HL7_2_8]]) {
  await check(`Feed.NpmClientIsAnswered ${version}`, async () => {
    const message = new Builder(sender).buildMSH(header('ADT', 'A04', `adt-${version}`)).buildEVN(version === '2.8' ? { evn_2: new Date() } : { evn_1: 'A04', evn_2: new Date() }).buildPID(pid).toMessage();
    const [answer] = await exchange(version, [message]);
    return is(answer.get('MSA.1').toString(), 'AA') || is(answer.get('MSA.2').toString(), `${run}-adt-${version}`);
  });
}
await check('Feed.NpmClientsPatientReadsBack', async () => {
  const bundle = await fhir(`Patient?identifier=${encodeURIComponent(`https://${tenant.origin}/authority/NODE|${number}`)}`);
  return is(bundle.entry?.[0]?.resource.name[0].family, `Interop${run}`) || is(bundle.entry.length, 1);
});
await check('Feed.NpmClientGetsTheFirstAnswerAgain', async () => {
  const make = () => new HL7_2_5(sender).buildMSH({ ...header('ADT', 'A08', 'same'), msh_7: '20250601120000' }).buildEVN({ evn_1: 'A08', evn_2: '20250601120000' }).buildPID(pid).toMessage();
  const [first, second] = await exchange('2.5', [make(), make()]);
  return is(second.toString(), first.toString());
});
await check('Feed.NpmClientReadsWhatIsWrong', async () => {
  const message = new HL7_2_5(sender).buildMSH(header('ADT', 'A08', 'wrong')).buildEVN({ evn_1: 'A08', evn_2: new Date() }).buildPID(pid).toMessage();
  message.set('PID.7', 'yesterday');
  const [answer] = await exchange('2.5', [message]);
  return is(answer.get('MSA.1').toString(), 'AE') || (answer.toString().includes('ERR||PID^1^7|102') ? '' : `answered ${answer.get('ERR').toString()}`) || (answer.toString().includes('yesterday') ? 'the answer holds the value' : '');
});
process.exit(failures ? 1 : 0);
