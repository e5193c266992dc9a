import type { Hex } from '@haca/core'
import { digitBody, expectedLabel, labelOf, requiredOf, signPayment, Caller, type Books, type Stack, type Wallet } from '@haca/tools'
import { onLines } from '../load.js'

/** One call of the load: a payment that was signed beforehand, and what came of it. */
export interface Call {
  index: number
  body: string
  header: string
  paymentId: Hex.Hex
  amount: bigint
  requestId?: Hex.Hex
  latencyMs: number
}

/** Signs one payment per call, so that the clock does not measure the callers. All bodies have one row, so one offer is good for all. */
export async function prepare(stack: Stack, books: Books, wallets: readonly Wallet[], count: number): Promise<Call[]> {
  const required = requiredOf(await new Caller(stack.gateway.http).infer(digitBody(0)))
  return Array.from({ length: count }, (_, index) => {
    const wallet = wallets[index % wallets.length] as Wallet
    const { header, authorization } = signPayment(required, wallet)
    return { index, body: digitBody(index), header, paymentId: books.paymentId(wallet.address, authorization.nonce), amount: authorization.value, latencyMs: 0 }
  })
}

/** Sends every call once, `atOnce` at a time. Throws when one is not answered, or with the wrong label. */
export async function send(stack: Stack, calls: readonly Call[], atOnce: number): Promise<void> {
  const queue = calls.values()
  await onLines(Number(new URL(stack.gateway.http).port), atOnce, async (line) => {
    for (const call of queue) {
      const began = performance.now()
      const { status, header, body } = await line.post('/v1/inference', call.body, { 'payment-signature': call.header })
      call.latencyMs = performance.now() - began
      if (status !== 200) throw new Error(`call ${call.index} was answered ${status}: ${body.slice(0, 300)}`)
      if (labelOf(body) !== expectedLabel(call.index)) throw new Error(`call ${call.index} got another label than the model gives`)
      call.requestId = header('haca-request-id') as Hex.Hex
    }
  })
}
