import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { must, root } from './shell.mjs'

/** Installs the packages of the lock, unless this very lock was installed already. `npm install`, not `npm ci`: the lock names one platform's optional binaries. */
export async function installPackages(quiet) {
  const stamp = join(root, '.cache/packages.sha256')
  const digest = createHash('sha256')
    .update(await readFile(join(root, 'package-lock.json')))
    .update(await readFile(join(root, 'package.json')))
    .digest('hex')
  const installed = existsSync(join(root, 'node_modules/.package-lock.json')) && existsSync(stamp) && (await readFile(stamp, 'utf8')) === digest
  if (installed) return
  await must('installing packages', 'npm', ['install', '--no-audit', '--no-fund'], { quiet })
  await mkdir(join(root, '.cache'), { recursive: true })
  await writeFile(stamp, digest)
}

/** Builds every package in the order of their dependencies; what has not changed comes from the cache. */
export const build = (quiet) => must('building', 'nx', ['run-many', '-t', 'build', '--outputStyle=static'], { quiet })
