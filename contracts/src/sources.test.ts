import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as contracts from './index.js'
import { Contradiction, EntryKind, Outcome, PaymentState, ProofRefusal, SetupKind, Validity, VoidReason } from './index.js'

const solidity = new Map(read(new URL('./', import.meta.url)))
const tests = [...read(new URL('../test/', import.meta.url))].map(([, text]) => text).join('\n')

describe('enums', () => {
  it.each([
    ['Validity', 'TeeRegistry.sol', Validity],
    ['VoidReason', 'SettlementLog.sol', VoidReason],
    ['Contradiction', 'SettlementLog.sol', Contradiction],
    ['EntryKind', 'PolicyRegistry.sol', EntryKind],
    ['ProofRefusal', 'ProofLedger.sol', ProofRefusal],
    ['SetupKind', 'libraries/VerificationKey.sol', SetupKind],
    ['PaymentState', 'RevenueVault.sol', PaymentState],
    ['Outcome', 'PaymentBatcher.sol', Outcome],
  ])('%s has the members and the order of %s', (name, file, members) => {
    const body = new RegExp(`enum ${name} \\{([^}]*)\\}`).exec(solidity.get(file) ?? '')?.[1] ?? ''
    const declared = body
      .replace(/\/\/\/.*/g, '')
      .split(',')
      .map((member) => member.trim())
      .filter((member) => member !== '')
    expect(declared.length).toBeGreaterThan(1)
    expect(Object.entries(members)).toEqual(declared.map((member, index) => [member, index]))
  })
})

describe('custom errors', () => {
  const declared = [...solidity].flatMap(([file, text]) =>
    [...text.matchAll(/^ {2}error (\w+)\(/gm)].map(([, error]) => [file.replace('.sol', ''), error ?? ''] as const),
  )

  it('are found in the sources', () => expect(declared.length).toBeGreaterThan(50))

  it.each(declared)('%s.%s is reached by a forge test', (contract, error) => {
    expect(tests).toContain(`${contract}.${error}.selector`)
  })
})

it('exports an ABI and code for everything that is deployed', () => {
  const deployed = [
    ...['teeRegistry', 'settlementLog', 'revenueVault', 'paymentBatcher', 'modelRegistry'],
    ...['verificationKeyRegistry', 'groth16Verifier', 'verifierRouter', 'proofLedger'],
    ...['policyRegistry', 'policyGovernor', 'localOpg'],
  ]
  for (const name of deployed) {
    expect(Reflect.get(contracts, `${name}Abi`)).toBeInstanceOf(Array)
    expect(Reflect.get(contracts, `${name}Bytecode`)).toMatch(/^0x[0-9a-f]+$/)
  }
})

function* read(folder: URL): Generator<[string, string]> {
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (entry.endsWith('.sol')) yield [entry, readFileSync(new URL(entry, folder), 'utf8')]
  }
}
