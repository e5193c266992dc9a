import { runService } from '@haca/platform/nest'
import { readConfig } from './config.js'
import { compose } from './inference.module.js'

await runService({ name: 'inference', config: () => readConfig(process.env), module: compose })
