import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { copyFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import { join } from 'node:path'
import { WebSocketServer } from 'ws'
import t, { type Test } from 'tap'
import type { UpstreamOptions } from '../../src/index.js'
import { createGateway } from '../../src/service/index.js'
import { ask } from '../helpers/ask.js'
import { listen } from '../helpers/backends.js'
import { selfSigned, type Certificate } from '../helpers/certificates.js'
import { startGateway, type RunningGateway } from '../helpers/gateway.js'
import { openSocket } from '../helpers/sockets.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

async function secureTarget (t: Test, { cert, key }: Certificate, options: object = {}): Promise<{ url: string, server: Server, port: number }> {
  const server = createServer({ cert, key, ...options }, (_request, response) => { response.end('secure') })
  const sockets = new WebSocketServer({ server })
  const { port } = await listen(t, server as never)
  t.teardown(() => { for (const socket of sockets.clients) socket.terminate() })
  return { url: `https://127.0.0.1:${port}`, server, port }
}

const status = async ({ port }: RunningGateway): Promise<number> => (await ask(`http://127.0.0.1:${port}`)).status
const gatewayTo = (t: Test, url: string, tls: NonNullable<UpstreamOptions['tls']>) => startGateway(t, { targets: [url], upstream: { tls, passiveHealth: false } })
const causes = ({ log }: RunningGateway): string => JSON.stringify(log.map(({ err }) => err))

t.test('a target with another certificate than the pinned one is refused', async t => {
  const certificate = await selfSigned(t, 'IP:127.0.0.1')
  const { fingerprint256 } = new X509Certificate(certificate.cert)
  const { url } = await secureTarget(t, certificate)
  const other = `00${fingerprint256.slice(2)}`
  const ca = certificate.cert
  t.equal(await status(await gatewayTo(t, url, { ca, fingerprint: fingerprint256 })), 200)
  t.equal(await status(await gatewayTo(t, url, { ca, fingerprint: [other, fingerprint256.replaceAll(':', '').toLowerCase()] })), 200)
  t.equal(await status(await gatewayTo(t, url, { fingerprint: fingerprint256 })), 502, 'it must verify as well')
  t.equal(await status(await gatewayTo(t, url, { fingerprint: fingerprint256, rejectUnauthorized: false })), 200, 'unless that is not asked for')
  const refused = await gatewayTo(t, url, { ca, fingerprint: other })
  t.equal(await status(refused), 502)
  t.match(causes(refused), new RegExp(`the certificate has the fingerprint ${fingerprint256}, which is not that of tls.fingerprint`))
  t.equal(await status(await gatewayTo(t, url, { fingerprint: other, rejectUnauthorized: false })), 502)
})

t.test('no session is resumed where a certificate is pinned: it would show none', async t => {
  const certificate = await selfSigned(t, 'IP:127.0.0.1')
  const { fingerprint256 } = new X509Certificate(certificate.cert)
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
    const { url, server } = await secureTarget(t, certificate, { maxVersion })
    const reused: boolean[] = []
    server.on('secureConnection', socket => { reused.push(socket.isSessionReused()) })
    const gateway = await gatewayTo(t, url, { ca: certificate.cert, fingerprint: fingerprint256 })
    const address = `http://127.0.0.1:${gateway.port}`
    for (let count = 0; count < 2; count++) {
      const socket = await openSocket(address)
      const end = once(socket, 'close')
      socket.close()
      await end
    }
    t.equal((await openSocket(address)).readyState, 1, maxVersion)
    t.same(reused, [false, false, false], maxVersion)
  }
})

t.test('the oldest version that is spoken', async t => {
  const certificate = await selfSigned(t, 'IP:127.0.0.1')
  const { url } = await secureTarget(t, certificate, { maxVersion: 'TLSv1.2' })
  t.equal(await status(await gatewayTo(t, url, { ca: certificate.cert, minVersion: 'TLSv1.2' })), 200)
  const refused = await gatewayTo(t, url, { ca: certificate.cert, minVersion: 'TLSv1.3' })
  t.equal(await status(refused), 502)
  t.match(causes(refused), /protocol version|unsupported protocol/i)
})

t.test('a name of its own is that of SNI and of the certificate', async t => {
  const certificate = await selfSigned(t, 'DNS:app.example')
  const { url, port, server } = await secureTarget(t, certificate)
  const names: unknown[] = []
  server.on('secureConnection', socket => { names.push((socket as { servername?: unknown }).servername) })
  const hosts: unknown[] = []
  server.on('request', ({ headers }) => { hosts.push(headers.host) })
  const upstream = { tls: { ca: certificate.cert }, passiveHealth: false as const }
  const named = await startGateway(t, { targets: [{ url, host: 'app.example' }], upstream, route: { host: 'target' } })
  t.equal(await status(named), 200)
  t.same([names, hosts], [['app.example'], [`app.example:${port}`]])
  t.equal(await status(await startGateway(t, { targets: [{ url, host: 'other.example' }], upstream })), 502)
})

