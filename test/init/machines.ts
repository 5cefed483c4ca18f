/** Machines as files in a folder: what a distribution, a panel or an administrator leaves there. Nothing of them runs. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HostFiles } from '../../src/doctor/host-files.ts';
import { nginxSnippet } from '../../src/cli/nginx-snippet.ts';
import { actionOptions } from '../../src/healer/action-options.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import { adviceFor } from '../../src/init/advice.ts';
import { lookAtMachine } from '../../src/init/look-at-machine.ts';
import type { Machine } from '../../src/init/machine.ts';
import { usualPlaces } from '../../src/init/plan-host.ts';
import { planInit, type InitChoices, type InitPlan } from '../../src/init/plan-init.ts';
import { nginxDiff } from '../../src/init/tell-plan.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';

export type Files = Readonly<Record<string, string>>;

export interface Looked {
  readonly folder: string;
  readonly machine: Machine;
  readonly plan: InitPlan;
  readonly advice: string;
  readonly diff: string;
  /** The text that is planned for a file, by the end of its path. */
  text(end: string): string;
}

const accounts: Files = {
  '/etc/passwd': 'root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\n',
  '/etc/group': 'root:x:0:\nwww-data:x:33:\n',
  '/proc/net/tcp': 'sl\n',
  '/proc/net/tcp6': 'sl\n',
  '/proc/net/unix': 'Num\n',
};

/** As Debian 12 installs it, with these sites. */
export function debianNginx(sites: Files): Files {
  const enabled = Object.fromEntries(Object.entries(sites).map(([name, text]) => [`/etc/nginx/sites-enabled/${name}`, text]));
  return {
    '/etc/nginx/nginx.conf':
      'user www-data;\nworker_processes 2;\npid /run/nginx.pid;\nerror_log /var/log/nginx/error.log;\nevents {\n\tworker_connections 768;\n}\nhttp {\n\tinclude /etc/nginx/conf.d/*.conf;\n\tinclude /etc/nginx/sites-enabled/*;\n}\n',
    '/etc/nginx/conf.d/.keep': '',
    '/etc/nginx/fastcgi.conf': 'fastcgi_param  SCRIPT_FILENAME    $document_root$fastcgi_script_name;\nfastcgi_param  QUERY_STRING       $query_string;\n',
    '/etc/nginx/snippets/fastcgi-php.conf':
      'fastcgi_split_path_info ^(.+?\\.php)(/.*)$;\ntry_files $fastcgi_script_name =404;\nset $path_info $fastcgi_path_info;\nfastcgi_param PATH_INFO $path_info;\nfastcgi_index index.php;\ninclude fastcgi.conf;\n',
    ...enabled,
  };
}

/** Debian's or Sury's php-fpm of one version, with its unit. */
export function php(version: string, pool = 'www', socket = `/run/php/php${version}-fpm.sock`): Files {
  return {
    [`/usr/sbin/php-fpm${version}`]: '',
    [`/lib/systemd/system/php${version}-fpm.service`]: '[Service]\nType=notify\n',
    [`/etc/php/${version}/fpm/php-fpm.conf`]: `[global]\npid = /run/php/php${version}-fpm.pid\nerror_log = /var/log/php${version}-fpm.log\ninclude=/etc/php/${version}/fpm/pool.d/*.conf\n`,
    [`/etc/php/${version}/fpm/pool.d/${pool}.conf`]: `[${pool}]\nuser = www-data\nlisten = ${socket}\npm = dynamic\npm.max_children = 5\n`,
  };
}

export const systemd: Files = { '/run/systemd/system/.keep': '' };

/** A process that listens on 127.0.0.1 at this port. */
export function listener({ port, pid, comm, cgroup }: { readonly port: number; readonly pid: number; readonly comm: string; readonly cgroup: string }): Files {
  const row = `   0: 0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 ${pid}001 1 0 100 0 0 10 0\n`;
  return { '/proc/net/tcp': `sl\n${row}`, [`/proc/${pid}/fd/7`]: `-> socket:[${pid}001]`, [`/proc/${pid}/comm`]: `${comm}\n`, [`/proc/${pid}/cgroup`]: `0::${cgroup}\n` };
}

/** Looks at it and plans, as `goodgateway init --root FOLDER` does. A text `-> TARGET` is a link. */
export async function lookAt(t: TestScope, files: Files, choices: Partial<InitChoices> & { readonly isRoot?: boolean } = {}): Promise<Looked> {
  const folder = tempFolder(t, 'gg-machine');
  for (const [path, text] of Object.entries({ ...accounts, ...files })) {
    mkdirSync(dirname(folder + path), { recursive: true });
    if (text.startsWith('-> ')) symlinkSync(text.slice(3), folder + path);
    else writeFileSync(folder + path, text);
  }
  const { isRoot = true, ...others } = choices;
  const host = new HostFiles(folder);
  const nginxFile = '/etc/nginx/nginx.conf';
  const machine = await lookAtMachine({ files: host, run: runCommand, isRoot, cpus: 2, nginxFile, fpmFiles: [] });
  const config = join(folder, 'etc/goodgateway/goodgateway.yaml');
  const wanted: InitChoices = { config, places: usualPlaces, only: undefined, actOnCrash: undefined, force: false, ...others };
  const plan = await planInit(machine, wanted, { files: host, bindings: { actionOptions }, snippetOf: (gateway) => nginxSnippet(gateway, 'inline') });
  const text = (end: string): string => plan.checked.files.find(({ file }) => file.endsWith(end))?.text ?? `there is no ${end}`;
  return { folder, machine, plan, text, diff: nginxDiff(plan), advice: adviceFor(machine, plan, nginxFile).join('\n') };
}
