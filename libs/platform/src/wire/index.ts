export * as Wire from './wire.js'
