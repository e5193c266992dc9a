import type { ServiceOptions } from '@haca/platform/nest'
import { readConfig, type RouterConfig } from './config.js'
import { compose, type Seams } from './router.module.js'

/** How the router is run; with `seams` it stands on what it is given instead of opening its own. */
export const routerService = (env: NodeJS.ProcessEnv, seams?: Seams): ServiceOptions<RouterConfig> => ({
  name: 'router',
  config: () => readConfig(env),
  module: (config, logger) => compose(config, logger, seams),
})
