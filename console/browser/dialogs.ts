import { h } from './dom.ts';

/** Asks before something is done; Escape and Cancel say no. */
export function confirmed(question: string, yes: string, danger: boolean): Promise<boolean> {
  const dialog = h(
    'dialog',
    { 'aria-labelledby': 'question' },
    h('p', { id: 'question' }, question),
    h(
      'form',
      { method: 'dialog', class: 'actions' },
      h('button', { value: 'no' }, 'Keep as it is'),
      h('button', { value: 'yes', class: danger ? 'danger' : 'primary' }, yes),
    ),
  ) as HTMLDialogElement;
  document.body.append(dialog);
  // The native form of a dialog navigates nowhere, but form-action forbids it all the same: close by hand.
  dialog.querySelector('form')?.addEventListener('submit', (event) => {
    event.preventDefault();
    dialog.close((event as SubmitEvent).submitter?.getAttribute('value') ?? 'no');
  });
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
  });
}

const TOAST_MS = 6_000;

/** Says what became of an action, to ears as well: the container is a live region. */
export function toast(text: string, tone: 'good' | 'bad'): void {
  const element = h('p', { class: `toast ${tone}` }, text);
  document.querySelector('#toasts')?.append(element);
  setTimeout(() => element.remove(), TOAST_MS);
}
