/** From the words of the command line, and from what nginx's configuration knows, the one question that is asked. */
import type { GatewayConfig } from '../config/host-schema.ts';
import { formatAddress } from '../core/failure.ts';
import type { Nginx } from '../doctor/nginx/passes.ts';
import type { Question } from './ask-once.ts';
import { scriptFile, sitesBefore, usualScript, type ProbeSite } from './probe-site.ts';

/** Words of the command line, as they came. */
export interface QuestionOptions {
  readonly path: string;
  readonly host?: string;
  readonly documentRoot?: string;
  readonly script?: string;
  /** nginx's main file. */
  readonly nginx: string;
}

/** Nothing that could end a line of a request, or leave the document root. */
export function wrongWords({ path, host, documentRoot, script }: QuestionOptions): string | undefined {
  if (!/^\/[\x21-\x7e]*$/.test(path)) return `--path: expected a path such as /cart?id=1, without blanks, got "${path}"`;
  if (host !== undefined && !/^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(host)) return `--host: expected a name such as shop.example.com, got "${host}"`;
  if (documentRoot !== undefined && !/^\/[^\0\n]*$/.test(documentRoot)) return `--document-root: expected an absolute path, got "${documentRoot}"`;
  if (script !== undefined && (!/^\/[^\0\n]*$/.test(script) || script.split('/').includes('..'))) return `--script: expected a path below the document root, such as /index.php, got "${script}"`;
  return undefined;
}

/** A question, and the site that it is about. */
export interface Asking {
  readonly question: Question;
  readonly site: ProbeSite;
}

/** `nginx`: absent where its configuration could not be read. */
export interface Circumstances {
  readonly options: QuestionOptions;
  readonly nginx: Nginx | undefined;
  readonly timeoutMs: number;
}

/** What to ask; or, where the site cannot be guessed, what was tried and which option says it. */
export function questionFor(config: GatewayConfig, { options, nginx, timeoutMs }: Circumstances): Asking | string {
  const sites = sitesBefore(config, nginx);
  const guessed = sites.length === 1 ? sites[0] : undefined;
  const { protocol } = config;
  const documentRoot = options.documentRoot?.replace(/(?<=.)\/+$/, '') ?? guessed?.documentRoot;
  if (protocol === 'fastcgi' && documentRoot === undefined)
    return `Which site? ${tried(config, sites, { options, nginx, timeoutMs })}: say it with --document-root, such as --document-root /var/www/html.`;
  const site: ProbeSite = {
    host: options.host ?? guessed?.host ?? 'localhost',
    https: guessed?.https ?? false,
    documentRoot,
    scriptFilename: (options.documentRoot === undefined ? guessed?.scriptFilename : undefined) ?? usualScript,
    place: guessed?.place,
  };
  const uri = options.path.split('?')[0] ?? '/';
  const name = options.script ?? (uri.endsWith('.php') ? uri : '/index.php');
  const script = protocol === 'fastcgi' ? { documentRoot: documentRoot ?? '', name, file: scriptFile(site, name) } : undefined;
  return { site, question: { protocol, path: options.path, host: site.host, https: site.https, script, timeoutMs } };
}

function tried({ upstream }: GatewayConfig, sites: readonly ProbeSite[], { options, nginx }: Circumstances): string {
  if (!nginx) return `There is no ${options.nginx} that this user may read`;
  const roots = sites.map(({ documentRoot, place }) => `${documentRoot} (${place})`).slice(0, 10);
  return roots.length === 0
    ? `No location in ${options.nginx}, and what it includes, passes requests to ${formatAddress(upstream)} and has a root`
    : `Several sites lead to ${formatAddress(upstream)}: ${roots.join(', ')}`;
}
