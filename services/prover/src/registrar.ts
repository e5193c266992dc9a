import { teeRegistryAbi } from '@haca/contracts'
import { AppError, Hex } from '@haca/core'
import type { TxSender } from '@haca/platform/chain'
import { encodeFunctionData } from 'viem'
import type { Registrar } from './ports.js'

const gas = 250_000n

/** Registers keys by transactions of the registrar's key. */
export class ChainRegistrar implements Registrar {
  readonly #underway = new Map<string, Promise<void>>()

  constructor(
    readonly sender: TxSender,
    readonly registry: Hex.Hex,
  ) {}

  /** One transaction per key at a time; who asks meanwhile waits for the same one. */
  register(key: { node: Hex.Hex; keyKind: number; evidenceId: Hex.Hex; notBefore: number; notAfter: number }): Promise<void> {
    let underway = this.#underway.get(key.node)
    if (!underway) {
      underway = this.#send(key).finally(() => this.#underway.delete(key.node))
      this.#underway.set(key.node, underway)
    }
    return underway
  }

  async #send(key: { node: Hex.Hex; keyKind: number; evidenceId: Hex.Hex; notBefore: number; notAfter: number }): Promise<void> {
    const data = encodeFunctionData({
      abi: teeRegistryAbi,
      functionName: 'registerKey',
      args: [key.node, this.sender.address, key.keyKind, Hex.zero32, key.evidenceId, BigInt(key.notBefore), BigInt(key.notAfter)],
    })
    const { ended } = await this.sender.send({ to: this.registry, data, gas, note: `register-key ${key.node}` })
    const end = await ended
    // Whatever ended it, the next try begins by asking the registry, which is the truth.
    if (end.outcome !== 'final' || end.receipt.status !== 'success') throw new AppError('registration.failed', { retryable: true })
  }
}
