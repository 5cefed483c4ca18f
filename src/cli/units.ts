/**
 * `goodgateway units`: the units of systemd that fit this installation and its configuration: printed, written, or
 * compared with what is there. It starts and stops nothing; it says what to type.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { findConfiguration } from '../config/load.ts';
import { thisInstallation, type Installation } from '../supervisor/entry-points.ts';
import { boundByProxy, configuredUnits, writtenByUs } from './configured-units.ts';
import { configurationOrExplain } from './load-or-explain.ts';
import { healerService, packageFolder, proxyService, serviceUnits, target, usualFolder } from './service-units.ts';
import { complain, plain, printLine } from './terminal.ts';

interface UnitsOptions {
  readonly config?: string;
  readonly write?: string | true;
  readonly check?: string | true;
  readonly services?: true;
  readonly installedIn?: string;
}

type Files = Readonly<Record<string, string>>;

/** Exit status: 0; 1 when what is there does not fit (--check); 2 called wrongly, or a mistake in the configuration. */
export function unitsCommand(): Command {
  return new Command('units')
    .description('units of systemd for proxy, healer and the sockets of each gateway')
    .option('--config <file>', 'goodgateway.yaml')
    .option('--write [folder]', `write them, say what changed, and what to type then (default: ${usualFolder})`)
    .option('--check [folder]', 'compare them with what is there; ends with status 1 when the configuration has changed since')
    .option('--services', 'only the two services and their target, which need no configuration')
    .option('--installed-in <folder>', 'for a goodgateway that lies in this folder, with its Node in bin/node (for packages)')
    .addHelpText('after', '\nExample:\n  goodgateway units --write && systemctl daemon-reload && systemctl enable --now goodgateway.target')
    .action(async (options: UnitsOptions) => {
      if (options.write !== undefined && options.check !== undefined) return complain('units: say --write or --check, not both', 2);
      const files = await filesFor(options);
      if (!files) return;
      if (options.write !== undefined) await write(folderOf(options.write), files);
      else if (options.check !== undefined) await check(folderOf(options.check), files);
      else for (const [path, text] of Object.entries(files)) await printLine(`# ${usualFolder}/${path}\n${text}`);
    });
}

async function filesFor({ config, services, installedIn }: UnitsOptions): Promise<Files | undefined> {
  const installation: Installation = installedIn === undefined ? thisInstallation : { node: join(resolve(installedIn), 'bin/node'), folder: resolve(installedIn), code: 'dist' };
  const own = serviceUnits(installation);
  if (services) return own;
  const file = await findConfiguration(config);
  const configuration = await configurationOrExplain(config);
  if (!configuration) return undefined;
  const { host, policies } = configuration;
  if (host.proxy.user === undefined)
    return void complain(`units: the proxy is a user of its own under systemd, and the healer must know its group: add to ${file}: proxy: { user: goodgateway, group: www-data }`, 2);
  for (const address of boundByProxy(host)) process.stderr.write(`goodgateway: ${plain(address)} is a name: systemd cannot hold it while the proxy is restarted; say its address\n`);
  return { ...marked(own), ...configuredUnits({ file, host, services: [...policies.values()].map(({ policy }) => policy.service), installation }) };
}

/** So that they are known for ours when they are wanted no longer: a package that comes later brings its own, which they would hide. */
function marked(own: Files): Files {
  return Object.fromEntries(Object.entries(own).map(([path, text]) => [path, readOr(join(packageFolder, path)) === text ? text : writtenByUs + text]));
}

function folderOf(option: string | true): string {
  return option === true ? usualFolder : resolve(option);
}

interface Change {
  readonly path: string;
  readonly what: 'new' | 'changed' | 'removed';
}

/** What is to be done in the folder. A unit that a package brought stays the package's: a copy would hide its next version. */
function changes(folder: string, files: Files): readonly Change[] {
  const wanted = Object.entries(files).filter(([path, text]) => folder !== usualFolder || readOr(join(packageFolder, path)) !== text);
  const different = wanted.flatMap(([path, text]): readonly Change[] => {
    const there = readOr(join(folder, path));
    return there === text ? [] : [{ path, what: there === undefined ? 'new' : 'changed' }];
  });
  const names = new Set(wanted.map(([path]) => path));
  const left = ours(folder).filter((path) => !names.has(path));
  return [...different, ...left.map((path) => ({ path, what: 'removed' as const }))];
}

/** Sockets and drop-ins that an earlier configuration wanted. */
function ours(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  const places = readdirSync(folder).filter((name) => name.startsWith('goodgateway'));
  const paths = places.flatMap((name) => (lstatSync(join(folder, name)).isDirectory() ? readdirSync(join(folder, name)).map((below) => join(name, below)) : [name]));
  return paths.filter((path) => readOr(join(folder, path))?.startsWith(writtenByUs));
}

async function write(folder: string, files: Files): Promise<void> {
  const first = ours(folder).length === 0;
  const found = changes(folder, files);
  for (const { path, what } of found) {
    if (what === 'removed') rmSync(join(folder, path));
    else {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), files[path] ?? '', { mode: 0o644 });
    }
    await printLine(plain(`${join(folder, path)}: ${what}`));
  }
  if (found.length === 0) return printLine('every unit is as it should be: nothing was written');
  const sockets = found.filter(({ path }) => path.endsWith('.socket'));
  const gone = sockets.filter(({ what }) => what === 'removed').map(({ path }) => path);
  const others = sockets.filter(({ what }) => what !== 'removed').map(({ path }) => path);
  const stop = gone.length === 0 ? [] : [`systemctl stop ${gone.join(' ')}`];
  // one call: a socket cannot be started while the service that it is for is running
  const restart = [`systemctl restart ${[...others, proxyService, healerService].join(' ')}`];
  const next = ['systemctl daemon-reload', ...(first ? [`systemctl enable --now ${target}`] : [...stop, ...restart])];
  await printLine(plain(`now: ${next.join(' && ')}`));
}

async function check(folder: string, files: Files): Promise<void> {
  const found = changes(folder, files);
  for (const { path, what } of found) await printLine(plain(`${join(folder, path)}: ${what === 'new' ? 'missing' : what === 'changed' ? 'does not fit the configuration' : 'no longer wanted'}`));
  if (found.length === 0) return printLine('every unit fits the configuration');
  await printLine('cure: goodgateway units --write');
  process.exitCode = 1;
}

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
