import { runService } from '@haca/platform/nest'
import { settlerService } from './service.js'

await runService(settlerService(process.env))
