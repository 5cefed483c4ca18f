/** Certificates that end soon: those that nginx shows, and those that a gateway's backend shows. */
import { X509Certificate } from 'node:crypto';
import { dirname } from 'node:path';
import { formatAddress } from '../../core/failure.ts';
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import type { Unseen } from '../finding.ts';
import { everywhere, placeOf } from '../nginx/passes.ts';

type Found = CheckResult['findings'];

const day = 86_400_000;
/** Renewal by ACME begins 30 days before the end: at 21 it has failed for nine days. */
const soonMs = 21 * day;
/** Of a life of days renewal begins when a third of it, or half, is left. */
const soonShare = 0.25;
const filesAtMost = 500;

export const certificates: Check = {
  name: 'certificates',
  family: 'configuration',
  deadlineMs: 20_000,
  finds: {
    'certificate-ended': { severity: 'serious', when: 'a certificate of nginx, or of a backend that a gateway speaks TLS to, has ended' },
    'certificate-ends': { severity: 'warning', when: 'the same ends within 21 days, or within a quarter of its life where that is shorter' },
  },
  check: async (context, signal) => {
    const [files, shown] = await Promise.all([ofNginx(context), ofBackends(context, signal)]);
    return { findings: [...files.findings, ...shown.findings], unseen: [...files.unseen, ...shown.unseen] };
  },
};

async function ofNginx(context: DoctorContext): Promise<{ readonly findings: Found; readonly unseen: readonly Unseen[] }> {
  const { nginx, files } = context;
  if (!nginx) return { findings: [], unseen: [] };
  const named = everywhere(nginx, 'ssl_certificate').flatMap((line) => (line.words[0] && !/[$]|^data:/.test(line.words[0]) ? [{ line, path: line.words[0] }] : []));
  const unique = [...new Map(named.map((one) => [one.path, one])).values()].slice(0, filesAtMost);
  const results = await Promise.all(
    unique.map(async ({ line, path }) => {
      const file = path.startsWith('/') ? path : `${dirname(nginx.file)}/${path}`;
      const text = await files.text(file);
      const certificate = text === undefined ? 'it cannot be read' : read(text);
      return typeof certificate === 'string'
        ? { unseen: { subject: `the certificate ${file}`, why: certificate } }
        : { findings: judge(context, certificate, { subject: file, source: placeOf(line), change: `renew it (certbot renew, or by hand), then: nginx -t && nginx -s reload` }) };
    }),
  );
  return { findings: results.flatMap((one) => one.findings ?? []), unseen: results.flatMap((one) => one.unseen ?? []) };
}

async function ofBackends(context: DoctorContext, signal: AbortSignal): Promise<{ readonly findings: Found; readonly unseen: readonly Unseen[] }> {
  const speaking = Object.entries(context.configuration?.host.gateways ?? {}).filter(([, gateway]) => gateway.tls !== undefined);
  const findings: Found[number][] = [];
  const unseen: Unseen[] = [];
  for (const [name, gateway] of speaking) {
    const subject = `${formatAddress(gateway.upstream)} (gateway ${name})`;
    const certificate = await context.outside.certificateAt(gateway.upstream, gateway.tls?.server_name, signal);
    if (typeof certificate === 'string') unseen.push({ subject: `the certificate of ${subject}`, why: certificate });
    else findings.push(...judge(context, certificate, { subject, source: 'a TLS handshake', change: 'renew it where the backend has it, then reload the backend' }));
  }
  return { findings, unseen };
}

function judge({ outside }: DoctorContext, { validFromDate, validToDate, subject: of }: X509Certificate, about: { readonly subject: string; readonly source: string; readonly change: string }): Found {
  const leftMs = validToDate.getTime() - outside.clock.wallMs();
  if (leftMs > Math.min(soonMs, Math.max(0, soonShare * (validToDate.getTime() - validFromDate.getTime())))) return [];
  const days = Math.floor(Math.abs(leftMs) / day);
  const name = of.replaceAll(/\s+/g, ' ').slice(0, 100);
  return [
    {
      id: leftMs <= 0 ? 'certificate-ended' : 'certificate-ends',
      ...about,
      what: leftMs <= 0 ? `The certificate of ${name} ended ${days} days ago.` : `The certificate of ${name} ends in ${days} days, on ${validToDate.toISOString().slice(0, 10)}.`,
      why: 'Then browsers refuse the site, or the gateway refuses the backend. Renewal that works by itself would have come earlier: it has probably failed.',
    },
  ];
}

/** The first certificate of a PEM file is the server's own. */
function read(pem: string): X509Certificate | string {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    return `it is no certificate: ${error instanceof Error ? error.message : String(error)}`;
  }
}
