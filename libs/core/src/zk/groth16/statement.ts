import { keccak_256 } from '@noble/hashes/sha3.js'
import * as Abi from '../../abi.js'
import * as Hex from '../../hex.js'

/** Digest of a proof's public signals: what a receipt binds, so that only this statement can spend the request. */
export const statementHash = (signals: readonly bigint[]): Hex.Hex => Hex.fromBytes(keccak_256(Abi.concat(signals.map(Abi.word))))

/** What a request's proof is for, besides its statement. */
export interface ContextScope {
  chainId: bigint | number
  /** SettlementLog that the receipt is anchored in. */
  settlementLog: Hex.Hex
  requestId: Hex.Hex
  modelHash: Hex.Hex
}

/**
 * The request context: a circuit's last public signal. It stands in no constraint and is bound all the same, because the
 * set-up has a row for every public signal. The last byte is dropped, so that it is below the group order.
 */
export function context({ chainId, settlementLog, requestId, modelHash }: ContextScope): bigint {
  const encoded = Abi.encode([
    { type: 'string', value: 'haca/zk-context/1' },
    { type: 'uint', value: chainId },
    { type: 'address', value: Hex.fromBytes(Hex.toBytes(settlementLog, 20)) },
    { type: 'bytes32', value: Hex.fromBytes(Hex.toBytes(requestId, 32)) },
    { type: 'bytes32', value: Hex.fromBytes(Hex.toBytes(modelHash, 32)) },
  ])
  return BigInt(Hex.fromBytes(keccak_256(encoded))) >> 8n
}
