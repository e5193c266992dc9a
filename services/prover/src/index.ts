export { readConfig, shape, type ProverConfig } from './config.js'
export { type Seams } from './prover.module.js'
export { proverService } from './service.js'
