export { readConfig, shape, type SettlerConfig } from './config.js'
export { type Seams } from './settler.module.js'
export { settlerService } from './service.js'
