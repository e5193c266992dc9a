export type { Bus, Consumption, ConsumeOptions, Meta, ReplayOptions } from './bus.js'
export { deadLetterTopic, keyOf, retentionMs, topicOf, topicPattern } from './route.js'
export { KafkaBus, type KafkaBusOptions } from './kafka.js'
export { MemoryBus, MemoryLog } from './memory.js'
