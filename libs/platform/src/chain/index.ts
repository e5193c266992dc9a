export { createChain, type Chain } from './client.js'
export { TxSender, type Followed, type SendRequest, type TxSenderOptions } from './sender.js'
export type { StoredTx } from './tx-store.js'
