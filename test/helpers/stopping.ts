import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { stringify } from 'yaml'
import type { Test } from 'tap'
import { startCommand, type Command } from './command.js'
import { CLI } from './outputs.js'
import { rawTarget, type RawTarget } from './raw-target.js'
import { Wire } from './wire.js'

/** Milliseconds. */
const DRAIN = 300
/** What a machine under load may take longer; beyond, after 5 s, the service ends with another exit code. */
const MARGIN = 4_500

export interface StoppingService {
  target: RawTarget
  program: Command
  /** A connection as the network has it. */
  raw (host?: string): Promise<Socket>
  connect (host?: string): Promise<Wire>
  /** SIGTERM: it ends within drainTimeout, and as it should. */
  checkStop (): Promise<void>
}

const ROUTES = `export default async app => {
  app.register(async scope => {
    scope.addHook('onRequest', () => new Promise(() => {}))
    scope.proxy('/*', { upstream: 'main', websocket: true })
  }, { prefix: '/hook' })
  app.proxy('/chosen', { upstream: request => request.headers['x-target'] })
}`

/** localhost is 127.0.0.1 and ::1. */
const LOCALHOST = `data:text/javascript,${encodeURIComponent(`
  import dns from 'node:dns'
  const { lookup } = dns
  dns.lookup = (host, ...rest) => {
    const both = [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }]
    if (host !== 'localhost') lookup(host, ...rest)
    else if (rest[0].all === true) rest.at(-1)(null, both)
    else rest.at(-1)(null, '127.0.0.1', 4)
  }`)}`

/** The built service with a route to a target for everything, one with a hook that never returns, and one whose requests name their target. */
export async function startStopping (t: Test, { host = '127.0.0.1', tls }: { host?: string, tls?: { cert: string, key: string } } = {}): Promise<StoppingService> {
  const target = await rawTarget(t)
  const config = {
    listen: { host, port: 0, ...tls !== undefined && { tls } },
    drainTimeout: DRAIN,
    upstreams: { main: { targets: [target.url] } },
    routes: [{ url: '/*', upstream: 'main', websocket: true }]
  }
  const cwd = t.testdir({ 'sluice.yaml': stringify(config), routes: { 'index.mjs': ROUTES } })
  const node = host === 'localhost' ? ['--import', LOCALHOST] : []
  const program = startCommand(t, process.execPath, [...node, CLI, '--config', 'sluice.yaml', '--routes', 'routes'], { cwd, env: { PATH: process.env.PATH } })
  const [, port] = await program.output(/listening at https?:\/\/127\.0\.0\.1:(\d+)/)
  if (host === 'localhost') await program.output(/listening at https?:\/\/\[::1\]:/)
  const raw = async (host = '127.0.0.1'): Promise<Socket> => {
    const socket = connect({ port: Number(port), host, allowHalfOpen: true })
    await once(socket, 'connect')
    // It may be reset when the service ends.
    socket.on('error', () => {})
    return socket
  }
  return {
    target,
    program,
    raw,
    connect: async host => {
      const socket = await raw(host)
      if (tls === undefined) return new Wire(t, socket)
      const secure = connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
      await once(secure, 'secureConnect')
      return new Wire(t, secure)
    },
    checkStop: async () => {
      const before = performance.now()
      program.kill('SIGTERM')
      t.equal(await program.ended, 0, 'exit code')
      const took = Math.round(performance.now() - before)
      t.ok(took < DRAIN + MARGIN, `ended in time: ${took} ms`)
      t.equal(program.stderr, '')
    }
  }
}
