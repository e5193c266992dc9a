import { runService } from '@haca/platform/nest'
import { readConfig } from './config.js'
import { compose } from './settler.module.js'

await runService({ name: 'settler', config: () => readConfig(process.env), module: compose })
