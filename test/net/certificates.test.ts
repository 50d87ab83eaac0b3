import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { readPair, TlsClient } from '../../src/net/tls.js'
import { selfSigned } from '../helpers/certificates.js'

// Issue 12: OpenSSL's words for a mismatched, encrypted or swapped key; keys of another kind were not noticed at all.

const one = await selfSigned(t, 'DNS:one.test')
const other = await selfSigned(t, 'DNS:other.test')
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pem = (key: { export (options: { type: 'pkcs8', format: 'pem', cipher?: string, passphrase?: string }): string | Buffer }, options = {}): string =>
  String(key.export({ type: 'pkcs8', format: 'pem', ...options }))
const encrypted = pem(createPrivateKey(one.key), { cipher: 'aes-256-cbc', passphrase: 'secret' })
const publicKey = String(rsa.publicKey.export({ type: 'spki', format: 'pem' }))
const damaged = one.cert.replace(/^M.../m, 'AAAA')
const cut = one.cert.split('\n').slice(0, 4).join('\n')

t.test('pairs that belong together', async t => {
  t.strictSame(readPair(one.cert, one.key, 'listen'), { cert: [one.cert], key: [one.key] })
  readPair(one.certFile, one.keyFile, 'listen')
  readPair(`${one.cert}\n${other.cert}`, one.key, 'listen')
  readPair(`# both\n${one.key}\n${one.cert}`, `${one.cert}\n${one.key}`, 'listen')
  t.pass()
})

const faults: Record<string, [cert: string, key: string, message: RegExp]> = {
  'a key of another certificate': [one.certFile, other.keyFile, /^listen: option 'tls\.key': the file '.*' is not the key of the certificate in option 'tls\.cert': the file '.*' \(CN=sluice test\); give the one/],
  'a key of another kind': [one.cert, pem(rsa.privateKey), /^listen: option 'tls\.key' is not the key of the certificate in option 'tls\.cert' \(CN=sluice test\)/],
  'one key for two certificates': [`${one.cert}`, other.key, /is not the key/],
  'a chain in the wrong order': [`${other.cert}\n${one.cert}`, one.key, /begins with the certificate of CN=sluice test; that of the key, which is number 2, must be the first/],
  'certificate and key swapped': [one.keyFile, one.certFile, /option 'tls\.cert': the file '.*' holds a private key, not a certificate; were certificate and key swapped\?/],
  'a certificate for a key': [one.cert, one.cert, /option 'tls\.key' holds a certificate, not a private key/],
  'a public key': [one.cert, publicKey, /option 'tls\.key' holds a public key; give the private one/],
  'an encrypted key': [one.cert, encrypted, /option 'tls\.key' holds a key that is encrypted with a passphrase; give one without, as 'openssl pkey -in FILE -out NEW' writes it/],
  'an encrypted key of the old form': [one.cert, one.key.replace(/\n/, '\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n'), /is encrypted with a passphrase/],
  'a damaged certificate': [damaged, one.key, /option 'tls\.cert': the certificate in it is damaged; copy it once more/],
  'a certificate that is cut off': [cut, one.key, /option 'tls\.cert' is cut off: the certificate in it has no '-----END CERTIFICATE-----'/],
  'a damaged key': [one.cert, pem(rsa.privateKey).replace(/^M.../m, 'AAAA'), /option 'tls\.key': the key in it is damaged/],
  'a certificate request': [one.cert.replaceAll('CERTIFICATE', 'CERTIFICATE REQUEST'), one.key, /holds a certificate request; give the certificate that was issued for it/]
}
for (const [name, [cert, key, message]] of Object.entries(faults)) {
  t.test(name, async t => {
    t.throws(() => readPair(cert, key, 'listen'), { code: 'SLUICE_OPTIONS_INVALID', message })
    t.throws(() => new TlsClient({ cert, key }, "Upstream 'a'"), { code: 'SLUICE_OPTIONS_INVALID', message: new RegExp(message.source.replace(/^\^listen/, "^Upstream 'a'")) })
  })
}

t.test('authorities are certificates', async t => {
  const refused = (ca: string, message: RegExp): void => { t.throws(() => new TlsClient({ ca }, "Upstream 'a'"), { message }) }
  refused(one.keyFile, /option 'tls\.ca': the file '.*' holds a private key, not a certificate$/)
  refused(`${one.cert}\n${damaged}`, /option 'tls\.ca': certificate 2 of 2 in it is damaged/)
  t.doesNotThrow(() => new TlsClient({ ca: `Some text\n${one.cert}\n${other.cert}` }, "Upstream 'a'"))
  t.equal(readFileSync(one.certFile, 'utf8'), one.cert)
})
