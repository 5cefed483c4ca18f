import { z } from 'zod';
import { whyNoAddress } from './notifier-schema.ts';
import { absolutePath, duration } from './values.ts';

/** `monitor` of goodgateway.yaml: who notices that goodgateway itself is dead. */
export const monitorSchema = z
  .strictObject({
    ping: z
      .string()
      .max(2000)
      .optional()
      .describe('Address of an outside monitor that is asked (GET) while the healer could act, and raises the alarm when that stops. Trap: where the address is a secret, use ping_file.'),
    ping_file: absolutePath().optional().describe('File with the address, on one line. Trap: one that everybody can read, or a group can write, is refused: chmod 0600.'),
    every: duration()
      .refine((ms) => ms >= 10_000, { error: 'expected at least 10s' })
      .prefault('1m')
      .describe('How often. Set the monitor to some times as long: a ping may get lost, and a restart takes a moment. At least 10s.'),
  })
  .superRefine((value, context) => {
    if ((value.ping === undefined) === (value.ping_file === undefined)) context.addIssue({ code: 'custom', message: 'expected exactly one of ping and ping_file', params: { at: 'key' } });
    const wrong = value.ping === undefined ? undefined : whyNoAddress(value.ping);
    if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong, path: ['ping'] });
  });

export type MonitorConfig = z.output<typeof monitorSchema>;
