import {
  createPublicClient,
  createTestClient,
  encodeFunctionData,
  http,
  maxUint256,
  pad,
  parseEther,
  publicActions,
  walletActions,
  type Address,
  type EncodeFunctionDataParameters,
} from 'viem'
import {
  usdcDoubleAbi,
  usdcDoubleProxyRuntimeCode,
  usdcDoubleRuntimeCode,
  usdcDoubleSignaturesAddress,
  usdcDoubleSignaturesRuntimeCode,
} from './gen/contracts.js'

export interface LocalChainOptions {
  /** Accounts to hold at least `balanceAtomic` of the token afterwards. */
  readonly accounts: readonly Address[]
  /** Atomic units, 6 decimals. */
  readonly balanceAtomic: bigint
}

export interface LocalChain {
  readonly chainId: number
  readonly token: Address
  /** The token's EIP-712 domain, less chain and contract. */
  readonly domain: { readonly name: string; readonly version: string }
}

/** USDC on the chains that can be simulated: canonical address and EIP-712 name, as Circle deployed them. */
const usdc: Record<number, { readonly address: Address; readonly name: string }> = {
  84532: { address: '0x036CbD53842c5426634e7929541eC2318f3dCF7e', name: 'USDC' },
  8453: { address: '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913', name: 'USD Coin' },
}

// Slots keccak256("org.zeppelinos.proxy.implementation") and keccak256("org.zeppelinos.proxy.admin").
const implementationSlot = '0x7050c9e0f4ca769c69bd3a8ef740bc37934f8e2c036e5a723fd8ee048ed3f8c3'
const adminSlot = '0x10d6a54a4754c8869d6886b5f5d7fbfa5b4522237ea5c60d11bc4e7a1ff9390b'

// Last 20 bytes of keccak256("haca/local/usdc-…"): addresses no key opens.
const implementation: Address = '0x13ec9fcf9c1cc6bfadb65663cf4f6a4ffadd5f43'
const authority: Address = '0x516a2c4bd09eb221d3ca3380a8fa994980fb31e3'
const proxyAdmin: Address = '0x12194df85d033dea957db47017fb2aabf0051a2e'

/** Canonical address and EIP-712 domain of USDC on a chain id that can be simulated; throws for any other. */
export function usdcOf(chainId: number): Omit<LocalChain, 'chainId'> {
  const known = usdc[chainId]
  if (known === undefined) {
    throw new Error(`Chain id ${chainId} has no USDC double; it is one of ${Object.keys(usdc).join(', ')}`)
  }
  return { token: known.address, domain: { name: known.name, version: '2' } }
}

/**
 * Puts the USDC double at USDC's canonical address of an anvil chain and fills accounts up to a balance. Safe to
 * repeat. Throws on a chain that is not anvil, has another id, or has other code there (a fork of the real chain).
 */
export async function prepareLocalChain(rpcUrl: string, options: LocalChainOptions): Promise<LocalChain> {
  await requireAnvil(rpcUrl)
  const client = clientOf(rpcUrl)
  const chainId = await client.getChainId()
  const { token, domain } = usdcOf(chainId)

  if (!(await isDouble(client, token))) await etch(client, token)
  await initialize(client, token, domain.name)
  for (const account of options.accounts) {
    await fillUp(client, token, account, options.balanceAtomic)
  }
  return { chainId, token, domain }
}

type Client = ReturnType<typeof clientOf>

function clientOf(rpcUrl: string) {
  return createTestClient({ mode: 'anvil', transport: http(rpcUrl), pollingInterval: 50 })
    .extend(publicActions)
    .extend(walletActions)
}

async function requireAnvil(rpcUrl: string): Promise<void> {
  const version = await createPublicClient({ transport: http(rpcUrl) }).request({ method: 'web3_clientVersion' })
  if (!version.startsWith('anvil/')) {
    throw new Error(`${rpcUrl} is ${version}, not anvil: refusing to write code and balances there`)
  }
}

async function isDouble(client: Client, token: Address): Promise<boolean> {
  const code = await client.getCode({ address: token })
  if (code === undefined || code === '0x') return false
  if (code === usdcDoubleProxyRuntimeCode) return true
  throw new Error(`There is code at ${token} that is not the USDC double: refusing to overwrite it`)
}

/** The proxy comes last, so that a run that was cut short starts over. */
async function etch(client: Client, token: Address): Promise<void> {
  await client.setCode({ address: usdcDoubleSignaturesAddress, bytecode: usdcDoubleSignaturesRuntimeCode })
  await client.setCode({ address: implementation, bytecode: usdcDoubleRuntimeCode })
  await client.setStorageAt({ address: token, index: implementationSlot, value: pad(implementation) })
  await client.setStorageAt({ address: token, index: adminSlot, value: pad(proxyAdmin) })
  await client.setCode({ address: token, bytecode: usdcDoubleProxyRuntimeCode })
}

async function initialize(client: Client, token: Address, name: string): Promise<void> {
  await client.setBalance({ address: authority, value: parseEther('1000') })
  await client.impersonateAccount({ address: authority })
  const usdc = { address: token, abi: usdcDoubleAbi } as const
  if ((await client.readContract({ ...usdc, functionName: 'name' })) === '') {
    await mined(client, { ...usdc, functionName: 'initialize', args: [name, authority] })
  }
  if (!(await client.readContract({ ...usdc, functionName: 'isMinter', args: [authority] }))) {
    await mined(client, { ...usdc, functionName: 'configureMinter', args: [authority, maxUint256] })
  }
}

async function fillUp(client: Client, token: Address, account: Address, balanceAtomic: bigint): Promise<void> {
  const usdc = { address: token, abi: usdcDoubleAbi } as const
  const balance = await client.readContract({ ...usdc, functionName: 'balanceOf', args: [account] })
  if (balance >= balanceAtomic) return
  await mined(client, { ...usdc, functionName: 'mint', args: [account, balanceAtomic - balance] })
}

type AuthorityCall = Pick<EncodeFunctionDataParameters<typeof usdcDoubleAbi>, 'functionName' | 'args'>

/** Sends a call as the double's authority, whom anvil signs for. */
async function mined(client: Client, call: { address: Address } & AuthorityCall): Promise<void> {
  const data = encodeFunctionData({ abi: usdcDoubleAbi, ...call })
  const hash = await client.sendTransaction({ account: authority, chain: null, to: call.address, data })
  const { status } = await client.waitForTransactionReceipt({ hash })
  if (status !== 'success') throw new Error(`${call.functionName} on the USDC double at ${call.address} reverted`)
}
