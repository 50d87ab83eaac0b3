import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'

/** What the benchmark asks of a proxy in Node. */
export type ServerMessage =
  | { do: 'collect garbage' }
  | { do: 'start profile' }
  | { do: 'stop profile', file: string }

/** Runs a proxy as a program: `program PORT TARGET_PORT [ENTRY]`, the last being the URL of the package, where it may be in several places. */
export async function serve (listen: (port: number, targetPort: number, entry: string | undefined) => unknown): Promise<void> {
  const [port, targetPort, entry] = process.argv.slice(2)
  await listen(Number(port), Number(targetPort), entry)
}

const inspector = new Session()

const answer = async (message: ServerMessage): Promise<void> => {
  switch (message.do) {
    case 'collect garbage':
      globalThis.gc!()
      // What the first has made unreachable by finalizers.
      globalThis.gc!()
      return
    case 'start profile':
      inspector.connect()
      await inspector.post('Profiler.enable')
      await inspector.post('Profiler.setSamplingInterval', { interval: 200 })
      await inspector.post('Profiler.start')
      return
    case 'stop profile': {
      const { profile } = await inspector.post('Profiler.stop')
      inspector.disconnect()
      writeFileSync(message.file, JSON.stringify(profile))
    }
  }
}

process.on('message', (message: ServerMessage) => {
  answer(message).then(() => process.send!({}), (error: unknown) => process.send!({ error: String(error) }))
})
process.once('disconnect', () => process.exit())
process.once('SIGTERM', () => process.exit())
