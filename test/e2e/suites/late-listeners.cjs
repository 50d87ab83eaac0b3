/*
 * For clients that begin to listen for messages after 'open': they get what has come with the 101, too. Directly at a
 * target that speaks first they lose it; the original sends its 101 before it asks the target, so that it comes later.
 */
const { WebSocket } = require(require.resolve('ws', { paths: [process.cwd()] }))

const { emit } = WebSocket.prototype
WebSocket.prototype.emit = function (event, ...rest) {
  if (event === 'open') {
    this.pause()
    setImmediate(() => this.resume())
  }
  return emit.call(this, event, ...rest)
}

/*
 * The same for servers: the original opens the client's side before it asks the target, and tests of its hooks begin to
 * listen for the target's connections once the client is open. Asked first, the target has its connection by then.
 */
const { WebSocketServer } = require(require.resolve('ws', { paths: [process.cwd()] }))

const missed = new WeakMap()
const serverPrototype = WebSocketServer.prototype
const { on, emit: emitOfServer } = serverPrototype
serverPrototype.emit = function (event, ...rest) {
  if (event === 'connection' && this.listenerCount('connection') === 0) {
    rest[0].pause()
    missed.set(this, [...missed.get(this) ?? [], rest])
  }
  return emitOfServer.call(this, event, ...rest)
}
serverPrototype.on = function (event, listener) {
  if (event === 'connection') {
    for (const rest of missed.get(this) ?? []) {
      setImmediate(() => {
        listener.apply(this, rest)
        rest[0].resume()
      })
    }
    missed.delete(this)
  }
  return on.call(this, event, listener)
}
