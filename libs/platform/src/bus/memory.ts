import { toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import type { Logger } from '../log/index.js'
import type { Bus, ConsumeOptions, Consumption, ReplayOptions } from './bus.js'
import { deliver, readable } from './deliver.js'
import { deadLetterTopic, poolOf, topicOf, topicPattern } from './route.js'

interface Record {
  value: Uint8Array
  timestampMs: number
}

/** What memory buses of one process share: topics and groups' offsets. One partition per topic. */
export class MemoryLog {
  readonly topics = new Map<string, Record[]>()
  /** `group topic` → next offset to hand out. */
  readonly offsets = new Map<string, number>()
  readonly wakers = new Set<() => void>()

  topic(name: string): Record[] {
    let found = this.topics.get(name)
    if (!found) this.topics.set(name, (found = []))
    return found
  }

  append(name: string, value: Uint8Array): void {
    this.topic(name).push({ value, timestampMs: Date.now() })
    for (const wake of this.wakers) wake()
  }
}

/** A bus in process memory: nothing survives a restart. Messages cross it as bytes, so it cannot behave better than Kafka. */
export class MemoryBus implements Bus {
  readonly #consumptions = new Set<Consumption>()

  constructor(
    readonly log: MemoryLog,
    readonly logger: Logger,
  ) {}

  async ensure(topics: readonly { schema: DescMessage; pool?: string }[]): Promise<void> {
    for (const { schema, pool } of topics) this.log.topic(topicOf(schema, pool))
  }

  async publish<D extends DescMessage>(schema: D, message: MessageShape<D>): Promise<void> {
    this.log.append(topicOf(schema, poolOf(message)), toBinary(schema, message))
  }

  async consume<D extends DescMessage>(options: ConsumeOptions<D>): Promise<Consumption> {
    const abort = new AbortController()
    const { inFlightBytesMax = Infinity } = options
    let [inFlight, inFlightBytes] = [0, 0]
    const matches = this.#matcher(options.schema, options.pool)
    const finished: (() => void)[] = []
    const pump = (): void => {
      if (abort.signal.aborted) return
      for (const [topic, records] of this.log.topics) {
        if (!matches(topic)) continue
        const cursor = `${options.group} ${topic}`
        if (!this.log.offsets.has(cursor)) this.log.offsets.set(cursor, options.from === 'latest' ? records.length : 0)
        while (inFlight < options.inFlightMax) {
          const offset = this.log.offsets.get(cursor) as number
          const record = records[offset]
          if (!record || (inFlight > 0 && inFlightBytes + record.value.length > inFlightBytesMax)) break
          this.log.offsets.set(cursor, offset + 1)
          inFlight++
          inFlightBytes += record.value.length
          void deliver({
            options,
            value: record.value,
            meta: { topic, partition: 0, offset: BigInt(offset), timestampMs: record.timestampMs },
            signal: abort.signal,
            logger: this.logger,
            bury: async (letter) => this.log.append(deadLetterTopic(topic), letter.value),
          }).finally(() => {
            inFlight--
            inFlightBytes -= record.value.length
            for (const tell of finished.splice(0)) tell()
            wake()
          })
        }
      }
    }
    const wake = (): void => void setImmediate(pump)
    this.log.wakers.add(wake)
    wake()
    const consumption: Consumption = {
      inFlight: () => inFlight,
      stop: async (drainMs) => {
        this.log.wakers.delete(wake)
        this.#consumptions.delete(consumption)
        const until = Date.now() + drainMs
        while (inFlight > 0 && Date.now() < until) {
          await Promise.race([new Promise<void>((done) => finished.push(done)), new Promise((done) => setTimeout(done, until - Date.now()))])
        }
        abort.abort()
      },
    }
    this.#consumptions.add(consumption)
    return consumption
  }

  async replay<D extends DescMessage>(options: ReplayOptions<D>): Promise<void> {
    const matches = this.#matcher(options.schema, options.pool)
    for (const [topic, records] of [...this.log.topics].filter(([name]) => matches(name))) {
      for (const [offset, record] of [...records.entries()]) {
        if (record.timestampMs < options.sinceMs) continue
        const message = readable(options.schema, record.value)
        if (message) await options.visit(message, { topic, partition: 0, offset: BigInt(offset), timestampMs: record.timestampMs })
      }
    }
  }

  async ping(): Promise<boolean> {
    return true
  }

  async close(): Promise<void> {
    await Promise.all([...this.#consumptions].map((consumption) => consumption.stop(0)))
  }

  #matcher(schema: DescMessage, pool: string | undefined): (topic: string) => boolean {
    if (pool !== '*') return (topic) => topic === topicOf(schema, pool)
    const pattern = topicPattern(schema)
    return (topic) => pattern.test(topic)
  }
}
