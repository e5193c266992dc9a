import { runService } from '@haca/platform/nest'
import { inferenceService } from './service.js'

await runService(inferenceService(process.env))
