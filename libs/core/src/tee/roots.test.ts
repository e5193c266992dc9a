import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { NVIDIA_MANIFEST_ROOT, VENDOR_ROOTS } from './roots.js'
import { derOf } from './testing/vectors.js'

const fingerprint = (der: Uint8Array | undefined): string => createHash('sha256').update(der ?? '').digest('hex')

describe('the pinned roots', () => {
  it.each([
    ['AWS', VENDOR_ROOTS.aws?.[0], 'roots/aws-nitro-root-g1.pem'],
    ['Intel', VENDOR_ROOTS.intel?.[0], 'roots/intel-sgx-root-ca.der'],
    ['AMD Milan', VENDOR_ROOTS.amd?.Milan, 'roots/amd-ark-milan.pem'],
    ['AMD Genoa', VENDOR_ROOTS.amd?.Genoa, 'roots/amd-ark-genoa.pem'],
    ['AMD Turin', VENDOR_ROOTS.amd?.Turin, 'roots/amd-ark-turin.pem'],
    ['NVIDIA', VENDOR_ROOTS.nvidia?.[0], 'roots/nvidia-device-identity-root.pem'],
    ['NVIDIA’s manifests', NVIDIA_MANIFEST_ROOT, 'roots/nvidia-rim-root.crt'],
  ])('%s is the genuine one', (_vendor, der, file) => {
    expect(fingerprint(der)).toBe(fingerprint(derOf(file)))
  })

  it('of AWS has the fingerprint AWS publishes', () => {
    // docs.aws.amazon.com, "Verifying the root of trust".
    expect(fingerprint(VENDOR_ROOTS.aws?.[0])).toBe('641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b')
  })

  it('trust nothing simulated', () => {
    expect(VENDOR_ROOTS.simulated).toBeUndefined()
  })
})
