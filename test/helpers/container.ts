import { existsSync, statSync } from 'node:fs'
import { chmod, cp, mkdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Test } from 'tap'
import { runCommand, startCommand, type Command } from './command.js'
import { REPOSITORY, userEnvironment } from './consumer.js'
import { contextOf, execForm, readDockerfile, type Instruction } from './dockerfile.js'
import { temporaryFolder } from './temporary-folder.js'

/*
 * What Docker does with deploy/docker/Dockerfile, without Docker: each stage is a folder with its own root, in which RUN and
 * the service run by chroot, in namespaces of their own for mounts, processes and the network. In place of the base image
 * stand this machine's /usr and /etc, with the Node.js of the image's version from the npm registry.
 */

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Of npm, in a stage. */
const CACHE = '/root/.npm'

/** Why containers cannot be had here; false if they can. */
export const noContainers = process.platform !== 'linux' || process.getuid?.() !== 0 ? 'it needs the namespaces of Linux, and root' : false

/** A stage of a Dockerfile, or the image: its last one. */
export interface Image {
  /** The folder that is its root. */
  root: string
  /** What is mounted at /usr/local: Node.js and npm. */
  node: string
  directory: string
  environment: Record<string, string>
  user: string
  entrypoint: string[]
  command: string[]
  healthcheck: string[]
}

export interface RunOptions {
  /** In place of CMD. */
  args?: string[]
  /** In place of ENTRYPOINT. */
  entrypoint?: string[]
  environment?: Record<string, string>
  /** Files and folders of the machine, by where they are in the container. They can only be read. */
  volumes?: Record<string, string>
  /** Names, with their addresses. */
  hosts?: Record<string, string>
  tmpfs?: string[]
  /** The container whose network it shares. Default: a network of its own, with nothing but loopback. */
  network?: Container
}

export interface Container extends Command {
  /** The process 1 of the container, as the machine numbers it. */
  readonly first: number
  /** What `docker exec` does. */
  exec (args: string[]): Command
  /** What the image's HEALTHCHECK says. */
  health (): Promise<'healthy' | 'unhealthy'>
}

/** Builds the image of deploy/docker/Dockerfile. */
export async function buildImage (t: Test): Promise<Image> {
  const context = await temporaryFolder(t)
  for (const name of await contextOf()) await cp(join(REPOSITORY, name), join(context, name), { recursive: true })
  const stages = new Map<string, Image>()
  let image: Image | undefined
  for (const instruction of await readDockerfile()) {
    if (instruction.name !== 'FROM') {
      await execute(t, image!, instruction, context, stages)
      continue
    }
    const [base, , stage = ''] = instruction.text.split(' ')
    image = await baseImage(t, base!)
    stages.set(stage, image)
  }
  return image!
}

/** `node:24-bookworm-slim`, nearly. */
async function baseImage (t: Test, name: string): Promise<Image> {
  const [, version] = /^node:(\d+)-bookworm-slim$/.exec(name)!
  const root = await temporaryFolder(t)
  // The container's user must get in.
  await chmod(root, 0o755)
  for (const folder of ['dev', 'etc', 'opt', 'proc', 'root', 'tmp', 'usr', 'home/node']) await mkdir(join(root, folder), { recursive: true })
  for (const folder of ['bin', 'lib', 'lib64', 'sbin']) if (existsSync(join('/usr', folder))) await symlink(join('usr', folder), join(root, folder))
  return { root, node: await nodeOf(t, version!), directory: '/', environment: { PATH }, user: '0:0', entrypoint: [], command: [], healthcheck: [] }
}

const nodes = new Map<string, string>()

/** A folder like /usr/local of the image: that version of Node.js, and npm. */
async function nodeOf (t: Test, version: string): Promise<string> {
  const known = nodes.get(version)
  if (known !== undefined) return known
  const folder = await temporaryFolder(t)
  const name = `node-linux-${process.arch}`
  await runCommand(t, 'npm', ['install', '--no-audit', '--prefer-offline', '--prefix', folder, `${name}@${version}`], { env: userEnvironment() })
  const made = join(folder, 'node_modules', name)
  const npm = await realpath((await runCommand(t, 'sh', ['-c', 'command -v npm'], { env: userEnvironment() })).trim())
  await mkdir(join(made, 'lib/node_modules'), { recursive: true })
  await cp(resolve(npm, '../..'), join(made, 'lib/node_modules/npm'), { recursive: true })
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(made, 'bin/npm'))
  nodes.set(version, made)
  return made
}

