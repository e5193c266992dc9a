export { Books, eventually } from './books.js'
export { Caller, newWallet, requiredOf, signPayment, type Twist, type Wallet } from './payer.js'
export { digitBody, digits, expectedLabel, labelOf, samplesOf } from './samples.js'
export { fundedWallets } from './wallets.js'
