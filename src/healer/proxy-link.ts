/**
 * The healer's side of the channel: a unix socket for the proxies. It believes facts about gateways that its own
 * configuration names, remembers the last order of each gateway for a proxy that comes back, and takes nothing else.
 */
import { createServer, type Socket } from 'node:net';
import { listenOn } from '../channel/listen-on.ts';
import { openChannel, type Channel } from '../channel/frame.ts';
import { factSchema, protocolVersion, type Fact, type Order } from '../channel/messages.ts';

export type TrafficSummary = Extract<Fact, { type: 'traffic_summary' }>;
export type FailureReport = Extract<Fact, { type: 'failure_reported' }>;
export type DeathReport = Extract<Fact, { type: 'request_died' }>;
export type SurvivalReport = Extract<Fact, { type: 'request_survived' }>;

export type Quarantine = Extract<Order, { type: 'quarantine' }>;

export interface ProxyLinkOptions {
  readonly path: string;
  readonly product: string;
  readonly gateways: ReadonlySet<string>;
  readonly onFailure: (report: FailureReport) => void;
  readonly onSummary: (summary: TrafficSummary) => void;
  readonly onDeath: (report: DeathReport) => void;
  readonly onSurvival: (report: SurvivalReport) => void;
  /** Quarantines that still stand, with the time that is left of them: for a proxy that comes back. */
  readonly quarantines: () => readonly Quarantine[];
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

export interface ProxyLink {
  /** Sends an order to every proxy, and to those that connect later. */
  order(order: Exclude<Order, { type: 'welcome' }>): void;
  /** Any proxy connected at the moment? */
  connected(): boolean;
  close(): Promise<void>;
}

/** Listens for proxies. Rejects when the socket cannot stand: another healer holds it. */
export async function listenForProxies(options: ProxyLinkOptions): Promise<ProxyLink> {
  const channels = new Set<Channel<Order>>();
  const standing = new Map<string, Exclude<Order, { type: 'welcome' }>>();
  const server = createServer((socket) => converse(socket));
  await listenOn(server, { kind: 'unix', path: options.path }, { mode: '0660' });

  function converse(socket: Socket): void {
    const channel = openChannel<Fact, Order>(socket, factSchema, {
      onMessage: (fact) => take(fact, channel),
      onEnd: (reason) => {
        if (channels.delete(channel)) options.log.warn({ reason }, 'a proxy is gone');
      },
    });
  }

  function take(fact: Fact, channel: Channel<Order>): void {
    if (fact.type === 'hello') return greet(fact, channel);
    if (!channels.has(channel) || !options.gateways.has(fact.gateway)) return channel.close();
    switch (fact.type) {
      case 'failure_reported':
        return options.onFailure(fact);
      case 'request_died':
        return options.onDeath(fact);
      case 'request_survived':
        return options.onSurvival(fact);
      case 'traffic_summary':
        return options.onSummary(fact);
    }
  }

  function greet(hello: Extract<Fact, { type: 'hello' }>, channel: Channel<Order>): void {
    channel.send({ type: 'welcome', version: protocolVersion, product: options.product });
    if (hello.version !== protocolVersion) {
      options.log.warn({ proxy: hello.version, healer: protocolVersion }, 'a proxy of another version was refused; restart the older process');
      return channel.close();
    }
    const unknown = hello.gateways.filter((name) => !options.gateways.has(name));
    if (unknown.length > 0) {
      options.log.warn({ unknown }, 'a proxy has gateways that this healer does not know; do both read the same file?');
      return channel.close();
    }
    channels.add(channel);
    options.log.info({ gateways: hello.gateways.length }, 'a proxy connected');
    for (const order of [...standing.values(), ...options.quarantines()]) channel.send(order);
  }

  return {
    order(order) {
      for (const channel of channels) channel.send(order);
      // there are many of them, and each has its own end
      if (order.type === 'quarantine') return;
      const subject = order.type === 'hold' || order.type === 'fall_back' || order.type === 'open' ? 'gate' : order.type;
      standing.delete(`${order.gateway} ${subject}`);
      const ends = order.type === 'open' || (order.type === 'shed' && order.keep === 1);
      if (!ends) standing.set(`${order.gateway} ${subject}`, order);
    },
    connected: () => channels.size > 0,
    close: () =>
      new Promise((resolve) => {
        for (const channel of channels) channel.close();
        server.close(() => resolve());
      }),
  };
}
