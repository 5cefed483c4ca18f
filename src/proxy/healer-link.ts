/**
 * The proxy's side of the channel: connects to the healer's unix socket, tells facts, carries out orders.
 * It is never needed: without a healer the gates go on by themselves, and the link tries again for ever.
 */
import { connect } from 'node:net';
import { openChannel, type Channel } from '../channel/frame.ts';
import { onceAMinute } from '../channel/once-a-minute.ts';
import { whyNotTrusted } from '../channel/whose-socket.ts';
import { fromHealerSchema, protocolVersion, type Fact, type FromHealer, type Order, type Restraint } from '../channel/messages.ts';
import type { Clock } from '../core/time.ts';
import type { Gateway } from './gateway.ts';
import { HealerQuestions, type HealerAnswer, type QuestionWords } from './healer-questions.ts';
import { poolLimits } from './pool-limits.ts';
import type { GatewayReload } from './reload-gateways.ts';

const firstRetryMs = 100;
const longestRetryMs = 2000;
const summaryEveryMs = 500;

export interface HealerLink {
  readonly tell: (fact: Fact) => void;
  readonly connected: () => boolean;
  /** For the dashboard. Never rejects. */
  readonly ask: (words: QuestionWords) => Promise<HealerAnswer>;
  /** Goes on until the signal aborts. */
  run(served: Served, signal: AbortSignal): Promise<void>;
}

/** What the healer looks after. */
export interface Served {
  /** As they are now: a reload changes them. */
  readonly gateways: ReadonlyMap<string, Gateway>;
  readonly reload: Pick<GatewayReload, 'sha256' | 'prepare' | 'swap' | 'abandon'>;
}

