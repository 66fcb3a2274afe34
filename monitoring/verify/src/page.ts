// The page: a policy and a receipt are dropped or chosen, the verdict is shown. Nothing leaves the browser.
import { Policy, parseReceipt, Refused, verifyReceipt } from './index.ts';
import { receiptLine } from './show.ts';

const verdict = document.querySelector('output') as HTMLOutputElement;
const inputs = { policy: document.querySelector('#policy'), receipt: document.querySelector('#receipt') } as Record<Role, HTMLInputElement>;
type Role = 'policy' | 'receipt';
const chosen = new Map<Role, File>();

type Verdict = 'waiting' | 'verified' | 'refused';
function render(kind: Verdict, text: string): void {
  verdict.className = kind;
  verdict.textContent = text;
}

const bytesOf = async (file: File) => new Uint8Array(await file.arrayBuffer());

// Of the last choice: a verdict that comes after another choice is not shown.
let choice = 0;

async function judge(): Promise<void> {
  const judged = ++choice;
  const show = (kind: Verdict, text: string): void => {
    if (judged === choice) render(kind, text);
  };
  const policy = chosen.get('policy');
  const receipt = chosen.get('receipt');
  if (policy === undefined || receipt === undefined) return show('waiting', `Now the ${policy === undefined ? 'policy' : 'receipt'}.`);
  show('waiting', 'Verifying.');
  try {
    show('verified', receiptLine(await verifyReceipt(parseReceipt(await bytesOf(receipt)), await Policy.parse(await bytesOf(policy)))));
  } catch (error) {
    show('refused', `${error instanceof Refused ? 'Proves nothing' : 'Cannot verify'}: ${(error as Error).message}`);
  }
}

async function roleOf(file: File): Promise<Role> {
  return (await file.slice(0, 22).text()) === 'c2sp.org/tlog-proof@v1' ? 'receipt' : 'policy';
}

for (const [role, input] of Object.entries(inputs) as [Role, HTMLInputElement][]) {
  input.addEventListener('change', () => {
    const file = input.files?.[0];
    if (file !== undefined) chosen.set(role, file);
    else chosen.delete(role);
    void judge();
  });
}
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', async (event) => {
  event.preventDefault();
  for (const file of event.dataTransfer?.files ?? []) {
    const role = await roleOf(file);
    chosen.set(role, file);
    // So that the form names what was dropped.
    const transfer = new DataTransfer();
    transfer.items.add(file);
    inputs[role].files = transfer.files;
  }
  await judge();
});
render('waiting', 'Choose both files, or drop them anywhere here.');
