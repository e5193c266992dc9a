export type { Bundle } from './bundle.js'
export { names, type Claim, type Claims, type Name, type Status } from './claims.js'
export { verify, type ChainReader, type Report, type Subject, type Trust } from './verify.js'
