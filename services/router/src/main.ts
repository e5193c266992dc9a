import { runService } from '@haca/platform/nest'
import { routerService } from './service.js'

await runService(routerService(process.env))