t.test('a name that is an address is what the certificate must bear', async t => {
  for (const [names, expected] of [['IP:127.0.0.1', 502], ['IP:10.9.9.9', 200]] as const) {
    const certificate = await selfSigned(t, names)
    const { url } = await secureTarget(t, certificate)
    t.equal(await status(await startGateway(t, { targets: [{ url, host: '10.9.9.9' }], upstream: { tls: { ca: certificate.cert }, passiveHealth: false } })), expected, names)
  }
})

t.test('certificates are read again when their files change', async t => {
  const folder = await temporaryFolder(t)
  const [before, after] = [await selfSigned(t, 'IP:127.0.0.1'), await selfSigned(t, 'IP:127.0.0.1')]
  const [old, renewed] = [await secureTarget(t, before), await secureTarget(t, after)]
  const ca = join(folder, 'ca.pem')
  await copyFile(before.certFile, ca)
  const gateway = await startGateway(t, { targets: [old.url, renewed.url], upstream: { tls: { ca }, passiveHealth: false, balance: 'first' } })
  const logged = async (text: string): Promise<void> => { while (!gateway.log.some(({ msg }) => String(msg).includes(text))) await new Promise(setImmediate) }
  const session = await openSocket(`http://127.0.0.1:${gateway.port}`)
  t.equal(await status(gateway), 200)
  const control = gateway.app.gateway.upstreams.get('main')!
  t.equal(control.targets[0]!.sessions, 1)

  await writeFile(ca, 'not PEM')
  await logged('cannot be used')
  t.equal(await status(gateway), 200, 'those before stay in use')

  await copyFile(after.certFile, ca)
  await logged('are in use')
  control.setTarget(renewed.url, { state: 'maintenance' })
  t.equal(await status(gateway), 502, 'a kept connection to the old certificate is not used either')
  control.setTarget(renewed.url, { state: 'ready' })
  t.equal(await status(gateway), 200)
  t.equal(control.targets[0]!.sessions, 1, 'the session goes on')
  t.equal(session.readyState, session.OPEN)
  session.terminate()
})

t.test('a reload with other contents of the same files is followed, and a session stays', async t => {
  const folder = await temporaryFolder(t)
  const [before, after] = [await selfSigned(t, 'IP:127.0.0.1'), await selfSigned(t, 'IP:127.0.0.1')]
  const target = await secureTarget(t, before)
  const ca = join(folder, 'ca.pem')
  await copyFile(before.certFile, ca)
  const config = { listen: { port: 0 }, upstreams: { main: { targets: [target.url], tls: { ca } } }, routes: [{ url: '/*', upstream: 'main', websocket: true }] }
  const gateway = createGateway(config, { logger: false })
  t.teardown(() => gateway.close())
  const address = await gateway.listen()
  const session = await openSocket(address)
  await copyFile(after.certFile, ca)
  const { sessionsEnded } = await gateway.reload(structuredClone(config))
  t.equal(sessionsEnded, 0)
  t.equal((await ask(address)).status, 502)
  t.equal(session.readyState, session.OPEN)
  session.terminate()
})

t.test('what cannot be used is an error that names the upstream', async t => {
  const [one, other] = [await selfSigned(t, 'IP:127.0.0.1'), await selfSigned(t, 'IP:127.0.0.1')]
  const create = (tls: object) => () => createGateway({ upstreams: { main: { targets: ['https://127.0.0.1:1'], tls } } }, { logger: false }).listen()
  await t.rejects(create({ cert: one.cert, key: other.key }), { code: 'SLUICE_CONFIG_INVALID', message: /upstreams\.main: Upstream 'main': option 'tls\.key' is not the key of the certificate in option 'tls\.cert'/ })
  t.throws(create({ fingerprint: 'AB:CD' }), { message: /upstreams\.main\.tls\.fingerprint/ })
  t.throws(create({ minVersion: 'TLSv1.1' }), { message: /upstreams\.main\.tls\.minVersion: must be one of TLSv1\.2, TLSv1\.3/ })
})

t.test('a function of the request chooses a target with TLS options of its own', async t => {
  const certificate = await selfSigned(t, 'IP:127.0.0.1')
  const { url } = await secureTarget(t, certificate)
  let chosen: unknown
  const gateway = await startGateway(t, { targets: [url], route: { upstream: () => chosen as { url: string } } })
  const statusWith = async (choice: unknown): Promise<number> => {
    chosen = choice
    return await status(gateway)
  }
  t.equal(await statusWith({ url, tls: { ca: certificate.cert } }), 200)
  t.equal(await statusWith({ url, tls: { rejectUnauthorized: false } }), 200)
  t.equal(await statusWith({ url }), 502, 'verified')
  t.equal(await statusWith({ url, tls: { ca: certificate.cert } }), 200, 'and once more')
  for (const wrong of [{ url: 'main' }, { url, tls: { ca: 7 } }, { url, tls: { certificate: 'x' } }, { url, tls: { ca: '/nowhere.pem' } }, { tls: {} }, 7]) {
    t.equal(await statusWith(wrong), 502, JSON.stringify(wrong))
  }
  t.match(causes(gateway), 'nor { url, tls }')
  await Promise.all(Array.from({ length: 300 }, (_item, index) => statusWith({ url, tls: { servername: `n${index}.test`, rejectUnauthorized: false } })))
  t.equal(await statusWith({ url, tls: { ca: certificate.cert } }), 200, 'however many there have been')
})
