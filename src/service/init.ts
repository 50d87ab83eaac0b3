import { writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { ConfigInvalidError } from '../errors.js'
import { packageFolder } from '../manifest.js'

/**
 * Writes a configuration file to begin with, commented. One that is there stays.
 *
 * @param path Relative to `directory`.
 * @returns What to do next, for people.
 */
export async function init (path: string, directory: string): Promise<string> {
  const file = resolve(directory, path)
  try {
    await writeFile(file, beginning(schemaFrom(dirname(file))), { flag: 'wx' })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') throw new ConfigInvalidError(`${path}: there is such a file already. Give another name: sluice init FILE.`)
    throw new ConfigInvalidError(`${path}: cannot be written: ${code === 'ENOENT' ? 'there is no such folder' : message}`)
  }
  const named = path === 'sluice.yaml' ? '' : ` --config ${path}`
  return `Wrote ${path}. Put the address of your server in it, then:\n  sluice check ${path}\n  sluice${named}`
}

/** Where the schema is for editors, from the folder of the file. */
function schemaFrom (folder: string): string {
  const schema = join(packageFolder(), 'sluice.schema.json')
  const path = relative(folder, schema)
  return path.startsWith('..') || isAbsolute(path) ? schema : path
}

function beginning (schema: string): string {
  return `# yaml-language-server: $schema=${schema}
# The line above lets editors complete and check this file. All options: docs/options.md of the package.
#
# Times are milliseconds, or texts such as 20s; sizes are bytes, or texts such as 10MiB.
# \${NAME} is an environment variable, and \${NAME:-default} one that may be missing.

listen:
  host: 127.0.0.1                # 0.0.0.0 for all addresses of this machine
  port: \${PORT:-8080}
  # tls: { cert: certificate.pem, key: key.pem }

# Who is behind the gateway, by names of your choice.
upstreams:
  app:
    targets:
      - http://127.0.0.1:5173
      # - http://127.0.0.1:5174  # several targets share the load

# What goes where. The most specific URL wins, whatever the order.
routes:
  - url: /*
    upstream: app
    websocket: true              # WebSockets pass; without it they do not

  # - url: /api/*
  #   upstream: app
  #   stripPrefix: /api          # the target sees /users instead of /api/users
  #   method: [GET, POST]

  # - url: /live
  #   upstream: app
  #   websocket:
  #     idleTimeout: 10m         # ends a WebSocket on which nothing has been sent for so long
  #     maxMessageSize: 1MiB
  #     origins: [https://app.example.com]

# Health, metrics, and a status page at http://127.0.0.1:9901.
admin: true

# How long sessions and responses may take to end when the service stops.
drainTimeout: 30s

# workers: auto                  # a process for each processor
# include: routes/*.yaml         # more upstreams and routes from other files
`
}
