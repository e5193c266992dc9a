import { toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import { AppError } from '@haca/core'
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs, { type Admin, type Consumer, type EachBatchPayload, type Kafka, type KafkaMessage, type Producer, type SASLOptions, type TopicMessages } from 'kafkajs'
import type { Logger } from '../log/index.js'
import type { Bus, ConsumeOptions, Consumption, ReplayOptions } from './bus.js'
import { deliver, readable, unavailable, type DeadLetter } from './deliver.js'
import { deadLetterTopic, keyOf, poolOf, retentionMs, topicOf, topicPattern } from './route.js'
import { Watermark } from './watermark.js'

export interface KafkaBusOptions {
  brokers: string[]
  clientId: string
  logger: Logger
  /** Partitions and replicas of topics made here. */
  partitions: number
  replicationFactor: number
  /** A member not heard of for longer loses its partitions. */
  sessionTimeoutMs: number
  ssl?: boolean
  sasl?: SASLOptions
}

const recordBytesMax = 4 << 20
/** Bytes for a record's key and what surrounds it. */
const recordHeadMax = 4_096
const batchRecordsMax = 500
/** Bytes of a topic's records in one send. The broker bounds not a record but what comes for a partition in one piece, which may be all of them. */
const batchBytesMax = 3 << 20
const commitEveryMs = 200
const replayTriesMax = 8
const gatherMs = 10

/**
 * The bus on Kafka, by kafkajs. Reading never waits for work: records go to their handlers at once, up to the limit in
 * flight, with heartbeats in between, and partitions are committed up to the lowest unfinished record.
 */
export class KafkaBus implements Bus {
  readonly #kafka: Kafka
  readonly #outbox = new Map<string, Pending[]>()
  readonly #consumptions = new Set<Consumption>()
  readonly #known = new Set<string>()
  #producer: Promise<Producer> | undefined
  #admin: Promise<Admin> | undefined
  #sending = false

  constructor(readonly options: KafkaBusOptions) {
    this.#kafka = new kafkajs.Kafka({
      clientId: options.clientId,
      brokers: options.brokers,
      connectionTimeout: 3_000,
      requestTimeout: 10_000,
      ...(options.ssl ? { ssl: true } : {}),
      ...(options.sasl ? { sasl: options.sasl } : {}),
      retry: { initialRetryTime: 100, maxRetryTime: 3_000, retries: 5 },
      logCreator: () => (entry) => logKafka(options.logger, entry),
    })
  }

  async ensure(topics: readonly { schema: DescMessage; pool?: string }[]): Promise<void> {
    const wanted = topics.flatMap(({ schema, pool }) => {
      const name = topicOf(schema, pool)
      return [this.#topicConfig(name, retentionMs(schema)), this.#topicConfig(deadLetterTopic(name), 7 * 24 * 3_600_000)]
    })
    for (let tries = 1; ; tries++) {
      const missing = wanted.filter((t) => !this.#known.has(t.topic))
      if (missing.length === 0) return
      try {
        const admin = await this.#connectedAdmin()
        const existing = new Set(await admin.listTopics())
        const absent = missing.filter((t) => !existing.has(t.topic))
        if (absent.length > 0) await admin.createTopics({ topics: absent, waitForLeaders: true })
        for (const t of missing) this.#known.add(t.topic)
      } catch (error) {
        // Several services make the same topics at start, and the broker may still be starting; whoever is second finds them there.
        if (tries >= 50) throw unavailable(error)
        this.options.logger.debug({ err: error, tries }, 'topics not made yet; trying again')
        await pause(200)
      }
    }
  }

  /** Records published while a send is on its way leave together with the next one. */
  publish<D extends DescMessage>(schema: D, message: MessageShape<D>): Promise<void> {
    const topic = topicOf(schema, poolOf(message))
    const value = Buffer.from(toBinary(schema, message))
    // No retry makes it smaller, and whatever leaves together with it would be refused too.
    if (value.length > recordBytesMax - recordHeadMax) return Promise.reject(new AppError('bus.record-too-large', { detail: `a record of ${value.length} bytes for ${topic}; the limit is ${recordBytesMax - recordHeadMax}` }))
    return this.#enqueue(topic, { key: keyOf(schema, message), value })
  }

  async consume<D extends DescMessage>(options: ConsumeOptions<D>): Promise<Consumption> {
    const consumer = this.#kafka.consumer({
      groupId: options.group,
      sessionTimeout: this.options.sessionTimeoutMs,
      heartbeatInterval: Math.floor(this.options.sessionTimeoutMs / 5),
      rebalanceTimeout: this.options.sessionTimeoutMs * 2,
      maxWaitTimeInMs: 500,
      metadataMaxAge: 10_000,
      retry: { initialRetryTime: 100, maxRetryTime: 3_000, retries: 10, restartOnFailure: async () => true },
    })
    const consumption = new KafkaConsumption(consumer, options, this.options.logger, (letter) => this.#bury(letter))
    await persistently(async () => {
      await consumer.connect()
      await consumer.subscribe({ topics: [options.pool === '*' ? topicPattern(options.schema) : topicOf(options.schema, options.pool)], fromBeginning: options.from !== 'latest' })
      await consumption.run()
    }, this.options.logger)
    this.#consumptions.add(consumption)
    return consumption
  }

  async replay<D extends DescMessage>(options: ReplayOptions<D>): Promise<void> {
    const admin = await this.#connectedAdmin()
    const pattern = options.pool === '*' ? topicPattern(options.schema) : undefined
    const topics = pattern ? (await admin.listTopics()).filter((t) => pattern.test(t)) : [topicOf(options.schema, options.pool)]
    const goals = new Map<string, { start: bigint; end: bigint }>()
    for (const topic of topics) {
      const ends = await admin.fetchTopicOffsets(topic)
      const starts = await admin.fetchTopicOffsetsByTimestamp(topic, options.sinceMs)
      for (const { partition, high, low } of ends) {
        const since = BigInt(starts.find((s) => s.partition === partition)?.offset ?? high)
        const start = since < BigInt(low) ? BigInt(low) : since
        if (start < BigInt(high)) goals.set(`${topic} ${partition}`, { start, end: BigInt(high) })
      }
    }
    for (let tries = 1; goals.size > 0; tries++) {
      let begun = false
      const visit: typeof options.visit = (message, meta) => ((begun = true), options.visit(message, meta))
      try {
        return await this.#readUpTo(new Map(goals), { ...options, visit })
      } catch (error) {
        // A group's coordinator may still be loading after its broker started. What was begun is the caller's to repeat.
        if (begun || tries >= replayTriesMax) throw error
        this.options.logger.debug({ err: error, tries }, 'replay not begun; trying again')
        await pause(200 * tries)
      }
    }
  }

  async ping(): Promise<boolean> {
    try {
      const admin = await this.#connectedAdmin()
      return (await admin.describeCluster()).brokers.length > 0
    } catch {
      return false
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#consumptions].map((consumption) => consumption.stop(0)))
    await (await this.#producer?.catch(() => undefined))?.disconnect()
    await (await this.#admin?.catch(() => undefined))?.disconnect()
  }

  #topicConfig(topic: string, retention: number) {
    return {
      topic,
      numPartitions: this.options.partitions,
      replicationFactor: this.options.replicationFactor,
      configEntries: [
        { name: 'retention.ms', value: String(retention) },
        { name: 'max.message.bytes', value: String(recordBytesMax) },
        ...(this.options.replicationFactor >= 3 ? [{ name: 'min.insync.replicas', value: '2' }] : []),
      ],
    }
  }

  #enqueue(topic: string, message: Pending['message']): Promise<void> {
    return new Promise((resolve, reject) => {
      const queue = this.#outbox.get(topic)
      const entry = { message, resolve, reject }
      if (queue) queue.push(entry)
      else this.#outbox.set(topic, [entry])
      if (!this.#sending) void this.#drain()
    })
  }

  async #drain(): Promise<void> {
    this.#sending = true
    await new Promise(setImmediate) // what is published in this turn of the loop leaves together
    try {
      while (this.#outbox.size > 0) {
        const leaving = this.#takeBatch()
        try {
          const producer = await this.#connectedProducer()
          const topicMessages: TopicMessages[] = leaving.map(([topic, entries]) => ({ topic, messages: entries.map((e) => e.message) }))
          await producer.sendBatch({ topicMessages, acks: -1, timeout: 10_000 })
          for (const [, entries] of leaving) for (const entry of entries) entry.resolve()
        } catch (error) {
          for (const [, entries] of leaving) for (const entry of entries) entry.reject(unavailable(error))
        }
      }
    } finally {
      this.#sending = false
    }
  }

  #takeBatch(): [string, Pending[]][] {
    return [...this.#outbox].map(([topic, entries]) => {
      const taken = entries.splice(0, countWithin(entries))
      if (entries.length === 0) this.#outbox.delete(topic)
      return [topic, taken]
    })
  }

  async #bury(letter: DeadLetter): Promise<void> {
    const producer = await this.#connectedProducer()
    await producer.send({
      topic: deadLetterTopic(letter.meta.topic),
      acks: -1,
      messages: [
        {
          value: Buffer.from(letter.value),
          headers: { reason: letter.reason, detail: letter.detail.slice(0, 500), partition: String(letter.meta.partition), offset: String(letter.meta.offset) },
        },
      ],
    })
  }

  async #readUpTo<D extends DescMessage>(goals: Map<string, { start: bigint; end: bigint }>, options: ReplayOptions<D>): Promise<void> {
    const groupId = `replay-${randomUUID()}`
    const consumer = this.#kafka.consumer({ groupId, sessionTimeout: this.options.sessionTimeoutMs, maxWaitTimeInMs: 200, allowAutoTopicCreation: false })
    let done!: () => void
    let fail!: (error: unknown) => void
    const finished = new Promise<void>((resolve, reject) => {
      done = resolve
      fail = reject
    })
    finished.catch(() => undefined) // a crash while it still begins is told by what did not begin
    const reached = (name: string, next: bigint): void => {
      const goal = goals.get(name)
      if (goal && next >= goal.end) goals.delete(name)
      if (goals.size === 0) done()
    }
    try {
      await consumer.connect()
      const starts = [...goals].map(([name, goal]) => ({ topic: name.split(' ')[0] as string, partition: Number(name.split(' ')[1]), offset: String(goal.start) }))
      await consumer.subscribe({ topics: [...new Set(starts.map((s) => s.topic))], fromBeginning: true })
      consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error))
      await consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch, heartbeat }) => {
          const name = `${batch.topic} ${batch.partition}`
          for (const record of batch.messages) {
            const goal = goals.get(name)
            const offset = BigInt(record.offset)
            if (!goal || offset >= goal.end) break
            if (offset < goal.start || !record.value) continue
            const message = readable(options.schema, record.value)
            if (message) await options.visit(message, { topic: batch.topic, partition: batch.partition, offset, timestampMs: Number(record.timestamp) })
          }
          reached(name, BigInt(batch.lastOffset()) + 1n)
          await heartbeat()
        },
      })
      for (const start of starts) consumer.seek(start)
      await finished
    } catch (error) {
      throw unavailable(error)
    } finally {
      await consumer.disconnect()
      const admin = await this.#connectedAdmin()
      await admin.deleteGroups([groupId]).catch(() => undefined) // an empty group expires by itself
    }
  }

  #connectedProducer(): Promise<Producer> {
    return (this.#producer ??= connected(this.#kafka.producer({ allowAutoTopicCreation: false, retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 8 } }), () => (this.#producer = undefined)))
  }

  #connectedAdmin(): Promise<Admin> {
    return (this.#admin ??= connected(this.#kafka.admin(), () => (this.#admin = undefined)))
  }
}

