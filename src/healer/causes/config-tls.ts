/** TLS that the gateway and the service do not agree on: spoken by one of the two only, or with a certificate that is no good. */
import type { Confidence, Suspect } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { currentAddress, factOf, sentences, type Fact } from './read-case.ts';

const avoid = ['Do not switch the check of the certificate off: name the right authority, or renew the certificate.'];

/**
 * Certain when a handshake of our own shows it: the port speaks TLS and the gateway does not, or the other way round, or
 * the gateway checks certificates and this one fails the check. A certificate that nobody checks is no cause of anything.
 */
export const configTls: Cause = {
  name: 'config.tls',
  suspect(file) {
    const spoken = factOf(file, 'speaks_tls');
    const at = currentAddress(file);
    if (spoken) {
      const sentence = `${at} speaks TLS, but its gateway speaks plain HTTP to it.`;
      return suspicion(file, 'certain', { sentence, because: spoken, remedy: `Write https://${at} as the upstream of its gateway, or let ${file.target.name} listen without TLS.` });
    }
    const shown = factOf(file, 'certificate');
    return shown && byHandshake(file, shown);
  },
};

function byHandshake(file: CaseFile, shown: Fact): Suspect | undefined {
  const at = currentAddress(file);
  const result = shown.word('result');
  if (result === 'plain') {
    return suspicion(file, 'certain', {
      sentence: `${at} speaks no TLS, but its gateway does.`,
      because: shown,
      remedy: `Write http://${at} as the upstream of its gateway, or let ${file.target.name} listen with TLS.`,
    });
  }
  if (result === 'refused') return refused(file, shown);
  if (!shown.flag('verified') || result === 'good' || result === 'cut') return undefined;
  const remedies: Readonly<Record<string, string>> = {
    expired: `Renew the certificate of ${at}, and reload ${file.target.name}.`,
    not_yet: `Look at the clocks of both hosts: timedatectl. Then renew the certificate of ${at}.`,
    other_name: `Set tls.server_name of its gateway to the name in the certificate, or have one made for ${shown.word('name')}.`,
    untrusted: `Name the authority that signed it under tls.ca of its gateway; look at the chain: openssl s_client -connect ${at} -showcerts`,
  };
  return suspicion(file, 'certain', { sentence: shown.text, because: shown, remedy: remedies[result] ?? 'Look at the certificate.' });
}

/** The service's own alert, or silence: it may want a client's certificate, another version, or another name. */
function refused(file: CaseFile, shown: Fact): Suspect {
  const at = currentAddress(file);
  return suspicion(file, 'likely', {
    sentence: `The TLS handshake with ${at} fails: ${shown.word('detail')}.`,
    because: shown,
    remedy: `Look what it says: openssl s_client -connect ${at} -servername NAME`,
  });
}

function suspicion(file: CaseFile, confidence: Confidence, { sentence, because, remedy }: { readonly sentence: string; readonly because: Fact; readonly remedy: string }): Suspect {
  const failing = /^tls_|^http_protocol_error$/.test(file.symptom.kind);
  return { cause: 'config.tls', confidence, subject: currentAddress(file), sentence, because: sentences(because, failing && file.symptom.text), against: [], remedy, avoid };
}
