/**
 * The healer's side of the channel: a unix socket for the proxies. It believes facts about gateways that its own
 * configuration names, remembers the last order of each gateway for a proxy that comes back, and takes nothing else.
 */
import { createServer, type Socket } from 'node:net';
import { listenOn } from '../channel/listen-on.ts';
import { openChannel, type Channel } from '../channel/frame.ts';
import { TokenBucket } from './token-bucket.ts';
import { boundConnections, type ConnectionBounds } from './bound-connections.ts';
import type { Clock } from '../core/time.ts';
import { factSchema, longestPart, protocolVersion, type Fact, type FromHealer, type Order, type Question } from '../channel/messages.ts';

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
  readonly gateways: ReadonlySet<string>;
  readonly onFailure: (report: FailureReport) => void;
  readonly onSummary: (summary: TrafficSummary) => void;
  readonly onDeath: (report: DeathReport) => void;
  readonly onSurvival: (report: SurvivalReport) => void;
  /** Quarantines that still stand, with the time that is left of them: for a proxy that comes back. */
  readonly quarantines: () => readonly Quarantine[];
  /** JSON text for a dashboard; never rejects. */
  readonly answer: (question: Question) => Promise<string>;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

export interface ProxyLink {
  /** Sends an order to every proxy, and to those that connect later. */
  order(order: Exclude<Order, { type: 'welcome' }>): void;
  /** Shows a record that was just written to every proxy's dashboard. One that reads too slowly misses it. */
  show(line: string): void;
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

/** Listens for proxies. Rejects when the socket cannot stand: another healer holds it. */
export async function listenForProxies(options: ProxyLinkOptions): Promise<ProxyLink> {
  /** Those that were greeted, each with the gateways that it may speak of. */
  const channels = new Map<Channel<FromHealer>, ReadonlySet<string>>();
  const standing = new Map<string, Exclude<Order, { type: 'welcome' }>>();
  const server = createServer();
  const bound = boundConnections(server, (socket) => converse(socket), { bounds, clock: options.clock, log: options.log });
  await listenOn(server, { kind: 'unix', path: options.path }, { mode: '0660', group: options.group, evenIfAnotherListens: true });

  function converse(socket: Socket): void {
    const facts = new TokenBucket(fewestFactsPerSecond + factsPerGateway * options.gateways.size, options.clock);
    const channel = openChannel<Fact, FromHealer>(
      socket,
      factSchema,
      {
        onMessage: (fact) => {
          if (fact.type === 'hello') bound.known(socket);
          take(fact, channel);
        },
        onEnd: (reason) => {
          if (channels.delete(channel)) options.log.warn({ reason }, 'a proxy is gone');
        },
      },
      // best effort by design: the counts of what is dropped come with a later summary
      () => facts.take(),
    );
  }

  function take(fact: Fact, channel: Channel<FromHealer>): void {
    const own = channels.get(channel);
    if (fact.type === 'hello') return own ? channel.close() : greet(fact, channel);
    if (fact.type === 'question') return own ? void answer(fact, channel) : channel.close();
    if (!own?.has(fact.gateway)) return channel.close();
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
    channel.send({ type: 'welcome', version: protocolVersion, product: options.product });
    if (hello.version !== protocolVersion) {
      options.log.warn({ proxy: hello.version, healer: protocolVersion }, 'a proxy of another version was refused; restart the older process');
      return channel.close();
    }
    const unknown = hello.gateways.filter((name) => !options.gateways.has(name));
    if (unknown.length > 0) {
      options.log.warn({ unknown: unknown.slice(0, 5), count: unknown.length }, 'a proxy has gateways that this healer does not know; do both read the same file?');
      return channel.close();
    }
    channels.set(channel, new Set(hello.gateways));
    options.log.info({ gateways: hello.gateways.length }, 'a proxy connected');
    for (const order of [...standing.values(), ...options.quarantines()]) channel.send(order);
  }

  return {
    order(order) {
      // who does not read any more would go on by orders that are taken back
      for (const channel of channels.keys()) if (!channel.send(order)) channel.close();
      // there are many of them, and each has its own end
      if (order.type === 'quarantine') return;
      const subject = order.type === 'hold' || order.type === 'fall_back' || order.type === 'open' ? 'gate' : order.type;
      standing.delete(`${order.gateway} ${subject}`);
      const ends = order.type === 'open' || (order.type === 'shed' && order.keep === 1);
      if (!ends) standing.set(`${order.gateway} ${subject}`, order);
    },
    show(line) {
      // best effort: a dashboard reads the whole story from the log
      if (line.length <= longestPart) for (const channel of channels.keys()) channel.send({ type: 'record', line });
    },
    connected: () => channels.size > 0,
    close: () =>
      new Promise((resolve) => {
        for (const channel of channels.keys()) channel.close();
        server.close(() => resolve());
      }),
  };
}
