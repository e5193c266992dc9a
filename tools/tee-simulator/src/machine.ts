import type { Simulated } from '@haca/core/tee'
import { createHash } from 'node:crypto'

/** What a simulated machine says of itself; every field is free to be changed, so that each branch of a policy can be driven without hardware. */
export interface Machine {
  product: string
  /** Hexadecimal; `null` for a machine without a name. */
  platformId: string | null
  /** Name → hexadecimal. */
  measurements: Record<string, string>
  debug: boolean
  tcbStatus: Simulated.SimulatedDocument['tcb_status']
  tcbSvn: Record<string, number>
  advisories: string[]
  flags: Record<string, boolean>
  /** Seconds by which its clock is wrong. */
  clockSkewSeconds: number
  /** GPUs and switches plugged into it. */
  devices: { role: 'gpu' | 'switch'; product: string; platformId: string; debug: boolean }[]
}

/** Measurement of the image that simulated machines run: there is no image, so it is the digest of a sentence. */
export const imageMeasurement = createHash('sha384').update('SIMULATED: there is no image to measure').digest('hex')

export const defaultMachine: Machine = {
  product: 'sim-cpu',
  platformId: '51',
  measurements: { image: imageMeasurement },
  debug: false,
  tcbStatus: 'UpToDate',
  tcbSvn: {},
  advisories: [],
  flags: {},
  clockSkewSeconds: 0,
  devices: [],
}

/** A machine from JSON that names what differs from the default. Throws naming an unknown field. */
export function readMachine(json: string): Machine {
  const change = JSON.parse(json) as Partial<Machine>
  for (const name of Object.keys(change)) if (!(name in defaultMachine)) throw new Error(`a machine has no "${name}"; it has ${Object.keys(defaultMachine).join(', ')}`)
  return { ...defaultMachine, ...change }
}
