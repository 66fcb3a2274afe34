// The page: a policy, and a receipt or the list of a subject's entries, are dropped or chosen, the verdict is shown. Nothing leaves the browser.
import { Policy, parseReceipt, parseSubjectList, Refused, verifyReceipt, verifySubjectList } from './index.ts';
import { receiptLine, subjectListLines } from './show.ts';

const verdict = document.querySelector('output') as HTMLOutputElement;
const inputs = { policy: document.querySelector('#policy'), receipt: document.querySelector('#receipt') } as Record<Role, HTMLInputElement>;
type Role = 'policy' | 'receipt';
const chosen = new Map<Role, File>();

type Verdict = 'waiting' | 'verified' | 'refused';
function render(kind: Verdict, text: string): void {
  verdict.className = kind;
  verdict.textContent = text;
}

const firstLines = { receipt: 'c2sp.org/tlog-proof@v1', list: 'custodian/subject-list/v1' };
const begins = async (file: File, line: string) => (await file.slice(0, line.length).text()) === line;
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
    const believed = await Policy.parse(await bytesOf(policy));
    const bytes = await bytesOf(receipt);
    if (await begins(receipt, firstLines.list)) {
      const list = await verifySubjectList(parseSubjectList(bytes), believed);
      // In a browser nobody has said yet whose list it must be.
      show('verified', subjectListLines(list, { subject: false, origin: false }).join('\n'));
    } else {
      show('verified', receiptLine(await verifyReceipt(parseReceipt(bytes), believed)));
    }
  } catch (error) {
    show('refused', `${error instanceof Refused ? 'Proves nothing' : 'Cannot verify'}: ${(error as Error).message}`);
  }
}

async function roleOf(file: File): Promise<Role> {
  return (await begins(file, firstLines.receipt)) || (await begins(file, firstLines.list)) ? 'receipt' : 'policy';
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
