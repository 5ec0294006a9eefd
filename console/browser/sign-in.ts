import { Problem, signIn } from './api.ts';
import { h } from './dom.ts';

/** Shows the form until somebody is signed in. */
export function askToSignIn(app: Element, reason: string): Promise<void> {
  const error = h('p', { class: 'trouble', role: 'alert', hidden: true });
  const button = h('button', { type: 'submit', class: 'primary' }, 'Sign in');
  const name = h('input', {
    id: 'name',
    name: 'name',
    autocomplete: 'username',
    autocapitalize: 'none',
    required: true,
  }) as HTMLInputElement;
  const password = h('input', {
    id: 'password',
    name: 'password',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
  }) as HTMLInputElement;
  const form = h(
    'form',
    { class: 'sign-in' },
    h('img', { src: '/assets/icon.svg', alt: '', width: 48, height: 48 }),
    h('h1', {}, 'Rejuve Console'),
    reason === '' ? null : h('p', { class: 'muted' }, reason),
    error,
    h('label', { for: 'name' }, 'Name'),
    name,
    h('label', { for: 'password' }, 'Password'),
    password,
    button,
    h(
      'p',
      { class: 'hint' },
      'Development: `make up` prints a name and a password. Elsewhere: whoever keeps CONSOLE_OPERATORS gives you one.',
    ),
  );
  app.replaceChildren(h('main', { id: 'main', class: 'centre' }, form));
  document.title = 'Sign in · Rejuve Console';
  name.focus();
  return new Promise((resolve) => {
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      button.setAttribute('disabled', '');
      try {
        await signIn(name.value.trim(), password.value);
        resolve();
      } catch (failure) {
        error.textContent =
          failure instanceof Problem
            ? failure.message
            : 'The console does not answer; try again in a moment.';
        error.removeAttribute('hidden');
        password.value = '';
        password.focus();
      } finally {
        button.removeAttribute('disabled');
      }
    });
  });
}
