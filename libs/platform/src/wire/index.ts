export * as Wire from './wire.js'
export { readBody, renderAnswer, tensorMessage } from './body.js'
export * as Fact from './fact.js'
