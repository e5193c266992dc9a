export { readConfig, shape, type InferenceConfig } from './config.js'
export { compose, type Seams } from './inference.module.js'
