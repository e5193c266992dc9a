export { readConfig, shape, type RouterConfig } from './config.js'
export { type Seams } from './router.module.js'
export { routerService } from './service.js'
