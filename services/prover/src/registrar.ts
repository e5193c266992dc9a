import { teeRegistryAbi } from '@haca/contracts'
import { AppError, type Hex } from '@haca/core'
import type { TxSender } from '@haca/platform/chain'
import { encodeFunctionData } from 'viem'
import type { Registrar, Registration } from './ports.js'

const gas = 250_000n

/** Registers keys by transactions of the registrar's key. */
export class ChainRegistrar implements Registrar {
  readonly #underway = new Map<string, Promise<void>>()

  constructor(
    readonly sender: TxSender,
    readonly registry: Hex.Hex,
  ) {}

  register({ node, keyKind, imageId, evidenceId, notBefore, notAfter }: Registration): Promise<void> {
    const args = [node, this.sender.address, keyKind, imageId, evidenceId, BigInt(notBefore), BigInt(notAfter)] as const
    return this.#once(`register-key ${node}`, encodeFunctionData({ abi: teeRegistryAbi, functionName: 'registerKey', args }))
  }

  retire(node: Hex.Hex): Promise<void> {
    return this.#once(`retire-key ${node}`, encodeFunctionData({ abi: teeRegistryAbi, functionName: 'retireKey', args: [node] }))
  }

  /** One transaction per wish at a time; who asks meanwhile waits for the same one. */
  #once(note: string, data: Hex.Hex): Promise<void> {
    let underway = this.#underway.get(note)
    if (!underway) {
      underway = this.#send(note, data).finally(() => this.#underway.delete(note))
      this.#underway.set(note, underway)
    }
    return underway
  }

  async #send(note: string, data: Hex.Hex): Promise<void> {
    const { ended } = await this.sender.send({ to: this.registry, data, gas, note })
    const end = await ended
    // Whatever ended it, the next try begins by asking the registry, which is the truth.
    if (end.outcome !== 'final' || end.receipt.status !== 'success') throw new AppError('registration.failed', { retryable: true, detail: note })
  }
}
