/**
 * The healer's side of the channel: a unix socket for the proxies. It believes facts about gateways that its own
 * configuration names, remembers the last order of each gateway for a proxy that comes back, and takes nothing else.
 */
import { createServer, type Socket } from 'node:net';
import { listenOn } from '../channel/listen-on.ts';
import { onceAMinute } from '../channel/once-a-minute.ts';
import { openChannel, type Channel } from '../channel/frame.ts';
import { TokenBucket } from './token-bucket.ts';
import type { InForce } from './keep-in-force.ts';
import { ProxyConsent } from './proxy-consent.ts';
import { boundConnections, type ConnectionBounds } from './bound-connections.ts';
import type { Clock } from '../core/time.ts';
import { factSchema, longestPart, protocolVersion, type Fact, type FromHealer, type Order, type Question, type Restraint } from '../channel/messages.ts';

export type TrafficSummary = Extract<Fact, { type: 'traffic_summary' }>;
export type FailureReport = Extract<Fact, { type: 'failure_reported' }>;
export type DeathReport = Extract<Fact, { type: 'request_died' }>;
export type SurvivalReport = Extract<Fact, { type: 'request_survived' }>;

export type Quarantine = Extract<Order, { type: 'quarantine' }>;

export interface ProxyLinkOptions {
  readonly path: string;
  /** Group of the socket: a proxy without rights is in it. Default: our own. */
  readonly group?: string | undefined;
  readonly clock: Clock;
  readonly product: string;
  readonly inForce: InForce;
  readonly onFailure: (report: FailureReport) => void;
  readonly onSummary: (summary: TrafficSummary) => void;
  readonly onDeath: (report: DeathReport) => void;
  readonly onSurvival: (report: SurvivalReport) => void;
  /** Quarantines that still stand, with the time that is left of them: for a proxy that comes back. */
  readonly quarantines: () => readonly Quarantine[];
  /** What keeps this healer from acting now. */
  readonly restraint: () => Restraint;
  /** JSON text for a dashboard; never rejects. */
  readonly answer: (question: Question) => Promise<string>;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

export interface ProxyLink {
  /** Sends an order to every proxy, and to those that connect later. */
  order(order: Exclude<Order, { type: 'welcome' }>): void;
  /** Shows a record that was just written to every proxy's dashboard. One that reads too slowly misses it. */
  show(line: string): void;
  /** Asks every proxy to make the configuration with this hash ready. What they have against it; nothing when all are ready. */
  prepare(sha256: string): Promise<readonly string[]>;
  /** What was prepared is in force; `changed`: gateways that lead elsewhere now. One that could not be asked is asked when it comes back. */
  swap(next: InForce, changed: ReadonlySet<string>): void;
  /** What was prepared is not. */
  abandon(sha256: string): void;
  /** Any proxy connected at the moment? */
  connected(): boolean;
  close(): Promise<void>;
}

/** One proxy, one more that is replacing it, and some air. */
const bounds: ConnectionBounds = { most: 16, perSecond: 10, firstWordMs: 2000 };
/** A proxy tells 20 failures and 2 summaries a second of each gateway, and some deaths; what is beyond is not even parsed. */
const factsPerGateway = 50;
const fewestFactsPerSecond = 200;
/** A fact that waited longer says nothing about now. */
const oldestFactMs = 60_000;

/** A proxy that was greeted. */
interface Known {
  /** Of what it serves by. */
  sha256: string;
  /** Of what it has made ready. */
  ready: string | undefined;
  /** All that it may speak of: also what it served until now, which may still be on its way. */
  readonly gateways: Set<string>;
  facts: TokenBucket;
}

/** Listens for proxies. Rejects when the socket cannot stand: another healer holds it. */
export async function listenForProxies(options: ProxyLinkOptions): Promise<ProxyLink> {
  let { inForce } = options;
  const known = new Map<Channel<FromHealer>, Known>();
  const standing = new Map<string, Exclude<Order, { type: 'welcome' }>>();
  const consent = new ProxyConsent(options.clock);
  const say = onceAMinute((fields, message) => options.log.warn(fields, message), options.clock);
  const server = createServer();
  const bound = boundConnections(server, (socket) => converse(socket), { bounds, clock: options.clock, log: options.log });
  await listenOn(server, { kind: 'unix', path: options.path }, { mode: '0660', group: options.group, evenIfAnotherListens: true });

  const freshBucket = (): TokenBucket => new TokenBucket(fewestFactsPerSecond + factsPerGateway * inForce.gateways.size, options.clock);

  function converse(socket: Socket): void {
    const unknown = freshBucket();
    const channel: Channel<FromHealer> = openChannel<Fact, FromHealer>(
      socket,
      factSchema,
      {
        onMessage: (fact) => {
          if (fact.type === 'hello') bound.known(socket);
          take(fact, channel);
        },
        onEnd: (reason) => {
          consent.gone(channel);
          if (known.delete(channel)) options.log.warn({ reason }, 'a proxy is gone');
        },
      },
      // best effort by design: the counts of what is dropped come with a later summary
      () => (known.get(channel)?.facts ?? unknown).take(),
    );
  }

  function take(fact: Fact, channel: Channel<FromHealer>): void {
    const own = known.get(channel);
    if (fact.type === 'hello') return own ? channel.close() : greet(fact, channel);
    if (!own) return channel.close();
    if (fact.type === 'question') return void answer(fact, channel);
    if (fact.type === 'prepared') return consent.took(fact, channel);
    if (!own.gateways.has(fact.gateway)) return channel.close();
    if (!inForce.gateways.has(fact.gateway)) return;
    switch (fact.type) {
      case 'failure_reported':
        return options.onFailure(stamped(fact));
      case 'request_died':
        return options.onDeath(stamped(fact));
      case 'request_survived':
        return options.onSurvival(fact);
      case 'traffic_summary':
        return options.onSummary(stamped(fact));
    }
  }

  /** In pieces, and each only when the one before is on its way: an order never waits behind a long story. */
  async function answer(question: Question, channel: Channel<FromHealer>): Promise<void> {
    const text = await options.answer(question);
    for (let at = 0; at === 0 || at < text.length; at += longestPart) {
      await channel.quiet();
      channel.send({ type: 'answer', id: question.id, part: text.slice(at, at + longestPart), last: at + longestPart >= text.length });
    }
  }

  /** What it says of the time is believed as far as it can be true: counts and verifications are about moments. */
  function stamped<F extends { readonly atMs: number }>(fact: F): F {
    const now = options.clock.wallMs();
    return { ...fact, atMs: Math.min(now, Math.max(now - oldestFactMs, fact.atMs)) };
  }

  function greet(hello: Extract<Fact, { type: 'hello' }>, channel: Channel<FromHealer>): void {
    channel.send({ type: 'welcome', version: protocolVersion, product: options.product, restraint: options.restraint() });
    if (hello.version !== protocolVersion) {
      say({ proxy: hello.version, healer: protocolVersion }, otherVersion(hello, options.product));
      return channel.close();
    }
    known.set(channel, { sha256: hello.config ?? '', ready: undefined, gateways: new Set(hello.gateways), facts: freshBucket() });
    options.log.info({ gateways: hello.gateways.length }, 'a proxy connected');
    if (hello.config === inForce.sha256) return tellAll(channel);
    void align(channel);
  }

  /** A proxy that serves by something else takes what is in force here; one that cannot goes on as it is where both mean the same. */
  async function align(channel: Channel<FromHealer>): Promise<void> {
    const { sha256 } = inForce;
    const problems = await consent.ask(channel, sha256);
    const own = known.get(channel);
    // it was asked about something newer meanwhile
    if (!own || sha256 !== inForce.sha256) return;
    if (problems.length === 0) {
      swapOne(channel, own);
      return tellAll(channel);
    }
    // one that was late has it ready by now
    channel.send({ type: 'abandon', sha256 });
    const strange = [...own.gateways].filter((name) => !inForce.gateways.has(name));
    say(
      { problems, ...(strange.length > 0 && { unknown: strange.slice(0, 5) }) },
      'a proxy serves by another goodgateway.yaml than this healer, and cannot take over what is in force here; when that is mended, or to end it: restart goodgateway',
    );
    if (strange.length > 0) return channel.close();
    tellAll(channel);
  }

  function swapOne(channel: Channel<FromHealer>, own: Known): void {
    if (!channel.send({ type: 'swap', sha256: inForce.sha256 })) return channel.close();
    own.sha256 = inForce.sha256;
    own.ready = undefined;
    own.facts = freshBucket();
    for (const name of inForce.gateways) own.gateways.add(name);
  }

  function tellAll(channel: Channel<FromHealer>): void {
    const gateways = known.get(channel)?.gateways;
    for (const order of [...standing.values(), ...options.quarantines()]) if (gateways?.has(order.gateway)) channel.send(order);
  }

  return {
    order(order) {
      // who does not read any more would go on by orders that are taken back
      for (const channel of known.keys()) if (!channel.send(order)) channel.close();
      // there are many of them, and each has its own end
      if (order.type === 'quarantine') return;
      const subject = order.type === 'hold' || order.type === 'fall_back' || order.type === 'open' ? 'gate' : order.type;
      standing.delete(`${order.gateway} ${subject}`);
      const ends = order.type === 'open' || (order.type === 'shed' && order.keep === 1);
      if (!ends) standing.set(`${order.gateway} ${subject}`, order);
    },
    async prepare(sha256) {
      const all = [...known].map(async ([channel, own]) => {
        const problems = await consent.ask(channel, sha256);
        own.ready = problems.length === 0 ? sha256 : undefined;
        return problems;
      });
      return [...new Set((await Promise.all(all)).flat())];
    },
    swap(next, changed) {
      inForce = next;
      for (const [key, order] of standing) if (!next.gateways.has(order.gateway) || (order.type === 'use_upstream' && changed.has(order.gateway))) standing.delete(key);
      for (const [channel, own] of known) {
        if (own.ready === next.sha256) swapOne(channel, own);
        // who came while the others were asked is asked now
        else if (own.sha256 !== next.sha256) void align(channel);
      }
    },
    abandon(sha256) {
      for (const [channel, own] of known) {
        own.ready = undefined;
        if (!channel.send({ type: 'abandon', sha256 })) channel.close();
      }
    },
    show(line) {
      // best effort: a dashboard reads the whole story from the log
      if (line.length <= longestPart) for (const channel of known.keys()) channel.send({ type: 'record', line });
    },
    connected: () => known.size > 0,
    close: () =>
      new Promise((resolve) => {
        for (const channel of known.keys()) channel.close();
        server.close(() => resolve());
      }),
  };
}

function otherVersion({ product, version }: Extract<Fact, { type: 'hello' }>, ours: string): string {
  const older = version < protocolVersion ? 'proxy' : 'healer';
  return `a proxy was refused: it is goodgateway ${product} and speaks version ${version}; this healer is goodgateway ${ours} and speaks version ${protocolVersion}. It serves on, as without a healer; restart the ${older}, which is the older one (said once a minute)`;
}
