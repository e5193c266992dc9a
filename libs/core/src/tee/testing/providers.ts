import { webcrypto } from 'node:crypto'
import type { CryptoProvider } from '../crypto.js'
import { nodeCrypto } from '../node-crypto.js'
import { webCrypto } from '../web-crypto.js'

/** Both adapters of the crypto seam; every verifier test runs on each. */
export const PROVIDERS: readonly CryptoProvider[] = [nodeCrypto(), webCrypto(webcrypto.subtle)]
