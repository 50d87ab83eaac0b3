import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { userInfo } from 'node:os'
import { fileURLToPath } from 'node:url'
import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import { stringify } from 'yaml'
import { runCommand, startCommand, startCommandWithOneOutput, type Command } from '../../../helpers/command.js'
import { freePort } from '../../../helpers/raw-target.js'
import { listeningUrl } from '../../../helpers/sluice-command.js'
import { temporaryFolder } from '../../../helpers/temporary-folder.js'
import { accepting, childrenOf, endWithSigterm, refuses } from './processes.js'

/*
 * The proxies that the README compares, each configured for WebSockets as its documentation says. Those of Node.js are
 * programs: node-proxies.mjs.
 */

/** How a proxy is set up for a situation. */
export interface Setup {
  targetPort: number
  /** How long the target may take for its response to a handshake, in milliseconds, where the proxy has an option for that. */
  limit?: number
  /** Every request needs authentication. */
  auth?: boolean
  /** How long sessions may last after a graceful stop, in milliseconds, where the proxy has an option for that. */
  deadline?: number
}

/** A proxy that runs. */
export interface Running {
  port: number
  command: Command
  /** All that it has logged. */
  log (): string
  /** Asks it to end gracefully, and resolves when it accepts nothing more, or has ended. */
  quit (): Promise<void>
  /** Reloads its configuration and resolves when the new one is in force; undefined where there is none to reload. */
  reload?: () => Promise<void>
}

export interface Peer {
  /** The column of the table. */
  name: string
  start (t: Test, setup: Setup): Promise<Running>
}

const CLI = fileURLToPath(new URL('../../../../dist/src/service/cli.js', import.meta.url))
const NODE_PROXIES = fileURLToPath(new URL('node-proxies.mjs', import.meta.url))

/** Debian's, or others that are named in the environment. */
export const programs = {
  nginx: process.env.NGINX ?? '/usr/sbin/nginx',
  haproxy: process.env.HAPROXY ?? '/usr/sbin/haproxy',
  caddy: process.env.CADDY ?? '/usr/bin/caddy'
}

/** A plugin, as docs/service.md has it. */
const AUTHENTICATION = `
  import fastifyPlugin from 'fastify-plugin'

  export default fastifyPlugin(async app => {
    app.addHook('onRequest', async (request, reply) => {
      if (request.headers.authorization === undefined) return reply.code(401).send()
    })
  })
`

const sluice: Peer = {
  name: 'Sluice',
  async start (t, { targetPort, limit, auth }) {
    const folder = await temporaryFolder(t)
    const file = join(folder, 'sluice.yaml')
    const config = (generation: number): string => stringify({
      listen: { port: 0 },
      upstreams: { app: { targets: [`http://127.0.0.1:${targetPort}`] } },
      routes: [{
        url: '/*',
        upstream: 'app',
        websocket: { ...limit !== undefined && { handshakeTimeout: limit } },
        headers: { response: { 'X-Generation': String(generation) } }
      }]
    })
    await writeFile(file, config(1))
    // Where its plugins find what they import.
    const plugins = t.testdir({ 'authentication.mjs': AUTHENTICATION })
    const command = startCommand(t, process.execPath, [CLI, '--config', file, ...auth === true ? ['--plugins', plugins] : []], { cwd: folder, env: { PATH: process.env.PATH } })
    const url = await listeningUrl(command)
    return {
      port: Number(new URL(url).port),
      command,
      log: () => command.stdout,
      quit: async () => {
        command.kill('SIGTERM')
        await command.ended
      },
      reload: async () => {
        await writeFile(file, config(2))
        await runCommand(t, process.execPath, [CLI, 'reload', '--pid', String(command.pid)], { env: { PATH: process.env.PATH } })
      }
    }
  }
}

export const nginx: Peer = {
  name: 'nginx',
  async start (t, { targetPort, limit, auth, deadline }) {
    const folder = await temporaryFolder(t)
    const file = join(folder, 'nginx.conf')
    // It takes no port 0.
    const port = await freePort()
    const accessLog = join(folder, 'access.log')
    await writeFile(join(folder, 'users'), '')
    await writeFile(file, `
      daemon off;
      user ${userInfo().username};
      worker_processes 1;
      pid ${folder}/pid;
      error_log stderr notice;
      ${deadline === undefined ? '' : `worker_shutdown_timeout ${deadline}ms;`}
      events {}
      http {
        log_format sessions 'session $remote_addr "$request" $status $body_bytes_sent $request_time';
        access_log ${accessLog} sessions;
        ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${join(folder, name)};`).join('\n')}
        map $http_upgrade $connection_upgrade {
          default upgrade;
          '' close;
        }
        server {
          listen 127.0.0.1:${port};
          location / {
            ${auth === true ? `auth_basic members; auth_basic_user_file ${folder}/users;` : ''}
            proxy_pass http://127.0.0.1:${targetPort};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            ${limit === undefined ? '' : `proxy_read_timeout ${limit}ms;`}
          }
        }
      }
    `)
    const command = startCommandWithOneOutput(t, programs.nginx, ['-p', folder, '-c', file, '-e', 'stderr'])
    endWithSigterm(t, command)
    await accepting(port, command)
    return {
      port,
      command,
      log: () => readFileSync(accessLog, 'utf8'),
      quit: async () => {
        command.kill('SIGQUIT')
        await command.output(/gracefully shutting down/)
      },
      reload: async () => {
        const [before] = childrenOf(command.pid)
        command.kill('SIGHUP')
        while (!childrenOf(command.pid).some(pid => pid !== before)) await setTimeout(20)
      }
    }
  }
}

export const haproxy: Peer = {
  name: 'HAProxy',
  async start (t, { targetPort, limit, auth, deadline }) {
    const folder = await temporaryFolder(t)
    const file = join(folder, 'haproxy.cfg')
    const port = await freePort()
    await writeFile(file, `
