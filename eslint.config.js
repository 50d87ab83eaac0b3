import neostandard from 'neostandard'
import sluice from './scripts/eslint-import-direction.js'

export default [
  ...neostandard({
    ts: true,
    ignores: ['dist/**', '.tap/**', 'node_modules/**']
  }),
  {
    files: ['**/*.ts'],
    rules: {
      // A TypeBox schema and the type made from it bear one name, as a value and as a type.
      '@typescript-eslint/no-redeclare': 'off',
      'no-redeclare': 'off'
    }
  },
  {
    files: ['src/**/*.ts'],
    plugins: { sluice },
    rules: { 'sluice/import-direction': 'error' }
  }
]
