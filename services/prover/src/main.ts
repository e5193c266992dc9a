import { runService } from '@haca/platform/nest'
import { proverService } from './service.js'

await runService(proverService(process.env))
