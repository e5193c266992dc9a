import { describe, expect, it } from 'vitest'
import { readConfig } from './deploy.js'

const account = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const complete = {
  DEPLOY_RPC_URL: 'http://127.0.0.1:8545',
  DEPLOY_CHAIN_ID: '84532',
  DEPLOY_PRIVATE_KEY: `0x${'11'.repeat(32)}`,
  DEPLOY_ADMIN: account,
  DEPLOY_ADMIN_DELAY_SECONDS: '172800',
  DEPLOY_SETTLER: account,
  DEPLOY_REGISTRAR: account,
  DEPLOY_GUARDIAN: account,
  DEPLOY_SIMULATED_ALLOWED: 'false',
  DEPLOY_ROOT_DELAY_SECONDS: '86400',
  DEPLOY_TOKEN: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
  DEPLOY_GOVERNANCE_TOKEN: '0xFbC2051AE2265686a469421b2C5A2D5462FbF5eB',
}

describe('readConfig', () => {
  it('reads a complete environment', () => {
    expect(readConfig(complete)).toEqual({
      rpcUrl: 'http://127.0.0.1:8545',
      chainId: 84532,
      privateKey: complete.DEPLOY_PRIVATE_KEY,
      addressBookPath: undefined,
      options: {
        admin: account,
        adminDelaySeconds: 172_800,
        settler: account,
        registrar: account,
        guardian: account,
        simulatedAllowed: false,
        rootDelaySeconds: 86_400,
        token: complete.DEPLOY_TOKEN,
        governanceToken: complete.DEPLOY_GOVERNANCE_TOKEN,
        label: '',
      },
    })
  })

  it.each(Object.keys(complete))('has no default for %s', (name) => {
    expect(() => readConfig({ ...complete, [name]: undefined })).toThrow(`${name} is missing`)
    expect(() => readConfig({ ...complete, [name]: '' })).toThrow(`${name} is missing`)
  })

  it('lets only a deployment for simulated keys leave the governance token out', () => {
    const { DEPLOY_GOVERNANCE_TOKEN: _, ...without } = complete
    const local = readConfig({ ...without, DEPLOY_SIMULATED_ALLOWED: 'true' })
    expect(local.options.governanceToken).toBeUndefined()
    const named = readConfig({ ...complete, DEPLOY_SIMULATED_ALLOWED: 'true' })
    expect(named.options.governanceToken).toBe(complete.DEPLOY_GOVERNANCE_TOKEN)
  })

  it('leaves delays to who deploys for simulated keys', () => {
    const local = readConfig({ ...complete, DEPLOY_SIMULATED_ALLOWED: 'true', DEPLOY_ADMIN_DELAY_SECONDS: '0', DEPLOY_ROOT_DELAY_SECONDS: '0' })
    expect(local.options).toMatchObject({ adminDelaySeconds: 0, rootDelaySeconds: 0 })
  })

  it('names every problem at once and repeats no secret', () => {
    const problems = errorOf(() => readConfig({}))
    for (const name of Object.keys(complete)) expect(problems).toContain(name)
    const secret = 'not-a-key-but-still-nobodys-business'
    expect(errorOf(() => readConfig({ ...complete, DEPLOY_PRIVATE_KEY: secret }))).not.toContain(secret)
  })

  it.each([
    ['DEPLOY_RPC_URL', 'ws://127.0.0.1:8545'],
    ['DEPLOY_RPC_URL', 'http://'],
    ['DEPLOY_CHAIN_ID', '0x14a34'],
    ['DEPLOY_CHAIN_ID', '-1'],
    ['DEPLOY_ADMIN_DELAY_SECONDS', '172799'],
    ['DEPLOY_ROOT_DELAY_SECONDS', '0'],
    ['DEPLOY_ROOT_DELAY_SECONDS', '86399'],
    ['DEPLOY_ROOT_DELAY_SECONDS', '1.5'],
    ['DEPLOY_ROOT_DELAY_SECONDS', '1e99'],
    ['DEPLOY_PRIVATE_KEY', `0x${'11'.repeat(31)}`],
    ['DEPLOY_PRIVATE_KEY', '11'.repeat(32)],
    ['DEPLOY_ADMIN', '0x70997970C51812dc3A010C7d01b50e0d17dc79c8'],
    ['DEPLOY_SETTLER', 'settler.eth'],
    ['DEPLOY_GOVERNANCE_TOKEN', 'OPG'],
    ['DEPLOY_SIMULATED_ALLOWED', 'yes'],
    ['DEPLOY_SIMULATED_ALLOWED', 'TRUE'],
  ])('refuses %s = %s', (name, value) => {
    expect(() => readConfig({ ...complete, [name]: value })).toThrow(`${name} is not`)
  })
})

function errorOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return String(error)
  }
  throw new Error('nothing was thrown')
}
