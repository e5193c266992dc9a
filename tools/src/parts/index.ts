export { anvilPart, type AnvilOptions } from './anvil.js'
export { hasKafka, kafkaLibs, kafkaPart } from './kafka.js'
export { define, freePort, type Command, type Part } from './part.js'
export { redisPart } from './redis.js'
