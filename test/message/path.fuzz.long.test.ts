import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import Fastify, { type FastifyServerOptions } from 'fastify'
import t from 'tap'
import { rewritingOf, type RewritingOptions } from '../../src/message/rewriting.js'
import { random, seeds, type Pick } from '../helpers/random.js'

/*
 * Random paths, through the router and a route's rewriting: each is refused, or what the target is asked for
 * stays, however it decodes it, under what the route leads to.
 *
 * FUZZ_SEED=<n> repeats one case.
 */

interface Place {
  name: string
  /** The routes' URL and options, and the path that the target must not leave. */
  url: string
  options: RewritingOptions
  under: string
  router?: FastifyServerOptions['routerOptions'] & { useSemicolonDelimiter?: boolean }
}

const byParameter: RewritingOptions = { rewrite: (_path, request) => `/u/${(request.params as { id: string }).id}` }
const byPattern: RewritingOptions = { stripPrefix: '/api', rewrite: { pattern: '^/', replacement: '/one/' } }

const PLACES: Place[] = [
  { name: 'as it is', url: '/api/*', options: {}, under: '/api/' },
  { name: 'less a prefix', url: '/api/*', options: { stripPrefix: '/api' }, under: '/' },
  { name: 'by pattern', url: '/api/*', options: byPattern, under: '/one/' },
  { name: 'by parameter', url: '/api/:id', options: byParameter, under: '/u/' },
  { name: 'by wildcard', url: '/api/*', options: { rewrite: (_path, request) => `/u/${(request.params as { '*': string })['*']}` }, under: '/u/' },
  { name: 'of any case', url: '/api/*', options: {}, under: '/api/', router: { caseSensitive: false } },
  { name: 'less a prefix of any case', url: '/api/*', options: byPattern, under: '/one/', router: { caseSensitive: false } },
  { name: 'with duplicate slashes', url: '/api/*', options: {}, under: '/api/', router: { ignoreDuplicateSlashes: true } },
  { name: 'less a prefix, with duplicate slashes', url: '/api/*', options: byPattern, under: '/one/', router: { ignoreDuplicateSlashes: true } },
  { name: 'with a trailing slash', url: '/api/:id', options: byParameter, under: '/u/', router: { ignoreTrailingSlash: true } },
  { name: 'with semicolons', url: '/api/*', options: byPattern, under: '/one/', router: { useSemicolonDelimiter: true } }
]

const PIECES = [
  '/', '/', '/', '.', '.', '..', '../', '/..', '/../', '\\', ';', ';a=b', '?', '#', '%', '%2e', '%2E', '%2f', '%2F', '%5c', '%5C', '%3b', '%3f', '%23', '%25', '%252e', '%252f',
  '%255c', '%00', '%0d%0a', '%c0%ae', '%c3%a9', '%61', '%41', 'a', 'A', 'api', '/api/', '/API/', '%61pi', '//', '@', ':', 'evil.test', 'http://', '//evil.test', '*', '~', '|', '"', '\xe9', '\x7f', '\u0130'
]

function randomPath (pick: Pick): string {
  const start = ['/api/', '/api/', '/api/', '/API/', '/%61pi/', '//api//', '/api', '/', '', 'http://evil.test/api/'][pick(10)]!
  return start + Array.from({ length: pick(9) }, () => PIECES[pick(PIECES.length)]).join('')
}

/** The ways in which targets are known to read a path. */
const READINGS: Array<(path: string) => string> = [true, false].flatMap(decodes => [true, false].flatMap(backslashes => [true, false].flatMap(parameters => [true, false].map(merges => (path: string) => {
  let read = path
  const drop = () => { if (parameters) read = read.replace(/;[^/]*/g, '') }
  // Parameters are taken off before the escapes are decoded, or behind.
  drop()
  if (decodes) read = decode(read)
  if (backslashes) read = read.replaceAll('\\', '/')
  drop()
  if (merges) read = read.replace(/\/+/g, '/')
  const kept: string[] = []
  for (const segment of read.split('/').slice(1)) {
    // Above the root there is nothing, but whoever goes there means ill.
    if (segment === '..') kept.length === 0 ? kept.push('above the root') : kept.pop()
    else if (segment !== '.') kept.push(segment)
  }
  return `/${kept.join('/')}`
}))))

/** Whether no reading of a path leads out of `under`. */
function stays (path: string, { under, router }: Place): boolean {
  if (!/^\/[\x21\x22\x24-\x7e\x80-\xff]*$/.test(path)) return false
  return READINGS.every(read => {
    let found = read(path.split('?', 1)[0]!)
    // The router has matched so; a target that does not is asked for what it does not know.
    if (router?.caseSensitive === false) found = found.toLowerCase()
    if (router?.ignoreDuplicateSlashes === true) found = found.replace(/\/+/g, '/')
    // The router has decoded what comes before; what a target makes of that without is its own.
    return found.startsWith(under) || found === under.slice(0, -1) || decode(found).startsWith(under)
  })
}

function decode (path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

for (const place of PLACES) {
  t.test(place.name, async t => {
    const rewriting = rewritingOf(place.options, 'it')
    let result: string | undefined
    const app = Fastify(place.router === undefined ? {} : { routerOptions: place.router })
    app.get(place.url, {
      onRequest: (request, _reply, done) => {
        try {
          result = rewriting.path(request)
          done()
        } catch (error) {
          if ((error as { code?: string }).code !== 'SLUICE_PATH_INVALID') t.fail(String(error))
          done(error as Error)
        }
      }
    }, async () => '')
    await app.ready()
    let passed = 0
    for (const seed of seeds(4000)) {
      const path = randomPath(random(seed))
      result = undefined
      const message = new IncomingMessage(new Socket())
      Object.assign(message, { url: path, method: 'GET', headers: { host: 'a' } })
      app.routing(message, new ServerResponse(message))
      if (result === undefined) continue
      passed++
      if (!stays(result, place)) t.fail(`FUZZ_SEED=${seed}: ${JSON.stringify(path)} becomes ${JSON.stringify(result)}, and leaves ${place.under}`)
    }
    t.ok(passed > 200 || process.env['FUZZ_SEED'] !== undefined, `${passed} paths go on`)
  })
}
