import { ensure, refuse } from '@haca/core/tee/collateral'
import { SaxesParser, type SaxesAttributeNS } from 'saxes'

/** An element with its namespaces resolved. Children are elements and text, in order. */
export interface Element {
  readonly prefix: string
  readonly local: string
  readonly uri: string
  readonly attributes: readonly Attribute[]
  /** Every namespace in scope, by prefix; the default one under ''. */
  readonly scope: ReadonlyMap<string, string>
  readonly children: (Element | string)[]
}

export interface Attribute {
  readonly prefix: string
  readonly local: string
  readonly uri: string
  readonly value: string
}

export const XML_BYTES_MAX = 1024 * 1024
const DEPTH_MAX = 16
const ELEMENTS_MAX = 4096

const XMLNS = 'http://www.w3.org/2000/xmlns/'
const XML = 'http://www.w3.org/XML/1998/namespace'

/**
 * Parses XML that somebody signed: well-formed and namespace-well-formed, and without what canonical XML drops or what makes a document mean more
 * than it shows. Document types (and so entities), processing instructions, comments, CDATA sections and `xml:` attributes refuse with
 * `golden-values-malformed`.
 */
export function parseXml(bytes: Uint8Array): Element {
  ensure(bytes.length <= XML_BYTES_MAX, 'endorsement-too-large', `XML of ${bytes.length} bytes`)
  const parser = new SaxesParser({ xmlns: true, position: false })
  const open: Element[] = []
  let root: Element | undefined
  let count = 0
  parser.on('error', ({ message }) => malformed(message))
  parser.on('doctype', () => malformed('document type'))
  parser.on('processinginstruction', () => malformed('processing instruction'))
  parser.on('comment', () => malformed('comment'))
  parser.on('cdata', () => malformed('CDATA section'))
  parser.on('opentag', (tag) => {
    if (open.length === DEPTH_MAX || ++count > ELEMENTS_MAX) malformed('too deep or too many elements')
    const parent = open.at(-1)
    const element: Element = {
      prefix: tag.prefix,
      local: tag.local,
      uri: tag.uri,
      attributes: attributesOf(Object.values(tag.attributes)),
      scope: new Map([...(parent?.scope ?? []), ...Object.entries(tag.ns)]),
      children: [],
    }
    parent?.children.push(element)
    root ??= element
    open.push(element)
  })
  parser.on('closetag', () => void open.pop())
  parser.on('text', (text) => {
    open.at(-1)?.children.push(text)
  })
  parser.write(text(bytes)).close()
  return root ?? malformed('no element')
}

function attributesOf(all: readonly SaxesAttributeNS[]): Attribute[] {
  const own = all.filter(({ uri }) => uri !== XMLNS)
  if (own.some(({ uri }) => uri === XML)) malformed('an attribute of the xml namespace')
  return own.map(({ prefix, local, uri, value }) => ({ prefix, local, uri, value }))
}

function text(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return malformed('not UTF-8')
  }
}

/**
 * Canonical XML 1.1 without comments (www.w3.org/TR/xml-c14n11) of an element and what is in it, except `omitted`. The element may lie inside a
 * document: every namespace in scope there is written, as the inclusive form demands.
 */
export function canonicalize(element: Element, omitted?: Element): string {
  return render(element, new Map([['', '']]), omitted)
}

function render(element: Element, written: ReadonlyMap<string, string>, omitted: Element | undefined): string {
  const name = qualified(element)
  const namespaces = [...element.scope].filter(([prefix, uri]) => uri !== XML && uri !== XMLNS && written.get(prefix) !== uri).sort(([a], [b]) => order(a, b))
  const attributes = element.attributes.toSorted((a, b) => order(a.uri, b.uri) || order(a.local, b.local))
  const head = [
    ...namespaces.map(([prefix, uri]) => ` ${prefix === '' ? 'xmlns' : `xmlns:${prefix}`}="${attributeText(uri)}"`),
    ...attributes.map((attribute) => ` ${qualified(attribute)}="${attributeText(attribute.value)}"`),
  ].join('')
  const inside = new Map([...written, ...namespaces])
  const children = element.children.map((child) => (typeof child === 'string' ? contentText(child) : child === omitted ? '' : render(child, inside, omitted)))
  return `<${name}${head}>${children.join('')}</${name}>`
}

const qualified = ({ prefix, local }: Pick<Attribute, 'prefix' | 'local'>): string => (prefix === '' ? local : `${prefix}:${local}`)

/** By code point. Names and URIs here are ASCII, where that is the order of UTF-16. */
const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const contentText = (value: string): string => value.replace(/[&<>\r]/g, (one) => CONTENT[one]!)
const attributeText = (value: string): string => value.replace(/[&<"\t\n\r]/g, (one) => ATTRIBUTE[one]!)
const CONTENT: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '\r': '&#xD;' }
const ATTRIBUTE: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '"': '&quot;', '\t': '&#x9;', '\n': '&#xA;', '\r': '&#xD;' }

/** The element's children, which must be elements, between nothing but white space. */
export function elementsIn({ children, local }: Element): Element[] {
  return children.filter((child): child is Element => {
    if (typeof child !== 'string') return true
    if (child.trim() !== '') malformed(`text in ${local}`)
    return false
  })
}

/** All text of an element that has no elements. */
export function textIn({ children, local }: Element): string {
  return children.map((child) => (typeof child === 'string' ? child : malformed(`element in ${local}`))).join('')
}

/** An attribute by name, of no namespace unless one is given. */
export const attributeIn = ({ attributes }: Element, local: string, uri = ''): string | undefined => attributes.find((one) => one.local === local && one.uri === uri)?.value

export function malformed(why: string): never {
  return refuse('golden-values-malformed', `reference manifest: ${why}`)
}
