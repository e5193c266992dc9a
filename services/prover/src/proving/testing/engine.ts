import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../../../engine/', import.meta.url))
const binary = `${folder}target/release/haca-prover`

/** The engine, built if cargo is here and it is not up to date; undefined where there is neither. */
export function builtEngine(): string | undefined {
  try {
    execFileSync('cargo', ['build', '--release', '--locked', '--quiet', '--target-dir', 'target'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  return existsSync(binary) ? binary : undefined
}

/** Makes a reproducible development key. */
export function setupDev(engine: string, r1cs: string, zkey: string): { vkId: string; label: string } {
  const said = execFileSync(engine, ['setup-dev', '--r1cs', r1cs, '--zkey', zkey, '--seed', 'test'], { stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' })
  return JSON.parse(said) as { vkId: string; label: string }
}
