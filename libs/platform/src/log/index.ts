import { pino, type Logger } from 'pino'

export type { Logger } from 'pino'

/**
 * JSON logs of one service. The message is a constant sentence, the data are fields. Never logged: prompts, outputs,
 * payment payloads, signatures, quotes, keys; the redaction list is the last line of defence, not permission.
 */
export function createLogger(service: string, level = 'info'): Logger {
  return pino({
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: ['*.body', '*.answer', '*.signature', '*.salt', '*.privateKey', '*.authorization', 'body', 'answer', 'signature', 'salt'], censor: '[redacted]' },
  })
}
