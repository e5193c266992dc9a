import { Exact, Hex, Payment, Secp256k1 } from '@haca/core'
import type { Network } from './network.js'

/** Whoever holds the payer's key. `privateKeySigner` is one; a wallet that signs EIP-712 typed data is another. */
export interface PaymentSigner {
  address: Hex.Hex
  /** Signs an EIP-3009 `TransferWithAuthorization` under the token's domain: r ‖ s ‖ v, 65 bytes. */
  sign(authorization: Exact.Authorization, token: Network['token'], chainId: number): Promise<Hex.Hex>
}

/** A signer in this process, from 32 bytes of private key. */
export function privateKeySigner(privateKey: Hex.Hex): PaymentSigner {
  const key = Hex.toBytes(privateKey, 32)
  return {
    address: Secp256k1.addressOfKey(key),
    sign: async (authorization, token, chainId) => {
      const separator = Payment.tokenSeparator({ ...token, chainId })
      return Hex.fromBytes(Secp256k1.sign(Exact.digest(authorization, separator), key))
    },
  }
}

/** The part of a viem account, or of a wallet client bound to one, that is needed. */
export interface TypedDataAccount {
  address: Hex.Hex
  signTypedData(data: never): Promise<Hex.Hex>
}

/** A signer on anything that signs EIP-712 typed data as viem accounts do. */
export const accountSigner = (account: TypedDataAccount): PaymentSigner => ({
  address: account.address,
  sign: (authorization, token, chainId) =>
    account.signTypedData({
      domain: { name: token.name, version: token.version, chainId, verifyingContract: token.address },
      types: { TransferWithAuthorization: fields.map(([type, name]) => ({ type, name })) },
      primaryType: 'TransferWithAuthorization',
      message: { ...authorization, validAfter: BigInt(authorization.validAfter), validBefore: BigInt(authorization.validBefore) },
    } as never),
})

const fields = [
  ['address', 'from'],
  ['address', 'to'],
  ['uint256', 'value'],
  ['uint256', 'validAfter'],
  ['uint256', 'validBefore'],
  ['bytes32', 'nonce'],
] as const
