export * from './callers/index.js'
export * from './parts/index.js'
export { root } from './root.js'
export * from './stack/index.js'
