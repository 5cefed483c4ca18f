import type { AuditEvent } from './audit/record.ts';
import type { OpenCase, Ward } from './healer.ts';

/** The fields that every record of an incident carries. */
export function recordFor(open: Pick<OpenCase, 'incident'>, ward: Ward): Pick<AuditEvent, 'policy' | 'service' | 'target' | 'actor'> & { readonly incident: string; readonly service: string } {
  return {
    incident: open.incident.id,
    service: ward.name,
    target: describeTarget(ward),
    policy: policyFields(ward),
    actor: 'auto',
  };
}

/** Which policy it was, as the audit log spells it. */
export function policyFields({ policy, sha256 }: Pick<Ward, 'policy' | 'sha256'>): { readonly name: string; readonly sha256: string; readonly mode: Ward['policy']['mode'] } {
  return { name: policy.name, sha256, mode: policy.mode };
}

/** What is acted on: unit, script, pidfile or command. */
export function describeTarget({ policy: { service } }: Ward): string {
  switch (service.type) {
    case 'systemd':
      return service.unit;
    case 'init':
      return service.script;
    case 'process':
      return service.pidfile ?? service.start.join(' ');
    case 'docker':
      return `container ${service.container}`;
    case 'external':
      return service.type;
  }
}
