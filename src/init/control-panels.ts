/** Control panels write nginx's files again whenever they like: what is edited there is lost. Their templates are what lasts. */
import type { HostFiles } from '../doctor/host-files.ts';

/** A panel that was found, and what is said about the files that it writes. */
export interface Panel {
  readonly name: string;
  /** Beginnings or patterns of paths that the panel writes. */
  readonly writes: readonly RegExp[];
  /** Where the same change lasts. */
  readonly instead: string;
}

const known: readonly (Panel & { readonly signs: readonly string[] })[] = [
  {
    name: 'Plesk',
    signs: ['/usr/local/psa/version', '/opt/psa/version'],
    writes: [/^\/etc\/nginx\/plesk\.conf\.d\//, /^\/var\/www\/vhosts\/system\/[^/]+\/conf\//],
    instead:
      'copy the template from /usr/local/psa/admin/conf/templates/default/ to the same place below templates/custom/ (domain/service/proxy.php for Apache, domain/service/fpm.php for PHP), change it there, then: plesk sbin httpdmng --reconfigure-all',
  },
  {
    name: 'cPanel',
    signs: ['/usr/local/cpanel/version'],
    writes: [/^\/etc\/nginx\/conf\.d\/(users|users\.conf|ea-nginx\.conf)/, /^\/etc\/nginx\/ea-nginx\//],
    instead: 'copy the template /etc/nginx/ea-nginx/server.conf.tt to a custom one as the documentation of ea-nginx says, change it there, then: /usr/local/cpanel/scripts/ea-nginx config --all',
  },
  {
    name: 'Hestia',
    signs: ['/usr/local/hestia/conf/hestia.conf'],
    writes: [/^\/home\/[^/]+\/conf\/web\//, /^\/etc\/nginx\/conf\.d\/domains\//],
    instead: 'copy a template below /usr/local/hestia/data/templates/web/nginx/ under another name, change the copy, choose it for the domain, then: v-rebuild-web-domains USER',
  },
];

/** Those whose folders are there. */
export async function findPanels(files: HostFiles): Promise<readonly Panel[]> {
  const there = await Promise.all(known.map(({ signs }) => files.first(signs)));
  return known.filter((_, index) => there[index] !== undefined).map(({ name, writes, instead }) => ({ name, writes, instead }));
}

/** The panel that writes this file. */
export function writerOf(file: string, panels: readonly Panel[]): Panel | undefined {
  return panels.find(({ writes }) => writes.some((pattern) => pattern.test(file)));
}