export interface HealerLinkOptions {
  /** The healer's socket. */
  readonly path: string;
  readonly product: string;
  readonly clock: Clock;
  /** Told of each audit record as it is written, as its line. */
  readonly onRecord: (line: string) => void;
  /** What keeps the healer from acting, whenever it was reached. */
  readonly onRestraint: (restraint: Restraint) => void;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

/** A link that is not connected yet; facts told before `run` are dropped. */
export function createHealerLink(options: HealerLinkOptions): HealerLink {
  let channel: Channel<Fact> | undefined;
  const questions = new HealerQuestions(options.clock, (question) => channel?.send(question) ?? false);
  return {
    // best effort: the healer also looks by itself, and the next summary carries the counts
    tell: (fact) => void channel?.send(fact),
    connected: () => channel !== undefined,
    ask: (words) => questions.ask(words),
    async run({ gateways, reload }, signal) {
      const say = onceAMinute((fields, message) => options.log.warn(fields, message), options.clock);
      void summarise(gateways, options.clock, signal);
      for (let retryMs = firstRetryMs; !signal.aborted; retryMs = Math.min(longestRetryMs, retryMs * 2)) {
        const beganMs = options.clock.monotonicMs();
        const wasUp = await converse({ options, gateways, reload, questions, say }, signal, (now) => (channel = now));
        channel = undefined;
        questions.gone();
        if (wasUp) for (const gateway of gateways.values()) leaveAlone(gateway);
        if (wasUp) await reload.abandon();
        // who is refused after its greeting is refused again
        if (wasUp && options.clock.monotonicMs() - beganMs > longestRetryMs) retryMs = firstRetryMs;
        await options.clock.sleep(retryMs, signal);
      }
    },
  };
}

interface Talk extends Served {
  readonly options: HealerLinkOptions;
  readonly questions: HealerQuestions;
  /** The same words once a minute at most. */
  readonly say: (fields: object, message: string) => void;
}

/** One connection from its beginning to its end; whether the healer took us. */
function converse(talk: Talk, signal: AbortSignal, up: (channel: Channel<Fact>) => void): Promise<boolean> {
  const { options, gateways, reload, say } = talk;
  return new Promise((resolve) => {
    let stood = false;
    const stranger = whyNotTrusted(options.path);
    if (stranger !== undefined) {
      options.log.warn({ reason: stranger }, 'orders are taken from the healer only; gates go on by themselves');
      return resolve(false);
    }
    const socket = connect(options.path);
    const channel = openChannel<FromHealer, Fact>(socket, fromHealerSchema, {
      onMessage: (message) => {
        if (stood) return take(message, talk, channel);
        const why = whyNotTaken(message, options.product);
        if (why !== undefined) {
          say({ healer: message.type === 'welcome' ? message.version : 'unknown', proxy: protocolVersion }, why);
          return channel.close();
        }
        stood = true;
        if (message.type === 'welcome' && message.restraint) options.onRestraint(message.restraint);
        up(channel);
        for (const { shedding } of gateways.values()) shedding.end(); // what still stands follows at once
        options.log.info({}, 'connected to the healer');
      },
      onEnd: (reason) => {
        signal.removeEventListener('abort', channel.close);
        if (stood && !signal.aborted) options.log.warn({ reason }, 'the healer is gone; gates go on by themselves');
        resolve(stood);
      },
    });
    signal.addEventListener('abort', channel.close, { once: true });
    socket.once('connect', () => channel.send({ type: 'hello', version: protocolVersion, product: options.product, gateways: [...gateways.keys()], config: reload.sha256() }));
  });
}

/** Its first word must be a welcome in our own version; what is to be done otherwise, as a sentence. */
function whyNotTaken(first: FromHealer, product: string): string | undefined {
  if (first.type === 'welcome' && first.version === protocolVersion) return undefined;
  const other = first.type === 'welcome' ? `goodgateway ${first.product}, which speaks version ${first.version}` : 'of a version that cannot be told';
  const older = first.type !== 'welcome' || first.version < protocolVersion ? 'healer' : 'proxy';
  return `the healer is ${other}; this proxy is goodgateway ${product} and speaks version ${protocolVersion}: they do not understand each other, so nothing is healed, while requests are served, and held, as without a healer; restart the ${older}, which is the older one (tried again every ${longestRetryMs / 1000} s, said once a minute)`;
}

/** The healer is gone: what it ordered goes on by itself, or ends by itself. */
function leaveAlone({ gate, shedding }: Gateway): void {
  gate.orphaned();
  shedding.orphaned();
}

function take(message: FromHealer, { options, gateways, reload, questions }: Talk, channel: Channel<Fact>): void {
  switch (message.type) {
    case 'record':
      return options.onRecord(message.line);
    case 'answer':
      return questions.took(message);
    case 'prepare':
      return void reload.prepare(message.sha256).then((problems) => channel.send({ type: 'prepared', id: message.id, problems: [...problems] }));
    case 'swap':
      // it means something else than what is ready here: whoever connects anew is asked anew
      return reload.swap(message.sha256) ? undefined : channel.close();
    case 'abandon':
      return void reload.abandon(message.sha256);
    case 'welcome':
      return undefined;
    default:
      return obey(message, gateways, options);
  }
}

function obey(order: Exclude<Order, { type: 'welcome' }>, gateways: ReadonlyMap<string, Gateway>, { log }: Pick<HealerLinkOptions, 'log'>): void {
  const gateway = gateways.get(order.gateway);
  if (!gateway) return log.warn({ gateway: order.gateway }, 'the healer named a gateway that this proxy does not have; do both read the same file?');
  const { gate, quarantine, shedding, connections } = gateway;
  if (order.type === 'hold' || order.type === 'fall_back') connections.closeIdle();
  switch (order.type) {
    case 'hold':
      return gate.hold({ until: order.until, incident: order.incident, say: order.say, ...(order.estimateMs === undefined ? {} : { estimateMs: order.estimateMs }) });
    case 'fall_back':
      return gate.fallBack({ until: order.until, incident: order.incident, say: order.say });
    case 'open':
      return gate.open(order.say);
    case 'use_upstream':
      return gate.useUpstream(order.upstream);
    case 'limit':
      connections.resize(poolLimits(gateway.config, order.inFlight));
      return gate.setLimit(order.inFlight);
    case 'quarantine':
      return quarantine.add(order);
    case 'shed':
      return shedding.order(order);
  }
}

async function summarise(gateways: ReadonlyMap<string, Gateway>, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(summaryEveryMs, signal);
    for (const { health, gate, shedding } of gateways.values()) {
      const busy = gate.held > 0 || shedding.level !== undefined || gate.inFlight >= (gate.limit ?? Infinity);
      health.summarise(gate, busy ? shedding.pattern.seen() : undefined);
      shedding.expire();
    }
  }
}
