import dns, { type LookupAddress } from 'node:dns'
import { chmod } from 'node:fs/promises'
import { createServer, type AddressInfo, type ListenOptions, type Server, type Socket } from 'node:net'
import { removeStaleSocket } from '../../net/unix-socket.js'

/** Where a listener of a front is: a host and a port, or a Unix socket with its permissions. */
export type ListenAddress = { host: string, port: number } | { socketPath: string, mode?: number }

/** Whether two of them are one place, whatever its permissions. */
export function isSamePlace (one: ListenAddress, other: ListenAddress): boolean {
  if ('socketPath' in one || 'socketPath' in other) return 'socketPath' in one && 'socketPath' in other && one.socketPath === other.socketPath
  return one.host === other.host && one.port === other.port
}

/** The addresses of one host name, on one port, or a Unix socket, and the connections that come there. */
export class Addresses {
  readonly #servers: Server[]

  /**
   * Listens on all addresses of `localhost`, or on the one of another host, or on a Unix socket.
   *
   * @param onConnection Gets each connection that comes.
   * @throws Node's error, when the first of them cannot be had. The others may be missing.
   */
  static async listen (address: ListenAddress, maxConnections: number | undefined, onConnection: (socket: Socket) => void): Promise<Addresses> {
    const open = (options: ListenOptions): Promise<Server> => new Promise((resolve, reject) => {
      // As Node's HTTP servers do.
      const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection)
      if (maxConnections !== undefined) server.maxConnections = maxConnections
      server.once('error', reject)
      server.listen(options, () => {
        server.off('error', reject)
        resolve(server)
      })
    })
    if ('socketPath' in address) {
      const { socketPath, mode } = address
      await removeStaleSocket(socketPath)
      const server = await open({ path: socketPath })
      const addresses = new Addresses([server])
      // Whoever connects before that may do so by the umask.
      if (mode !== undefined) await addresses.setMode(mode)
      return addresses
    }
    const { host, port } = address
    const first = await open({ host, port })
    const servers = [first]
    const bound = first.address() as AddressInfo
    if (host === 'localhost') {
      for (const { address } of await addressesOf(host)) {
        // A machine without IPv6 may still have its name in a file.
        if (address !== bound.address) await open({ host: address, port: bound.port }).then(server => servers.push(server), () => {})
      }
    }
    return new Addresses(servers)
  }

  private constructor (servers: Server[]) {
    this.#servers = servers
    // Such as the end of the process's descriptors: the connection is lost, and the next one may be had.
    for (const server of servers) server.on('error', () => {})
  }

  /** As Node gives them, the first one first; the path of a Unix socket. */
  list (): Array<AddressInfo | string> {
    return this.#servers.map(server => server.address()!)
  }

  /** Gives a Unix socket other permissions. */
  async setMode (mode: number): Promise<void> {
    const [path] = this.list()
    if (typeof path === 'string') await chmod(path, mode)
  }

  limit (maxConnections: number | undefined): void {
    for (const server of this.#servers) server.maxConnections = maxConnections ?? Infinity
  }

  /** Accepts no more connections; resolves when those that came are closed. */
  async close (): Promise<void> {
    await Promise.all(this.#servers.map(server => new Promise<void>(resolve => { server.close(() => resolve()) })))
  }
}

function addressesOf (host: string): Promise<LookupAddress[]> {
  return new Promise(resolve => {
    dns.lookup(host, { all: true }, (error, addresses) => resolve(error === null ? addresses : []))
  })
}
