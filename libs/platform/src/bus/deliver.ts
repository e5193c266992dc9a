import { fromBinary, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import { AppError, Errors } from '@haca/core'
import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from '../log/index.js'
import type { ConsumeOptions, Meta } from './bus.js'

/** Why a record went to the dead-letter topic. */
export interface DeadLetter {
  reason: string
  detail: string
  meta: Meta
  value: Uint8Array
}

export interface Delivery<D extends DescMessage> {
  options: ConsumeOptions<D>
  value: Uint8Array
  meta: Omit<Meta, 'attempt'>
  /** Aborted when the consumer stops or loses the partition: then nobody retries here, the next owner gets the record again. */
  signal: AbortSignal
  logger: Logger
  bury(letter: DeadLetter): Promise<void>
}

const pauseFirstMs = 100
const pauseMostMs = 5_000

/**
 * Brings one record to its handler until it is finished or buried. Answers false when it was given up because the consumer
 * stopped, so that it is not committed.
 */
export async function deliver<D extends DescMessage>(delivery: Delivery<D>): Promise<boolean> {
  const { options, value, signal, logger } = delivery
  const bury = async (reason: string, detail: string, attempt: number): Promise<boolean> => {
    const meta = { ...delivery.meta, attempt }
    logger.error({ alarm: 'dead-letter', reason, detail, topic: meta.topic, partition: meta.partition, offset: String(meta.offset), group: options.group }, 'record dead-lettered')
    return persist(() => delivery.bury({ reason, detail, meta, value }), signal)
  }

  let message
  try {
    message = fromBinary(options.schema, value)
  } catch (error) {
    return bury('message.malformed', (error as Error).message, 1)
  }
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      await options.handler(message, { ...delivery.meta, attempt })
      return true
    } catch (error) {
      if (signal.aborted) return false
      const known = Errors.find(error)
      if (!known?.retryable) return bury(known?.code ?? 'handler.failed', (error as Error)?.message ?? String(error), attempt)
      logger.warn({ code: known.code, err: error, attempt, topic: delivery.meta.topic, group: options.group }, 'record will be retried')
      await pause(Math.min(pauseFirstMs * 2 ** (attempt - 1), pauseMostMs), undefined, { signal }).catch(() => undefined)
    }
  }
  return false
}

/** Repeats a write until it succeeds or the consumer stops: a record must never vanish between its topic and the dead letters. */
async function persist(write: () => Promise<void>, signal: AbortSignal): Promise<boolean> {
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      await write()
      return true
    } catch {
      await pause(Math.min(pauseFirstMs * 2 ** (attempt - 1), pauseMostMs), undefined, { signal }).catch(() => undefined)
    }
  }
  return false
}

/** A record for a replay, or nothing when it is none of the schema's: its consumer has buried it and raised the alarm. */
export function readable<D extends DescMessage>(schema: D, value: Uint8Array): MessageShape<D> | undefined {
  try {
    return fromBinary(schema, value)
  } catch {
    return undefined
  }
}

/** Wire bytes of a message. */
export const bytesOf = toBinary

export const unavailable = (cause: unknown): AppError => new AppError('bus.unavailable', { retryable: true, cause })
