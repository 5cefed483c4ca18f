import { Command } from 'commander';
import { entryPoint, smallRatherThanFast } from '../supervisor/entry-points.ts';
import { hostOrExplain } from './host-or-explain.ts';
import { proxyRights } from './proxy-rights.ts';
import { complain } from './terminal.ts';

/** `goodgateway run`: proxy and healer under one small supervisor, until SIGTERM or SIGINT. */
export function runCommand(): Command {
  return new Command('run')
    .description('start proxy and healer and keep them running')
    .option('--config <file>', 'goodgateway.yaml (default: /etc/goodgateway/goodgateway.yaml, then ./goodgateway.yaml)')
    .addHelpText('after', '\nExample:\n  goodgateway run --config /etc/goodgateway/goodgateway.yaml')
    .action(async (options: { config?: string }) => {
      const found = await hostOrExplain(options.config);
      if (!found) return;
      // whoever starts us may have taken its mask off: what is made here must be nobody else's to change
      process.umask(process.umask() | 0o022);
      const proxy = await proxyRights(found.file, found.host);
      if (typeof proxy === 'string') return complain(proxy, 2);
      becomeSupervisor([entryPoint('supervisor/main'), '--config', found.file, '--state', found.host.state, '--proxy', JSON.stringify(proxy)]);
    });
}

/** The command line's own modules are of no use for the years that follow: the process is replaced, its pid stays. */
function becomeSupervisor(argv: readonly string[]): void {
  if (!process.execve) throw new Error(`Node ${process.version} cannot replace a process: goodgateway needs Node 22.19 or newer`);
  process.execve(process.execPath, [process.execPath, '--disable-warning=ExperimentalWarning', smallRatherThanFast, ...argv], process.env);
}
