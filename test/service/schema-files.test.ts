import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createGateway } from '../../src/service/index.js'
import { readConfigFile } from '../../src/service/config-file.js'
import { startBuilt } from '../helpers/built-service.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

/** A configuration whose only route has these messages, of which the first line is 7. */
const withMessages = (...lines: string[]): string => ['upstreams:', '  app: { targets: [http://127.0.0.1:1] }', 'routes:', '  - url: /*', '    upstream: app', '    websocket:', '      messages:', ...lines.map(line => `        ${line}`), ''].join('\n')

const ORDER = '{\n\t"type": "object",\n\t"properties": { "price": { "type": "number" }, "note": { "pattern": "^\\\\S+$", "const": "${NO_VARIABLE}" } }\n}\n' // eslint-disable-line no-template-curly-in-string

async function complaint (directory: string, file = 'sluice.yaml', onFile?: (path: string) => void): Promise<string[]> {
  try {
    await readConfigFile(file, { openEnded: false, directory, ...onFile !== undefined && { onFile } })
  } catch (error) {
    if ((error as { code?: string }).code !== 'SLUICE_CONFIG_INVALID') throw error
    return (error as Error).message.split('\n').map(line => line.replace(/ \([^)]*\.\)$/, ''))
  }
  return []
}

t.test('a schema in a file of JSON or YAML takes the place of its path, which counts from the file that names it', async t => {
  const directory = t.testdir({
    'sluice.yaml': 'include: routes/chat.yaml\nupstreams: { app: { targets: [http://127.0.0.1:1] } }\n',
    routes: {
      'chat.yaml': 'routes:\n  - url: /*\n    upstream: app\n    websocket: { messages: { fromClient: { schema: ../schemas/order.json }, fromTarget: { schema: note.yaml, onInvalid: drop } } }\n',
      'note.yaml': 'type: object\nrequired: [text]\n'
    },
    schemas: { 'order.json': ORDER }
  })
  const files: string[] = []
  const { config } = await readConfigFile('sluice.yaml', { openEnded: false, directory, onFile: path => { files.push(path) } })
  t.strictSame(config.routes![0]!.websocket, {
    messages: { fromClient: { schema: JSON.parse(ORDER) as object }, fromTarget: { schema: { type: 'object', required: ['text'] }, onInvalid: 'drop' } }
  })
  t.strictSame(files, ['sluice.yaml', 'routes/chat.yaml', 'schemas/order.json', 'routes/note.yaml'].map(name => join(directory, name)))
})

t.test('a schema may stand in the configuration itself', async t => {
  const directory = t.testdir({ 'sluice.yaml': withMessages('fromClient:', '  schema: { type: object, properties: { at: { format: date } } }', '  allow: { /type: [ping, 1, null, true] }') })
  t.strictSame(await complaint(directory), [])
})

