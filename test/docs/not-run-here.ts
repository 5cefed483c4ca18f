/**
 * The commands of the documentation that no test runs as they stand: each with its reason, and with what is looked at
 * instead. A command that is not in this table is run (see every-command-block-runs.test.ts).
 */

export interface NotRun {
  /** Whole commands, without their comments, or their beginning where it ends in `…`. */
  readonly commands: readonly string[];
  readonly because: string;
  /** Beside `sh -n`, which every command passes. Files and npm's scripts must exist, programs must know the options. */
  readonly instead: { readonly files?: readonly string[]; readonly scripts?: readonly string[]; readonly says?: string };
}

/** They change a checkout, reach for the network or the machine's packages: never run, whatever the table says. */
export const neverRun = /^(?:sudo |[A-Z_]+=\S+ )*(?:npm|npx|git|apt|apt-get|dpkg|docker|ssh|\.ci\/run)\b/;

export const notRunHere: readonly NotRun[] = [
  {
    commands: ['git clone <this repository> goodgateway && cd goodgateway'],
    because: 'the repository has no fixed address; `<` and `>` are no shell, so not even its syntax is looked at',
    instead: {},
  },
  {
    commands: ['npm start'],
    because: 'the demonstration has tests of its own',
    instead: { scripts: ['start'], files: ['test/demo'] },
  },
  {
    commands: ['npm test', '.ci/run', 'npm exec -- tap test/demo', 'npm exec -- node test/demo/shop.test.ts', 'AUDIT_KILLS=500 npm exec -- tap --timeout=1800 test/healer/audit/a-writer-may-be-killed-at-any-moment.test.ts'],
    because: 'it would run this test within itself, or others once more',
    instead: { scripts: ['test'], files: ['.ci/run', 'test/demo/shop.test.ts', 'test/healer/audit/a-writer-may-be-killed-at-any-moment.test.ts'] },
  },
  {
    commands: ['npm run --silent matrix > docs/failure-matrix.md', 'npm run faults…', 'npm run safety…'],
    because: 'minutes each, and they write pages of this documentation',
    instead: { scripts: ['matrix', 'faults', 'safety'] },
  },
  {
    commands: ['npm ci && npm run build && npm install --global "$(npm pack --silent)"', 'npm ci && npm install --global "$(npm pack --silent)"', 'npm ci && npm run deb…', 'npm ci'],
    because: 'they fetch packages and build for half a minute; test/packages has each way of installing',
    instead: { scripts: ['build', 'prepack', 'deb'], files: ['test/packages/installed-each-way-it-does-its-work.test.ts'] },
  },
  {
    commands: ['npm audit --omit=dev'],
    because: 'it asks the registry; the page says what it answered, and when',
    instead: {},
  },
  {
    commands: ['apt-get install ./goodgateway_0.1.0_amd64.deb', 'apt-get install ./goodgateway_*.deb'],
    because: 'the package is built, installed, upgraded and purged by a test of its own',
    instead: { scripts: ['deb'], files: ['packaging/deb/build.ts'] },
  },
  {
    commands: ['docker compose -f docker/compose.yaml up --build'],
    because: 'there is no Engine; test/docker-files.test.ts checks the files',
    instead: { files: ['docker/compose.yaml', 'test/docker-files.test.ts'] },
  },
  {
    commands: ['ssh -L 9180:127.0.0.1:9180 web1'],
    because: 'there is no second machine',
    instead: {},
  },
  {
    commands: ['journalctl --since -1h | goodgateway explain', 'goodgateway audit verify --journal'],
    because: 'the host of this test has no journal; audit-verify-asks-the-journal and explain have tests with one, or with its lines',
    instead: { says: 'goodgateway audit verify --journal' },
  },
  {
    commands: ['#!/bin/sh…'],
    because: 'the script speaks to PagerDuty',
    instead: {},
  },
];
