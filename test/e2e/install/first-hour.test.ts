import { once } from 'node:events'
import { appendFile, chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { WebSocket } from 'ws'
import { blocksOf, type Block } from '../../docs/markdown.js'
import { runCommand, startCommand, type Command } from '../../helpers/command.js'
import { consumer, REPOSITORY, userEnvironment } from '../../helpers/consumer.js'
import { freePort } from '../../helpers/raw-target.js'
import { closed, nextMessage } from '../../helpers/sockets.js'

/*
 * 'A first hour' of docs/getting-started.md, step by step, in a folder with the package as npm packs it. The comment
 * before a block says what becomes of it: <!-- test: first-hour ACTION FILE -->
 */

t.setTimeout(120_000)

const PORTS = ['3000', '3001', '8443', '9901']

t.test('the steps do what the page says', async t => {
  const folder = await consumer(t, 'fastify')
  await mkdir(join(folder, 'node_modules/.bin'))
  await symlink(join(REPOSITORY, 'node_modules/ws'), join(folder, 'node_modules/ws'))
  await symlink('../sluice/dist/src/service/cli.js', join(folder, 'node_modules/.bin/sluice'))
  await chmod(join(folder, 'node_modules/.bin/sluice'), 0o755) // As npm does when it installs.
  const ports = new Map<string, number>()
  for (const port of PORTS) ports.set(port, await freePort())

  // Its own place for what `sluice reload` finds running services by.
  const options = { cwd: folder, env: { ...userEnvironment(), XDG_RUNTIME_DIR: folder } }
  const started: Command[] = []
  let gateway = 0
  let printed = ''
  let socket: WebSocket | undefined
  const actions: Record<string, (code: string, file: string) => unknown> = {
    file: (code, file) => writeFile(join(folder, file), code),
    append: (code, file) => appendFile(join(folder, file), code),
    async run (code) {
      printed = await runCommand(t, '/bin/sh', ['-e', '-c', code], options)
    },
    prints: code => t.equal(printed, code),
    async start (code) {
      const command = startCommand(t, '/bin/sh', ['-c', `exec ${code}`], options)
      started.push(command)
      if (!code.includes('sluice')) return await accepts(ports.get('3000')!)
      const [, pid] = await command.output(/"pid":(\d+).*Server listening at https/)
      gateway = Number(pid)
      // It outlives npx if the test fails.
      t.teardown(() => { try { process.kill(gateway, 'SIGKILL') } catch {} })
    },
    async connect (code) {
      t.match(code, /^npx wscat --ca cert\.pem -c wss:\S+$/m)
      socket = new WebSocket(code.trim().split(' ').at(-1)!, { ca: await readFile(join(folder, 'cert.pem')) })
      await once(socket, 'open')
      socket.send('hello')
      t.equal(await nextMessage(socket), 'chat: hello')
    }
  }
  for (const { probes: [action, file], code } of steps()) await actions[action!]!(withPorts(code, ports), file!)

  // It is drained now.
  const refused = new WebSocket(socket!.url, { rejectUnauthorized: false })
  refused.on('error', () => {})
  const [, { statusCode }] = await once(refused, 'unexpected-response')
  t.equal(statusCode, 503)
  t.equal(socket!.readyState, WebSocket.OPEN, 'through the reload and the drain of the target')
  const end = closed(socket!)
  process.kill(gateway, 'SIGINT')
  t.same(await end, { code: 1012, reason: '' })
  await started[1]!.output(/"by":"gateway","reason":"drain","code":1012/)
})

function steps (): Block[] {
  const blocks = blocksOf('docs/getting-started.md').filter(({ scenario }) => scenario === 'first-hour')
  if (blocks.length < 10) throw new Error('docs/getting-started.md has no first hour')
  return blocks
}

function withPorts (code: string, ports: Map<string, number>): string {
  return [...ports].reduce((text, [port, free]) => text.replaceAll(port, String(free)), code.replace('admin: true', 'admin: { port: 9901 }'))
}

/** Resolves when something responds there. */
async function accepts (port: number): Promise<void> {
  while (true) {
    const request = get({ port, host: '127.0.0.1', agent: false })
    const [response] = await once(request, 'response').catch(() => [])
    if (response !== undefined) return response.resume()
  }
}
