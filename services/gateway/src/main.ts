import { runService } from '@haca/platform/nest'
import { gatewayService } from './service.js'

await runService(gatewayService(process.env))
