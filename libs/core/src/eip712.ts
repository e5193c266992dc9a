import { utf8ToBytes } from '@noble/hashes/utils.js'
import * as Abi from './abi.js'
import type { Hex } from './hex.js'
import { portable, type Primitives } from './secp256k1.js'

/** EIP-712 domain. Contracts and ERC-20 tokens name themselves; x402 offers have no contract. */
export interface Domain {
  name: string
  version: string
  chainId: number
  verifyingContract?: Hex
}

type Keccak = Primitives['keccak256']

const domainFields = 'string name,string version,uint256 chainId'

/** keccak256 of a UTF-8 text, as EIP-712 encodes strings and type strings. */
export const hashText = (text: string, keccak256: Keccak = portable.keccak256): Uint8Array => keccak256(utf8ToBytes(text))

/** Separators by domain: constants of a deployment, asked for with every message. */
const separators = new Map<string, Uint8Array>()
const separatorsMax = 10_000

/** `hashStruct(EIP712Domain)`: 32 bytes. */
export function separator(domain: Domain): Uint8Array {
  const key = JSON.stringify([domain.name, domain.version, domain.chainId, domain.verifyingContract?.toLowerCase()])
  let found = separators.get(key)
  if (!found) {
    if (separators.size >= separatorsMax) separators.clear()
    separators.set(key, (found = hashDomain(domain)))
  }
  return found
}

function hashDomain({ name, version, chainId, verifyingContract }: Domain): Uint8Array {
  return portable.keccak256(
    Abi.concat([
      hashText(`EIP712Domain(${domainFields}${verifyingContract ? ',address verifyingContract' : ''})`),
      hashText(name),
      hashText(version),
      Abi.word(chainId),
      ...(verifyingContract ? [Abi.padded(verifyingContract)] : []),
    ]),
  )
}

/** `keccak256("\x19\x01" ‖ domainSeparator ‖ hashStruct(message))`: the 32 bytes that are signed. */
export function digest(domainSeparator: Uint8Array, structHash: Uint8Array, keccak256: Keccak = portable.keccak256): Uint8Array {
  const preimage = new Uint8Array(66)
  preimage[0] = 0x19
  preimage[1] = 0x01
  preimage.set(domainSeparator, 2)
  preimage.set(structHash, 34)
  return keccak256(preimage)
}
