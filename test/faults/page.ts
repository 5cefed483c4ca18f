/** The rows for people: the table alone, and the page docs/fault-lab.md around it. */
import type { ListedFault } from './list.ts';
import { families, type Family } from './expected.ts';
import type { Judgement } from './expectations.ts';
import type { Row } from './judge.ts';
import { notProduced } from './not-produced.ts';

const heads = ['fault', 'detected in', 'cause named', 'right?', 'action', 'harmful?', "visitors' errors", 'healed in, by'] as const;

export function tableOf(rows: readonly Row[]): string {
  return [`| ${heads.join(' | ')} |`, `|${heads.map(() => '---').join('|')}|`, ...rows.map(lineOf)].join('\n');
}

export interface WholeLab {
  readonly rows: readonly Row[];
  readonly skipped: readonly { readonly fault: ListedFault; readonly why: string }[];
  readonly judgement: Judgement;
  /** What is not as expected, and what could not be played. */
  readonly problems: readonly string[];
  readonly tookS: number;
}

export function pageOf({ rows, skipped, judgement, problems, tookS }: WholeLab): string {
  const parts = (Object.keys(families) as Family[]).flatMap((family) => {
    const own = rows.filter((row) => row.family === family);
    return own.length === 0 ? [] : [`## ${capital(families[family])}`, tableOf(own)];
  });
  return `${[
    '# The fault lab',
    '<!-- made by `npm run faults`; do not edit -->',
    'Real servers, broken on purpose, and what goodgateway made of it. `npm run faults` builds each stack anew, lets visitors come, breaks it, and prints this page; it ends with status 1 when an expectation is not met.',
    `**${judgement.text}** It took ${tookS} s.`,
    problems.length === 0 ? 'Every expectation was met.' : `Not as expected:\n\n${problems.map((problem) => `- ${problem.split('\n', 1)[0]}`).join('\n')}`,
    ...parts,
    howMeasured,
    '## What the lab does not produce',
    notProducedTable(skipped),
  ].join('\n\n')}\n`;
}

const howMeasured = `## How it is measured

- **Stacks**: nginx, goodgateway with the ready policy of the service in mode \`act\`, and the real backend: php-fpm, Apache, MariaDB, Redis, a Node application, or Debian's units under a systemd of the lab's own; each in a temporary folder, all in network and mount namespaces that end with the lab. Times of the policies that are minutes on a server (\`hung_after\`, \`cooldown\`, \`stable_for\`) are seconds here.
- **Visitors**: ten requests a second through nginx, one in ten a POST, five seconds of patience. An error is every answer but 200: pages of goodgateway count too.
- **Detected in**: from the fault to the incident in the audit log.
- **Cause named**: what the audit log says while the fault is there, in its order. *right*: one of the causes that were written down in [test/faults/expected.ts](../test/faults/expected.ts) before the lab ran, and nothing else with confidence; *wrong*: another cause, \`likely\` or \`certain\`; *unknown*: neither.
- **Harmful**: an action that [harmful-remedies.ts](../src/core/harmful-remedies.ts) forbids for the true cause, or any that disturbs a service and is not what the fault asks for.
- **Healed in**: until every visitor was served again; from the fault where goodgateway healed it, and from the moment at which the lab took the fault away, as an administrator would, where nothing on the host may.`;

function notProducedTable(skipped: WholeLab['skipped']): string {
  const lines = [...notProduced.map(({ fault, why }) => `| ${fault} | ${why} |`), ...skipped.map(({ fault, why }) => `| ${fault.expected.fault} | ${why} |`)];
  return ['| fault | why |', '|---|---|', ...lines].join('\n');
}

function lineOf(row: Row): string {
  const named = row.named.map(({ cause, confidence }) => (cause === 'unknown' ? '`unknown`' : `\`${cause}\` ${confidence}`)).join(', then ') || 'none';
  const healed = row.healedInMs === undefined ? '**not healed**' : `${seconds(row.healedInMs)}, ${row.healedBy}`;
  const harm = row.harmful.length === 0 ? 'no' : `**yes**: ${row.harmful.join('; ')}`;
  const cells = [
    row.fault,
    row.detectedInMs === undefined ? '**not**' : seconds(row.detectedInMs),
    named,
    row.verdict === 'right' ? 'right' : `**${row.verdict}**`,
    row.done.map((action) => `\`${action}\``).join(', ') || 'none',
    harm,
    `${row.errors} of ${row.visitors}`,
    healed,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`;
}

function seconds(ms: number): string {
  return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
