export { readConfig, shape, type GatewayConfig } from './config.js'
export { MemoryClaims } from './claims/memory.js'
export { type Seams } from './gateway.module.js'
export { gatewayService } from './service.js'