global
  log stdout format raw local0
  ${deadline === undefined ? '' : `hard-stop-after ${deadline}ms`}
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 1m
  timeout server ${limit === undefined ? '1m' : `${limit}ms`}
  timeout tunnel 1h
userlist members
  user somebody insecure-password secret
frontend in
  bind 127.0.0.1:${port}
  ${auth === true ? 'http-request auth unless { http_auth(members) }' : ''}
  default_backend out
backend out
  server target 127.0.0.1:${targetPort}
`)
    // A master and its worker, as its unit for systemd has it.
    const command = startCommandWithOneOutput(t, programs.haproxy, ['-W', '-db', '-f', file])
    endWithSigterm(t, command)
    await accepting(port, command)
    return {
      port,
      command,
      log: () => command.stdout,
      // Its master loses a signal that comes right behind the start.
      quit: async () => {
        while (!command.stdout.includes('Proxy in stopped')) {
          command.kill('SIGUSR1')
          await setTimeout(50)
        }
      },
      reload: async () => {
        while (!command.stdout.includes('Proxy in stopped')) {
          command.kill('SIGUSR2')
          await setTimeout(50)
        }
      }
    }
  }
}

export const caddy: Peer = {
  name: 'Caddy',
  async start (t, { targetPort, limit, auth, deadline }) {
    const folder = await temporaryFolder(t)
    const file = join(folder, 'Caddyfile')
    const port = await freePort()
    const admin = `unix//${folder}/admin.sock`
    const config = (generation: number): string => `
{
  admin ${admin}
  auto_https off
}
http://:${port} {
  bind 127.0.0.1
  log {
    output stdout
    format json
  }
  header X-Generation ${generation}
  ${auth === true ? `basicauth {\n    somebody ${'JDJhJDE0JEtUbzFvRHJLQnFvUTRXZ3BHcS5tb3VuUC5zZjFQVjhGOW5ZQlNqVXZ0WWxvVmhTb1dkbEFl'}\n  }` : ''}
  reverse_proxy 127.0.0.1:${targetPort} {
    ${limit === undefined ? '' : `transport http {\n      response_header_timeout ${limit}ms\n    }`}
    ${deadline === undefined ? '' : `stream_close_delay ${deadline}ms`}
  }
}
`
    const start = ['--config', file, '--adapter', 'caddyfile']
    const environment = { PATH: process.env.PATH, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
    await writeFile(file, config(1))
    const command = startCommand(t, '/bin/sh', ['-c', 'exec "$0" "$@" 2>&1', programs.caddy, 'run', ...start], { env: environment })
    await accepting(port, command)
    return {
      port,
      command,
      log: () => command.stdout,
      quit: async () => {
        command.kill('SIGTERM')
        await command.ended
      },
      reload: async () => {
        await writeFile(file, config(2))
        await runCommand(t, programs.caddy, ['reload', ...start, '--address', admin], { env: environment })
      }
    }
  }
}

function nodeProxy (name: string): Peer {
  return {
    name,
    async start (t, setup) {
      const command = startCommand(t, process.execPath, [`--import=${new URL('../../../helpers/report-listening.mjs', import.meta.url)}`, NODE_PROXIES, name, JSON.stringify(setup)], { env: { PATH: process.env.PATH } })
      const port = Number(new URL(await listeningUrl(command)).port)
      return {
        port,
        command,
        log: () => command.stdout,
        quit: async () => {
          command.kill('SIGUSR2')
          await refuses(port)
        }
      }
    }
  }
}

export const peers: readonly Peer[] = [sluice, nginx, haproxy, caddy, nodeProxy('http-proxy'), nodeProxy('httpxy'), nodeProxy('@fastify/http-proxy')]
export const readmeHttpProxy = nodeProxy('http-proxy with the listener of its README')
