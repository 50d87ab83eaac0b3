import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { createSecureContext } from 'node:tls'

/** PEM text that an option gives, and how it is called in a message. */
export interface PemText {
  /** Such as `option 'tls.cert': the file 'cert.pem'`. */
  name: string
  text: string
}

/** A part of PEM text, with its label, such as PRIVATE KEY. */
interface Block { label: string, text: string, complete: boolean }

/** What is wrong with certificates or keys. OpenSSL's own messages tell neither whose they are nor what to do. */
export class CertificateFault extends Error {}

/**
 * The certificates of a text, of which there is at least one.
 *
 * @throws {CertificateFault} for anything else than certificates, and for those that cannot be read.
 */
export function checkCertificates ({ name, text }: PemText): X509Certificate[] {
  const blocks = blocksOf(text)
  const certificates = blocks.filter(({ label }) => label.endsWith('CERTIFICATE'))
  if (certificates.length === 0) {
    const labels = blocks.map(({ label }) => label)
    if (labels.some(isPrivate)) throw new CertificateFault(`${name} holds a private key, not a certificate${name.includes('tls.cert') ? '; were certificate and key swapped?' : ''}`)
    if (labels.some(label => label.endsWith('CERTIFICATE REQUEST'))) throw new CertificateFault(`${name} holds a certificate request; give the certificate that was issued for it`)
    throw new CertificateFault(`${name} holds no certificate, but ${labels.join(', ') || 'no complete PEM text'}`)
  }
  return certificates.map((block, index) => {
    const which = certificates.length === 1 ? 'the certificate' : `certificate ${index + 1} of ${certificates.length}`
    if (!block.complete) throw new CertificateFault(`${name} is cut off: ${which} in it has no '-----END ${block.label}-----'`)
    try {
      return new X509Certificate(block.text)
    } catch {
      throw new CertificateFault(`${name}: ${which} in it is damaged; copy it once more`)
    }
  })
}

/** @throws {CertificateFault} for anything else than private keys that need no passphrase. */
function checkKeys ({ name, text }: PemText): KeyObject[] {
  const blocks = blocksOf(text)
  const keys = blocks.filter(({ label }) => isPrivate(label))
  if (keys.length === 0) {
    const labels = blocks.map(({ label }) => label)
    if (labels.some(label => label.endsWith('CERTIFICATE'))) throw new CertificateFault(`${name} holds a certificate, not a private key; were certificate and key swapped?`)
    if (labels.some(label => label.endsWith('PUBLIC KEY'))) throw new CertificateFault(`${name} holds a public key; give the private one`)
    throw new CertificateFault(`${name} holds no private key, but ${labels.join(', ') || 'no complete PEM text'}`)
  }
  return keys.map(({ label, text, complete }) => {
    if (label === 'ENCRYPTED PRIVATE KEY' || text.includes('Proc-Type: 4,ENCRYPTED')) {
      throw new CertificateFault(`${name} holds a key that is encrypted with a passphrase; give one without, as 'openssl pkey -in FILE -out NEW' writes it`)
    }
    if (!complete) throw new CertificateFault(`${name} is cut off: the key in it has no '-----END ${label}-----'`)
    try {
      return createPrivateKey(text)
    } catch {
      throw new CertificateFault(`${name}: the key in it is damaged; copy it once more`)
    }
  })
}

/**
 * Whether certificates and private keys can be used, and each certificate has its key: OpenSSL itself lets pass those of
 * different kinds that do not belong together, and then no handshake succeeds.
 *
 * @throws {CertificateFault}
 */
export function checkPairs (certificates: readonly PemText[], keys: readonly PemText[]): void {
  const chains = certificates.map(text => ({ ...text, chain: checkCertificates(text) }))
  const all = keys.flatMap(checkKeys)
  const keyNames = keys.map(({ name }) => name).join(' and ')
  for (const { name, chain } of chains) {
    const [leaf] = chain as [X509Certificate]
    if (all.some(key => leaf.checkPrivateKey(key))) continue
    const place = chain.findIndex(certificate => all.some(key => certificate.checkPrivateKey(key)))
    throw new CertificateFault(place === -1
      ? `${keyNames} is not the key of the certificate in ${name} (${subjectOf(leaf)}); give the one that the certificate was requested with`
      : `${name} begins with the certificate of ${subjectOf(leaf)}; that of the key, which is number ${place + 1}, must be the first`)
  }
  try {
    createSecureContext({ cert: certificates.map(({ text }) => text), key: keys.map(({ text }) => text) })
  } catch (error) {
    const { reason, message } = error as Error & { reason?: string }
    throw new CertificateFault(`${chains.map(({ name }) => name).join(' and ')} cannot be used with ${keyNames}: ${/too small/.test(message) ? 'the key is too short; make one with at least 2048 bits (RSA), or 256 (EC)' : `OpenSSL says '${reason ?? message}'`}`)
  }
}

/** In one line, as in CN=app.example.com. */
function subjectOf ({ subject }: X509Certificate): string {
  return (subject as string | undefined)?.split('\n').join(', ') ?? 'without a name'
}

function isPrivate (label: string): boolean {
  return label.endsWith('PRIVATE KEY')
}

/** The parts of PEM text. A last one without an end counts as well. */
function blocksOf (text: string): Block[] {
  return text.split('-----BEGIN ').slice(1).map(part => {
    const label = part.split('-----', 1)[0]!
    const end = `-----END ${label}-----`
    const at = part.indexOf(end)
    return { label, text: `-----BEGIN ${at === -1 ? part : part.slice(0, at + end.length)}\n`, complete: at !== -1 }
  })
}
