import type { CryptoProvider } from '@haca/core/tee'
import { decodeBase64, ensure, equal, parseCertificate, utf8, verifyPath, type Certificate, type Validity } from '@haca/core/tee/collateral'
import { attributeIn, canonicalize, elementsIn, malformed, textIn, type Element } from './xml.js'

const DSIG = 'http://www.w3.org/2000/09/xmldsig#'
const C14N_11 = 'http://www.w3.org/2006/12/xml-c14n11'
const ENVELOPED = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature'
const ECDSA_SHA384 = 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384'
const SHA384 = 'http://www.w3.org/2001/04/xmldsig-more#sha384'

const CERTIFICATES_MAX = 6

/**
 * Verifies the one form of XML signature that NVIDIA's reference manifests have (www.w3.org/TR/xmldsig-core1): enveloped, over the whole document,
 * canonical XML 1.1, ECDSA with SHA-384, the path of the signer beside it, leaf first. Every other algorithm, reference, transform or place refuses:
 * because the reference is to the document without its signature, whatever is read from the document is what was signed.
 * Answers the window of the path; refuses with `golden-values-*` or the codes of paths.
 */
export async function verifyEnvelopedSignature(root: Element, { roots, at, crypto }: { roots: readonly Uint8Array[]; at: number; crypto: CryptoProvider }): Promise<Validity> {
  const signature = onlySignature(root)
  const [signedInfo, signatureValue, keyInfo] = children(signature, ['SignedInfo', 'SignatureValue', 'KeyInfo'])
  const digest = checkSignedInfo(signedInfo!)
  const path = certificates(keyInfo!)
  const validity = await verifyPath({ path, roots, at, crypto })
  const { publicKey } = path[0]!
  ensure(publicKey.type === 'ec' && publicKey.curve === 'P-384', 'certificate-algorithm-unsupported', 'the signer of a manifest is not P-384')
  const value = base64(textIn(signatureValue!))
  ensure(value.length === 96, 'golden-values-signature-invalid', `signature of ${value.length} bytes`)
  const message = utf8(canonicalize(signedInfo!))
  const genuine = await crypto.verifyEcdsa({ curve: 'P-384', hash: 'SHA-384', publicKey: publicKey.point, signature: value, message })
  ensure(genuine, 'golden-values-signature-invalid', 'the manifest is not signed by its signer')
  const actual = await crypto.digest('SHA-384', utf8(canonicalize(root, signature)))
  ensure(equal(actual, digest), 'golden-values-signature-invalid', 'the manifest is not the one that was signed')
  return validity
}

/** The signature, a child of the root; a second one anywhere would make it unclear which was meant. */
function onlySignature(root: Element): Element {
  const within = (element: Element): Element[] => [...(is(element, 'Signature') ? [element] : []), ...element.children.flatMap((child) => (typeof child === 'string' ? [] : within(child)))]
  const all = within(root)
  const [signature] = all
  if (!signature || all.length !== 1 || !root.children.includes(signature)) return malformed('not exactly one signature below the root')
  return signature
}

/** The digest that the one reference names. */
function checkSignedInfo(signedInfo: Element): Uint8Array {
  const [c14n, method, reference] = children(signedInfo, ['CanonicalizationMethod', 'SignatureMethod', 'Reference'])
  algorithm(c14n!, C14N_11)
  algorithm(method!, ECDSA_SHA384)
  if (attributeIn(reference!, 'URI') !== '' || reference!.attributes.length !== 1) malformed('the reference is not to the whole document')
  const [transforms, digestMethod, digestValue] = children(reference!, ['Transforms', 'DigestMethod', 'DigestValue'])
  const [enveloped, inclusive] = children(transforms!, ['Transform', 'Transform'])
  algorithm(enveloped!, ENVELOPED)
  algorithm(inclusive!, C14N_11)
  algorithm(digestMethod!, SHA384)
  return base64(textIn(digestValue!))
}

function certificates(keyInfo: Element): Certificate[] {
  const [data] = children(keyInfo, ['X509Data'])
  const list = elementsIn(data!)
  if (list.length < 2 || list.length > CERTIFICATES_MAX || !list.every((one) => is(one, 'X509Certificate'))) malformed(`${list.length} certificates`)
  return list.map((one) => parseCertificate(base64(textIn(one))))
}

const is = ({ uri, local }: Element, name: string): boolean => uri === DSIG && local === name

/** The children, which must be these elements of XML signatures in this order. */
function children(element: Element, names: readonly string[]): Element[] {
  const found = elementsIn(element)
  if (found.length !== names.length || !found.every((one, i) => is(one, names[i]!))) malformed(`${element.local} holds ${found.map(({ local }) => local).join(', ')}`)
  return found
}

/** The element says this algorithm and nothing else: parameters would change its meaning. */
function algorithm(element: Element, expected: string): void {
  const plain = element.children.length === 0 && element.attributes.length === 1
  if (!plain || attributeIn(element, 'Algorithm') !== expected) malformed(`${element.local} is not ${expected}`)
}

const base64 = (text: string): Uint8Array => decodeBase64(text.replace(/[ \t\r\n]/g, '')) ?? malformed('not base64')
