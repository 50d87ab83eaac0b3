import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Teardown } from './backends.js'

/** A certificate and its key, as PEM text and as files. */
export interface Certificate { cert: string, key: string, certFile: string, keyFile: string }

/** A self-signed certificate for some names, such as `DNS:target.test` and `IP:127.0.0.1`. */
export function selfSigned (t: Teardown, ...names: string[]): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cert-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=sluice test', '-addext', `subjectAltName=${names.join(',')}`, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' })
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, keyFile }
}
