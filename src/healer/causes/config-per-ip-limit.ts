/** A limit for each client address hits everybody, because behind a gateway all visitors come from one address. */
import type { Cause } from '../leaves.ts';
import { sentences } from './read-case.ts';
import { logWord } from './read-log-words.ts';

const ownAddresses = /^(?:127\.|::1$|unix:|::ffff:127\.)/;

/** Likely when the log names an address of this host as the one that is held back; possible when the line names none. Silent about a visitor's own address. */
export const configPerIpLimit: Cause = {
  name: 'config.per_ip_limit',
  suspect(file) {
    const line = logWord(file, 'perAddressLimit');
    const client = line?.word('client') || (/\bclient: ([\da-fA-F.:]{3,39}),/.exec(line?.text ?? '')?.[1] ?? '');
    if (!line || (client !== '' && !ownAddresses.test(client))) return undefined;
    const { name } = file.target;
    return {
      cause: 'config.per_ip_limit',
      confidence: client === '' ? 'possible' : 'likely',
      subject: client || name,
      sentence: `${name} limits each client address, and takes its gateway${client ? ` (${client})` : ''} for one client, so that the limit of one holds for all.`,
      because: sentences(line),
      against: sentences(client === '' && 'The line does not say which address was held back.'),
      remedy: `Tell it who the visitors are: mod_remoteip with RemoteIPInternalProxy 127.0.0.1 for Apache, set_real_ip_from 127.0.0.1 for nginx; or take the gateway out of the limit (mod_evasive: DOSWhitelist 127.0.0.1).`,
      avoid: [`Do not restart ${name}: it would count anew, and stop again.`],
    };
  },
};
