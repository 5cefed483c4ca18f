import { z } from 'zod';
import { absolutePath, share } from './values.ts';

/** The access record: one line of JSON for each request, written by the proxy at the request's end. */
export const accessLogSchema = z
  .strictObject({
    file: absolutePath().describe(
      'Where the lines go; SIGHUP opens it again, after logrotate has moved it. Trap: with proxy.user its folder must be one that the user of the proxy may write to (a missing one is made), so not the folder of the audit log.',
    ),
    sample: share()
      .prefault('100%')
      .describe(
        'How many of the healthy requests are written, chosen by the request id. Whatever failed, waited, was sent again, was turned away or got a 5xx is always written. 0%: nothing else is.',
      ),
    path: z.boolean().default(true).describe('Write what was asked for: the path without its query, cut after 1024 characters. Trap: some applications have names or secrets in their paths.'),
    client_address: z.boolean().default(false).describe("Write the visitor's address, as `client_address` of the gateway finds it. Trap: it is personal data."),
  })
  .optional()
  .describe('The access record. Without it there is none, and only requests to which something happened get a line, in the log of the proxy.');

export type AccessLogConfig = NonNullable<z.output<typeof accessLogSchema>>;
