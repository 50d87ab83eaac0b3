import { join } from 'node:path'
import ts from 'typescript'
import { REPOSITORY } from './consumer.js'

/**
 * What is wrong with the form of resources, by the types that the npm package kubernetes-types has from the OpenAPI
 * document of Kubernetes: unknown fields, wrong types, missing fields.
 */
export function typeErrors (resources: Array<{ apiVersion: string, kind: string }>): string[] {
  const files = new Map(resources.map((resource, index) => {
    const { apiVersion, kind } = resource
    const types = `kubernetes-types/${apiVersion === 'v1' ? 'core/v1' : apiVersion}`
    return [join(REPOSITORY, `resource-${index}.ts`), `import type { ${kind} } from '${types}'\nexport const resource: ${kind} = ${JSON.stringify(resource, undefined, 2)}\n`]
  }))
  const options: ts.CompilerOptions = {
    strict: true, noEmit: true, skipLibCheck: true, types: [], lib: ['lib.es5.d.ts'], module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler
  }
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists } = host
  host.fileExists = path => files.has(path) || fileExists(path)
  host.getSourceFile = (path, version) => files.has(path) ? ts.createSourceFile(path, files.get(path)!, version) : getSourceFile(path, version)
  return ts.getPreEmitDiagnostics(ts.createProgram([...files.keys()], options, host)).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}
