import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import type { Teardown } from './backends.js'

/** A certificate and its key, as PEM text and as files. */
export interface Certificate { cert: string, key: string, certFile: string, keyFile: string }

/** A self-signed certificate for some names, such as `DNS:target.test` and `IP:127.0.0.1`. */
export async function selfSigned (t: Teardown, ...names: string[]): Promise<Certificate> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cert-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'sluice test' }], {
    keyType: 'ec',
    extensions: [
      { name: 'basicConstraints', cA: true },
      {
        name: 'subjectAltName',
        altNames: names.map(name => name.startsWith('IP:') ? { type: 7, ip: name.slice(3) } : { type: 2, value: name.slice(4) })
      }
    ]
  })
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  writeFileSync(certFile, cert)
  writeFileSync(keyFile, key)
  return { cert, key, certFile, keyFile }
}
