import { calibrate } from '../calibration.js'
import { report, say } from '../report.js'
import { measureFamilies } from './families.js'
import { measureKeys } from './keys.js'
import { measureReceipts } from './receipts.js'

/** Evidence verified beside @phala/dcap-qvl, receipts signed and verified, and what a key costs on chain. */
export async function run(json: boolean): Promise<boolean> {
  say('verifying evidence of every family, in turns')
  const families = await measureFamilies()
  say('signing and verifying receipts')
  const receipts = await measureReceipts()
  const calibration = await calibrate()
  say('registering, revoking and voiding on a local chain')
  return report('tee', [...families, ...receipts, calibration, ...(await measureKeys())], json)
}
