// The second verifier's page in a real browser, opened from a disk: the verdict of a receipt, a forged one, a policy that is none, a subject's list.
//   node page.mjs HTML RECEIPT POLICY LIST
// Prints "ok NAME" or "not ok NAME: why"; exit 1 when any failed.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { chromium } from 'playwright-core';

const [html, receipt, policy, list] = process.argv.slice(2);
const directory = mkdtempSync(`${tmpdir()}/verify-page-`);
const forged = `${directory}/forged.tlog-proof`;
writeFileSync(forged, readFileSync(receipt, 'utf8').replace(/^index (\d+)$/m, (_, index) => `index ${Number(index) + 1}`));

let failures = 0;
function report(name, fault) {
  if (fault) failures++;
  console.log(fault ? `not ok ${name}: ${fault}` : `ok ${name}`);
}

const context = await chromium.launchPersistentContext(directory, {
  executablePath: '/usr/bin/chromium', headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
});
const page = await context.newPage();
const elsewhere = [];
const problems = [];
page.on('request', (request) => { if (!request.url().startsWith('file:')) elsewhere.push(request.url()); });
page.on('pageerror', (error) => problems.push(error.message));
page.on('console', (message) => { if (message.type() === 'error') problems.push(message.text()); });

// The verdict once it has this look, or the fault.
async function verdictOf(look, files) {
  for (const [id, file] of Object.entries(files)) await page.setInputFiles(`#${id}`, file);
  return page.locator(`output.${look}`).innerText({ timeout: 10_000 }).catch(async () => `wanted ${look}, got: ${await page.innerText('output')}`);
}
const wants = (text, pattern) => (pattern.test(text) ? undefined : text);

await page.goto(`file://${html}`);
report('VerifyPage.ReceiptIsVerified', wants(await verdictOf('verified', { policy, receipt }), /^verified: leaf 0 of /));
report('VerifyPage.ForgedReceiptIsRefused', wants(await verdictOf('refused', { receipt: forged }), /^Proves nothing: the inclusion proof/));
report('VerifyPage.ReceiptIsNoPolicy', wants(await verdictOf('refused', { policy: receipt }), /policy line 1/));

await page.reload();
report('VerifyPage.ListIsVerified', wants(await verdictOf('verified', { policy, receipt: list }), /verified: these 0 entries are everything that the first \d+ entries of/));

// Both files dropped at once find their places.
await page.reload();
const transfer = await page.evaluateHandle((files) => {
  const data = new DataTransfer();
  for (const [name, text] of files) data.items.add(new File([text], name));
  return data;
}, [receipt, policy].map((file) => [file, readFileSync(file, 'utf8')]));
await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
report('VerifyPage.DroppedFilesFindTheirPlaces', wants(await verdictOf('verified', {}), /^verified: leaf 0 of /));
report('VerifyPage.FetchesNothing', [...elsewhere, ...problems].join('; ') || undefined);
await context.close();
process.exit(failures === 0 ? 0 : 1);
