/** How one of our processes ends: at a signal or at a bug, once, and within a time. */
import closeWithGrace from 'close-with-grace';

export interface OrderlyEnd {
  /** What takes longer is cut off, and the process ends with 1. */
  readonly withinMs: number;
  /** Called once. `bug`: an error that nobody caught, after which the process ends with 1. */
  readonly close: (bug: Error | undefined) => Promise<void>;
}

/**
 * From now on the first SIGTERM or SIGINT begins the end, and those that follow change nothing: Ctrl-C in a terminal
 * reaches every process of `goodgateway run`, and then the supervisor sends its own. Which process ends first is for
 * the supervisor to say, so where there is one a SIGINT means nothing. SIGHUP is left to others.
 */
export function endInOrder({ withinMs, close }: OrderlyEnd): void {
  let ending = false;
  const { close: end } = closeWithGrace({ skip: ['SIGHUP', 'SIGINT', 'SIGTERM'], delay: withinMs }, async ({ err }) => {
    ending = true;
    await close(err);
  });
  const begin = (): void => {
    if (!ending) end();
  };
  process.on('SIGTERM', begin);
  process.on('SIGINT', process.env['GOODGATEWAY_SUPERVISOR'] === undefined ? begin : () => undefined);
}
