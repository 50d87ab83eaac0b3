import { createHmac, timingSafeEqual } from 'node:crypto'
import { cookieOf } from '../message/cookies.js'
import { withDefaults } from '../options/defaults.js'
import { StickyOptions } from '../options/index.js'

/** Where a request came over, as far as a cookie depends on it. */
interface Asking {
  readonly headers: { readonly cookie?: string | undefined }
  readonly protocol: string
}

/** Of an HMAC-SHA256 in base64url. */
const VALUE_LENGTH = 43

/** Keeps clients at their targets, by a cookie (RFC 6265). */
export class Sticky<Target extends { readonly address: { readonly url: string } }> {
  readonly #name: string
  readonly #key: string | Buffer
  readonly #upstream: string
  readonly #attributes: string
  readonly #secure: boolean | undefined
  /** The targets by what a cookie holds for them, hashed once more so that how long it takes to find one says nothing. */
  #targets = new Map<string, { target: Target, value: Buffer }>()
  #values = new Map<Target, string>()

  /** @param processKey Used where the options give no secret. */
  constructor (upstream: string, options: StickyOptions, processKey: Buffer) {
    const { cookie, secret, path, maxAge, sameSite, secure } = withDefaults(StickyOptions, options, ['path', 'sameSite'])
    this.#upstream = upstream
    this.#name = cookie ?? `sluice_${upstream.replace(/[^!#$%&'*+.^_`|~0-9A-Za-z-]/g, '_')}`
    this.#key = secret ?? processKey
    this.#secure = sameSite === 'None' ? true : secure
    this.#attributes = `; Path=${path}${maxAge === undefined ? '' : `; Max-Age=${maxAge}`}; HttpOnly; SameSite=${sameSite}`
  }

  setTargets (targets: readonly Target[]): void {
    this.#targets = new Map()
    this.#values = new Map()
    for (const target of targets) {
      const value = this.#hmac(`${this.#upstream}\n${target.address.url}`)
      this.#values.set(target, value)
      this.#targets.set(this.#hmac(value), { target, value: Buffer.from(value) })
    }
  }

  /** The target that a client's cookie stands for; undefined for none, one that is gone, or one that was made up. */
  targetOf ({ headers }: Asking): Target | undefined {
    const given = cookieOf(headers.cookie, this.#name)
    if (given?.length !== VALUE_LENGTH) return undefined
    const found = this.#targets.get(this.#hmac(given))
    if (found === undefined) return undefined
    const value = Buffer.from(given)
    return value.length === found.value.length && timingSafeEqual(value, found.value) ? found.target : undefined
  }

  /** The value of a Set-Cookie header with which the client comes back to a target. */
  setCookie (target: Target, { protocol }: Asking): string | undefined {
    const value = this.#values.get(target)
    if (value === undefined) return undefined
    const secure = this.#secure ?? /^(?:https|wss)$/.test(protocol)
    return `${this.#name}=${value}${this.#attributes}${secure ? '; Secure' : ''}`
  }

  #hmac (text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('base64url')
  }
}
