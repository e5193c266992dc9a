const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const URL_ALPHABET = `${ALPHABET.slice(0, 62)}-_`
const INVALID = 255

const VALUES = table(ALPHABET)
const URL_VALUES = table(URL_ALPHABET)

/** Standard base64 with padding (RFC 4648 §4); any other character, length or loose bit is `undefined`. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  return decode(text, text.length - padding, VALUES)
}

/** base64url without padding (RFC 4648 §5, RFC 7515 §2); anything else is `undefined`. */
export function decodeBase64Url(text: string): Uint8Array | undefined {
  return decode(text, text.length, URL_VALUES)
}

function decode(text: string, digits: number, values: Uint8Array): Uint8Array | undefined {
  if (digits % 4 === 1) return undefined
  const bytes = new Uint8Array(Math.floor((digits * 3) / 4))
  let at = 0
  let bits = 0
  let held = 0
  for (let i = 0; i < digits; i++) {
    const code = text.charCodeAt(i)
    const value = code < 128 ? values[code]! : INVALID
    if (value === INVALID) return undefined
    held = ((held << 6) | value) & 0xffff
    bits += 6
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = (held >> bits) & 0xff
  }
  // Bits that encode nothing must be zero, or one value would have several spellings.
  return (held & ((1 << bits) - 1)) === 0 ? bytes : undefined
}

function table(alphabet: string): Uint8Array {
  const values = new Uint8Array(128).fill(INVALID)
  for (let i = 0; i < 64; i++) values[alphabet.charCodeAt(i)] = i
  return values
}

/** base64url without padding (RFC 4648 §5). */
export function encodeBase64Url(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    const digits = Math.min(bytes.length - i, 3) + 1
    for (let d = 0; d < digits; d++) text += URL_ALPHABET[(group >> (18 - 6 * d)) & 63]!
  }
  return text
}
