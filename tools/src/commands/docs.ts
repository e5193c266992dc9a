import { writeTables } from '../env-table.js'

// Writes into the documents what the code knows better.

writeTables()
process.stdout.write('services/*/README.md: environment tables written\n')
