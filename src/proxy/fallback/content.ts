import type { FailureKind } from '../../core/failure.ts';
import type { TextKey } from '../../config/fallback-texts.ts';

/** What there is to say, in no language yet. Each form says it in its own way and escapes for itself. */
export interface FallbackContent {
  readonly status: 408 | 500 | 502 | 503 | 504;
  readonly kind: FailureKind;
  /** What the kind alone does not tell, for Proxy-Status. */
  readonly details: 'load shed' | undefined;
  /** What happened, then what is being done about it. */
  readonly sentences: readonly TextKey[];
  /** After them, the administrator's own words, plain text in whatever language; empty without any. */
  readonly ownWords: string;
  /** What those do who sent something. Empty for GET and HEAD. */
  readonly advice: readonly TextKey[];
  /** The request may have been executed: the visitor must not simply repeat it. */
  readonly mayHaveBeenProcessed: boolean;
  /** The incident's code, or the request id when there is no incident. */
  readonly code: string;
  readonly retryAfterSeconds: number;
  /** When the page asks again by itself: only what was asked for by GET may. */
  readonly refreshSeconds: number | undefined;
  /** How long it usually takes, and whether it is longer already. Nothing is said where nobody knows. */
  readonly usual: { readonly seconds: number; readonly exceeded: boolean } | undefined;
}

export interface Rendered {
  readonly type: string;
  readonly body: string;
  /** More header names and values, in turn. */
  readonly headers: readonly string[];
}
