/** `goodgateway`: one file per sub-command, loaded only when it is called. */
import { Command } from 'commander';
import { productVersion } from '../config/product-version.ts';

/** Name, and where its command is. The order is that of the help: the six that a person learns first lead. */
const commands: readonly (readonly [name: string, load: () => Promise<Command>])[] = [
  ['init', async () => (await import('./init.ts')).initCommand()],
  ['check', async () => (await import('./check.ts')).checkCommand()],
  ['status', async () => (await import('./status.ts')).statusCommand()],
  ['why', async () => (await import('./why.ts')).whyCommand()],
  ['doctor', async () => (await import('./doctor.ts')).doctorCommand()],
  ['off', async () => (await import('./off.ts')).offCommand()],
  ['nginx', async () => (await import('./nginx.ts')).nginxCommand()],
  ['probe', async () => (await import('./probe.ts')).probeCommand()],
  ['diagnose', async () => (await import('./diagnose.ts')).diagnoseCommand()],
  ['why-not', async () => (await import('./why-not.ts')).whyNotCommand()],
  ['explain', async () => (await import('./explain.ts')).explainCommand()],
  ['log', async () => (await import('./log.ts')).logCommand()],
  ['pause', async () => (await import('./pause.ts')).pauseCommand()],
  ['resume', async () => (await import('./resume.ts')).resumeCommand()],
  ['on', async () => (await import('./on.ts')).onCommand()],
  ['ack', async () => (await import('./ack.ts')).ackCommand()],
  ['do', async () => (await import('./do.ts')).doCommand()],
  ['approve', async () => (await import('./approve.ts')).approveCommand()],
  ['deny', async () => (await import('./deny.ts')).denyCommand()],
  ['bundle', async () => (await import('./bundle.ts')).bundleCommand()],
  ['audit', async () => (await import('./audit.ts')).auditCommand()],
  ['deploy', async () => (await import('./deploy.ts')).deployCommand()],
  ['notify', async () => (await import('./notify.ts')).notifyCommand()],
  ['report', async () => (await import('./report.ts')).reportCommand()],
  ['simulate', async () => (await import('./simulate.ts')).simulateCommand()],
  ['units', async () => (await import('./units.ts')).unitsCommand()],
  ['privileges', async () => (await import('./privileges.ts')).privilegesCommand()],
  ['uninstall', async () => (await import('./uninstall.ts')).uninstallCommand()],
  ['run', async () => (await import('./run.ts')).runCommand()],
  ['demo', async () => (await import('./demo.ts')).demoCommand()],
];

/** Reads the command line and does what it says; the exit status is set, the process is left to end by itself. */
export async function runProgram(): Promise<void> {
  // whoever reads us (`| head`) has read enough
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : fail(error)));
  const program = new Command('goodgateway')
    .description('502 Bad Gateway, made good: holds requests while your backend is repaired, as your policy says.')
    .version(productVersion())
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  const asked = commands.find(([name]) => name === process.argv[2]);
  for (const [, load] of asked ? [asked] : commands) program.addCommand(wronglyCalledExitsWith2(await load()));
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = isCommanderExit(error) ? (error.exitCode === 0 ? 0 : 2) : fail(error);
  }
}

/** Every sub-command ends with status 2 when it is called wrongly, as the documentation promises. */
function wronglyCalledExitsWith2(command: Command): Command {
  command.exitOverride();
  for (const sub of command.commands) wronglyCalledExitsWith2(sub);
  return command;
}

function isCommanderExit(error: unknown): error is { exitCode: number } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('commander.');
}

function fail(error: unknown): number {
  process.stderr.write(`goodgateway: ${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
}
