/**
 * The admin listener: loopback or unix, read-only. `/livez` and `/readyz` for supervisors, `/state` for programs, and
 * the dashboard with what it asks. What only the healer may read comes from it as JSON text, and is handed on unread.
 */
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { hostname } from 'node:os';
import { listenOn } from '../../channel/listen-on.ts';
import type { AdminConfig } from '../../config/admin-schema.ts';
import type { Listener } from '../gateway-request.ts';
import type { HealerAnswer, QuestionWords } from '../healer-questions.ts';
import { AdminAccess, readToken } from './admin-access.ts';
import { describeState, type StateSources } from './describe-state.ts';
import { expositionType } from './exposition.ts';
import { LiveEvents } from './live-events.ts';

export interface AdminOptions extends StateSources {
  readonly config: AdminConfig;
  /** The version. */
  readonly product: string;
  /** As a sentence; `undefined` when visitors are served. */
  readonly whyNotReady: () => string | undefined;
  /** In the text format of Prometheus. */
  readonly metrics: () => string;
  readonly ask: (words: QuestionWords) => Promise<HealerAnswer>;
}

export interface AdminServer extends Pick<Listener, 'close'> {
  /** Shows an audit record to whoever looks at the dashboard. */
  record(line: string): void;
}

/** For every answer: nothing is kept, and a page may load nothing from anywhere else. */
const headers = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
};
/** A token and a little more. */
const longestForm = 8192;
/** Routes for everybody: supervisors', the sign-in form, and the page itself, in which nothing is anybody's secret. */
const open: ReadonlySet<string> = new Set(['/livez', '/readyz', '/login', '/*']);

/**
 * Serves until closed. `undefined`, and told, where the token cannot be read: then nobody gets to see anything, but the
 * traffic flows. Rejects with a sentence when it cannot listen.
 */
export async function listenAdmin(options: AdminOptions, log: { warn(fields: object, message: string): void }): Promise<AdminServer | undefined> {
  const { config } = options;
  const token = config.token_file === undefined ? undefined : await readToken(config.token_file);
  if (token && !token.ok) return void log.warn({}, `the admin listener is not started: ${token.why}`);
  const access = new AdminAccess(token?.token, () => performance.now());
  const live = new LiveEvents(() => JSON.stringify(stateOf(options)));
  const app = Fastify({ logger: false, bodyLimit: longestForm });
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(headers);
    if (open.has(request.routeOptions.url ?? '')) return;
    const judged = access.judge(request.raw);
    if (!judged.allowed) await reply.code(judged.status).send({ error: judged.why });
  });
  app.get('/livez', () => 'ok\n');
  app.get('/readyz', (_request, reply) => answerReady(options, reply));
  app.get('/metrics', (_request, reply) => reply.type(expositionType).send(options.metrics()));
  app.get('/state', () => describeState(options));
  app.get('/api/state', () => stateOf(options));
  // HEAD would wait for the end of what never ends, and take a reader's place
  app.get('/api/events', { exposeHeadRoute: false }, async (_request, reply) => {
    if (live.add(reply.raw, headers)) return reply.hijack();
    return reply.code(503).send({ error: 'too many look already' });
  });
  addDashboard(app);
  addQuestions(app, options);
  addLogin(app, access);
  await app.ready();
  await listenOn(app.server, config.listen, { mode: '0660' });
  return {
    record: (line) => live.record(line),
    close: async () => {
      live.close();
      app.server.closeAllConnections();
      await new Promise<void>((resolve) => app.server.close(() => resolve()));
      await app.close();
    },
  };
}

function stateOf(options: AdminOptions): object {
  return { product: `goodgateway ${options.product}`, host: hostname(), now: new Date().toISOString(), ...describeState(options) };
}

/** Without the healer visitors are served all the same: an orchestrator that took the proxy away would make an outage of it. */
function answerReady({ whyNotReady, healerConnected }: AdminOptions, reply: FastifyReply): FastifyReply {
  const why = whyNotReady();
  if (why !== undefined) return reply.code(503).send(`${why}\n`);
  return reply.send(healerConnected() ? 'ok\n' : 'ok, but the healer is away: visitors are served, nothing is repaired\n');
}

/** The page and its modules, read when somebody wants to see them: a proxy whose metrics alone are asked for does without. */
function addDashboard(app: FastifyInstance): void {
  app.get('/*', async (request, reply) => {
    const { loadDashboard } = await import('./dashboard-files.ts');
    const file = (await loadDashboard()).get(pathOf(request));
    if (!file) return reply.code(404).send({ error: 'nothing is here; the dashboard is at /' });
    void reply.headers({ 'cache-control': 'no-cache', etag: file.etag, vary: 'accept-encoding' });
    if (request.headers['if-none-match'] === file.etag) return reply.code(304).send();
    const takesGzip = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
    if (takesGzip) void reply.header('content-encoding', 'gzip');
    return reply.type(file.type).send(takesGzip ? file.gzip : file.body);
  });
}

/** Questions for the healer, each with the little that may be said with it. */
function addQuestions(app: FastifyInstance, { ask }: AdminOptions): void {
  const answer = async (words: QuestionWords, reply: FastifyReply): Promise<FastifyReply> => {
    const answered = await ask(words);
    if (answered.kind === 'no_answer') return reply.code(503).send({ error: answered.why });
    if (answered.json.startsWith('{"error":')) void reply.code(words.about === 'incident' ? 404 : 503);
    return reply.type('application/json; charset=utf-8').send(answered.json);
  };
  for (const about of ['services', 'doctor', 'policies', 'audit'] as const) app.get(`/api/${about}`, (_request, reply) => answer({ about }, reply));
  app.get<{ Querystring: Record<string, unknown> }>('/api/incidents', ({ query }, reply) => {
    const { before } = query;
    if (before === undefined) return answer({ about: 'incidents' }, reply);
    if (typeof before !== 'string' || !/^[0-9A-Z]{26}$/.test(before)) return reply.code(400).send({ error: 'before: expected the id of an incident' });
    return answer({ about: 'incidents', before }, reply);
  });
  app.get<{ Params: { code: string } }>('/api/incidents/:code', ({ params: { code } }, reply) => {
    if (!/^[0-9A-Za-z]{6,26}$/.test(code)) return reply.code(400).send({ error: 'expected the code of an incident: six letters and digits' });
    return answer({ about: 'incident', code }, reply);
  });
}

/** The token from a form, for a cookie. */
function addLogin(app: FastifyInstance, access: AdminAccess): void {
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => done(null, new URLSearchParams(String(body))));
  app.post('/login', async (request, reply) => {
    if (!access.asksForToken) return reply.code(404).send({ error: 'no token is asked for here' });
    const shown = request.body instanceof URLSearchParams ? request.body.get('token') : undefined;
    const judged = access.try(shown?.trim() ?? '');
    if (!judged.allowed) return reply.code(judged.status).send({ error: judged.why });
    return reply.header('set-cookie', access.cookie(request.headers['x-forwarded-proto'] === 'https')).redirect('/', 303);
  });
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '';
}
