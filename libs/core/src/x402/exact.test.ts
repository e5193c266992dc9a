import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import { x402Facilitator } from '@x402/core/facilitator'
import { ExactEvmScheme } from '@x402/evm/exact/facilitator'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeFunctionResult, parseAbi } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import * as Exact from './exact.js'
import * as PaymentHeader from './header.js'

const payer = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const stranger = privateKeyToAccount(`0x${'22'.repeat(32)}`)
const now = 1_795_000_000
const requirements: PaymentRequirements = {
  scheme: 'exact',
  network: 'eip155:84532',
  amount: '1000',
  asset: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
  payTo: '0x209693Bc6afc0C5328bA36FaF03C514EF312287C',
  maxTimeoutSeconds: 300,
  extra: { name: 'USDC', version: '2' },
}
const types = {
  TransferWithAuthorization: [
    { name: 'from', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'validAfter', type: 'uint256' },
    { name: 'validBefore', type: 'uint256' },
    { name: 'nonce', type: 'bytes32' },
  ],
} as const

type Fields = { from: `0x${string}`; to: `0x${string}`; value: string; validAfter: string; validBefore: string; nonce: `0x${string}` }
const honest: Fields = {
  from: payer.address,
  to: requirements.payTo as `0x${string}`,
  value: '1000',
  validAfter: String(now - 600),
  validBefore: String(now + 300),
  nonce: `0x${'ab'.repeat(32)}`,
}

async function pay(fields: Partial<Fields> = {}, domain: Record<string, unknown> = {}, by = payer): Promise<PaymentPayload> {
  const authorization = { ...honest, ...fields }
  const signature = await by.signTypedData({
    domain: { name: 'USDC', version: '2', chainId: 84532, verifyingContract: requirements.asset as `0x${string}`, ...domain },
    types,
    primaryType: 'TransferWithAuthorization',
    message: { ...authorization, value: BigInt(authorization.value), validAfter: BigInt(authorization.validAfter), validBefore: BigInt(authorization.validBefore) },
  })
  return { x402Version: 2, accepted: requirements, payload: { signature, authorization } }
}

const verify = (payload: PaymentPayload) => Exact.verify(payload, { requirements, now, minRemainingSeconds: 6 })
const reasonOf = async (payload: PaymentPayload | Promise<PaymentPayload>) => {
  const verdict = verify(await payload)
  return verdict.ok ? 'ok' : verdict.reason
}

describe('exact payment', () => {
  it('accepts what an independent wallet signed', async () => {
    const verdict = verify(await pay())
    expect(verdict).toMatchObject({ ok: true, value: { from: payer.address, value: 1000n, validBefore: now + 300 } })
  })

  it('gives the reason of the specification for each fault', async () => {
    expect(await reasonOf(pay({ to: stranger.address }))).toBe('invalid_exact_evm_recipient_mismatch')
    expect(await reasonOf(pay({ value: '999' }))).toBe('invalid_exact_evm_payload_authorization_value_mismatch')
    expect(await reasonOf(pay({ value: '1001' }))).toBe('invalid_exact_evm_payload_authorization_value_mismatch')
    expect(await reasonOf(pay({ validBefore: String(now + 5) }))).toBe('invalid_exact_evm_payload_authorization_valid_before')
    expect(await reasonOf(pay({ validBefore: String(now + 6) }))).toBe('ok')
    expect(await reasonOf(pay({ validAfter: String(now + 1) }))).toBe('invalid_exact_evm_payload_authorization_valid_after')
    expect(await reasonOf(pay({}, { chainId: 8453 }))).toBe('invalid_exact_evm_signature')
    expect(await reasonOf(pay({}, { name: 'USD Coin' }))).toBe('invalid_exact_evm_signature')
    expect(await reasonOf(pay({}, {}, stranger))).toBe('invalid_exact_evm_signature')
    const payload = await pay()
    expect(await reasonOf({ ...payload, accepted: { ...requirements, scheme: 'upto' } })).toBe('invalid_exact_evm_scheme')
    expect(await reasonOf({ ...payload, accepted: { ...requirements, network: 'eip155:8453' } })).toBe('invalid_exact_evm_network_mismatch')
    expect(await reasonOf({ ...payload, payload: { permit2Authorization: {}, signature: '0x' } })).toBe('unsupported_payload_type')
  })

  it('refuses malformed fields by name before any cryptography', async () => {
    const payload = await pay()
    const broken = (change: Record<string, unknown>) => {
      const verdict = verify({ ...payload, payload: { ...payload.payload, authorization: { ...honest, ...change } } })
      return verdict.ok ? 'ok' : verdict.field
    }
    expect(broken({ nonce: '0x00' })).toBe('payload.authorization.nonce')
    expect(broken({ from: '0xZZ' })).toBe('payload.authorization.from')
    expect(broken({ value: '-1' })).toBe('payload.authorization.value')
    expect(broken({ value: 1000 })).toBe('payload.authorization.value')
    expect(broken({ value: (1n << 128n).toString() })).toBe('payload.authorization.value')
    expect(broken({ validBefore: '1e9' })).toBe('payload.authorization.validBefore')
    expect(broken({ validAfter: '01' })).toBe('payload.authorization.validAfter')
  })

  it('agrees with the official facilitator on random payments with one mutated field', async () => {
    const official = officialVerifier()
    const mutation = fc.oneof(
      fc.constant({}),
      fc.record({ value: fc.nat(2000).map(String) }),
      fc.record({ validBefore: fc.integer({ min: -20, max: 20 }).map((d) => String(now + d)) }),
      fc.record({ validAfter: fc.integer({ min: -20, max: 20 }).map((d) => String(now + d)) }),
      fc.record({ to: fc.constantFrom(stranger.address, requirements.payTo as `0x${string}`) }),
      fc.record({ nonce: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => `0x${Buffer.from(b).toString('hex')}` as const) }),
    )
    const tamper = fc.option(fc.constantFrom('from', 'to', 'value', 'validAfter', 'validBefore', 'nonce', 'signature'))
    let refused = 0
    await fc.assert(
      fc.asyncProperty(mutation, tamper, async (fields, field) => {
        const payload = await pay(fields as Partial<Fields>)
        if (field) tamperWith(payload, field)
        const theirs = await official(payload)
        const ours = verify(payload)
        expect(ours.ok ? 'ok' : ours.reason).toBe(theirs)
        if (!ours.ok) refused++
      }),
      { numRuns: 150 },
    )
    expect(refused).toBeGreaterThan(50)
  })

  it('is stricter than the official facilitator where the token is: v outside 27 and 28, and high s', async () => {
    const payload = await pay()
    const signature = payload.payload.signature as string
    const v = signature.slice(-2) === '1b' ? '00' : '01'
    expect(await reasonOf({ ...payload, payload: { ...payload.payload, signature: signature.slice(0, -2) + v } })).toBe('invalid_exact_evm_signature')
  })
})

