/** A part of a page that is asked for: it says that it is coming, what is there, or why not. */
import { ask } from './api.ts';
import { el, fill, type Child } from './dom.ts';
import { withStop } from './format.ts';

/** `render` is called with each answer. The element is there at once. */
export function loading<T>(path: string, render: (value: T) => readonly Child[]): HTMLElement {
  const place = el('div', { 'aria-live': 'polite', 'aria-busy': 'true' }, el('p', { class: 'quiet' }, 'One moment …'));
  const load = async (): Promise<void> => {
    const answer = await ask<T>(path);
    place.removeAttribute('aria-busy');
    if (answer.kind === 'found') return fill(place, ...render(answer.value));
    const again = el('button', { type: 'button' }, 'Try again');
    again.addEventListener('click', () => void load());
    fill(place, el('p', { class: 'problem', dir: 'auto' }, answer.kind === 'failed' ? withStop(answer.why) : 'A token is needed: load this page again to sign in.'), again);
  };
  void load();
  return place;
}
