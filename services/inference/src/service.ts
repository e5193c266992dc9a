import type { ServiceOptions } from '@haca/platform/nest'
import { readConfig, type InferenceConfig } from './config.js'
import { compose, type Seams } from './inference.module.js'

/** How the inference is run; with `seams` it stands on what it is given instead of opening its own. */
export const inferenceService = (env: NodeJS.ProcessEnv, seams?: Seams): ServiceOptions<InferenceConfig> => ({
  name: 'inference',
  config: () => readConfig(env),
  module: (config, logger) => compose(config, logger, seams),
})
