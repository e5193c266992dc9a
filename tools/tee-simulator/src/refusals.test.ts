import { Hex, Receipt, Secp256k1 } from '@haca/core'
import { HARDWARE_VERIFIERS, Policy } from '@haca/core/tee'
import { PolicyBuilder } from '@haca/core/tee/testing'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

// The places where production refuses what is simulated (docs/adr/0017). Each stands alone: whoever removes one of them fails the test beside it,
// whatever the others do. The chain's own refusal is tested where the contracts are: TeeRegistry.t.sol and RefusedReceipts.t.sol.

const root = new URL('../../../', import.meta.url).pathname
const services = ['gateway', 'router', 'inference', 'prover', 'settler']
const manifestOf = (folder: string): { dependencies?: Record<string, string>; optionalDependencies?: Record<string, string> } =>
  JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as never

describe('production refuses simulated hardware', () => {
  it('1: no service reaches the simulator’s package, in its manifest or in its source', () => {
    for (const service of services) {
      const reached = new Set<string>()
      const walk = (folder: string): void => {
        const { dependencies, optionalDependencies } = manifestOf(folder)
        for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
          if (!name.startsWith('@haca/') || reached.has(name)) continue
          reached.add(name)
          walk({ '@haca/core': 'libs/core', '@haca/platform': 'libs/platform', '@haca/proto': 'proto', '@haca/contracts': 'contracts' }[name] ?? `services/${name.slice('@haca/'.length)}`)
        }
      }
      walk(`services/${service}`)
      expect([...reached], service).not.toContain('@haca/tee-simulator')
      for (const file of sources(join(root, 'services', service, 'src'))) {
        if (!file.endsWith('.test.ts')) expect(readFileSync(file, 'utf8'), file).not.toMatch(/tee-simulator|core\/tee\/testing/)
      }
    }
  })

  it('2: which kinds count is written in the prover’s production program, which has none for it, and no setting adds one', () => {
    const main = readFileSync(join(root, 'services/prover/src/main.ts'), 'utf8')
    expect(main).toContain("from './verifiers/production.js'")
    expect(main).not.toContain('development')
    expect(HARDWARE_VERIFIERS.map(({ kind }) => kind)).not.toContain('simulated')
    expect(readFileSync(join(root, 'services/prover/src/verifiers/production.ts'), 'utf8')).not.toMatch(/\bsimulated\b/)
  })

  it('3: a prover that would take a stored specimen does not start where money is real', async () => {
    const { acceptsSimulated } = (await import(join(root, 'services/prover/src/self-test.ts'))) as { acceptsSimulated(verifiers: unknown, crypto: unknown): Promise<boolean> }
    const { nodeCrypto } = await import('@haca/core/tee/node-crypto')
    const { verifiers: development } = (await import(join(root, 'services/prover/src/verifiers/development.ts'))) as { verifiers: unknown }
    expect(await acceptsSimulated(development, nodeCrypto()), 'the specimen is well made').toBe(true)
    expect(await acceptsSimulated(HARDWARE_VERIFIERS, nodeCrypto())).toBe(false)
    const composition = readFileSync(join(root, 'services/prover/src/prover.module.ts'), 'utf8')
    expect(composition).toMatch(/config\.profile === 'production' && \(await acceptsSimulated\(verifiers, crypto\)\)\) throw/)
  })

  it('4: a policy of the main network that mentions it does not parse', () => {
    const hardware = [{ id: 'sim', kind: 'simulated', products: ['*'], revocation: 'unchecked', maxKeyHours: 1 }]
    expect(() => Policy.decodePolicy(PolicyBuilder.encodePolicy(PolicyBuilder.policyJson({ network: 'mainnet', hardware })))).toThrow('policy-simulated-on-mainnet')
  })

  it('5: its receipts are signed under a domain of their own, which the real one does not recover', () => {
    const key = new Uint8Array(32).fill(7)
    const scope = { chainId: 8453, log: `0x${'11'.repeat(20)}` as Hex.Hex }
    const receipt = { ...Object.fromEntries(['requestId', 'offerHash', 'modelHash', 'requestHash', 'outputHash', 'evidenceId', 'statementHash', 'paymentId'].map((name) => [name, Hex.zero32])), node: Secp256k1.addressOfKey(key), payer: Secp256k1.addressOfKey(key), token: scope.log, price: 1n, policyEpoch: 1, issuedAt: 1, settleBy: 2, seq: 1, mode: 1, keyKind: Receipt.keyKinds.simulated } as unknown as Receipt.Receipt
    const signed = Receipt.sign(receipt, scope, key)
    expect(Receipt.isSigned(signed, scope)).toBe(true)
    expect(Receipt.domainName(Receipt.keyKinds.simulated)).toBe('HACA Simulated Receipt')
    expect(Receipt.isSigned({ ...signed, receipt: { ...receipt, keyKind: Receipt.keyKinds.tdx } }, scope)).toBe(false)
  })

  it('and a node that finds a simulator where its hardware should be does not serve', () => {
    const composition = readFileSync(join(root, 'services/inference/src/inference.module.ts'), 'utf8')
    expect(composition).toMatch(/refuseSimulation\(hardware, config\)/)
    expect(composition).toMatch(/profile === 'production' && kind === 'simulated'\) throw/)
  })
})

const sources = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).map((file) => join(folder, file))
