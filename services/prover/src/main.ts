import { runService } from '@haca/platform/nest'
import { proverService } from './service.js'
import { verifiers } from './verifiers/production.js'

await runService(proverService(process.env, verifiers))