t.test('what is wrong has its place, in the file of the schema if it lies there', async t => {
  const directory = t.testdir({
    'sluice.yaml': withMessages(
      'fromClient: { schema: none.json }',
      'fromTarget: { schema: broken.json }'),
    'broken.json': '{\n  "type": "object",\n  "type": "array"\n}\n',
    'types.yaml': withMessages('fromClient: { schema: types.json, allow: { type: [a] } }', 'fromTarget: { schema: { propertes: {} }, onInvalid: ignore }'),
    'inner.yaml': withMessages('fromClient: { schema: types.json }', 'fromTarget: { schema: { propertes: {} } }'),
    'types.json': '{\n  "properties": {\n    "price": { "type": "nummer" }\n  }\n}\n',
    'list.yaml': withMessages('fromClient: { schema: list.json }', 'fromTarget: { schema: list.json }'),
    'list.json': '[1]\n',
    'empty.yaml': withMessages('fromClient: { schema: empty.json }'),
    'empty.json': '',
    'text.yaml': withMessages('fromClient: { schema: "" }', 'fromTarget: { onInvalid: drop }')
  })
  const files: string[] = []
  t.strictSame(await complaint(directory, 'sluice.yaml', path => { files.push(path) }), [
    'sluice.yaml:8:31: routes.0.websocket.messages.fromClient.schema: none.json: cannot be read: there is no such file',
    "broken.json:3:3: the key '\"type\"' is there already; every key must be unique"
  ])
  t.ok(files.includes(join(directory, 'none.json')), 'a file that is not there is watched, too')
  t.strictSame(await complaint(directory, 'types.yaml'), [
    'types.yaml:8:52: routes.0.websocket.messages.fromClient.allow.type: must be a JSON pointer (RFC 6901): names behind slashes, such as /type or /user/id, in which ~1 stands for a slash and ~0 for ~',
    'types.yaml:9:61: routes.0.websocket.messages.fromTarget.onInvalid: must be one of close, drop, got "ignore"'
  ])
  t.strictSame(await complaint(directory, 'inner.yaml'), [
    "inner.yaml:9:33: routes.0.websocket.messages.fromTarget.schema.propertes: there is no such keyword in JSON Schema, and so nothing would be checked by it; did you mean 'properties'?",
    'types.json:3:24: routes.0.websocket.messages.fromClient.schema.properties.price.type: must be equal to one of the allowed values: "array", "boolean", "integer", "null", "number", "object", "string"'
  ])
  t.strictSame(await complaint(directory, 'list.yaml'), ['list.json:1:1: a JSON Schema must be a mapping, such as { type: object }'], 'once')
  t.strictSame(await complaint(directory, 'empty.yaml'), ['empty.json:1:1: the file is empty; it must have a JSON Schema'])
  t.strictSame(await complaint(directory, 'text.yaml'), [
    'text.yaml:8:23: routes.0.websocket.messages.fromClient.schema: must be a string with a length of at least 1, got ""',
    "text.yaml:9:21: routes.0.websocket.messages.fromTarget: must have 'schema', 'allow' or 'deny', or there is nothing to check"
  ])
})

t.test('from code a schema is an object, or the path of a file of JSON', async t => {
  const config = (schema: string | object) => ({ upstreams: { app: { targets: ['http://127.0.0.1:1'] } }, routes: [{ url: '/*', upstream: 'app', websocket: { messages: { fromClient: { schema: schema as string } } } }] })
  const folder = await temporaryFolder(t)
  for (const [text, message] of [['{ "type": "object" }', undefined], ['{', /fromClient\.schema': '.*order\.json' cannot be read as a file of JSON/], ['[]', /must have a JSON Schema, which is an object/], ['{ "type": "objekt" }', /schema\.type': must be equal to one of the allowed values/]] as const) {
    const path = join(folder, 'order.json')
    await writeFile(path, text)
    const gateway = createGateway(config(path), { logger: false })
    if (message === undefined) await (await gateway).close()
    else await t.rejects(gateway, { message }, text)
  }
  await t.rejects(createGateway(config(join(folder, 'none.json')), { logger: false }), { message: /'.*none\.json' cannot be read as a file of JSON: ENOENT/ })
  t.throws(() => createGateway(config({ pattern: '(?=a)' }), { logger: false }), { message: /^routes\.0\.websocket\.messages\.fromClient\.schema\.pattern: '\(\?=a\)' has no bound/ })
  const gateway = await createGateway(config({ type: 'object' }), { logger: false })
  await gateway.close()
})

t.test('--watch follows the files of schemas, wrong ones too', async t => {
  const messages = { fromClient: { schema: 'order.json' } }
  const service = await startBuilt(t, { routes: [{ url: '/*', upstream: 'http://127.0.0.1:1', websocket: { messages } }] }, { args: ['--watch'], files: { 'order.json': '{ "type": "object" }\n' } })
  await writeFile(join(service.folder, 'order.json'), '{ "type": "objekt" }\n')
  await service.command.output(/order\.json:1:11: routes\.0\.websocket\.messages\.fromClient\.schema\.type: must be equal to one of the allowed values/)
  await writeFile(join(service.folder, 'order.json'), '{ "type": "array" }\n')
  await service.command.output(/configuration reloaded: 1 route\(s\) changed/)
})
