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
