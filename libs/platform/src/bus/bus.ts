import type { DescMessage, MessageShape } from '@bufbuild/protobuf'

/** Where a record stands on its topic. */
export interface Meta {
  topic: string
  partition: number
  offset: bigint
  /** Unix milliseconds, as the broker has it. */
  timestampMs: number
  /** 1 for the first delivery to this handler in this process. */
  attempt: number
}

export interface ConsumeOptions<D extends DescMessage> {
  /** Consumers of one group share the partitions. */
  group: string
  schema: D
  /** Which pool's topic, for schemas whose topic has a `{pool}`; `*` for all of them. */
  pool?: string
  /** Most records handed out and not finished; the bus stops reading beyond it. */
  inFlightMax: number
  /** Most bytes of such records, for those whose size a stranger chooses; one record is handed out whatever its size. Default: no limit. */
  inFlightBytesMax?: number
  /**
   * Least milliseconds between two readings of the log: what comes meanwhile is read together, which costs broker and reader a fraction. A record that
   * comes after a quiet moment does not wait. Default 10; longer where nobody waits for the outcome.
   */
  gatherMs?: number
  /** Where a group without a committed offset starts; default `earliest`. */
  from?: 'earliest' | 'latest'
  /**
   * Does the work for one record. Records run concurrently and in no promised order. Resolves: the record may be
   * committed. Throws a retryable AppError: it runs again after a pause. Throws anything else: the record goes to the
   * dead-letter topic with the reason, and an alarm.
   */
  handler(message: MessageShape<D>, meta: Meta): Promise<void>
}

export interface Consumption {
  /** Records handed out and not finished. */
  inFlight(): number
  /** Stops taking records, waits up to `drainMs` for those handed out, commits what is finished, leaves the group. */
  stop(drainMs: number): Promise<void>
}

export interface ReplayOptions<D extends DescMessage> {
  schema: D
  pool?: string
  /** Unix milliseconds: records older than this are skipped. */
  sinceMs: number
  visit(message: MessageShape<D>, meta: Omit<Meta, 'attempt'>): void | Promise<void>
}

/** Facts between services. The topic and the partition key are options of the message in proto/. */
export interface Bus {
  /** Makes the topics of schemas, or does nothing where they exist. */
  ensure(topics: readonly { schema: DescMessage; pool?: string }[]): Promise<void>
  /** Resolves when the record is durable (all in-sync replicas). Throws a retryable `bus.unavailable` when it may not be. */
  publish<D extends DescMessage>(schema: D, message: MessageShape<D>): Promise<void>
  consume<D extends DescMessage>(options: ConsumeOptions<D>): Promise<Consumption>
  /** Visits every record from `sinceMs` to the end as it was when the call began, in order per partition, without a lasting group; what cannot be read is left out. */
  replay<D extends DescMessage>(options: ReplayOptions<D>): Promise<void>
  /** Whether the brokers answer now. */
  ping(): Promise<boolean>
  close(): Promise<void>
}
