import { runService } from '@haca/platform/nest'
import { readConfig } from './config.js'
import { compose } from './router.module.js'

await runService({ name: 'router', config: () => readConfig(process.env), module: compose })
