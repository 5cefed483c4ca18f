/** Asks the sites of nginx as a visitor would, before and after a change: one GET to each place, and only its status counts. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { inForce, type Pass, type Scope } from '../doctor/nginx/passes.ts';

/** One question: where to connect, and what to ask for there. */
export interface SiteQuestion {
  readonly address: string;
  readonly port: number;
  readonly tls: boolean;
  readonly host: string;
  readonly path: string;
}

/** Its status, or why there was none; `undefined`: nobody knows, because the round was over before it was asked. */
export type SiteAnswer = number | string | undefined;

export interface Round {
  /** When all of it is over. */
  readonly roundMs: number;
  /** For one question. */
  readonly answerMs?: number;
  /** Told now and then how far it is. */
  readonly say?: (line: string) => void;
}

const questionsAtMost = 60;
const usualAnswerMs = 15_000;
/** More would be a load of its own on a small backend. */
const atOnce = 5;
const sayMs = 10_000;

/** For each server the front page, and a path of each of its locations that is about to change. */
export function questionsFor(passes: readonly Pass[]): readonly SiteQuestion[] {
  const questions = passes.flatMap(({ scope }) => {
    const server = enclosing(scope, 'server');
    const places = server ? listens(server) : [];
    return places.flatMap((place) => ['/', pathIn(scope)].map((path) => ({ ...place, host: nameOf(server), path })));
  });
  const unique = new Map(questions.map((one) => [spokenQuestion(one), one]));
  return [...unique.values()].slice(0, questionsAtMost);
}

/** `http://shop.example.com:80/` */
export function spokenQuestion({ tls, host, port, path }: SiteQuestion): string {
  return `${tls ? 'https' : 'http'}://${host}:${port}${path}`;
}

/** All answers in the order of the questions, a few asked at once. Never rejects. */
export async function askSites(questions: readonly SiteQuestion[], { roundMs, answerMs = usualAnswerMs, say }: Round): Promise<readonly SiteAnswer[]> {
  const answers: SiteAnswer[] = questions.map(() => undefined);
  const over = AbortSignal.timeout(roundMs);
  let [next, known] = [0, 0];
  const askOn = async (): Promise<void> => {
    while (next < questions.length && !over.aborted) {
      const at = next++;
      answers[at] = await askSite(questions[at]!, answerMs, over);
      known++;
    }
  };
  const telling = setInterval(() => say?.(`${known} of ${questions.length} are known`), sayMs);
  await Promise.all(Array.from({ length: atOnce }, askOn));
  clearInterval(telling);
  return answers;
}

/** Those whose answer can become worse; of all others a second answer would say nothing. */
export function askable(questions: readonly SiteQuestion[], before: readonly SiteAnswer[]): readonly SiteQuestion[] {
  return questions.filter((_, index) => !failed(before[index]));
}

/** What answers otherwise than before, as sentences. A site that failed before may answer as it likes. */
export function differences(questions: readonly SiteQuestion[], before: readonly SiteAnswer[], after: readonly SiteAnswer[]): readonly string[] {
  return questions.flatMap((question, index) => {
    const [then, now] = [before[index], after[index] ?? 'nothing in time'];
    return then === now || failed(then) ? [] : [`${spokenQuestion(question)} answered ${then} before, and ${now} now`];
  });
}

function failed(answer: SiteAnswer): boolean {
  return typeof answer !== 'number' || answer >= 500;
}

/** A certificate for another name, or one that nobody trusts, is the site's own affair. */
function askSite({ address, port, tls, host, path }: SiteQuestion, answerMs: number, over: AbortSignal): Promise<SiteAnswer> {
  return new Promise((resolve) => {
    const signal = AbortSignal.any([AbortSignal.timeout(answerMs), over]);
    const options = { host: address, port, path, signal, agent: false, headers: { Host: host, 'User-Agent': 'goodgateway-init', Connection: 'close' } };
    const asked = tls ? httpsRequest({ ...options, servername: host, rejectUnauthorized: false }) : httpRequest(options);
    asked.on('response', (response) => {
      resolve(response.statusCode ?? 'nothing');
      // only the status counts; the rest may be endless
      response.destroy();
    });
    asked.on('error', (error) => resolve(over.aborted ? undefined : signal.aborted ? `nothing within ${answerMs / 1000} s` : 'code' in error ? String(error.code) : error.message));
    asked.end();
  });
}

function enclosing(scope: Scope, name: string): Scope | undefined {
  for (let at: Scope | undefined = scope; at; at = at.parent) if (at.directive?.name === name) return at;
  return undefined;
}

/** The first of plain and of TLS; what speaks the PROXY protocol, or listens on a unix socket, cannot be asked. */
function listens(server: Scope): readonly Pick<SiteQuestion, 'address' | 'port' | 'tls'>[] {
  const written = server.directives.filter(({ name }) => name === 'listen').map(({ words }) => words);
  const all = (written.length === 0 ? [['80']] : written).flatMap(([text = '', ...flags]) => {
    const found = /^(?:(\[[^\]]+\]|[^:]+):)?(\d+)$/.exec(text) ?? /^(\[[^\]]+\]|[^:]+)$/.exec(text);
    if (!found || text.startsWith('unix:') || flags.includes('proxy_protocol')) return [];
    const address = (found[1] ?? '*').replace(/^\[|\]$/g, '');
    return [{ address: address === '::' ? '::1' : ['*', '0.0.0.0'].includes(address) ? '127.0.0.1' : address, port: Number(found[2] ?? 80), tls: flags.includes('ssl') }];
  });
  return [all.find(({ tls }) => !tls), all.find(({ tls }) => tls)].filter((one) => one !== undefined);
}

function nameOf(server: Scope | undefined): string {
  return inForce(server, 'server_name')[0]?.words.find((word) => /^[A-Za-z0-9.-]+$/.test(word)) ?? 'localhost';
}

function pathIn(scope: Scope): string {
  const [first = '/', second] = enclosing(scope, 'location')?.directive?.words ?? [];
  const prefix = second ?? first;
  if (first === '~' || first === '~*') return prefix.includes('php') ? '/index.php' : '/';
  return prefix.startsWith('/') ? prefix : '/';
}
