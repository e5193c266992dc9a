// Runs the forge binary that npm carries, in the contracts folder: `node bin/forge.mjs test -vvv`.
// The package's own launcher is skipped because its post-install script is not allowed to run here.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const platforms = { 'linux-x64': 'linux-amd64', 'linux-arm64': 'linux-arm64', 'darwin-arm64': 'darwin-arm64' }
const platform = platforms[`${process.platform}-${process.arch}`]
if (platform === undefined) {
  console.error(`No forge binary for ${process.platform}-${process.arch}`)
  process.exit(1)
}

const require = createRequire(import.meta.url)
const forge = require.resolve(`@foundry-rs/forge-${platform}/bin/forge`)
const openzeppelin = dirname(require.resolve('@openzeppelin/contracts/package.json'))

const { status, error } = spawnSync(forge, process.argv.slice(2), {
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  stdio: 'inherit',
  // Absolute, because forge hands a remapping that climbs out of the project to solc under two different names.
  env: { ...process.env, FOUNDRY_REMAPPINGS: `@openzeppelin/contracts/=${openzeppelin}/` },
})
if (error) throw error
process.exit(status ?? 1)
