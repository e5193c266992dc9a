export { startAnvil, type AnvilOptions } from './anvil.js'
export { hasKafka, kafkaLibs, startKafka } from './kafka.js'
export { define, freePort, launch, type Command, type Part } from './part.js'
export { startRedis } from './redis.js'
