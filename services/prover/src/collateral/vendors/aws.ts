import { AppError } from '@haca/core'
import { CRL_BYTES_MAX, decodeCertificates, ensure, fromUtf8, parseCertificate, parseCrl, refuse, verifyIssuerPath } from '@haca/core/tee/collateral'
import { onlyParts, partOf, sha256, standingOf, unknownSubject, type Checked, type Grounds, type Part, type Statement, type Vendor } from '../statement.js'
import { VendorHttp, type VendorHttpOptions } from '../vendor-http.js'

/** Hosts of the lists that Nitro's certificates name; one bucket for the root's, one per region for the others. */
const AWS_HOST = /^(?:crl-[a-z0-9-]+-)?aws-nitro-enclaves(?:-crl)?\.s3(?:\.[a-z0-9-]+)?\.amazonaws\.com$/

/**
 * `aws/crl/<SHA-256 of the list's URI>`: lists of revocation at the distribution points of Nitro's certificates. The URI and the issuer's path come from a
 * document whose path to AWS's root was verified. With `baseUrl` a mirror is asked for the same paths.
 */
export const aws = (options: Omit<VendorHttpOptions, 'baseUrl'>, mirror: string | undefined): Vendor => {
  const hosts = new Map<string, VendorHttp>()
  const httpOf = (origin: string): VendorHttp => {
    const known = hosts.get(origin) ?? new VendorHttp({ ...options, baseUrl: origin })
    hosts.set(origin, known)
    return known
  }
  return {
    name: 'aws',
    check,
    ask: async (subject, context, signal) => {
      const url = locationOf(context)
      if (!mirror && !(AWS_HOST.test(url.hostname) && url.port === '')) throw new AppError('collateral.unknown', { detail: `${url.host} is no host of AWS` })
      const { bytes } = await httpOf(mirror ?? url.origin).send({ path: url.pathname, bytesMax: CRL_BYTES_MAX }, signal)
      return { subject, parts: [{ role: 'crl', bytes }, ...context] }
    },
  }
}

function locationOf(parts: readonly Part[]): URL {
  const text = fromUtf8(partOf(parts, 'location')) ?? ''
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url && /^https?:$/.test(url.protocol) && url.username === '' ? url : refuse('collateral-mismatch', 'not the address of a list')
}

async function check(statement: Statement, at: number, { roots, crypto }: Grounds): Promise<Checked> {
  const id = /^aws\/crl\/([0-9a-f]{64})$/.exec(statement.subject)?.[1] ?? unknownSubject(statement.subject)
  onlyParts(statement, ['crl', 'location', 'issuer-chain'])
  const location = partOf(statement.parts, 'location')
  locationOf(statement.parts)
  ensure(sha256(location) === id, 'collateral-mismatch', 'a list from another address')
  const path = decodeCertificates(partOf(statement.parts, 'issuer-chain')).map(parseCertificate)
  await verifyIssuerPath({ path, roots: roots.aws ?? [], at, crypto })
  const crl = await parseCrl(partOf(statement.parts, 'crl')).authenticate(path[0]!, at, crypto)
  ensure(crl.scope === undefined || crl.scope.includes(fromUtf8(location) ?? ''), 'crl-scope-mismatch', 'the list is for certificates that name another address')
  return { statement, standing: standingOf(crl.number ?? 0, crl.notBefore, crl.notAfter), notBefore: crl.notBefore, notAfter: crl.notAfter }
}
