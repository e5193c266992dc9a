import type { Collateral } from './ports.js'

/** No endorsements but those that nodes supply: enough for Nitro and for simulated evidence, whose chains travel with them. */
export const noCollateral: Collateral = {
  endorsements: async () => ({ endorsements: [], used: [] }),
  onChange: () => () => undefined,
}
