import type { ServiceOptions } from '@haca/platform/nest'
import { readConfig, type ProverConfig } from './config.js'
import { compose, type Seams } from './prover.module.js'

/** How the prover is run; with `seams` it stands on what it is given instead of opening its own. */
export const proverService = (env: NodeJS.ProcessEnv, seams?: Seams): ServiceOptions<ProverConfig> => ({
  name: 'prover',
  config: () => readConfig(env),
  module: (config, logger) => compose(config, logger, seams),
})
