import { runFolder } from '../helpers/run-folder.js'

await runFolder(import.meta.url)