async function execute (t: Test, image: Image, { name, flags, text }: Instruction, context: string, stages: Map<string, Image>): Promise<void> {
  switch (name) {
    case 'WORKDIR':
      image.directory = text
      await mkdir(image.root + text, { recursive: true })
      break
    case 'ENV':
      for (const word of text.split(' ')) image.environment[word.slice(0, word.indexOf('='))] = word.slice(word.indexOf('=') + 1)
      break
    case 'COPY': {
      const from = flags.from === undefined ? context : stages.get(flags.from)!.root
      const sources = text.split(' ')
      const target = join(image.root, resolve(image.directory, sources.at(-1)!))
      for (const source of sources.slice(0, -1)) {
        // The content of a folder, but a file as it is.
        const into = sources.at(-1)!.endsWith('/') ? join(target, source.split('/').at(-1)!) : target
        await mkdir(dirname(into), { recursive: true })
        await cp(join(from, source), into, { recursive: true, verbatimSymlinks: true })
      }
      break
    }
    case 'RUN': {
      const { settings, cache } = await npmSettings(t)
      const builder = { ...image, environment: { ...image.environment, ...settings } }
      const script = [...mount(image, { '/etc': '/etc' }, { [CACHE]: cache }), `exec ${line(inside(builder, ['/bin/sh', '-c', text]))}`].join('\n')
      await runCommand(t, 'unshare', ['--mount', '--pid', '--fork', '--kill-child', '/bin/sh', '-ec', script], { env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` } })
      break
    }
    case 'USER':
      image.user = text
      break
    case 'HEALTHCHECK':
      image.healthcheck = execForm(text.slice('CMD '.length))
      break
    case 'ENTRYPOINT':
      image.entrypoint = execForm(text)
      break
    case 'CMD':
      image.command = execForm(text)
      break
    case 'EXPOSE':
    case 'STOPSIGNAL':
      break
    default:
      throw new Error(`not understood: ${name}`)
  }
}

/** Where this machine's npm finds its registry, which the one in the container asks, too. */
async function npmSettings (t: Test): Promise<{ settings: Record<string, string>, cache: string }> {
  const setting = async (name: string): Promise<string> => (await runCommand(t, 'npm', ['config', 'get', name], { env: userEnvironment() })).trim()
  const settings: Record<string, string> = { HOME: '/root', npm_config_cache: CACHE, npm_config_prefer_offline: 'true' }
  for (const name of ['registry', 'cafile']) {
    const value = await setting(name)
    if (value !== 'null') settings[`npm_config_${name}`] = value
  }
  const cache = await setting('cache')
  await mkdir(cache, { recursive: true })
  return { settings, cache }
}

/** Lines of a shell that lay out the container's files. What is mounted can only be read, but for `writable`. */
function mount ({ root, node }: Image, volumes: Record<string, string>, writable: Record<string, string> = {}): string[] {
  const bind = ([to, from]: [string, string]): string[] => [
    statSync(from).isDirectory() ? `mkdir -p '${root}${to}'` : `mkdir -p '${root}${dirname(to)}'; touch '${root}${to}'`,
    `mount --bind '${from}' '${root}${to}'`
  ]
  return [
    `mount --bind '${root}' '${root}'`,
    ...Object.entries({ '/usr': '/usr', '/dev': '/dev', ...volumes }).flatMap(entry => [...bind(entry), `mount -o remount,bind,ro '${root}${entry[0]}'`]),
    ...Object.entries(writable).flatMap(bind),
    `mount --bind '${node}' '${root}/usr/local'`,
    `mount -t proc proc '${root}/proc'`
  ]
}

/** The command line that becomes a program in the container, with its environment alone, as its user, without a capability. */
function inside ({ root, directory, environment, user }: Image, args: string[]): string[] {
  const [uid, gid] = user.split(':')
  return [
    'chroot', root, '/usr/bin/env', '--ignore-environment', `--chdir=${directory}`, ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    'setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs', ...uid === '0' ? [] : ['--inh-caps=-all', '--bounding-set=-all'], ...args
  ]
}

/** A line of a shell. */
function line (words: string[]): string {
  return words.map(word => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
}

/** Runs an image, with a root that can only be read. */
export async function runContainer (t: Test, image: Image, options: RunOptions = {}): Promise<Container> {
  const { args = image.command, entrypoint = image.entrypoint, environment = {}, volumes = {}, hosts = {}, tmpfs = [], network } = options
  const etc = await temporaryFolder(t)
  const files: Record<string, string> = {
    hosts: ['127.0.0.1 localhost', ...Object.entries(hosts).map(([name, address]) => `${address} ${name}`)].join('\n'),
    passwd: 'root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n',
    group: 'root:x:0:\nnode:x:1000:\n'
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(etc, name), text)
  const mounted = { ...Object.fromEntries(Object.keys(files).map(name => [`/etc/${name}`, join(etc, name)])), ...volumes }
  // Docker sets these two, and PATH.
  const own = { ...image, environment: { HOME: '/home/node', HOSTNAME: 'container', ...image.environment, ...environment } }
  const script = [
    ...network === undefined ? ['ip link set lo up'] : [],
    ...mount(own, mounted),
    ...tmpfs.map(path => `mount -t tmpfs tmpfs '${own.root}${path}'`),
    `mount -o remount,bind,ro '${own.root}'`,
    `exec ${line(inside(own, [...entrypoint, ...args]))}`
  ].join('\n')
  const command = startCommand(t, 'setpriv', [
    // It goes with the test, even if that is killed.
    '--pdeathsig=KILL',
    ...network === undefined ? [] : ['nsenter', `--net=/proc/${network.first}/ns/net`],
    'unshare', '--mount', '--pid', ...network === undefined ? ['--net'] : [], '--fork', '--kill-child', '/bin/sh', '-ec', script
  ], { env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` } })
  const first = await onlyChild(command)
  const exec = (args: string[]): Command => {
    const [file, ...rest] = ['nsenter', `--target=${first}`, '--mount', '--pid', '--net', ...inside(own, args)]
    return startCommand(t, file!, rest)
  }
  return Object.assign(command, {
    first,
    exec,
    kill: (signal: NodeJS.Signals) => { try { process.kill(first, signal) } catch {} },
    health: async () => await exec(image.healthcheck).ended === 0 ? 'healthy' as const : 'unhealthy' as const
  })
}

/** The process that `unshare --fork` makes. */
async function onlyChild (command: Command): Promise<number> {
  const ended = command.ended.then(() => true, () => true)
  while (!await Promise.race([ended, false])) {
    const children = await readFile(`/proc/${command.pid}/task/${command.pid}/children`, 'utf8').catch(() => '')
    if (children !== '') return Number(children)
  }
  throw new Error(`The container could not be started:\n${command.stderr}`)
}
