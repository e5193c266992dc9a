export { loadPrimitives, type Native } from './native.js'
