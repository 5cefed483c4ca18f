import { el } from './dom.ts';
import { formatMoment } from './format.ts';

/** The moment for people and programs. `text`: what is shown instead of the moment itself. */
export function moment(ms: number, text = formatMoment(ms)): HTMLTimeElement {
  return el('time', { datetime: new Date(ms).toISOString(), title: text === formatMoment(ms) ? undefined : formatMoment(ms) }, text);
}
