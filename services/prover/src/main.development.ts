import { runService } from '@haca/platform/nest'
import { proverService } from './service.js'
import { verifiers } from './verifiers/development.js'

// Takes SIMULATED evidence. No production image holds this file, and PROFILE=production refuses to run it.
await runService(proverService(process.env, verifiers))
