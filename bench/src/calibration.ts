import { Exact, Hex, Payment, Secp256k1 } from '@haca/core'
import { loadPrimitives, type Engine } from '@haca/platform/crypto'
import { randomBytes } from 'node:crypto'
import type { Figure } from './report.js'

const token = { address: '0x036CbD53842c5426634e7929541eC2318f3dCF7e' as Hex.Hex, name: 'USDC', version: '2', chainId: 84532 }

/** More payments than a process remembers signatures of. */
const payments = 5_000

/** How fast this machine is right now: EIP-3009 signatures verified per second by one thread, digest included. */
export async function calibrate({ seconds = 1, engine }: { seconds?: number; engine?: Engine } = {}): Promise<Figure> {
  const primitives = await loadPrimitives(engine)
  const separator = Payment.tokenSeparator(token)
  const key = randomBytes(32)
  const from = Secp256k1.addressOfKey(key)
  const signed = Array.from({ length: payments }, () => {
    const authorization: Exact.Authorization = { from, to: token.address, value: 1000n, validAfter: 0, validBefore: 2_000_000_000, nonce: Hex.fromBytes(randomBytes(32)) }
    return { authorization, signature: primitives.sign(Exact.digest(authorization, separator), key) }
  })
  const began = performance.now()
  let count = 0
  for (; performance.now() - began < seconds * 1_000; count++) {
    const { authorization, signature } = signed[count % payments] as (typeof signed)[number]
    primitives.recover(Exact.digest(authorization, separator, primitives.keccak256), signature)
  }
  return { metric: `calibration: payment signatures verified per second, one thread (${primitives.engine})`, value: (count / (performance.now() - began)) * 1_000, unit: '/s' }
}
