import type { ServiceOptions } from '@haca/platform/nest'
import { readConfig, type SettlerConfig } from './config.js'
import { compose, type Seams } from './settler.module.js'

/** How the settler is run; with `seams` it stands on what it is given instead of opening its own. */
export const settlerService = (env: NodeJS.ProcessEnv, seams?: Seams): ServiceOptions<SettlerConfig> => ({
  name: 'settler',
  config: () => readConfig(env),
  module: (config, logger) => compose(config, logger, seams),
})
