/** `goodgateway run` is told to read again before it has read anything. Between two programs of one process Node leaves a gap that nobody can close. */
import { join } from 'node:path';
import t from 'tap';
import { finish } from '../support/program.ts';

const source = join(import.meta.dirname, '../../src');

/** Node with a preloaded module, by which the process sends itself a HUP when it is about to load this one. */
function withHupBefore(module: string): readonly [string, ...string[]] {
  const hook = `import { registerHooks } from 'node:module';
    registerHooks({ resolve(name, context, next) {
      if (name === '${module}') { process.stderr.write('HUP now\\n'); process.kill(process.pid, 'SIGHUP'); }
      return next(name, context);
    } });`;
  return [process.execPath, '--disable-warning=ExperimentalWarning', `--import=data:text/javascript,${encodeURIComponent(hook)}`];
}

t.test('the command', async (t) => {
  const { code, signal, output } = await finish([...withHupBefore('./program.ts'), join(source, 'cli/main.ts'), 'run', '--config', '/nonexistent.yaml']);
  t.match(output, /HUP now\n[^]*\/nonexistent\.yaml/);
  t.same([code, signal], [2, null]);
});

t.test('another command ends, as its user expects', async (t) => {
  t.match(await finish([...withHupBefore('./program.ts'), join(source, 'cli/main.ts'), 'check']), { signal: 'SIGHUP' });
});

t.test('the supervisor', async (t) => {
  const { code, signal, output } = await finish([...withHupBefore('./supervise.ts'), join(source, 'supervisor/main.ts')]);
  t.match(output, /HUP now\n[^]*expected --config FILE/);
  t.same([code, signal], [2, null]);
});
