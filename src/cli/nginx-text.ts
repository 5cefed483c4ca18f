/** The lines for nginx as a file that nginx could read: where each part goes, and all that is said, are comments of it. */
import { formatAddress } from '../core/failure.ts';
import { addressForNginx, nginxSnippet, type NamedGateway, type SnippetKind } from './nginx-snippet.ts';
import { wrap } from './terminal.ts';

export interface KindOfGateway {
  readonly gateway: NamedGateway;
  readonly kind: SnippetKind;
}

/** Lines for the terminal. What belongs into `http` comes first and together, since it is one file for all gateways. */
export function nginxText(chosen: readonly KindOfGateway[], file: string): readonly string[] {
  const snippets = chosen.map((one) => ({ ...one, snippet: nginxSnippet(one.gateway, one.kind) }));
  const once = [...new Set(snippets.map(({ snippet }) => snippet.http.join('\n')))].filter((text) => text !== '').flatMap((text) => text.split('\n'));
  return [
    ...comment(`For ${file}. This changes nothing: put each part in its place.`),
    '',
    ...comment('In http { }, in a file of its own: /etc/nginx/conf.d/goodgateway.conf. An upstream of the same name that you have is replaced by it.'),
    ...once,
    ...snippets.flatMap(({ snippet }) => snippet.upstream),
    ...snippets.flatMap(({ gateway, kind, snippet: { server, location } }) => [
      '',
      ...notesOn({ gateway, kind }).flatMap((note) => comment(`${gateway.name}: ${note}`)),
      ...(server.length > 0 ? [...comment(`${gateway.name}: in the server { } of the site, beside the location.`), ...server, ''] : []),
      ...comment(`${gateway.name}: ${whereItGoes(gateway)}`),
      ...location,
    ]),
    '',
    ...lastWords(chosen),
  ];
}

/** What is set on a location by one of its lines is no longer inherited by it: the trap of a moved `include`. */
function whereItGoes({ config }: NamedGateway): string {
  if (config.protocol === 'fastcgi')
    return 'in the location { } of the site, in the place of its fastcgi_pass. Its "include fastcgi_params" (or fastcgi.conf) and its own fastcgi_param lines stay, they name the script. Where they stand outside of the location, copy them into it: a location that has one of its own inherits none.';
  return 'in the location { } of the site, in the place of its proxy_pass and of the lines that are here again. Its other proxy_set_header lines stay; where they stand outside of the location, copy them into it: a location that has one of its own inherits none.';
}

/** Where configuration and snippet do not say the same. */
function notesOn({ gateway: { config }, kind }: KindOfGateway): readonly string[] {
  const others = config.listen.filter((address) => address !== addressForNginx(config)).map(formatAddress);
  return [
    ...(kind === 'standby' && !config.standby ? ['goodgateway.yaml must say "standby: true" and "nginx_error_log:" for it, or nobody notices what nginx fails at by itself.'] : []),
    ...(kind === 'inline' && config.standby ? ['goodgateway.yaml says "standby: true": take that out, this is the inline way.'] : []),
    ...(kind !== 'bypass' && others.length > 0 ? [`it listens at ${others.join(', ')} too, for an nginx that cannot reach the address below; they lead to the same process.`] : []),
    ...(kind === 'bypass' ? ['with these lines failures of the backend are seen by visitors again; the healer goes on repairing (goodgateway off stops that, too).'] : []),
  ];
}

function lastWords(chosen: readonly KindOfGateway[]): readonly string[] {
  const names = chosen.filter(({ kind }) => kind !== 'bypass').map(({ gateway }) => gateway.name);
  return [
    ...(names.length > 0 ? [...comment('Before it, to see that the site answers through goodgateway:'), ...names.map((name) => `#   goodgateway probe ${name}`)] : []),
    ...comment('To use it:'),
    '#   nginx -t && systemctl reload nginx',
    ...(names.length > 0 ? [...comment('The way back:'), `#   goodgateway nginx --bypass`] : []),
  ];
}

function comment(text: string): readonly string[] {
  return wrap(text, { width: 100, indent: '# ' });
}
