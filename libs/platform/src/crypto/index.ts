export { loadPrimitives, type Engine, type Native } from './native.js'
