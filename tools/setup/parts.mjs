import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fail, has, must, root, say, step } from './shell.mjs'

/** Installs Debian packages when their program is not there. */
export async function requireSystem(program, packages, quiet) {
  if (has(program)) return
  if (!has('apt-get')) fail(`${program} is not installed and this is no Debian; install it, or name a running one where there is a variable for it (REDIS_URL, KAFKA_BROKERS)`)
  const sudo = process.getuid() === 0 ? [] : ['sudo']
  const run = (args) => [sudo[0] ?? 'apt-get', [...(sudo.length > 0 ? ['apt-get'] : []), ...args]]
  const quietly = { quiet, env: { DEBIAN_FRONTEND: 'noninteractive' } }
  await must('reading package lists', ...run(['update', '-q']), quietly)
  await must(`installing ${packages.join(', ')}`, ...run(['install', '-q', '-y', '--no-install-recommends', ...packages]), quietly)
}

const libs = join(root, '.cache/kafka/libs')

/** Fetches the jars of Apache Kafka through Maven, with a Java 17 runtime and Maven from Debian where they are absent. */
export async function fetchKafka({ required, quiet }) {
  const ready = existsSync(libs) && readdirSync(libs).some((name) => name.startsWith('kafka_'))
  try {
    await requireJava(quiet)
    if (ready) return
    await requireSystem('mvn', ['maven'], quiet)
    // Into a folder of its own first: a download that was cut short must not look like a whole one.
    const partial = `${libs}.partial`
    await rm(partial, { recursive: true, force: true })
    await step('fetching Apache Kafka', 'mvn', ['-q', '-B', '-f', 'tools/kafka/pom.xml', 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${partial}`], { quiet })
    await rename(partial, libs)
  } catch (error) {
    if (required) {
      process.stderr.write(`${error.output ?? ''}\n`)
      fail(`${error.message}\nKafka can be provided by KAFKA_BROKERS=host:port, by Docker (docker compose up), or by a route to Maven Central.`)
    }
    say(`   ! Kafka could not be fetched: ${error.message}`, quiet)
  }
}

async function requireJava(quiet) {
  const version = spawnSync('java', ['-version'], { encoding: 'utf8' })
  const major = Number(/version "(\d+)/.exec(version.stderr ?? '')?.[1] ?? 0)
  if (major >= 17) return
  if (major > 0) fail(`Java ${major} is too old for Kafka 4; install openjdk-17-jre-headless`)
  await requireSystem('java', ['openjdk-17-jre-headless'], quiet)
}

/** The newest kustomize that Debian 12's Go can build. */
const kustomize = 'sigs.k8s.io/kustomize/kustomize/v5@v5.0.3'

/** Something that renders k8s/: kubectl or kustomize where there is one, else kustomize built by Go. */
export async function requireKustomize(quiet) {
  const bin = join(root, '.cache/bin')
  process.env.PATH = [process.env.PATH, bin].join(delimiter)
  if (spawnSync('kubectl', ['kustomize', '--help'], { stdio: 'ignore' }).status === 0 || has('kustomize')) return
  await requireSystem('go', ['golang-go'], quiet)
  await must('building kustomize', 'go', ['install', kustomize], { quiet, env: { GOBIN: bin } })
}

/** A browser to run the verifier in; the test of it needs one. */
export async function requireChromium(quiet) {
  if (['chromium', 'chromium-browser', 'google-chrome'].some(has)) return
  await requireSystem('chromium', ['chromium'], quiet)
}

/** What is written in Rust: a name for progress, and the crate's folder. */
const crates = [
  ['the binding of libsecp256k1', 'libs/platform/secp256k1'],
  ['the bridge to the Nitro security module', 'services/inference/nsm-bridge'],
  ['the proving engine', 'services/prover/engine'],
]

/** Builds what is written in Rust where cargo is. Where it is not, slower libraries serve instead; that is said. */
export async function buildCrates({ required, quiet }) {
  if (!has('cargo')) {
    if (required) fail('cargo is not installed, and what is written in Rust is measured and tested; install Rust (rustup, or the rustc and cargo of a recent distribution)')
    return say('   ! cargo is not installed: proofs will come from snarkjs, several times slower, and signatures will be checked by npm secp256k1, half as fast', quiet)
  }
  for (const [name, folder] of crates) {
    const crate = join(root, folder)
    await must(`building ${name}`, 'cargo', ['build', '--release', '--locked', '--manifest-path', join(crate, 'Cargo.toml'), '--target-dir', join(crate, 'target')], { quiet })
  }
}
