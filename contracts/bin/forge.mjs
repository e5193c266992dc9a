// Runs the forge binary that npm carries, in the contracts folder: `node bin/forge.mjs test -vvv`.
// The package's own launcher is skipped because its post-install script is not allowed to run here.
//
// `test` first builds what ships and then tests that under the profile `test`, see foundry.toml. With
// FOUNDRY_PROFILE=default the tests are compiled like the contracts: a minute slower, and traces know every name.
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

const args = process.argv.slice(2)
if (args[0] === 'test') {
  runForge(['build', 'src'], 'default')
  runForge(args, process.env.FOUNDRY_PROFILE ?? 'test')
} else {
  runForge(args, process.env.FOUNDRY_PROFILE ?? 'default')
}

function runForge(forgeArgs, profile) {
  const { status, error } = spawnSync(forge, forgeArgs, {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: 'inherit',
    env: {
      ...process.env,
      FOUNDRY_PROFILE: profile,
      // Absolute, because forge hands a remapping that climbs out of the project to solc under two different names.
      FOUNDRY_REMAPPINGS: `@openzeppelin/contracts/=${openzeppelin}/`,
    },
  })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}
