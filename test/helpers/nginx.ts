import { writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startCommandWithOneOutput, type Command } from './command.js'
import { freePort } from './raw-target.js'
import { temporaryFolder } from './temporary-folder.js'

/** Debian's own; not on the PATH of everyone. */
const NGINX = '/usr/sbin/nginx'

/** An nginx in front of a target, with the lines for WebSockets that its documentation gives. */
export function startNginx (t: Test, target: string): Promise<{ port: number }> {
  return startNginxWith(t, `
        location / {
          proxy_pass ${target};
          proxy_http_version 1.1;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $connection_upgrade;
        }
  `)
}

/** An nginx with one server that has the given locations. */
export function startNginxWith (t: Test, locations: string): Promise<{ port: number }> {
  return startNginxHttp(t, port => `
      map $http_upgrade $connection_upgrade {
        default upgrade;
        '' close;
      }
      server {
        listen 127.0.0.1:${port};
        ${locations}
      }
  `)
}

/** An nginx with the given content of its block `http`, which listens on the port. */
export async function startNginxHttp (t: Test, http: (port: number) => string): Promise<{ port: number, command: Command }> {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'nginx.conf')
  // It takes no port 0.
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${join(folder, name)};`)
  await writeFile(file, `
    daemon off;
    master_process off;
    user ${userInfo().username};
    pid ${join(folder, 'pid')};
    error_log stderr notice;
    events { worker_connections 1024; }
    http {
      access_log off;
      ${temporary.join('\n      ')}
      ${http(port)}
    }
  `)
  const nginx = startCommandWithOneOutput(t, NGINX, ['-p', folder, '-c', file, '-e', 'stderr'])
  // It listens by then.
  await nginx.output(/using the "\w+" event method/)
  return { port, command: nginx }
}
