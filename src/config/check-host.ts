/**
 * What the configuration names and this host does not have: users and groups, programs, folders, systemd, a page that
 * can be used. No mistake of the files, which may be written elsewhere or before the packages are installed; so these
 * are warnings of `check`, and nothing is refused at load.
 */
import { access, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { missingForNotifiers } from './check-notifiers.ts';
import { didYouMean } from './did-you-mean.ts';
import { valueAt, type ConfigProblem, type Path } from './problem.ts';
import { readFallbackFolder } from './read-fallback-folder.ts';
import { gatewayPaths, type PolicyEntry } from './written.ts';
import type { YamlDocument } from './yaml-document.ts';

/** Where the host keeps what is looked up; another folder stands for `/` in tests. */
export interface HostFiles {
  readonly passwd: string;
  readonly group: string;
  /** There while systemd runs, @see sd_booted(3). */
  readonly systemd: string;
  /** Is it root that will start goodgateway here, as far as can be known now? */
  readonly asRoot: boolean;
}

const thisHost: HostFiles = { passwd: '/etc/passwd', group: '/etc/group', systemd: '/run/systemd/system', asRoot: process.getuid?.() === 0 };

/** Everything that one goodgateway.yaml, or none, and these policies name in vain. */
export async function checkHost(
  { host, policies }: { readonly host: YamlDocument | undefined; readonly policies: readonly PolicyEntry[] },
  files: HostFiles = thisHost,
): Promise<readonly ConfigProblem[]> {
  const sockets =
    host === undefined
      ? []
      : gatewayPaths(host).flatMap((gateway) => [
          nameIn(files.passwd, { document: host, path: [...gateway, 'socket', 'owner'] }, 'the gateway cannot open its socket'),
          nameIn(files.group, { document: host, path: [...gateway, 'socket', 'group'] }, 'the gateway cannot open its socket'),
          nginxLog({ document: host, path: [...gateway, 'nginx_error_log'] }),
        ]);
  const proxy =
    host === undefined
      ? []
      : [proxyAsRoot(host, files), nameIn(files.passwd, { document: host, path: ['proxy', 'user'] }, cannotStart), nameIn(files.group, { document: host, path: ['proxy', 'group'] }, cannotStart)];
  const services = policies.flatMap((entry) => [...programs(entry), pidfileFolder(entry), systemd(entry, files.systemd), user(entry, files.passwd)]);
  const found = await Promise.all([...sockets, ...proxy, ...services]);
  const pages = host === undefined ? [] : await Promise.all(gatewayPaths(host).map((gateway) => fallbackFolder({ document: host, path: [...gateway, 'fallback', 'folder'] })));
  const notifiers = host === undefined ? [] : await missingForNotifiers(host);
  return [...found.filter((each) => each !== undefined), ...pages.flat(), ...notifiers];
}

type Warning = Promise<ConfigProblem | undefined>;
interface Place {
  readonly document: YamlDocument;
  readonly path: Path;
}

/** As the sockets are opened: by name in the file itself; numbers are taken as they are. */
async function nameIn(file: string, { document, path }: Place, effect: string): Warning {
  const name = valueAt(document.value, path);
  if (typeof name !== 'string' || /^\d+$/.test(name)) return undefined;
  const text = await readFile(file, 'utf8').catch(() => '');
  const known = text
    .split('\n')
    .map((line) => line.split(':')[0] ?? '')
    .filter((word) => word !== '');
  if (known.includes(name)) return undefined;
  const meant = didYouMean(name, known);
  return document.problem(path, 'value', `${path.at(-1)}: ${file} has no \`${name}\`, so ${effect}${meant === undefined ? '' : `: did you mean \`${meant}\`?`}`);
}

const cannotStart = 'goodgateway run refuses to start';

/** The process that everybody on the network speaks to needs no rights. */
async function proxyAsRoot(host: YamlDocument, { asRoot }: HostFiles): Warning {
  if (!asRoot || valueAt(host.value, ['proxy', 'user']) !== undefined) return undefined;
  return host.problem(
    ['proxy'],
    'key',
    'proxy: started by root without proxy.user, the proxy has every right although it needs none: name a user of its own, such as `proxy: { user: goodgateway, group: www-data }`',
  );
}

async function nginxLog({ document, path }: Place): Warning {
  const file = valueAt(document.value, path);
  if (typeof file !== 'string' || !file.startsWith('/')) return undefined;
  const found = await stat(file).catch(() => undefined);
  return found?.isFile() ? undefined : document.problem(path, 'value', `nginx_error_log: there is no file ${file} on this host, so what nginx says is not read before there is`);
}

function user({ document, path }: PolicyEntry, passwd: string): Warning {
  return nameIn(passwd, { document, path: [...path, 'service', 'user'] }, 'the service cannot be started');
}

/** The programs that the service is controlled by; `config_test` too, because without a passed test nothing is restarted. */
function programs({ document, path }: PolicyEntry): readonly Warning[] {
  const service: Path = [...path, 'service'];
  const places = ['start', 'stop', 'reload', 'config_test'].map((key) => [...service, key, 0]);
  return [...places, [...service, 'script']].map(async (at) => {
    const program = valueAt(document.value, at);
    if (typeof program !== 'string' || !program.startsWith('/')) return undefined;
    const why = await whyNotRun(program);
    const key = at.findLast((part) => typeof part === 'string');
    return why === undefined ? undefined : document.problem(at, 'value', `${key}: ${program} ${why}`);
  });
}

async function whyNotRun(program: string): Promise<string | undefined> {
  const found = await stat(program).catch(() => undefined);
  if (found === undefined) return 'does not exist on this host';
  // The bits, not access(2): who checks may be another user than the one that will run it.
  return found.isFile() && (found.mode & 0o111) !== 0 ? undefined : 'is no program: chmod +x, or name another one';
}

async function pidfileFolder({ document, path }: PolicyEntry): Warning {
  const at = [...path, 'service', 'pidfile'];
  const pidfile = valueAt(document.value, at);
  if (typeof pidfile !== 'string' || !pidfile.startsWith('/')) return undefined;
  const folder = dirname(pidfile);
  const isThere = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return isThere ? undefined : document.problem(at, 'value', `pidfile: the folder ${folder} does not exist on this host`);
}

async function systemd({ document, path }: PolicyEntry, marker: string): Warning {
  const at = [...path, 'service', 'type'];
  if (valueAt(document.value, at) !== 'systemd') return undefined;
  const runs = await access(marker).then(
    () => true,
    () => false,
  );
  return runs ? undefined : document.problem(at, 'value', `type: no systemd runs on this host (there is no ${marker}); use init, or process with its pidfile`);
}

/** Traffic flows with a wrong page, too; then visitors see the one that comes with goodgateway. */
async function fallbackFolder({ document, path }: Place): Promise<readonly ConfigProblem[]> {
  const folder = valueAt(document.value, path);
  if (typeof folder !== 'string' || !folder.startsWith('/')) return [];
  const { unreadable, problems, warnings } = await readFallbackFolder(folder);
  if (unreadable !== undefined) return [document.problem(path, 'value', `folder: ${folder}: ${unreadable}, so the pages that come with goodgateway are used`)];
  return [...problems.map((problem) => ({ ...problem, message: `${problem.message}; this file is not used` })), ...warnings];
}
