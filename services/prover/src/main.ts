import { runService } from '@haca/platform/nest'
import { readConfig } from './config.js'
import { compose } from './prover.module.js'

await runService({ name: 'prover', config: () => readConfig(process.env), module: compose })
