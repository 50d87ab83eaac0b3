import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Peer, PeerSetup, Tls } from './peer.js'

/**
 * Proxies of the operating system, as they come: one worker, connections to the target kept alive, no access
 * log. What else is set only keeps a limit from ending a connection of the load.
 */
function nativePeer (name: string, what: string, versionFlag: string, command: (setup: PeerSetup) => Promise<[string, ...string[]]>): Peer {
  return {
    name,
    what,
    legs: ['ws', 'tls', 'http'],
    isNode: false,
    version () {
      const { error, stdout, stderr } = spawnSync(name, [versionFlag], { encoding: 'utf8' })
      return error === undefined ? /\d+\.\d+\.\d+/.exec(stdout + stderr)?.[0] : undefined
    },
    command
  }
}

// Bodies are streamed, as all others do it; by default nginx would write these to disk first.
const nginxConfig = ({ port, targetPort, folder, tls }: PeerSetup) => `
daemon off;
# The one worker without a master beside it.
master_process off;
pid ${folder}/nginx.pid;
error_log stderr error;
worker_rlimit_nofile 20000;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path ${folder};
  proxy_temp_path ${folder};
  fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder};
  scgi_temp_path ${folder};
  keepalive_requests 1000000000;
  client_max_body_size 0;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream target {
    server 127.0.0.1:${targetPort};
    keepalive 128;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096${tls?.side === 'client' ? ' ssl' : ''};
${nginxTls(tls)}    location / {
      proxy_pass ${tls?.side === 'target' ? 'https' : 'http'}://target;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_read_timeout 1h;
    }
  }
}
`

function nginxTls (tls: Tls | undefined): string {
  if (tls === undefined) return ''
  return tls.side === 'target'
    ? '    proxy_ssl_protocols TLSv1.3;\n    proxy_ssl_verify off;\n'
    : `    ssl_certificate ${tls.certFile};\n    ssl_certificate_key ${tls.keyFile};\n    ssl_protocols TLSv1.3;\n`
}

export const nginx = nativePeer('nginx', '1 worker, keep-alive to the target', '-v', async setup => {
  const file = join(setup.folder, 'nginx.conf')
  await writeFile(file, nginxConfig(setup))
  return ['nginx', '-c', file, '-p', setup.folder, '-e', 'stderr']
})

const haproxyConfig = ({ port, targetPort, folder, tls }: PeerSetup) => `
global
  nbthread 1
  maxconn 9000
defaults
  mode http
  option forwardfor
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend in
  bind 127.0.0.1:${port} backlog 4096${tls?.side === 'client' ? ` ssl crt ${folder}/both.pem` : ''}
  default_backend out
backend out
  server target 127.0.0.1:${targetPort}${tls?.side === 'target' ? ' ssl verify none' : ''}
`

export const haproxy = nativePeer('haproxy', '1 thread', '-v', async setup => {
  const file = join(setup.folder, 'haproxy.cfg')
  await writeFile(file, haproxyConfig(setup))
  // It wants certificate and key in one file.
  if (setup.tls !== undefined) {
    const texts = await Promise.all([setup.tls.certFile, setup.tls.keyFile].map(path => readFile(path, 'utf8')))
    await writeFile(join(setup.folder, 'both.pem'), texts.join('\n'))
  }
  return ['haproxy', '-db', '-f', file]
})

const caddyConfig = ({ port, targetPort, tls }: PeerSetup) => ({
  admin: { disabled: true, config: { persist: false } },
  logging: { logs: { default: { level: 'ERROR' } } },
  apps: {
    ...(tls?.side === 'client' && { tls: { certificates: { load_files: [{ certificate: tls.certFile, key: tls.keyFile }] } } }),
    http: {
      servers: {
        bench: {
          listen: [`127.0.0.1:${port}`],
          automatic_https: { disable: true },
          protocols: ['h1'],
          ...(tls?.side === 'client' && { tls_connection_policies: [{}] }),
          routes: [{
            handle: [{
              handler: 'reverse_proxy',
              upstreams: [{ dial: `127.0.0.1:${targetPort}` }],
              // As many as the load has connections; the default of 32 would have the others opened anew.
              transport: {
                protocol: 'http',
                keep_alive: { max_idle_conns_per_host: 128 },
                ...(tls?.side === 'target' && { tls: { insecure_skip_verify: true } })
              }
            }]
          }]
        }
      }
    }
  }
})

export const caddy = nativePeer('caddy', 'GOMAXPROCS 1, through the one core', 'version', async setup => {
  const file = join(setup.folder, 'caddy.json')
  await writeFile(file, JSON.stringify(caddyConfig(setup)))
  return ['caddy', 'run', '--config', file]
})
