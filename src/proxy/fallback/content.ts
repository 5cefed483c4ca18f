import type { FailureKind } from '../../core/failure.ts';

/** Everything that a form may show. Plain text; each form escapes for itself. */
export interface FallbackContent {
  readonly status: 408 | 500 | 502 | 503 | 504;
  readonly kind: FailureKind;
  readonly title: string;
  readonly sentence: string;
  /** Set when the request may have been executed: the visitor must not simply repeat it. */
  readonly mayHaveBeenProcessed: boolean;
  /** The incident's code, or the request id when there is no incident. */
  readonly code: string;
  readonly retryAfterSeconds: number;
  readonly contact: string | undefined;
  /** Only a page that was asked for by GET may ask again by itself. */
  readonly refresh: boolean;
}
