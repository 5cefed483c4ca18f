/**
 * The whole protocol between proxy and healer. Facts go up, orders go down; names only, never a command, a path,
 * a pid or an argument. Each message is bounded and checked; an unknown or invalid one drops the peer.
 */
import { z } from 'zod';
import { failureKinds } from '../core/failure.ts';

/** Grows with every change of a message: a peer of another version is refused by name, not by its first strange word. */
export const protocolVersion = 8;

/** A name of the system's errors. What OpenSSL calls its own may be longer, and may hold a slash. */
export const errnoPattern = /^[A-Z0-9_]{1,32}$/;
/** No limit above it is ordered: that many never are in one backend. */
export const highestLimit = 100_000;

const gateway = z.string().max(64);
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const incident = z.string().length(26);
/** What tells one request from all others without saying anything about it. */
const fingerprint = z.string().regex(/^[0-9a-f]{32}$/);
/** Of the bytes of goodgateway.yaml: what is to be taken is named by it, and never by a path. */
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Why a proxy does not take a configuration: as many problems, of so many letters. */
export const mostProblems = 10;
export const longestProblem = 500;

/** Services that are switched off one by one; more of them are not told apart. */
export const mostServicesOff = 1000;

/** What the dashboard may ask about. Reading only: nothing that is asked here is done. */
export const questionKinds = ['incidents', 'incident', 'services', 'doctor', 'policies', 'audit'] as const;
/** An answer is JSON text in pieces of so many letters at most. */
export const longestPart = 100_000;

/** What a proxy may tell the healer. */
export const factSchema = z.discriminatedUnion('type', [
  /** Like `welcome` not strict: what other versions say besides must not hide that they are others. `config`: what it serves by. */
  z.object({
    type: z.literal('hello'),
    version: z.int(),
    product: z.string().max(32),
    gateways: z.array(gateway).max(10_000),
    config: sha256.optional(),
  }),
  /** The answer to `prepare`: ready to swap, or every reason why not, as `file:line:column: …`. */
  z.strictObject({
    type: z.literal('prepared'),
    id: count,
    problems: z
      .array(
        z
          .string()
          .max(longestProblem)
          .regex(/^\P{Cc}*$/u),
      )
      .max(mostProblems),
  }),
  z.strictObject({
    type: z.literal('failure_reported'),
    gateway,
    /** 0 is the configured upstream, n the n-th of also_allowed. */
    upstream: z.int().min(0).max(1000),
    kind: z.enum(failureKinds),
    phase: z.enum(['resolve', 'connect', 'send', 'await_head', 'read_head', 'read_body']),
    detail: z.string().max(300),
    errno: z.string().regex(errnoPattern).optional(),
    requestId: z.string().max(64),
    atMs: z.number(),
  }),
  /** A request was sent, and its connection ended without a whole answer: perhaps its worker died of it. */
  z.strictObject({
    type: z.literal('request_died'),
    gateway,
    upstream: z.int().min(0).max(1000),
    fingerprint,
    /** Method and path for people, without the query: printable ASCII. */
    name: z.string().regex(/^[\x20-\x7e]{1,200}$/),
    /** From here on more of them may have died than are told. */
    untold: z.boolean(),
    atMs: z.number(),
  }),
  /** The same was asked again and answered whole: what kills is not in what the fingerprint is made of. */
  z.strictObject({ type: z.literal('request_survived'), gateway, fingerprint }),
  z.strictObject({
    type: z.literal('traffic_summary'),
    gateway,
    atMs: z.number(),
    periodMs: count,
    inFlight: count,
    held: count,
    completed: count,
    failed: count,
    status5xx: count,
    fellBack: count,
    /** Since when nothing has finished although something was in flight; 0 when that is not so. */
    noProgressMs: count,
    /** The gate, as the proxy sees it. */
    gate: z.enum(['open', 'holding', 'falling_back']),
    /** Who asks for what, while there is more to do than is done. For words only: what one proxy claims decides nothing. */
    pattern: z
      .strictObject({
        requests: count,
        withinMs: count,
        crawlers: count,
        /** To sign in, or to xmlrpc. */
        logins: count,
        /** The visitors' address that asks most, with how often at least. */
        address: z.strictObject({ name: z.string().regex(/^[0-9a-fA-F:.]{2,45}$/), count }).optional(),
        /** The path that is asked for most, without its query. */
        path: z.strictObject({ name: z.string().regex(/^\/[\x21-\x7e]{0,119}$/), count }).optional(),
      })
      .optional(),
  }),
  /** The dashboard wants to show something that only the healer may read. `code`: of the incident; `before`: the page of incidents before this one. */
  z.strictObject({
    type: z.literal('question'),
    id: count,
    about: z.enum(questionKinds),
    code: z
      .string()
      .regex(/^[0-9A-Za-z]{6,26}$/)
      .optional(),
    before: z
      .string()
      .regex(/^[0-9A-Z]{26}$/)
      .optional(),
  }),
]);

