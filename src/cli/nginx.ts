/** `goodgateway nginx`: the lines for nginx, made for this configuration. It prints and changes nothing. */
import { Command, Option } from 'commander';
import { hostOrExplain } from './host-or-explain.ts';
import { nginxText, type KindOfGateway } from './nginx-text.ts';
import { nginxSnippet, type SnippetKind } from './nginx-snippet.ts';
import { complain, plain, printLine } from './terminal.ts';

interface NginxOptions {
  readonly config?: string;
  readonly inline?: true;
  readonly standby?: true;
  readonly bypass?: true;
  readonly gateway?: string;
  readonly json?: true;
}

/** The sub-command. Exit status 0: printed; 2: called wrongly, or the configuration has mistakes. */
export function nginxCommand(): Command {
  return new Command('nginx')
    .description('print what nginx needs for your gateways; changes nothing')
    .addOption(new Option('--inline', 'nginx asks goodgateway, which asks the backend (default, but for gateways with `standby: true`)').conflicts(['standby', 'bypass']))
    .addOption(new Option('--standby', 'nginx asks the backend itself, and goodgateway when that takes no connection').conflicts(['inline', 'bypass']))
    .addOption(new Option('--bypass', 'the way out: nginx asks the backend, and goodgateway never').conflicts(['inline', 'standby']))
    .option('--gateway <name>', 'only this one (default: all)')
    .option('--config <file>', 'goodgateway.yaml (default: /etc/goodgateway/goodgateway.yaml, then ./goodgateway.yaml)')
    .option('--json', 'one JSON object: by gateway, the lines for each place')
    .addHelpText('after', '\nExamples:\n  goodgateway nginx\n  goodgateway nginx --standby --gateway shop\n  goodgateway nginx --bypass        # round goodgateway, whatever is wrong with it')
    .action(print);
}

async function print(options: NginxOptions): Promise<void> {
  const found = await hostOrExplain(options.config);
  if (!found) return;
  const all = Object.entries(found.host.gateways).map(([name, config]): KindOfGateway => ({ gateway: { name, config }, kind: kindOf(options) ?? (config.standby ? 'standby' : 'inline') }));
  const chosen = all.filter(({ gateway }) => options.gateway === undefined || gateway.name === options.gateway);
  if (chosen.length === 0) return complain(`--gateway: no gateway has the name "${plain(options.gateway ?? '')}"; there are ${all.map(({ gateway }) => gateway.name).join(', ')}`, 2);
  if (options.json) return printLine(JSON.stringify({ gateways: Object.fromEntries(chosen.map(({ gateway, kind }) => [gateway.name, { kind, ...nginxSnippet(gateway, kind) }])) }));
  for (const line of nginxText(chosen, found.file)) await printLine(plain(line));
}

function kindOf({ inline, standby, bypass }: NginxOptions): SnippetKind | undefined {
  return inline ? 'inline' : standby ? 'standby' : bypass ? 'bypass' : undefined;
}
