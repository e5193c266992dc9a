export { readConfig, shape, type RouterConfig } from './config.js'
export { compose, type Seams } from './router.module.js'
