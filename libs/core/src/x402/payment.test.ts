import { privateKeyToAccount } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import * as Secp256k1 from '../secp256k1.js'
import type { Hex } from '../hex.js'
import * as Payment from './payment.js'

const payer = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const token: Payment.Token = { address: '0x036CbD53842c5426634e7929541eC2318f3dCF7e', name: 'USDC', version: '2', chainId: 84_532 }
const rules: Payment.Rules = { token, payTo: '0x209693Bc6afc0C5328bA36FaF03C514EF312287C' }
const separator = Payment.tokenSeparator(token)

async function signed() {
  const message = { from: payer.address, to: rules.payTo, value: 1000n, validAfter: 0n, validBefore: 2_000_000_000n, nonce: `0x${'ab'.repeat(32)}` as Hex }
  const signature = await payer.signTypedData({
    domain: { name: 'USDC', version: '2', chainId: 84_532, verifyingContract: token.address },
    primaryType: 'TransferWithAuthorization',
    types: {
      TransferWithAuthorization: [
        { name: 'from', type: 'address' },
        { name: 'to', type: 'address' },
        { name: 'value', type: 'uint256' },
        { name: 'validAfter', type: 'uint256' },
        { name: 'validBefore', type: 'uint256' },
        { name: 'nonce', type: 'bytes32' },
      ],
    },
    message,
  })
  return Payment.from({ ...message, validAfter: 0, validBefore: 2_000_000_000, signature }, { token: token.address, chainId: 84_532, flow: 'authorization' })
}
const verdict = (payment: Payment.Payment) => {
  const v = Payment.verify(payment, rules, separator, Secp256k1.portable)
  return v.ok ? 'ok' : v.reason
}

describe('payment in a message', () => {
  it('is believed only as far as its own bytes prove it', async () => {
    const payment = await signed()
    expect(verdict(payment)).toBe('ok')
    expect(verdict({ ...payment, chainId: 8453 })).toBe('payment.wrong-chain')
    expect(verdict({ ...payment, token: rules.payTo })).toBe('payment.wrong-token')
    expect(verdict({ ...payment, payTo: token.address })).toBe('payment.wrong-recipient')
    expect(verdict({ ...payment, paymentId: `0x${'00'.repeat(32)}` })).toBe('payment.wrong-id')
    expect(verdict({ ...payment, nonce: `0x${'cd'.repeat(32)}` })).toBe('payment.wrong-id')
    expect(verdict({ ...payment, amount: 1001n })).toBe('payment.wrong-signature')
    expect(verdict({ ...payment, validBefore: payment.validBefore + 1 })).toBe('payment.wrong-signature')
  })
})
