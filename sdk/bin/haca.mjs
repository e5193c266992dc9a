#!/usr/bin/env node
// The command of this package; `npm run build` makes what it imports.
import { main } from '../dist/cli/main.js'

process.exitCode = await main(process.argv.slice(2), (text) => process.stdout.write(`${text}\n`), (text) => process.stderr.write(`${text}\n`))
