import { escapeHtml } from './escape-html.ts';

/** A contact as HTML: a link where it is a web or mail address, else text. No other scheme becomes a link. */
export function linkTo(contact: string): string {
  const text = escapeHtml(contact);
  const target = targetOf(contact);
  // a contact may be written in another direction than the page
  return target === undefined ? `<bdi>${text}</bdi>` : `<a href="${escapeHtml(target)}"><bdi>${text}</bdi></a>`;
}

function targetOf(contact: string): string | undefined {
  if (/^[^\s@<>"':/?#]+@[^\s@<>"':/?#]+\.[^\s@<>"':/?#]+$/.test(contact)) return `mailto:${contact}`;
  if (!/^(https?:\/\/|mailto:)\S+$/i.test(contact)) return undefined;
  return URL.canParse(contact) ? contact : undefined;
}
