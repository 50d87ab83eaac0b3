import dns, { type LookupAddress } from 'node:dns'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** Where a front listens. */
export interface ListenAddress {
  host: string
  port: number
}

/** The addresses of one host name, on one port, and the connections that come there. */
export class Addresses {
  readonly #servers: Server[]

  /**
   * Listens on all addresses of `localhost`, or on the one of another host.
   *
   * @param onConnection Gets each connection that comes.
   * @throws Node's error, when the first of them cannot be had. The others may be missing.
   */
  static async listen ({ host, port }: ListenAddress, maxConnections: number | undefined, onConnection: (socket: Socket) => void): Promise<Addresses> {
    const open = (host: string, port: number): Promise<Server> => new Promise((resolve, reject) => {
      // As Node's HTTP servers do.
      const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection)
      if (maxConnections !== undefined) server.maxConnections = maxConnections
      server.once('error', reject)
      server.listen({ host, port }, () => {
        server.off('error', reject)
        resolve(server)
      })
    })
    const first = await open(host, port)
    const servers = [first]
    const bound = first.address() as AddressInfo
    if (host === 'localhost') {
      for (const { address } of await addressesOf(host)) {
        // A machine without IPv6 may still have its name in a file.
        if (address !== bound.address) await open(address, bound.port).then(server => servers.push(server), () => {})
      }
    }
    return new Addresses(servers)
  }

  private constructor (servers: Server[]) {
    this.#servers = servers
    // Such as the end of the process's descriptors: the connection is lost, and the next one may be had.
    for (const server of servers) server.on('error', () => {})
  }

  /** As Node gives them, the first one first. */
  list (): AddressInfo[] {
    return this.#servers.map(server => server.address() as AddressInfo)
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
