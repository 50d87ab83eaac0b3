import { chmod, copyFile, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildImage, noContainers, runContainer, type Container } from '../../helpers/container.js'
import { REPOSITORY } from '../../helpers/consumer.js'
import { deployment, gatewayFile, KUBERNETES } from '../../helpers/manifests.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'

/*
 * Issue 12: the image of deploy/docker/Dockerfile is built and run as Docker would, instruction by instruction, but for the
 * base image (test/helpers/container.ts).
 */

t.setTimeout(900_000) // npm ci asks the registry, twice, and a build takes seconds.

const DOCKER = join(REPOSITORY, 'deploy/docker')

t.test('the image', { skip: noContainers }, async t => {
  const image = await buildImage(t)
  const serve = async (t: Test, options: Parameters<typeof runContainer>[2] = {}): Promise<Container> => {
    const container = await runContainer(t, image, options)
    await container.output(/Server listening at http:\/\/[\d.]+:8080/)
    return container
  }
  /** What a program of Node.js in the container prints. */
  const evaluate = async (container: Container, program: string): Promise<string> => {
    const node = container.exec(['node', '--input-type=module', '--eval', program])
    await node.ended
    return `${node.stdout}${node.stderr}`.trim()
  }

  t.test('serves as process 1, as a user with no rights, with Node.js of its base image', async t => {
    const container = await serve(t)
    const status = await readFile(`/proc/${container.first}/status`, 'utf8')
    t.match(status, /^NSpid:\t\d+\t1$/m)
    t.match(status, /^Uid:\t1000\t1000\t1000\t1000$/m)
    t.match(status, /^Gid:\t1000\t1000\t1000\t1000$/m)
    t.match(status, /^CapEff:\t0+$/m)
    t.match(status, /^CapBnd:\t0+$/m)
    t.equal(await evaluate(container, 'console.log(process.version.split(".")[0])'), 'v24')
    t.match(await evaluate(container, 'console.log((await (await fetch("http://127.0.0.1:8080")).text()))'), /<title>.*Sluice/)
    t.match(await evaluate(container, 'await (await import("node:fs/promises")).writeFile("/opt/sluice/x", "")'), /EROFS/)
  })

  t.test('HEALTHCHECK follows /readyz: healthy while it serves, unhealthy while it drains, and without a service', async t => {
    const container = await serve(t, { volumes: { '/etc/sluice': await folder(t, { 'sluice.yaml': 'drainDelay: 60000\ndrainTimeout: 100\nroutes: [{ url: /*, upstream: "http://127.0.0.1:1" }]\n' }) } })
    t.equal(await container.health(), 'healthy')
    container.kill('SIGTERM')
    await container.output(/stopping in 60000 ms/)
    t.equal(await container.health(), 'unhealthy')
    container.kill('SIGTERM')
    t.equal(await container.ended, 1, 'a second signal ends it at once')
    const other = await runContainer(t, image, { entrypoint: ['sleep'], args: ['600'] })
    t.equal(await other.health(), 'unhealthy')
  })

  t.test('SIGTERM stops it, with exit code 0', async t => {
    const container = await serve(t, { environment: { UPSTREAM_URL: 'http://127.0.0.1:1' } })
    container.kill('SIGTERM')
    t.equal(await container.ended, 0)
    t.match(container.stdout, /SIGTERM received, stopping/)
    t.equal(container.stderr, '')
  })

  t.test('commands: check, --version, reload', async t => {
    const check = await runContainer(t, image, { args: ['check'], volumes: { '/etc/sluice': await folder(t, { 'sluice.yaml': 'rotues: []\n' }) } })
    t.equal(await check.ended, 1)
    t.match(check.stderr, /did you mean 'routes'/)
    const version = await runContainer(t, image, { args: ['--version'] })
    t.equal(await version.ended, 0)
    t.match(version.stdout, /^\d+\.\d+\.\d+\n$/)
    const container = await serve(t, { tmpfs: ['/tmp'] })
    const reload = container.exec([...image.entrypoint, 'reload'])
    t.equal(await reload.ended, 0, reload.stderr)
  })

  t.test('plugins beside the modules of the image find them', async t => {
    const plugins = await folder(t, {
      'hello.js': "import fastifyPlugin from 'fastify-plugin'\nimport 'sluice'\nexport default fastifyPlugin(async app => { app.get('/hello', () => 'hello from a plugin') })\n"
    })
    const container = await serve(t, { args: ['--plugins', '/opt/sluice/plugins'], volumes: { '/opt/sluice/plugins': plugins } })
    t.equal(await evaluate(container, 'console.log(await (await fetch("http://127.0.0.1:8080/hello")).text())'), 'hello from a plugin')
  })

  t.test('with a token, the admin listener is open to other machines, and HEALTHCHECK needs none', async t => {
    const container = await serve(t, {
      environment: { ADMIN_TOKEN: 'a-token-of-sixteen-characters' },
      volumes: { '/etc/sluice': await folder(t, { 'sluice.yaml': 'admin: { host: 0.0.0.0 }\nroutes: [{ url: /*, upstream: "http://127.0.0.1:1" }]\n' }) }
    })
    t.equal(await container.health(), 'healthy')
    t.equal(await evaluate(container, 'console.log((await fetch("http://127.0.0.1:9901/api")).status)'), '401')
  })

  t.test('compose.yaml: the gateway, with both backends behind it', async t => {
    const backend = { volumes: { '/opt/sluice/backend.js': join(DOCKER, 'backend.js') } }
    const web = await runContainer(t, image, { ...backend, entrypoint: ['node', '/opt/sluice/backend.js', 'web'], args: [], environment: { HOST: '127.0.0.2' } })
    const chat = await runContainer(t, image, { ...backend, entrypoint: ['node', '/opt/sluice/backend.js', 'chat'], args: [], environment: { HOST: '127.0.0.3' }, network: web })
    const gateway = await serve(t, {
      args: ['--watch'],
      volumes: { '/etc/sluice': join(DOCKER, 'gateway') },
      hosts: { web: '127.0.0.2', chat: '127.0.0.3' },
      tmpfs: ['/tmp'],
      network: web
    })
    t.equal(await gateway.health(), 'healthy')
    const got = await evaluate(gateway, 'let text; while (!(text = await (await fetch("http://127.0.0.1:8080/page")).text()).startsWith("web")); console.log(text)')
    t.equal(got, 'web got GET /page')
    const session = gateway.exec(['node', '--eval', `
      const socket = new WebSocket('ws://127.0.0.1:8080/chat')
      socket.onopen = () => socket.send('hello')
      socket.onmessage = ({ data }) => console.log(data)
      socket.onclose = ({ code }) => console.log('closed', code)
    `])
    await session.output(/^chat got hello\n/)
    gateway.kill('SIGTERM')
    await session.output(/closed 1012/)
    t.equal(await gateway.ended, 0)
    for (const container of [web, chat]) {
      container.kill('SIGTERM')
      t.equal(await container.ended, 0)
    }
  })

  t.test('deploy/kubernetes: the pod is probed, collected from, reloaded by its ConfigMap, and drains', async t => {
    const [{ args, startupProbe, readinessProbe, livenessProbe }] = deployment.spec!.template.spec!.containers as [PodContainer]
    // A volume of a ConfigMap: links to a link to a folder, which another one replaces.
    const config = await folder(t, {})
    const version = async (name: string): Promise<void> => {
      await mkdir(join(config, name))
      await symlink(name, join(config, '..data_tmp'))
    }
    await version('..1')
    await copyFile(join(KUBERNETES, 'sluice.yaml'), join(config, '..1/sluice.yaml'))
    await rename(join(config, '..data_tmp'), join(config, '..data'))
    await symlink('..data/sluice.yaml', join(config, 'sluice.yaml'))
    const token = 'a-token-of-sixteen-characters'
    const pod = await serve(t, { args: args!, environment: { ADMIN_TOKEN: token }, volumes: { '/etc/sluice': config }, tmpfs: ['/tmp'], hosts: { app: '127.0.0.2' } })
    const status = (path: string, headers = '{}') => evaluate(pod, `console.log((await fetch('http://127.0.0.1:${gatewayFile.admin.port}${path}', { headers: ${headers} })).status)`)
    for (const probe of [startupProbe, readinessProbe, livenessProbe]) t.equal(await status(probe!.httpGet!.path!), '200', probe!.httpGet!.path!)
    t.equal(await status('/metrics'), '401')
    t.equal(await status('/metrics', `{ authorization: 'Bearer ${token}' }`), '200')

    await version('..2')
    await writeFile(join(config, '..2/sluice.yaml'), `${await readFile(join(KUBERNETES, 'sluice.yaml'), 'utf8')}\n  - { url: /new, upstream: app }\n`)
    await rename(join(config, '..data_tmp'), join(config, '..data'))
    await pod.output(/a change of the file: reloading/)
    await pod.output(/1 route\(s\) added/)

    pod.kill('SIGTERM')
    await pod.output(/stopping in 10000 ms/)
    t.equal(await status(readinessProbe!.httpGet!.path!), '503')
    t.equal(await status(livenessProbe!.httpGet!.path!), '200')
    t.equal(await pod.ended, 0)
  })
})

type PodContainer = NonNullable<NonNullable<typeof deployment.spec>['template']['spec']>['containers'][number]

async function folder (t: Test, files: Record<string, string>): Promise<string> {
  const path = await temporaryFolder(t)
  // The user of the image reads it.
  await chmod(path, 0o755)
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
  return path
}
