import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'

/*
 * Issue 9, item 8: hovering an option in an editor shows what it is, its unit and its default.
 */

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FILE = `${ROOT}hovered.ts`
const TEXT = `
import Fastify from 'fastify'
import sluice from './src/index.js'
import { createGateway } from './src/service/index.js'
const app = Fastify()
await app.register(sluice, { drainTimeout: 1 })
app.upstream('app', { targets: ['http://a'], headersTimeout: 1 })
app.proxy('/*', { upstream: 'app', stripPrefix: '/a', websocket: { maxFrameSize: 1, closeTimeout: 1, pingInterval: 1 } })
createGateway({ listen: { keepAliveTimeout: 1 } })
`

t.test('an editor shows text, unit and default of an option', async t => {
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(`${ROOT}tsconfig.json`, ts.sys.readFile).config, ts.sys, ROOT)
  const service = ts.createLanguageService({
    readFile: ts.sys.readFile,
    readDirectory: ts.sys.readDirectory,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    getCompilationSettings: () => options,
    getCurrentDirectory: () => ROOT,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    getScriptFileNames: () => [FILE],
    getScriptVersion: () => '1',
    getScriptSnapshot: name => {
      const text = name === FILE ? TEXT : ts.sys.readFile(name)
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
    },
    fileExists: name => name === FILE || ts.sys.fileExists(name)
  })
  const shown = (option: string): string => {
    const { documentation } = service.getQuickInfoAtPosition(FILE, TEXT.indexOf(`${option}:`) + 1)!
    return ts.displayPartsToString(documentation).replaceAll('\n', ' ')
  }
  t.match(shown('maxFrameSize'), /^Payload of the longest frame.* Bytes\. Default: no limit\.$/)
  t.match(shown('closeTimeout'), /^How long a peer may take to respond to a close frame.* Milliseconds\. Default: 5000\.$/)
  t.match(shown('pingInterval'), /Milliseconds\. Default: 30000\.$/)
  t.match(shown('headersTimeout'), /Milliseconds\. Default: 60000\.$/)
  t.match(shown('stripPrefix'), /^Leading part of the path/)
  t.match(shown('drainTimeout'), /Milliseconds\. Default: 30000\.$/)
  t.match(shown('keepAliveTimeout'), /Milliseconds\. Default: 72000\.$/)
})
