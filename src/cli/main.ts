#!/usr/bin/env node
/**
 * `goodgateway`, as it is called. Imports nothing by itself: an older Node would fail in the middle of one, with a
 * stack trace instead of a sentence.
 */

/** As `engines` of package.json says; not read from there, so that nothing stands before this. */
const [oldestMajor, oldestMinor] = [22, 19];

// for the supervisor that `run` becomes this is a call to read again, and nothing was read yet
if (process.argv[2] === 'run') process.on('SIGHUP', () => undefined);

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) {
  await (await import('./program.ts')).runProgram();
} else {
  process.stderr.write(`goodgateway needs Node ${oldestMajor}.${oldestMinor} or newer, this is v${process.versions.node}\n`);
  process.exitCode = 1;
}

export {};
