import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { Closing, type ClosingPart } from './closing.js'
import { holdExpectations } from './expectation.js'
import { LastResponses } from './last-responses.js'
import { OpenConnections } from './open-connections.js'
import { OtherConnections } from './other-addresses.js'
import { Upgrades } from './upgrades.js'

const installed = new WeakMap<Server, Listener>()

/** Everything that is done to the server of an app, once, in however many scopes the plugin is registered. */
export class Listener {
  readonly lastResponses: LastResponses
  readonly upgrades: Upgrades
  readonly #otherConnections: OtherConnections
  readonly #closing: Closing

  /** That of an app. Whatever listens on its server by now is called in its turn. */
  static of (app: FastifyInstance): Listener {
    let listener = installed.get(app.server)
    if (listener === undefined) installed.set(app.server, listener = new Listener(app))
    return listener
  }

  private constructor (app: FastifyInstance) {
    const { server } = app
    const routing = app.routing.bind(app)
    this.lastResponses = new LastResponses(server)
    this.upgrades = new Upgrades(server, routing, this.lastResponses)
    holdExpectations(server, routing, this.lastResponses)
    this.#otherConnections = new OtherConnections(app)
    this.#closing = new Closing(OpenConnections.of(server), app.log)
  }

  /** Adds what has to end when the app closes. */
  add (part: ClosingPart): void {
    this.#closing.add(part)
  }

  /** Ends all parts. Resolves when their sessions have ended. */
  close (): Promise<void> {
    return this.#closing.begin()
  }

  /** The app has closed. Resolves when the connections of all its addresses are closed, too. */
  async closed (part: ClosingPart): Promise<void> {
    await this.#otherConnections.closed()
    await this.#closing.closed()
    this.#closing.end(part)
  }
}
