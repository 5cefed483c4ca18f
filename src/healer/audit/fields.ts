/** The healer's own values as fields of a record: one translation, so that every record says a thing the same way. */
import type { GateResult, Step, StepResult } from '../../core/decision.ts';
import type { Diagnosis, Evidence } from '../../core/diagnosis.ts';
import type { Incident } from '../../core/incident.ts';
import type { AuditEvent } from './record.ts';

/** `incident`, `service`, `symptom`; `requests`: sample request ids, of which at most 20 are kept. */
export function incidentFields(incident: Incident, requests: readonly string[] = []) {
  const { seenBy, kind, gateway, count, text } = incident.symptom;
  return {
    incident: incident.id,
    service: incident.service,
    symptom: { seen_by: seenBy, kind, gateway, count, text, ...(requests.length > 0 ? { requests: requests.slice(0, 20) } : {}) },
  } satisfies Partial<AuditEvent>;
}

/** `evidence`: what each probe saw, and what could not be seen. */
export function evidenceFields(evidence: readonly Evidence[]) {
  return {
    evidence: evidence.map(({ kind, source, text, missing }) => ({
      collector: kind,
      status: missing === undefined ? ('seen' as const) : ('missing' as const),
      source,
      text: missing ?? text,
    })),
  } satisfies Partial<AuditEvent>;
}

/** `cause`, `confidence`, `signals` for and against, the sentence and the remedy. */
export function diagnosisFields({ best, evidence }: Diagnosis) {
  const spoken = (speaks: 'for' | 'against') => (value: string) => {
    const by = evidence.find((one) => one.text === value);
    return { speaks, signal: by?.kind ?? best.cause, value, source: by?.source ?? 'diagnosis' };
  };
  const unseen = evidence.flatMap(({ missing, kind, source }) => (missing === undefined ? [] : [{ speaks: 'unseen' as const, signal: kind, value: missing, source }]));
  return {
    cause: best.cause,
    confidence: best.confidence,
    signals: [...best.because.map(spoken('for')), ...best.against.map(spoken('against')), ...unseen],
    text: best.sentence,
    remedy: best.remedy,
  } satisfies Partial<AuditEvent>;
}

/** `rule`, `action`, `rung`, `attempt`, `limits`, `gates`: what was decided, whatever came of it. */
export function decisionFields(decision: { readonly rule: string | undefined; readonly step: Step | undefined; readonly gates: readonly GateResult[] }) {
  const { rule, step, gates } = decision;
  return {
    rule,
    ...(step ? { action: step.action, rung: step.rung, attempt: step.attempt, limits: { timeout_ms: step.timeoutMs } } : {}),
    gates: gates.map(({ gate, verdict, reason, allowedAtMs }) => ({
      gate,
      verdict,
      reason,
      ...(allowedAtMs === undefined ? {} : { allowed_at: new Date(allowedAtMs).toISOString() }),
    })),
  } satisfies Partial<AuditEvent>;
}

/** `argv` and `outcome` of an action that has ended. */
export function outcomeFields(result: StepResult) {
  return {
    ...(result.argv ? { argv: result.argv } : {}),
    outcome: {
      result: result.result,
      detail: result.detail,
      exit: result.exitCode,
      signal: result.signal,
      duration_ms: Math.round(result.durationMs),
      output: result.outputTail,
    },
  } satisfies Partial<AuditEvent>;
}
