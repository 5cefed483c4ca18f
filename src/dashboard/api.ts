/** Asks the admin listener. Every answer is ours, from the same listener as this page: its shape is core/admin-api.ts. */
import type { AdminError } from '../core/admin-api.ts';

/** Found, or why not as a sentence. `signIn`: a token is needed. */
export type Answer<T> = { readonly kind: 'found'; readonly value: T } | { readonly kind: 'failed'; readonly why: string } | { readonly kind: 'sign_in' };

const answerWithinMs = 10_000;

/** Never rejects. */
export async function ask<T>(path: string): Promise<Answer<T>> {
  try {
    const response = await fetch(path, { headers: { accept: 'application/json' }, signal: AbortSignal.timeout(answerWithinMs) });
    if (response.status === 401) return { kind: 'sign_in' };
    if (response.ok) return { kind: 'found', value: (await response.json()) as T };
    const { error } = (await response.json()) as AdminError;
    return { kind: 'failed', why: error };
  } catch {
    return { kind: 'failed', why: 'goodgateway does not answer' };
  }
}

/** Whether the token was right; a cookie that scripts cannot read keeps it. */
export async function signIn(token: string): Promise<Answer<undefined>> {
  try {
    const response = await fetch('/login', { method: 'POST', body: new URLSearchParams({ token }), signal: AbortSignal.timeout(answerWithinMs) });
    if (response.ok) return { kind: 'found', value: undefined };
    const { error } = (await response.json()) as AdminError;
    return { kind: 'failed', why: error };
  } catch {
    return { kind: 'failed', why: 'goodgateway does not answer.' };
  }
}
