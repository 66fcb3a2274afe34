// The savings page in a real browser: the one-time link opens it once, its figures are the report's, each leads to its entries and
// their receipts, nothing is fetched from elsewhere, and it fits a telephone.
//   node check.mjs HOME CUSTODIAN OUT
// Prints "ok NAME" or "not ok NAME: why"; screenshots go to OUT; exit 1 when any failed.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { chromium } from 'playwright-core';

const [home, custodian, out] = process.argv.slice(2);
const summary = JSON.parse(readFileSync(`${home}/summary.json`, 'utf8'));
const run = (...args) => execFileSync(custodian, args, { encoding: 'utf8' }).trim();
const report = JSON.parse(run('savings', '--home', home, '--json'));
const link = run('status', '--home', home, '--link');
const dollars = (cents) => `$${Math.round(cents / 100).toLocaleString('en-US')}`;

let failures = 0;
async function check(name, body) {
  let fault;
  try {
    fault = await body();
  } catch (error) {
    fault = error.message.split('\n')[0];
  }
  if (fault) failures++;
  console.log(fault ? `not ok Page.${name}: ${fault}` : `ok Page.${name}`);
}

const context = await chromium.launchPersistentContext(mkdtempSync(`${tmpdir()}/page-`), {
  executablePath: '/usr/bin/chromium', headless: true, ignoreHTTPSErrors: true, viewport: { width: 1280, height: 900 }, acceptDownloads: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
});
const page = await context.newPage();
const elsewhere = [];
const problems = [];
page.on('request', (request) => {
  if (!request.url().startsWith(summary.https_url) && !/^(data|blob):/.test(request.url())) elsewhere.push(request.url());
});
page.on('pageerror', (error) => problems.push(error.message));
page.on('console', (message) => { if (message.type() === 'error') problems.push(message.text()); });

await check('OneTimeLinkOpensIt', async () => {
  await page.goto(link);
  await page.waitForSelector('#headline :text("Gross")', { timeout: 15000 });
});
await check('FiguresAreTheReports', async () => {
  const text = await page.innerText('body');
  for (const state of ['gross', 'confirmed', 'pending', 'reversed', 'censored']) {
    if (!text.includes(dollars(report.total[state].cents))) return `${state} ${dollars(report.total[state].cents)} is not on the page`;
    if (!text.includes(`${report.total[state].exams} exam`)) return `${report.total[state].exams} exams (${state}) are not on the page`;
  }
  return text.toLowerCase().includes('unattributed') ? undefined : 'the attributable figure is not labelled';
});
await check('ChartsAreDrawn', async () => {
  for (const id of ['chart-months', 'chart-modalities', 'chart-tenants']) {
    if ((await page.locator(`#${id} svg rect`).count()) === 0) return `#${id} has no bars`;
  }
});
await check('EachFigureLeadsToItsEntriesAndReceipts', async () => {
  await page.locator('#headline, #states').getByText('Reversed').first().click();
  await page.getByText('Reversed, newest first').waitFor({ timeout: 15000 });
  await page.locator('#list summary').first().click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#list a[href*="receipt"]').first().click({ timeout: 15000 })]);
  const file = `${out}/page-receipt`;
  await download.saveAs(file);
  run('verify', '--receipt', file, '--policy', summary.policy_file);
});
await check('CsvHoldsTheReport', async () => {
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#csv').click()]);
  const file = `${out}/savings.csv`;
  await download.saveAs(file);
  const lines = readFileSync(file, 'utf8').trim().split(/\r?\n/);
  return lines.length >= report.rows.length + 1 ? undefined : `${lines.length} lines for ${report.rows.length} rows`;
});
await check('FitsATelephone', async () => {
  await page.setViewportSize({ width: 400, height: 800 });
  const [inner, scroll] = await page.evaluate(() => [window.innerWidth, document.documentElement.scrollWidth]);
  await page.screenshot({ path: `${out}/page-400.png`, fullPage: true });
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.screenshot({ path: `${out}/page-1280.png`, fullPage: true });
  return scroll <= inner ? undefined : `it is ${scroll} wide in a window of ${inner}`;
});
await check('NothingComesFromElsewhere', async () => elsewhere[0]);
await check('NoErrorsInTheBrowser', async () => problems[0]);
await context.close();

await check('LinkOpensOnce', async () => {
  const fresh = await chromium.launchPersistentContext(mkdtempSync(`${tmpdir()}/page-`), {
    executablePath: '/usr/bin/chromium', headless: true, ignoreHTTPSErrors: true, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--no-first-run'],
  });
  const again = await fresh.newPage();
  const answer = await again.goto(link);
  await fresh.close();
  return answer.status() === 401 ? undefined : `status ${answer.status()}`;
});
writeFileSync(`${out}/page.done`, '');
process.exit(failures ? 1 : 0);
