import { writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startCommandWithOneOutput } from './command.js'
import { freePort } from './raw-target.js'
import { temporaryFolder } from './temporary-folder.js'

/** Debian's own; not on the PATH of everyone. */
const NGINX = '/usr/sbin/nginx'

/** An nginx in front of a target, with the lines for WebSockets that its documentation gives. */
export async function startNginx (t: Test, target: string): Promise<{ port: number }> {
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
      map $http_upgrade $connection_upgrade {
        default upgrade;
        '' close;
      }
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass ${target};
          proxy_http_version 1.1;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $connection_upgrade;
        }
      }
    }
  `)
  const nginx = startCommandWithOneOutput(t, NGINX, ['-p', folder, '-c', file, '-e', 'stderr'])
  // It listens by then.
  await nginx.output(/using the "\w+" event method/)
  return { port }
}
