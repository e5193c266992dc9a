import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { root } from '../root.js'

// Runs every test there is, and ends with one line: N passed, N failed.

interface Suite {
  name: string
  command: string
  args: string[]
  cwd?: string
  /** How many tests one line of output speaks of. */
  read(line: string): { passed: number; failed: number } | undefined
}

const vitest = (project: string): Suite => ({
  name: project,
  command: process.execPath,
  args: [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--project', project, '--reporter=default', ...process.argv.slice(2)],
  read: (line) => {
    const plain = line.replace(/\u001b\[[0-9;]*m/g, '')
    if (!/^\s*Tests\s/.test(plain)) return undefined
    const count = (word: string): number => Number(new RegExp(`(\\d+) ${word}`).exec(plain)?.[1] ?? 0)
    return { passed: count('passed'), failed: count('failed') }
  },
})

/** The tests of a Rust crate; they come in several groups, each with a line of its own. */
const cargo = (crate: string): Suite => {
  const sum = { passed: 0, failed: 0 }
  return {
    name: crate,
    command: 'cargo',
    args: ['test', '--locked', '--quiet', '--manifest-path', join(root, crate, 'Cargo.toml'), '--target-dir', join(root, crate, 'target')],
    read: (line) => {
      const match = /test result: \w+\. (\d+) passed; (\d+) failed/.exec(line)
      if (!match) return undefined
      sum.passed += Number(match[1])
      sum.failed += Number(match[2])
      return { ...sum }
    },
  }
}

const suites: Suite[] = [
  vitest('unit'),
  cargo('services/prover/engine'),
  cargo('services/inference/nsm-bridge'),
  {
    name: 'contracts',
    command: process.execPath,
    args: [join(root, 'contracts/bin/forge.mjs'), 'test'],
    cwd: join(root, 'contracts'),
    read: (line) => {
      const match = /(\d+) tests? passed, (\d+) failed/.exec(line.replace(/\u001b\[[0-9;]*m/g, ''))
      return match && line.includes('Ran') && line.includes('suites') ? { passed: Number(match[1]), failed: Number(match[2]) } : undefined
    },
  },
  vitest('wire'),
  vitest('e2e'),
]

/** Runs a suite; a suite that ended badly without counting a failure counts as one. */
function run(suite: Suite): Promise<{ passed: number; failed: number }> {
  return new Promise((resolve) => {
    const child = spawn(suite.command, suite.args, { cwd: suite.cwd ?? root, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, CI: '1', HACA_REQUIRE_CHROMIUM: '1' } })
    let counted = { passed: 0, failed: 0 }
    createInterface({ input: child.stdout }).on('line', (line) => {
      process.stdout.write(`${line}\n`)
      counted = suite.read(line) ?? counted
    })
    child.once('close', (code) => resolve(code !== 0 && counted.failed === 0 ? { ...counted, failed: 1 } : counted))
  })
}

const total = { passed: 0, failed: 0 }
for (const suite of suites) {
  process.stdout.write(`\n== ${suite.name}\n`)
  const { passed, failed } = await run(suite)
  if (passed + failed === 0) process.stdout.write(`== ${suite.name} ran no test\n`)
  total.passed += passed
  total.failed += passed + failed === 0 ? failed + 1 : failed
}
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed\n`)
process.exit(total.failed === 0 ? 0 : 1)
