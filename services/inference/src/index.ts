export { readConfig, shape, type InferenceConfig } from './config.js'
export { type Seams } from './inference.module.js'
export { inferenceService } from './service.js'