interface Pending {
  message: { key: Buffer; value: Buffer }
  resolve(): void
  reject(error: unknown): void
}

/** How many of the oldest leave together: at least one, which is alone when it is larger than what others may share. */
function countWithin(entries: readonly Pending[]): number {
  let bytes = 0
  for (const [i, { message }] of entries.entries()) {
    bytes += message.key.length + message.value.length
    if (i > 0 && (i === batchRecordsMax || bytes > batchBytesMax)) return i
  }
  return entries.length
}

/** One consumer group member: hands out records, tracks them, commits. */
class KafkaConsumption<D extends DescMessage> implements Consumption {
  readonly #watermarks = new Map<string, Watermark>()
  readonly #stopping = new AbortController()
  /** Replaced at each rebalance: what an earlier generation still works on may finish, but commits nothing. */
  #generation = new AbortController()
  #inFlight = 0
  #inFlightBytes = 0
  #capacity: (() => void)[] = []
  #committer: NodeJS.Timeout | undefined
  #committing: Promise<void> = Promise.resolve()

  constructor(
    readonly consumer: Consumer,
    readonly options: ConsumeOptions<D>,
    readonly logger: Logger,
    readonly bury: (letter: DeadLetter) => Promise<void>,
  ) {}

  async run(): Promise<void> {
    this.consumer.on(this.consumer.events.GROUP_JOIN, () => this.#newGeneration())
    await this.consumer.run({ autoCommit: false, partitionsConsumedConcurrently: 4, eachBatch: (payload) => this.#take(payload) })
    this.#committer ??= setInterval(() => void this.#commit(), commitEveryMs)
  }

  inFlight(): number {
    return this.#inFlight
  }

  async stop(drainMs: number): Promise<void> {
    if (this.#stopping.signal.aborted) return
    this.#stopping.abort()
    clearInterval(this.#committer)
    const until = Date.now() + drainMs
    while (this.#inFlight > 0 && Date.now() < until) await pause(20)
    await this.#commit()
    this.#generation.abort()
    await this.consumer.disconnect()
  }

  async #take({ batch, heartbeat, isRunning, isStale }: EachBatchPayload): Promise<void> {
    for (const record of batch.messages) {
      while (!this.#hasRoom(record) && !this.#stopping.signal.aborted) {
        await Promise.race([new Promise<void>((free) => this.#capacity.push(free)), pause(1_000)])
        await heartbeat()
      }
      if (this.#stopping.signal.aborted || !isRunning() || isStale()) return
      this.#handOut(batch.topic, batch.partition, record)
    }
    await pause(this.options.gatherMs ?? gatherMs)
    await heartbeat()
  }

  #hasRoom({ value }: KafkaMessage): boolean {
    const { inFlightMax, inFlightBytesMax = Infinity } = this.options
    return this.#inFlight === 0 || (this.#inFlight < inFlightMax && this.#inFlightBytes + (value?.length ?? 0) <= inFlightBytesMax)
  }

  #handOut(topic: string, partition: number, record: KafkaMessage): void {
    const name = `${topic} ${partition}`
    const offset = BigInt(record.offset)
    let watermark = this.#watermarks.get(name)
    if (!watermark) this.#watermarks.set(name, (watermark = new Watermark()))
    watermark.begin(offset)
    const value = record.value ?? new Uint8Array(0)
    this.#inFlight++
    this.#inFlightBytes += value.length
    void deliver({
      options: this.options,
      value,
      meta: { topic, partition, offset, timestampMs: Number(record.timestamp) },
      signal: this.#generation.signal,
      logger: this.logger,
      bury: this.bury,
    }).then((finished) => {
      if (finished) watermark.finish(offset)
      this.#inFlight--
      this.#inFlightBytes -= value.length
      for (const free of this.#capacity.splice(0)) free()
    })
  }

  #newGeneration(): void {
    this.#generation.abort()
    this.#generation = new AbortController()
    this.#watermarks.clear()
  }

  #commit(): Promise<void> {
    return (this.#committing = this.#committing.then(async () => {
      const moved = [...this.#watermarks].flatMap(([name, watermark]) => {
        const offset = watermark.advance()
        return offset === undefined ? [] : [{ name, watermark, offset }]
      })
      if (moved.length === 0) return
      try {
        await this.consumer.commitOffsets(moved.map(({ name, offset }) => ({ topic: name.split(' ')[0] as string, partition: Number(name.split(' ')[1]), offset: String(offset) })))
        for (const { watermark, offset } of moved) watermark.committed(offset)
      } catch (error) {
        // A rebalance or a broker away: the records come again, and every handler absorbs that.
        this.logger.debug({ err: error, group: this.options.group }, 'offsets not committed')
      }
    }))
  }
}

async function connected<C extends { connect(): Promise<void> }>(client: C, forget: () => void): Promise<C> {
  try {
    await client.connect()
    return client
  } catch (error) {
    forget()
    throw unavailable(error)
  }
}

/** Start-up waits for brokers that are still starting; it says so and goes on. */
async function persistently(attempt: () => Promise<void>, logger: Logger): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (tries >= 30) throw unavailable(error)
      logger.warn({ err: error, tries }, 'kafka is not ready; trying again')
      await pause(1_000)
    }
  }
}

function logKafka(logger: Logger, { level, log }: { level: number; log: { message: string; [field: string]: unknown } }): void {
  const { message, timestamp: _timestamp, logger: _name, ...fields } = log
  // kafkajs logs as errors what it retries by itself; what it gives up on reaches us as an exception.
  logger.debug({ kafka: message, level, ...fields }, 'kafka client message')
}
