import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { packageFolder } from '../manifest.js'

/** The files of the status page, which the build makes of page/. */
const FILES: Record<string, { file: string, type: string }> = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/page.js': { file: 'page.js', type: 'text/javascript; charset=utf-8' },
  '/page.css': { file: 'page.css', type: 'text/css; charset=utf-8' }
}

/** Serves the status page. */
export function servePage (app: FastifyInstance): void {
  const folder = join(packageFolder(), 'dist', 'admin-page')
  for (const [url, { file, type }] of Object.entries(FILES)) {
    let content: Buffer | undefined
    app.get(url, { schema: { hide: true } }, (_request, reply) => {
      content ??= readFileSync(join(folder, file))
      return reply.type(type).send(content)
    })
  }
}
