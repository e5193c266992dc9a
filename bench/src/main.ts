import { say } from './report.js'

// `npm run bench -- <name>…`: each compares side by side in one run, prints ratios, and fails when a bar is missed.

const benches: Record<string, { what: string; run(json: boolean): Promise<boolean> }> = {
  gateway: { what: 'CPU per paid request beside the official x402 middleware', run: async (json) => (await import('./gateway/bench.js')).run(json) },
  e2e: { what: 'paid and settled inferences per second, through everything', run: async (json) => (await import('./e2e/bench.js')).run(json) },
  'zk-soak': { what: 'proofs per minute for ten minutes, with the prover killed every minute; not in CI', run: async (json) => (await import('./zk-soak/bench.js')).run(json) },
  zk: { what: 'proofs beside snarkjs on the same keys: seconds, memory, bytes, gas', run: async (json) => (await import('./zk/bench.js')).run(json) },
  tee: { what: 'evidence verified beside @phala/dcap-qvl, receipts per second, gas of a key\'s life', run: async (json) => (await import('./tee/bench.js')).run(json) },
  gas: { what: 'gas per payment, per batch and per inference', run: async (json) => (await import('./gas/bench.js')).run(json) },
}

const args = process.argv.slice(2)
const names = args.filter((arg) => !arg.startsWith('-'))
const unknown = names.filter((name) => !benches[name])
if (names.length === 0 || unknown.length > 0 || args.includes('--help')) {
  if (unknown.length > 0) process.stderr.write(`there is no bench "${unknown.join('", "')}"\n\n`)
  process.stderr.write(`npm run bench -- <name>… [--json]\n\n${Object.entries(benches).map(([name, { what }]) => `  ${name.padEnd(8)} ${what}`).join('\n')}\n`)
  process.exit(unknown.length > 0 || names.length === 0 ? 2 : 0)
}
let ok = true
for (const name of names) {
  say(`measuring ${name}`)
  ok = (await (benches[name] as (typeof benches)[string]).run(args.includes('--json'))) && ok
}
process.exit(ok ? 0 : 1)
