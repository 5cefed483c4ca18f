/** Who brings the load, in words: a flood of logins, crawlers, one address, one page. */
import { formatDuration } from '../../core/time.ts';
import type { CaseFile } from '../leaves.ts';

/** Below half of the requests it is not one thing that brings the load. */
const most = 0.5;

/** One sentence, and what would help against it; `undefined` where the requests have nothing in common. By a proxy's word only. */
export function whoAsks({ traffic: { pattern } }: CaseFile): { readonly says: string; readonly remedy: string } | undefined {
  if (!pattern) return undefined;
  const { requests, crawlers, logins, address, path, withinMs } = pattern;
  const part = (count: number): string => `${count} of the ${requests} requests in the last ${formatDuration(withinMs)}`;
  const isOurs = address !== undefined && /^(?:127\.|::1$|::ffff:127\.)/.test(address.name);
  const from = address && !isOurs && address.count >= most * requests ? `, most from ${address.name}` : '';
  if (logins >= most * requests)
    return {
      says: `${part(logins)} try to sign in, or ask xmlrpc${from}: passwords are being tried.`,
      remedy: 'Limit how often one address may ask for the login page (limit_req in nginx), and switch xmlrpc off where nobody needs it.',
    };
  if (crawlers >= most * requests)
    return { says: `${part(crawlers)} are crawlers'${from}.`, remedy: 'Slow the crawlers down: shed_load turns them away first; robots.txt, or limit_req in nginx by their name, keeps them off.' };
  if (from !== '' && address)
    return {
      says: `${part(address.count)}, or more, come from one address, ${address.name}.`,
      remedy: `Find out who ${address.name} is (a proxy of your own, a monitor, a visitor?), and limit it in nginx (limit_req).`,
    };
  if (path && path.count >= most * requests) return { says: `${part(path.count)}, or more, ask for ${path.name}.`, remedy: '' };
  return undefined;
}
