import type { Verifier } from '@haca/core/tee'
import type { ServiceOptions } from '@haca/platform/nest'
import { readConfig, type ProverConfig } from './config.js'
import { compose, type Seams } from './prover.module.js'

/** How the prover is run: with the verifiers its program was built with; with `seams` it stands on what it is given instead of opening its own. */
export const proverService = (env: NodeJS.ProcessEnv, verifiers: readonly Verifier[], seams?: Seams): ServiceOptions<ProverConfig> => ({
  name: 'prover',
  config: () => readConfig(env),
  module: (config, logger) => compose(config, logger, verifiers, seams),
})
