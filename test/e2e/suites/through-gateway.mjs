import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/*
 * A preload for the processes of a test suite: every TCP connection to this machine goes to the gateway instead,
 * one of TLS to its listener with TLS.
 *
 *   GATEWAY_PORTS='{"http":1234,"https":1235}' node --import=./through-gateway.mjs …
 */

const ports = JSON.parse(process.env.GATEWAY_PORTS)
const LOOPBACK = new Set([undefined, 'localhost', '127.0.0.1', '::1', '[::1]'])
const { connect } = Socket.prototype

// net.connect(), tls.connect() and every agent end here. Node's own functions give an array of options and callback.
Socket.prototype.connect = function (...args) {
  const [first] = args
  if (Array.isArray(first)) first[0] = redirected(this, first[0])
  else if (typeof first === 'object' && first !== null) args[0] = redirected(this, first)
  else if (!isNaN(first)) args.splice(0, typeof args[1] === 'string' ? 2 : 1, redirected(this, { port: first, host: typeof args[1] === 'string' ? args[1] : undefined }))
  return connect.apply(this, args)
}

/** The options of a connection, with the gateway's address if it was to be one to this machine. */
function redirected (socket, options) {
  if (options.path || !LOOPBACK.has(options.host || undefined)) return options
  const port = socket instanceof TLSSocket ? ports.https : ports.http
  const host = 'localhost'
  return { ...options, host, port, lookup: undefined, family: undefined }
}
