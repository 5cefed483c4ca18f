/**
 * One `fastcgi_pass` or `proxy_pass` → the edits that lead it through its gateway. The application sees what it saw
 * before: headers that were set stay, inherited ones are copied where a line of ours would cut them off, and Host stays
 * what it was.
 */
import { parseNginx, type Directive } from '../doctor/nginx/parse-nginx.ts';
import { inForce, type Pass } from '../doctor/nginx/passes.ts';
import { indentAt, placeInText, type Edit } from './edit-text.ts';
import { mayNotStandTwice } from './find-backends.ts';

export interface PassChange {
  readonly pass: Pass;
  /** The text of the pass's file. */
  readonly text: string;
  /** The name of the `upstream` block that it will go to. */
  readonly target: string;
  /** The snippet's lines for a location. */
  readonly lines: readonly string[];
}

/**
 * Headers of the snippet that goodgateway itself needs; others would change what the application sees. Connection stays
 * nginx's `close` where nothing is said: an empty one would begin to use the `keepalive` of a block.
 */
const neededHeaders: readonly string[] = ['x-real-ip', 'x-request-id'];

/** The edits, in the pass's own file; `undefined` when the text does not show what the reader read. */
export function changePass(change: PassChange): readonly Edit[] | undefined {
  const { pass, text } = change;
  const place = placeInText(text, pass.line);
  if (!place) return undefined;
  const wanted = change.lines.flatMap((line) => parseNginx(line, '').map((directive) => ({ directive, line })));
  const single = wanted.filter(({ directive }) => mayNotStandTwice(pass).includes(directive.name));
  const replaced: Edit[] = [];
  const added: string[] = [];
  for (const { directive, line } of single) {
    const own = pass.scope.directives.find(({ name }) => name === directive.name);
    const at = own && placeInText(text, own);
    if (own && !at) return undefined;
    if (at) replaced.push({ ...at, to: written(directive) });
    else added.push(line);
  }
  const more = pass.protocol === 'fastcgi' ? parameters(pass, wanted) : headers(pass, wanted);
  const indent = `\n${indentAt(text, place.start)}`;
  const first = passLine(change);
  const isEnd = /^[ \t]*(\r?\n|$)/.test(text.slice(place.end));
  const to = [...(first === undefined ? [text.slice(place.start, place.end)] : [first]), ...added, ...more].join(indent);
  // what follows on the same line must not become part of a comment
  return [{ ...place, to: isEnd ? to : to + indent }, ...replaced.filter(({ start }) => start !== place.start)];
}

/** `undefined`: the pass stays, because the block that it names is changed. */
function passLine({ pass, target }: PassChange): string | undefined {
  if (pass.upstream) return undefined;
  const [url = ''] = pass.line.words;
  return pass.protocol === 'fastcgi' ? `fastcgi_pass ${target};  # before: ${url}` : `proxy_pass ${word(`http://${target}${uriOf(url)}`)};  # before: ${url}`;
}

/** Of `http://HOST/uri` and `http://unix:/path:/uri` the last part; empty where there is none. */
function uriOf(url: string): string {
  const rest = url.replace(/^http:\/\//, '');
  return rest.startsWith('unix:') ? (/^unix:[^:]+:(\/.*)$/.exec(rest)?.[1] ?? '') : (/^[^/]*(\/.*)$/.exec(rest)?.[1] ?? '');
}

interface Wanted {
  readonly directive: Directive;
  readonly line: string;
}

/** Only where the location has parameters of its own: with a first one it would lose those that it inherits. */
function parameters({ scope }: Pass, wanted: readonly Wanted[]): readonly string[] {
  const own = scope.directives.filter(({ name }) => name === 'fastcgi_param').map(({ words }) => words[0]);
  return own.length === 0 ? [] : wanted.filter(({ directive: { name, words } }) => name === 'fastcgi_param' && !own.includes(words[0])).map(({ line }) => line);
}

function headers(pass: Pass, wanted: readonly Wanted[]): readonly string[] {
  const inherited = inForce(pass.scope, 'proxy_set_header');
  const isSet = (header: string): boolean => inherited.some(({ words }) => words[0]?.toLowerCase() === header);
  const ours = wanted.filter(({ directive: { name, words } }) => {
    const header = words[0]?.toLowerCase() ?? '';
    return name === 'proxy_set_header' && neededHeaders.includes(header) && !isSet(header);
  });
  const added = [...(pass.upstream || isSet('host') ? [] : [`proxy_set_header Host ${hostOf(pass.line.words[0] ?? '')};  # as before`]), ...ours.map(({ line }) => line)];
  const isInherited = !pass.scope.directives.some(({ name }) => name === 'proxy_set_header');
  return [...(isInherited && added.length > 0 ? inherited.map(written) : []), ...added, ...redirect(pass)];
}

/** What nginx sends as Host where nothing is said, `$proxy_host`: the address of the pass, which is about to change. */
function hostOf(url: string): string {
  const rest = url.replace(/^http:\/\//, '');
  return rest.startsWith('unix:') ? 'localhost' : rest.replace(/\/.*$/, '').replace(/:80$/, '');
}

/** nginx makes the application's own address in redirects the site's, by the text of proxy_pass; not where that holds a variable. */
function redirect({ scope, upstream, line }: Pass): readonly string[] {
  const [url = ''] = line.words;
  // `default` is the text of proxy_pass, too
  const isDefault = scope.directives.some(({ name, words }) => name === 'proxy_redirect' && words[0] === 'default');
  if (upstream || url.includes('$') || (inForce(scope, 'proxy_redirect').length > 0 && !isDefault)) return [];
  if (uriOf(url) === '') return [`proxy_redirect ${word(`${url}/`)} /;`];
  const [first = '', second] = scope.directive?.words ?? [];
  // nginx takes `=/path` and `^~/path`, too
  return [`proxy_redirect ${word(url)} ${word(second ?? first.replace(/^(=|\^~)/, ''))};`];
}

function written({ name, words }: Directive): string {
  return `${[name, ...words.map(word)].join(' ')};`;
}

function word(text: string): string {
  return /^[^\s;{}"'#\\]+$/.test(text) ? text : `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}
