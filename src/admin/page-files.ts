import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { packageFolder } from '../manifest.js'

/** The files of a page, which the build makes (scripts/build-page.js). */
const FILES: Record<string, { file: string, type: string }> = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/page.js': { file: 'page.js', type: 'text/javascript; charset=utf-8' },
  '/page.css': { file: 'page.css', type: 'text/css; charset=utf-8' }
}

/** For all responses beside a page: nothing of another origin is loaded, and no other page may show this one. */
export const PAGE_HEADERS = {
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store'
}

/** Serves the status page, or that of the demo: the folder of dist/ that has it. */
export function servePage (app: FastifyInstance, name: 'admin-page' | 'demo-page'): void {
  const folder = join(packageFolder(), 'dist', name)
  for (const [url, { file, type }] of Object.entries(FILES)) {
    let content: Buffer | undefined
    app.get(url, { schema: { hide: true } }, (_request, reply) => {
      content ??= readFileSync(join(folder, file))
      return reply.type(type).send(content)
    })
  }
}
