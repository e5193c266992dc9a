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

/** `hashStruct(EIP712Domain)`: 32 bytes. Constant per deployment; compute it once. */
export function separator(domain: Domain, keccak256: Keccak = portable.keccak256): Uint8Array {
  const contract = domain.verifyingContract
  return keccak256(
    Abi.concat([
      hashText(`EIP712Domain(${domainFields}${contract ? ',address verifyingContract' : ''})`, keccak256),
      hashText(domain.name, keccak256),
      hashText(domain.version, keccak256),
      Abi.word(domain.chainId),
      ...(contract ? [Abi.padded(contract)] : []),
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
