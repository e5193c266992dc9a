import { readFileSync } from 'node:fs'
import type { TlsFiles } from './server.js'

/** TLS of a gRPC edge, from the files an environment names; nothing where it names none. Throws where there is no such file. */
export function readTls(certificateFile: string | undefined, keyFile: string | undefined): TlsFiles | undefined {
  if (!certificateFile || !keyFile) return undefined
  return { certificate: readFileSync(certificateFile), key: readFileSync(keyFile) }
}
