/** Asks for the token of `admin.token_file`. */
import { signIn } from './api.ts';
import { el } from './dom.ts';
import { withStop } from './format.ts';

/** `done` is called once the browser has its cookie. */
export function signInForm(done: () => void): HTMLElement {
  const input = el('input', { id: 'token', type: 'password', autocomplete: 'current-password', required: true });
  const problem = el('p', { class: 'problem', role: 'alert' });
  const button = el('button', {}, 'Sign in');
  const form = el(
    'form',
    { class: 'sign-in' },
    el('h1', {}, 'Sign in'),
    el('p', {}, el('label', { for: 'token' }, 'The token of this gateway (from the file of admin.token_file)')),
    el('p', {}, input, ' ', button),
    problem,
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    button.disabled = true;
    void signIn(input.value).then((answer) => {
      button.disabled = false;
      if (answer.kind === 'found') return done();
      problem.textContent = answer.kind === 'failed' ? withStop(answer.why) : '';
      input.select();
    });
  });
  return form;
}
