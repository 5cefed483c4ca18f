/** `goodgateway probe NAME`: is the site behind a gateway what it is without? Asked before nginx changes anything; GET only. */
import { Command } from 'commander';
import { duration } from '../config/values.ts';
import type { GatewayConfig } from '../config/host-schema.ts';
import { formatAddress, type Address } from '../core/failure.ts';
import { readAccounts, type User } from '../doctor/accounts.ts';
import { HostFiles } from '../doctor/host-files.ts';
import { inForce, type Nginx } from '../doctor/nginx/passes.ts';
import { askOnce, type Asked, type Question } from './ask-once.ts';
import { connectAs } from './connect-as.ts';
import { hostOrExplain } from './host-or-explain.ts';
import { addressForNginx } from './nginx-snippet.ts';
import { questionFor, wrongWords, type Asking, type QuestionOptions } from './probe-question.ts';
import { nginxOf } from './probe-site.ts';
import { probeText } from './probe-text.ts';
import { verdictOn, type Probed } from './probe-verdict.ts';
import { complain, plain, printLine } from './terminal.ts';

interface ProbeOptions extends QuestionOptions {
  readonly direct: boolean;
  readonly timeout?: string;
  readonly config?: string;
  readonly json?: true;
}

/** It need not be there, where nobody has named it. */
const usualNginx = '/etc/nginx/nginx.conf';
/** Longer than a held request waits, so that the page that ends the wait is seen. */
const beyondHoldMs = 30_000;

/** The sub-command. Exit status 0: the site answers through the gateway as it does directly; 1: it does not; 2: called wrongly. */
export function probeCommand(): Command {
  return new Command('probe')
    .description('ask a site through its gateway, before nginx does; a single GET')
    .argument('<gateway>', 'its name in goodgateway.yaml')
    .option('--path <path>', 'what is asked for, with its query', '/')
    .option('--host <name>', "the site's name (default: as nginx's configuration says)")
    .option('--document-root <folder>', "FastCGI: the site's folder (default: as nginx's configuration says)")
    .option('--script <path>', 'FastCGI: the script below that folder (default: the path where it ends in .php, else /index.php)')
    .option('--no-direct', 'do not ask the backend itself, to compare')
    .option('--nginx <file>', "nginx's main file, to find the site in", usualNginx)
    .option('--timeout <duration>', 'for each answer, such as 10s (default: 30s longer than the gateway holds)')
    .option('--config <file>', 'goodgateway.yaml (default: /etc/goodgateway/goodgateway.yaml, then ./goodgateway.yaml)')
    .option('--json', 'the result as one JSON object')
    .addHelpText(
      'after',
      '\nExamples:\n  goodgateway probe shop\n  goodgateway probe shop --host shop.example.com --path /cart\n  goodgateway probe shop --document-root /var/www/shop --script /index.php',
    )
    .action(probe);
}

async function probe(name: string, options: ProbeOptions): Promise<void> {
  const found = await hostOrExplain(options.config);
  if (!found) return;
  const config = Object.hasOwn(found.host.gateways, name) ? found.host.gateways[name] : undefined;
  if (!config) return complain(`no gateway has the name "${plain(name)}"; there are ${Object.keys(found.host.gateways).join(', ')}`, 2);
  const timeoutMs = options.timeout === undefined ? config.hold.for + beyondHoldMs : duration().safeParse(options.timeout).data;
  const wrong = timeoutMs === undefined ? `--timeout: expected a duration such as 10s, got "${options.timeout}"` : wrongWords(options);
  if (wrong !== undefined) return complain(plain(wrong), 2);
  const files = new HostFiles();
  const nginx = await nginxOf(files, options.nginx);
  if (!nginx && options.nginx !== usualNginx) return complain(`--nginx: there is no ${plain(options.nginx)} that this user may read`, 2);
  const asking = questionFor(config, { options, nginx, timeoutMs: timeoutMs ?? 0 });
  if (typeof asking === 'string') return complain(plain(`${asking}${files.refused.length > 0 ? ` (This user may not read ${files.refused.slice(0, 3).join(', ')}.)` : ''}`), 2);
  const probed = await ask({ name, config, question: asking.question, compare: options.direct }, nginx && (await nginxUser(nginx, files)));
  if (typeof probed === 'string') return complain(plain(probed), 1);
  const verdict = verdictOn(probed);
  if (options.json) await printLine(JSON.stringify(jsonOf(probed, asking)));
  else for (const line of probeText(probed, { ...asking, verdict })) await printLine(line);
  if (!verdict.ok) process.exitCode = 1;
}

/** Whom nginx's workers are: `user NAME [GROUP];`. */
async function nginxUser(nginx: Nginx, files: HostFiles): Promise<User | undefined> {
  const [name = '', group] = inForce(nginx.main, 'user')[0]?.words ?? [];
  const accounts = await readAccounts(files);
  const user = accounts.user(name);
  const gid = group === undefined ? undefined : accounts.groupId(group);
  return user && gid !== undefined ? { ...user, gids: [gid, ...user.gids.slice(1)] } : user;
}

interface Comparing {
  readonly name: string;
  readonly config: GatewayConfig;
  readonly question: Question;
  readonly compare: boolean;
}

/** Through the gateway first, then to the backend; the connect as nginx's user stands for itself. */
async function ask({ name, config, question, compare }: Comparing, user: User | undefined): Promise<Probed | string> {
  const address = addressForNginx(config);
  const nginx = user && (await connectAsNginx(user, address));
  const through = await askOnce(question, address);
  try {
    return { name, config, through, direct: compare ? await askBackend(config, question) : undefined, nginx };
  } catch (error) {
    return `gateways.${name}.tls: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function connectAsNginx(user: User, address: Address): Promise<Probed['nginx']> {
  if (process.getuid?.() !== 0 || address.kind !== 'unix') return undefined;
  try {
    return { user: user.name, refused: (await connectAs(user, address))?.detail };
  } catch {
    return undefined; // best effort: in some containers root may not become another user
  }
}

/** Where the backend is: its own place, or one that it is allowed to move to. */
async function askBackend(config: GatewayConfig, question: Question): Promise<Asked> {
  const first = await askOnce(question, config.upstream, config.tls);
  if (first.kind === 'answered') return first;
  for (const address of config.also_allowed) {
    const other = await askOnce(question, address, config.tls);
    if (other.kind === 'answered') return other;
  }
  return first;
}

/** Texts as they came: a program takes care itself of what it shows. */
function jsonOf(probed: Probed, { question, site }: Asking): object {
  const answer = (asked: Asked | undefined): object | undefined =>
    asked && { ...asked, address: formatAddress(asked.address), ...(asked.kind === 'failed' && { failure: { ...asked.failure, cause: undefined } }) };
  const { ok, way, sentences } = verdictOn(probed);
  return { ok, way, sentences, gateway: probed.name, question, found_in: site.place ?? null, through: answer(probed.through), direct: answer(probed.direct) ?? null, nginx: probed.nginx ?? null };
}
