import { UsageError } from '../errors.js'
import { RemoteError } from './workers/remote-error.js'

/** What the service prints about an error that ends it, and the code it exits with. */
export interface Failure {
  text: string
  exitCode: 1 | 2
}

/**
 * Explains an error to the user who started the service. What they can fix gets one line for each problem;
 * only a defect, in the gateway or in a user's plugin, comes with its stack.
 */
export function explainFailure (error: unknown): Failure {
  if (!(error instanceof Error)) return { text: String(error), exitCode: 1 }
  // It was explained where it was thrown.
  if (error instanceof RemoteError) return { text: error.text, exitCode: 1 }
  if (error instanceof UsageError) return { text: `${error.message}\nTry 'sluice --help'.`, exitCode: 2 }
  const { code = '', message, stack = message } = error as NodeJS.ErrnoException
  // SLUICE_ are ours, FST_ and AVV_ those of Fastify and its plugin loader, which name the offender, too.
  if (/^(SLUICE|FST|AVV)_/.test(code) || message.startsWith('@fastify/autoload ')) return { text: inOneLine(message), exitCode: 1 }
  return { text: cannotListen(error) ?? stack, exitCode: 1 }
}

/** Fastify prints the methods of a route that is there already as an array over several lines. */
function inOneLine (message: string): string {
  const [start, rest] = message.split("Method '[", 2)
  const url = rest?.split("]' already declared for route '", 2)[1]
  return url === undefined ? message : `${start}Route '${url}: there is a route with this URL and these constraints for the same method already. Give them different methods or constraints, or remove one.`
}

/** The failures of listening that are not the program's fault; undefined for others. */
function cannotListen (error: NodeJS.ErrnoException): string | undefined {
  const { syscall, code, address, port, hostname } = error as NodeJS.ErrnoException & { address?: string, port?: number, hostname?: string }
  if (syscall === 'getaddrinfo') return `Cannot listen on '${hostname}': there is no such host. Give an address of this machine (--host or HOST).`
  // A worker's is bound by its primary.
  if (syscall !== 'listen' && syscall !== 'bind') return undefined
  switch (code) {
    case 'EADDRINUSE': return `Cannot listen: port ${port} of ${address} is taken. Stop what listens there, or choose another port (--port or PORT; 0 takes a free one).`
    case 'EADDRNOTAVAIL': return `Cannot listen: ${address} is not an address of this machine. Choose another (--host or HOST).`
    case 'EACCES': return `Cannot listen: permission denied for port ${port} of ${address}. Choose a port from 1024 (--port or PORT).`
    default: return `Cannot listen: ${error.message}`
  }
}
