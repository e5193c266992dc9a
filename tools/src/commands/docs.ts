import { containerEnvFolder, writeContainerEnv } from '../container-env.js'
import { writeTables } from '../env-table.js'
import { root } from '../root.js'

// Writes into documents and manifests what the code knows better.

writeTables()
process.stdout.write('services/*/README.md: environment tables written\n')
writeContainerEnv()
process.stdout.write(`${containerEnvFolder.slice(root.length + 1)}: environments of the local stack in containers written\n`)
