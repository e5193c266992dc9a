export { readConfig, shape, type ProverConfig } from './config.js'
export { compose, type Seams } from './prover.module.js'
