/** The frame around the views: the sentence at the top, the navigation, the window's title, the foot. */
import type { App, View } from './app.ts';
import { el, fill, setAttributes, setText } from './dom.ts';
import { formatMoment, zoneName } from './format.ts';
import { headlineOf, type Headline } from './headline.ts';
import { moment } from './moment.ts';
import { places, viewAt } from './routes.ts';
import { signInForm } from './sign-in.ts';

export interface Page {
  /** Something is new. The sentence at the top is changed at once, the view with the next frame. */
  show(): void;
  /** Shows the form instead of the view until the token was right. */
  signIn(again: () => void): void;
}

/** `app` gives what is known now. The page must be there already. */
export function createPage(app: () => App): Page {
  const [main, nav, headline, host, foot] = ['view', 'nav', 'headline', 'host', 'footer'].map((id) => document.getElementById(id) ?? el('div'));
  if (!main || !nav || !headline || !host || !foot) throw new Error('unreachable: five were asked for');
  let view: View | undefined;
  let frame = 0;
  let asksForToken = false;

  const showView = (): void => {
    frame = 0;
    const now = app();
    setText(host, now.state ? `on ${now.state.host}` : '');
    showFoot(foot, now);
    document.body.toggleAttribute('data-stale', now.lostSinceMs !== undefined);
    view?.update?.(now);
  };
  const show = (): void => {
    if (asksForToken) return;
    const now = headlineOf(app());
    showHeadline(headline, now);
    document.title = `${view?.title ? `${view.title} – ` : ''}${now.sentence} – goodgateway`;
    // a window that nobody sees gets no frames: then only its title is kept true
    if (frame === 0) frame = requestAnimationFrame(showView);
  };
  const go = (): void => {
    const found = viewAt(location.hash);
    view = found.view;
    document.body.dataset['place'] = found.place;
    showNavigation(nav, found.place);
    fill(main, view.element);
    show();
  };

  addEventListener('hashchange', () => {
    if (asksForToken || !(location.hash === '' || location.hash.startsWith('#/'))) return;
    go();
    scrollTo(0, 0);
    // whoever hears the page is told where he is now
    main.focus({ preventScroll: true });
  });
  document.querySelector('.skip')?.addEventListener('click', (event) => {
    event.preventDefault();
    main.focus();
  });
  go();
  return {
    show,
    signIn: (again) => {
      asksForToken = true;
      showHeadline(headline, { level: 'unknown', sentence: 'This dashboard asks for a token.', more: [], you: '' });
      const form = signInForm(() => {
        asksForToken = false;
        go();
        again();
      });
      fill(main, form);
      form.querySelector('input')?.focus();
    },
  };
}

function showHeadline(place: HTMLElement, { level, sentence, more, you }: Headline): void {
  setAttributes(place, { 'data-level': level });
  const words = JSON.stringify([sentence, more, you]);
  // a live region: only what is new is put into it, or it would be read out every second
  if (place.dataset['words'] === words) return;
  place.dataset['words'] = words;
  fill(place, el('p', { class: 'sentence', dir: 'auto' }, sentence), ...more.map((text) => el('p', { class: 'more', dir: 'auto' }, text)), you !== '' && el('p', { class: 'you', dir: 'auto' }, you));
}

function showNavigation(nav: HTMLElement, current: string): void {
  fill(nav, el('ul', {}, ...places.map(({ address, name }) => el('li', {}, el('a', { href: address, 'aria-current': address === current && 'page' }, name)))));
}

function showFoot(foot: HTMLElement, { state, lostSinceMs }: App): void {
  const heard = state ? [lostSinceMs === undefined ? 'As of ' : 'Stale: as of ', moment(Date.parse(state.now), formatMoment(Date.parse(state.now))), `. ${state.product}. `] : [];
  fill(foot, el('p', {}, ...heard, `Times are of this browser: ${zoneName()}.`));
}
