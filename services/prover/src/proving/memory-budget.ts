import { AppError } from '@haca/core'

/** Something that holds memory and can give it back. */
export interface Tenant {
  readonly bytes: number
  /** Whether it does nothing right now, so that evicting it loses nothing but warmth. */
  idle(): boolean
  evict(): void
}

/** Says what may be started so that all that runs fits one budget; the longest unused gives way. */
export class MemoryBudget {
  /** Least recently used first. */
  readonly #tenants = new Set<Tenant>()

  constructor(readonly bytes: number) {}

  /** Evicts until so much more fits. Throws `prover.memory-exceeded` for what never fits, and the retryable `prover.memory-busy` for what does not fit now. */
  makeRoom(bytes: number): void {
    if (bytes > this.bytes) throw new AppError('prover.memory-exceeded', { detail: `the key needs ${bytes} bytes, and the budget is ${this.bytes}` })
    for (const tenant of [...this.#tenants]) {
      if (this.used() + bytes <= this.bytes) return
      if (tenant.idle()) {
        this.#tenants.delete(tenant)
        tenant.evict()
      }
    }
    if (this.used() + bytes > this.bytes) throw new AppError('prover.memory-busy', { retryable: true, detail: 'other proofs hold the memory' })
  }

  add(tenant: Tenant): void {
    this.#tenants.add(tenant)
  }

  /** Moves a tenant to where it is evicted last. */
  touch(tenant: Tenant): void {
    if (this.#tenants.delete(tenant)) this.#tenants.add(tenant)
  }

  release(tenant: Tenant): void {
    this.#tenants.delete(tenant)
  }

  used(): number {
    return [...this.#tenants].reduce((sum, tenant) => sum + tenant.bytes, 0)
  }
}
