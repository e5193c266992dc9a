export { readConfig, shape, type SettlerConfig } from './config.js'
export { compose, type Seams } from './settler.module.js'
