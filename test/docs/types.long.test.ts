import t from 'tap'
import ts from 'typescript'
import { ROOT, sectionOf } from './markdown.js'

const ENTRIES: Record<string, string> = {
  sluice: 'src/index.ts',
  'sluice/service': 'src/service/index.ts',
  'sluice/metrics': 'src/observers/metrics.ts',
  'sluice/admin': 'src/admin/index.ts',
  'sluice/http-proxy': 'src/http-proxy/index.ts'
}

t.setTimeout(120_000) // The compiler takes its time on a busy machine.

t.test('docs/types.md names all that is exported, and nothing else', async t => {
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(`${ROOT}tsconfig.json`, ts.sys.readFile).config, ts.sys, ROOT)
  const program = ts.createProgram(Object.values(ENTRIES).map(file => ROOT + file), options)
  const checker = program.getTypeChecker()
  for (const [entry, file] of Object.entries(ENTRIES)) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(ROOT + file)!)!
    const exported = checker.getExportsOfModule(module).map(({ name }) => name).filter(name => name !== 'module.exports').sort()
    const firstColumn = [...sectionOf('docs/types.md', entry).matchAll(/^\| (`.+?) \|/gm)].map(([, cell]) => cell!).join()
    const named = [...firstColumn.matchAll(/`(\w+)(?:\(\))?`/g)].map(([, name]) => name!).sort()
    t.same(named, exported, entry)
  }
})
