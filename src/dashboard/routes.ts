/** Which address shows which view. Addresses stand behind `#`, so that the listener serves one page. */
import type { View } from './app.ts';
import { auditView } from './audit-view.ts';
import { doctorView } from './doctor-view.ts';
import { incidentsView } from './incidents-view.ts';
import { overview } from './overview.ts';
import { policiesView } from './policies-view.ts';
import { storyView } from './story-view.ts';

/** In the order of the navigation. */
export const places = [
  { address: '#/', name: 'Now', make: overview },
  { address: '#/incidents', name: 'Incidents', make: incidentsView },
  { address: '#/doctor', name: 'Doctor', make: doctorView },
  { address: '#/policies', name: 'Policies', make: policiesView },
  { address: '#/audit', name: 'Audit log', make: auditView },
] as const;

/** The view, and which entry of the navigation it belongs to. An address that nobody knows is the first one. */
export function viewAt(hash: string): { readonly view: View; readonly place: string } {
  const story = /^#\/incident\/([0-9A-Za-z]{6,26})$/.exec(hash);
  if (story) return { view: storyView(story[1]?.toUpperCase() ?? ''), place: '#/incidents' };
  const found = places.find(({ address }) => address === hash) ?? places[0];
  return { view: found.make(), place: found.address };
}
