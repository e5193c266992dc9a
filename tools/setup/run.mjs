#!/usr/bin/env node
// The one door of this repository: gets what is missing, builds, and runs a command. Uses nothing but what Node 20 brings,
// because nothing else may be there yet.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { build, installPackages } from './packages.mjs'
import { buildCrates, fetchKafka, requireChromium, requireKustomize, requireSystem } from './parts.mjs'
import { ensureNode } from './node.mjs'
import { fail, root, say } from './shell.mjs'

const commands = {
  demo: { needs: ['kafka?', 'redis'], script: 'tools/dist/commands/demo.js' },
  test: { needs: ['kafka', 'redis', 'kustomize', 'cargo', 'chromium'], script: 'tools/dist/commands/test.js' },
  start: { needs: ['kafka', 'redis'], script: 'tools/dist/commands/start.js' },
  bench: { needs: ['kafka', 'redis', 'cargo'], script: 'bench/dist/main.js' },
}

const [name, ...rest] = process.argv.slice(2)
const command = name ? commands[name] : { needs: ['kafka', 'redis', 'kustomize', 'cargo', 'chromium'] }
if (!command) fail(`there is no command "${name}"; there are ${Object.keys(commands).join(', ')}, or none, which only sets up`)

process.chdir(root)
const quiet = rest.includes('--json')
await ensureNode(quiet)
await installPackages(quiet)
if (command.needs.includes('redis') && !process.env.REDIS_URL) await requireSystem('redis-server', ['redis-server'], quiet)
if (!process.env.KAFKA_BROKERS) await fetchKafka({ required: command.needs.includes('kafka'), quiet })
if (command.needs.includes('kustomize')) await requireKustomize(quiet)
if (command.needs.includes('chromium')) await requireChromium(quiet)
await build(quiet)
await buildCrates({ required: command.needs.includes('cargo'), quiet })
if (command.script) {
  const script = join(root, command.script)
  if (!existsSync(script)) fail(`${command.script} was not built`)
  const { status } = spawnSync('node', ['--enable-source-maps', '--disable-warning=TimeoutNegativeWarning', script, ...rest], { stdio: 'inherit' })
  process.exit(status ?? 1)
}
say('ready', quiet)
