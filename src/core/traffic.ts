/** The traffic of one service at a moment, as its proxies sum it up. */
export interface Traffic {
  readonly inFlight: number;
  readonly held: number;
  /** Since when nothing was answered although something was asked; 0 when that is not so. */
  readonly noProgressMs: number;
  readonly completed: number;
  /** Most requests that its gateways let in at once, where they do. */
  readonly limit: number | undefined;
  readonly pattern?: AccessPattern | undefined;
}

/** Who asks for what, counted while there was more to do than was done. One proxy's claim: for words only. */
export interface AccessPattern {
  readonly requests: number;
  readonly withinMs: number;
  readonly crawlers: number;
  /** To sign in, or to xmlrpc. */
  readonly logins: number;
  /** Which asks most, with how often at least. */
  readonly address?: { readonly name: string; readonly count: number } | undefined;
  readonly path?: { readonly name: string; readonly count: number } | undefined;
}
