export * as Wire from './wire.js'
export { dialectOf, readBody, renderAnswer, tensorMessage } from './body.js'
export * as Fact from './fact.js'