/** What keeps the healer from acting by a person's word or by its breaker: of the whole host, and services by name. */
const restraintSchema = z.object({ off: z.boolean(), servicesOff: z.array(z.string().max(64)).max(mostServicesOff), breakerOpen: z.boolean() });

const orders = [
  /** `restraint`: what stands already, for a proxy that did not see the records about it. */
  z.object({ type: z.literal('welcome'), version: z.int(), product: z.string().max(32), restraint: restraintSchema.optional() }),
  /** Keep unsent requests waiting. `until: connect`: the proxy's own prober may open; `order`: only `open` does. */
  z.strictObject({ type: z.literal('hold'), gateway, incident, until: z.enum(['connect', 'order']), estimateMs: count.optional(), say: z.string().max(300) }),
  /** Nothing will heal soon: answer at once, let nobody wait. Unsent requests still try when a connect works. */
  z.strictObject({ type: z.literal('fall_back'), gateway, incident, until: z.enum(['connect', 'order']), say: z.string().max(300) }),
  z.strictObject({ type: z.literal('open'), gateway, say: z.string().max(300) }),
  z.strictObject({ type: z.literal('use_upstream'), gateway, upstream: z.int().min(0).max(1000) }),
  z.strictObject({ type: z.literal('limit'), gateway, inFlight: z.int().min(1).max(highestLimit) }),
  /** Let only about this share of the requests through, by class of request first; 1: everybody. The others are asked to come back. */
  z.strictObject({ type: z.literal('shed'), gateway, incident, keep: z.number().min(0).max(1), retryAfterMs: count, say: z.string().max(300) }),
  /** Requests of this fingerprint end their workers: answer them by the page for so long, and send none. */
  z.strictObject({ type: z.literal('quarantine'), gateway, incident, fingerprint, forMs: count }),
] as const;

/** What the healer may order. */
export const orderSchema = z.discriminatedUnion('type', orders);

/** Everything that a proxy may hear from the healer: orders, and what the dashboard shows. */
export const fromHealerSchema = z.discriminatedUnion('type', [
  ...orders,
  /** The file with this hash is to be served by: check all of it, open what it listens on, and answer `prepared`; nothing changes yet. */
  z.strictObject({ type: z.literal('prepare'), id: count, sha256 }),
  /** What was prepared takes the old one's place, or is forgotten. By its hash: something else may be in preparation by now. */
  z.strictObject({ type: z.literal('swap'), sha256 }),
  z.strictObject({ type: z.literal('abandon'), sha256 }),
  /** A record that was just written, as its line stands in the audit log. */
  z.strictObject({ type: z.literal('record'), line: z.string().max(longestPart) }),
  /** A piece of the JSON text that answers a question; the pieces come in order. */
  z.strictObject({ type: z.literal('answer'), id: count, part: z.string().max(longestPart), last: z.boolean() }),
]);

export type Fact = z.output<typeof factSchema>;
export type Order = z.output<typeof orderSchema>;
export type Restraint = z.output<typeof restraintSchema>;
export type FromHealer = z.output<typeof fromHealerSchema>;
export type Question = Extract<Fact, { type: 'question' }>;
