/** The policies as sentences: what goodgateway may do to each service. */
import type { AdminPolicies } from '../core/admin-api.ts';
import type { View } from './app.ts';
import { el } from './dom.ts';
import { withStop } from './format.ts';
import { loading } from './loading.ts';

export function policiesView(): View {
  const content = loading<AdminPolicies>('/api/policies', ({ policies }) =>
    policies.length === 0
      ? [el('p', {}, 'There is no policy, so nothing is repaired.')]
      : policies.map(({ service, description, sentences }) =>
          el(
            'section',
            { class: 'policy' },
            el('h2', { dir: 'auto' }, service),
            description !== null && el('p', { class: 'quiet', dir: 'auto' }, withStop(description)),
            el('ol', {}, ...sentences.map((sentence) => el('li', { dir: 'auto' }, sentence))),
          ),
        ),
  );
  return { title: 'Policies', element: el('div', {}, el('h1', {}, 'What goodgateway may do'), content) };
}
