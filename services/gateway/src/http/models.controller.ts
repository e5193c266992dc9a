import { Controller, Get, Header, Inject } from '@nestjs/common'
import type { Hex } from '@haca/core'
import type { Models } from '../models.js'

export const MODELS = Symbol('models')
export const NETWORK = Symbol('network')

/** Where money and receipts go; what a client needs to check anything of ours against the chain. */
export interface Network {
  /** CAIP-2. */
  network: string
  chainId: number
  settlementLog: Hex.Hex
  revenueVault: Hex.Hex
  token: { address: Hex.Hex; name: string; version: string; decimals: number }
  offerSigners: readonly Hex.Hex[]
  teeRegistry: Hex.Hex
  policyRegistry: Hex.Hex
  /** Provers whose appraisals of keys count, and who answers for the content of policies. */
  evidenceSigners: readonly Hex.Hex[]
  policySigners: readonly Hex.Hex[]
}

/** What is sold here. */
@Controller('v1')
export class ModelsController {
  constructor(
    @Inject(MODELS) readonly models: Models,
    @Inject(NETWORK) readonly network: Network,
  ) {}

  @Get('models')
  @Header('cache-control', 'no-cache')
  list(): object {
    return {
      network: this.network,
      models: this.models.all().map((m) => ({ ...m, unitPrice: m.unitPrice.toString() })),
    }
  }
}
