export * from './load.js'
export { Secret } from './secret.js'
export * from './service.js'