describe('PAYMENT-SIGNATURE', () => {
  it('reads what it wrote', async () => {
    const payload = await pay()
    expect(PaymentHeader.decodePayment(PaymentHeader.encode(payload))).toEqual({ ok: true, value: payload })
  })

  it('refuses base64url, truncation, other versions, other JSON and oversize', async () => {
    const good = PaymentHeader.encode(await pay())
    const bad = [
      good.replace(/\+|\//g, '-').replace(/=+$/, ''),
      `${good.slice(0, 40)}-${good.slice(41)}`,
      good.slice(0, -3),
      btoa('{}'),
      btoa('null'),
      btoa('[]'),
      btoa('{"x402Version":2}'),
      btoa(JSON.stringify({ ...(await pay()), x402Version: 1 })),
      btoa('not json'),
      'A'.repeat(PaymentHeader.paymentCharactersMax + 4),
      '',
    ]
    for (const header of bad) expect(PaymentHeader.decodePayment(header), header.slice(0, 40)).toMatchObject({ ok: false, reason: 'malformed' })
  })

  it('never throws on arbitrary text', () => {
    fc.assert(fc.property(fc.string(), (text) => void PaymentHeader.decodePayment(text)))
    fc.assert(fc.property(fc.json(), (json) => void PaymentHeader.decodePayment(Buffer.from(json).toString('base64'))))
  })
})

function tamperWith(payload: PaymentPayload, field: string) {
  const body = payload.payload as { signature: string; authorization: Record<string, string> }
  const bump = (text: string) => (text.startsWith('0x') ? text.slice(0, 10) + (text[10] === '1' ? '2' : '1') + text.slice(11) : String(BigInt(text) + 1n))
  if (field === 'signature') body.signature = bump(body.signature)
  else body.authorization[field] = bump(body.authorization[field] as string).toLowerCase()
}

/** The official facilitator with a chain that knows only EOAs and lets every simulation pass, at our fixed time. */
function officialVerifier() {
  const abi = parseAbi(['function balanceOf(address) view returns (uint256)'])
  const signer = {
    getAddresses: () => [stranger.address],
    getCode: async ({ address }: { address: string }) => (address.toLowerCase() === requirements.asset.toLowerCase() ? '0x60' : '0x'),
    readContract: async () => encodeFunctionResult({ abi, functionName: 'balanceOf', result: 10n ** 12n }),
    verifyTypedData: async () => false,
    writeContract: async () => '0x' as const,
    sendTransaction: async () => '0x' as const,
    waitForTransactionReceipt: async () => ({ status: 'success' }),
  }
  const facilitator = new x402Facilitator().register('eip155:84532', new ExactEvmScheme(signer as never))
  return async (payload: PaymentPayload) => {
    const real = Date.now
    Date.now = () => now * 1000
    try {
      const answer = await facilitator.verify(payload, requirements)
      return answer.isValid ? 'ok' : answer.invalidReason
    } finally {
      Date.now = real
    }
  }
}
