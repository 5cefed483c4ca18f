/** Which site a gateway stands before: as its caller says, else as nginx's configuration has it. Reads only. */
import type { GatewayConfig } from '../config/host-schema.ts';
import type { HostFiles } from '../doctor/host-files.ts';
import { inForce, nginxFrom, placeOf, type Nginx, type Pass } from '../doctor/nginx/passes.ts';
import { readNginx } from '../doctor/nginx/read-nginx.ts';
import { isSame } from '../doctor/who-passes.ts';

/** What one request is made of, beside its path. */
export interface ProbeSite {
  readonly host: string;
  readonly https: boolean;
  /** FastCGI only. */
  readonly documentRoot: string | undefined;
  /** What nginx makes SCRIPT_FILENAME of, as it is written. */
  readonly scriptFilename: string;
  /** Where it was found, for people; `undefined`: on the command line, or nowhere. */
  readonly place: string | undefined;
}

/** As nginx's own fastcgi.conf says it. */
export const usualScript = '$document_root$fastcgi_script_name';

/** nginx's configuration; `undefined` when there is no such file, or this user may not read it. */
export async function nginxOf(files: HostFiles, file: string): Promise<Nginx | undefined> {
  const directives = await readNginx(files, file);
  return directives && nginxFrom(file, directives);
}

/** The sites from which nginx passes requests to this backend, or to this gateway: each document root, or host, once. */
export function sitesBefore(gateway: GatewayConfig, nginx: Nginx | undefined): readonly ProbeSite[] {
  const places = [gateway.upstream, ...gateway.also_allowed, ...gateway.listen];
  const passes = (nginx?.passes ?? []).filter(({ protocol, addresses }) => protocol === gateway.protocol && addresses.some((address) => places.some((place) => isSame(address, place))));
  const sites = passes.map(siteOf).filter(({ documentRoot }) => gateway.protocol === 'http' || (documentRoot !== undefined && !documentRoot.includes('$')));
  return [...new Map(sites.map((site) => [gateway.protocol === 'http' ? site.host : site.documentRoot, site])).values()];
}

function siteOf({ scope, line }: Pass): ProbeSite {
  const names = inForce(scope, 'server_name').flatMap(({ words }) => words);
  const listens = inForce(scope, 'listen');
  const script = inForce(scope, 'fastcgi_param').findLast(({ words }) => words[0] === 'SCRIPT_FILENAME');
  return {
    host: names.find((name) => /^[A-Za-z0-9][A-Za-z0-9.-]*$/.test(name)) ?? 'localhost',
    https: listens.length > 0 && listens.every(({ words }) => words.includes('ssl')),
    documentRoot: inForce(scope, 'root')[0]?.words[0],
    scriptFilename: script?.words[1] ?? usualScript,
    place: placeOf(line),
  };
}

/** The file that PHP is to run. Other variables than the usual ones only a request could tell: then the usual form counts. */
export function scriptFile({ documentRoot = '', scriptFilename }: ProbeSite, script: string): string {
  const filled = scriptFilename.replaceAll(/\$\{?(?:document_root|realpath_root)\}?/g, () => documentRoot).replaceAll(/\$\{?fastcgi_script_name\}?/g, () => script);
  return filled.includes('$') ? documentRoot + script : filled;
}
