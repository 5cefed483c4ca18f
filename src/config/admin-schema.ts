/** `admin:` of goodgateway.yaml: the read-only listener with dashboard, metrics and health. */
import { z } from 'zod';
import { absolutePath, address } from './values.ts';

const settings = z.strictObject({
  listen: address().describe('Loopback or unix:/path.'),
  token_file: absolutePath()
    .optional()
    .describe(
      'File with the token, 16 letters or more, that dashboard and metrics ask for; read at the start. Default: none is asked for. Trap: it must be readable by the user of the proxy, and by nobody else.',
    ),
  beyond_loopback: z.boolean().default(false).describe('Listen on an address that others can reach, too. Refused without token_file. Trap: it speaks plain HTTP; put TLS before it.'),
});

/** The short form is the address alone. */
export const adminSchema = z
  .union([address(), settings], { error: 'expected an address such as 127.0.0.1:9180 or unix:/path, or listen: with token_file: beside it' })
  .transform((value) => ('listen' in value ? value : { listen: value, beyond_loopback: false }));

export type AdminConfig = { readonly listen: z.output<typeof settings>['listen']; readonly token_file?: string | undefined; readonly beyond_loopback: boolean };
